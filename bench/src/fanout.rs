//! Processor time a viewer costs, against the least it can.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use e2e::config::Stream;
use peer::process::Process;
use peer::{Server, Swarm, Viewer, ViewerOptions};

use crate::limit::{self, Frame};
use crate::report::{Bound, Report};

const MANY: usize = 50;
const LENGTH: Duration = Duration::from_secs(20);
const LIMIT: Duration = Duration::from_secs(10);
const FPS: u32 = 30;

pub fn run(report: &mut Report) -> Result<()> {
    let stream = Stream {
        width: 1280,
        height: 720,
        bitrate: 1_000_000,
        bounds: Some((1_000_000, 1_000_000)),
        ..Stream::default()
    };
    let server = Server::start(&stream.toml())?;
    let separate = peer::process::processors() > 1;
    if separate {
        server.process().pin(0)?;
    }
    let swarm = Swarm::start(separate.then_some(1))?;
    let idle_before = cost(&server, &[])?;
    let (one, _) = with_viewers(&server, &swarm, 1)?;
    let (many, frames) = with_viewers(&server, &swarm, MANY)?;
    let idle_after = cost(&server, &[])?;
    // The encoder's cost moves with the picture and the machine: the mean of before and after.
    let idle = (idle_before.all + idle_after.all) / 2.0;
    let each = (many.all - idle) / MANY as f64;
    let spent = limit::run(&frames, FPS, MANY, 0)?;
    let seconds = frames.len() as f64 / f64::from(FPS);
    let least = spent.as_secs_f64() * 1e3 / seconds / MANY as f64;
    report
        .figure(
            "50 viewers: CPU a viewer-second",
            each,
            "ms",
            Bound::AtMost,
            1.0,
        )
        .against("AES-GCM and UDP GSO alone", least);
    let standing = (idle_before.delivery + idle_after.delivery) / 2.0;
    let delivery = (many.delivery - standing) / MANY as f64;
    report
        .plain(
            "  of it in threads other than capture and encoder",
            delivery,
            "ms",
        )
        .against("AES-GCM and UDP GSO alone", least);
    report.figure(
        "one viewer: CPU a second, all threads but capture and encoder",
        one.delivery,
        "ms",
        Bound::AtMost,
        4.5,
    );
    report.plain(
        "  of it more than with no viewer",
        one.delivery - standing,
        "ms",
    );
    report.plain("no viewer: CPU a second, all threads", idle, "ms");
    let packets: usize = frames.iter().map(|f| f.packets).sum();
    let bytes: usize = frames.iter().map(|f| f.bytes).sum();
    report.note(&format!(
        "fanout: {LENGTH:?} each of 0, 1, {MANY} and 0 viewers; a viewer gets {:.0} packets and \
         {:.2} Mbit in {FPS} frames; server on processor 0, viewers on 1: {separate}; the limit sends \
         frames of the same sizes; without viewers before and after {:.1} and {:.1} ms/s",
        packets as f64 / seconds,
        bytes as f64 * 8e-6 / seconds,
        idle_before.all,
        idle_after.all,
    ));
    Ok(())
}

/// Milliseconds of processor time a second.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// The whole process.
    all: f64,
    /// All threads but those that capture and encode.
    delivery: f64,
}

/// What the server costs while these viewers watch.
fn cost(server: &Server, viewers: &[Viewer]) -> Result<Cost> {
    let process = server.process();
    let packets = |v: &Viewer| v.stats().counters.packets;
    std::thread::sleep(Duration::from_secs(2));
    let before: u64 = viewers.iter().map(packets).sum();
    let (start, all, threads) = (Instant::now(), process.cpu()?, delivery(&process)?);
    std::thread::sleep(LENGTH);
    let (all, threads) = (
        process.cpu()? - all,
        delivery(&process)?.saturating_sub(threads),
    );
    let took = start.elapsed();
    let got = viewers.iter().map(packets).sum::<u64>() - before;
    let least = viewers.len() as f64 * f64::from(FPS) * took.as_secs_f64() * 0.98;
    if (got as f64) < least {
        bail!("{} viewers got only {got} packets", viewers.len());
    }
    let rate = |spent: Duration| spent.as_secs_f64() * 1e3 / took.as_secs_f64();
    Ok(Cost {
        all: rate(all),
        delivery: rate(threads),
    })
}

/// Processor time of the threads that neither capture nor encode nor watch over those.
fn delivery(process: &Process) -> Result<Duration> {
    let threads = process.cpu_by_thread()?;
    let native = ["cap:", "enc:", "sup:"];
    Ok(threads
        .iter()
        .filter(|(name, _)| !native.iter().any(|n| name.starts_with(n)))
        .map(|(_, spent)| spent)
        .sum())
}

fn with_viewers(server: &Server, swarm: &Swarm, count: usize) -> Result<(Cost, Vec<Frame>)> {
    let client = server.client();
    let mut viewers = Vec::new();
    for i in 0..count {
        // The first decrypts and logs, so that the limit can send the same; the others count.
        let options = ViewerOptions {
            log_frames: i == 0,
            skip_decryption: i > 0,
            ..ViewerOptions::default()
        };
        viewers.push(swarm.view(&client, "cam", options)?);
    }
    for v in &viewers {
        v.wait("media", LIMIT, |s| s.counters.packets > 10)?;
    }
    // Threads made since the server was pinned.
    if peer::process::processors() > 1 {
        server.process().pin(0)?;
    }
    let first = viewers.first().context("no viewer")?;
    first.clear_log();
    let spent = cost(server, &viewers)?;
    let frames = first
        .stats()
        .log
        .iter()
        .map(|f| Frame {
            bytes: f.bytes,
            packets: f.packets as usize,
        })
        .collect();
    for v in &viewers {
        v.delete()?;
    }
    Ok((spent, frames))
}

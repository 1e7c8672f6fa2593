//! A viewer that joins in the middle of a group of pictures.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::config::Stream;
use peer::viewer::FrameRecord;
use peer::{Server, Swarm, ViewerOptions};

use crate::report::{Bound, Report};
use crate::summary::Samples;

const JOINS: u32 = 20;
const APART: Duration = Duration::from_millis(1100);
const LIMIT: Duration = Duration::from_secs(10);
/// A late viewer has this long to catch up.
const SETTLE_NS: u64 = 500_000_000;

pub fn run(report: &mut Report) -> Result<()> {
    let stream = Stream {
        width: 1280,
        height: 720,
        bitrate: 2_000_000,
        ..Stream::default()
    };
    let server = Server::start(&stream.toml())?;
    let swarm = Swarm::start(None)?;
    let logging = ViewerOptions {
        log_frames: true,
        ..ViewerOptions::default()
    };
    let first = swarm.view(&server.client(), "cam", logging.clone())?;
    first.wait("a group of pictures", LIMIT, |s| s.frames >= 75)?;
    let (mut starts, mut answers, mut behind, mut own) = (vec![], vec![], vec![], vec![]);
    let mut posted = Vec::new();
    for _ in 0..JOINS {
        let begin = Instant::now();
        let late = swarm.view(&server.client(), "cam", logging.clone())?;
        let stats = late.wait("a key frame", LIMIT, |s| s.first_key_ns > 0)?;
        starts.push((stats.first_key_ns - stats.posted_ns) as f64 / 1e6);
        answers.push((stats.answered_ns - stats.posted_ns) as f64 / 1e6);
        std::thread::sleep(APART.saturating_sub(begin.elapsed()));
        let (mine, others) = (late.stats(), first.stats());
        let settled = mine.posted_ns + SETTLE_NS;
        let (delta, latency) = compare(&mine.log, &others.log, settled)?;
        behind.extend(delta);
        own.extend(latency);
        posted.push(stats.posted_ns);
        late.delete()?;
    }
    std::thread::sleep(Duration::from_secs(3));
    let uncached = Samples::new(next_keys(&first.stats().log, &posted));
    let starts = Samples::new(starts);
    let against = "waiting for the next key frame";
    for (name, q, target) in [("p50", 0.5, 60.0), ("p95", 0.95, 200.0)] {
        let what = format!("late join, POST to complete key frame, {name}");
        report
            .figure(&what, starts.quantile(q), "ms", Bound::AtMost, target)
            .against(against, uncached.quantile(q));
    }
    report.plain(
        "  of it the HTTP answer, p50",
        Samples::new(answers).quantile(0.5),
        "ms",
    );
    let behind = Samples::new(behind);
    report.figure(
        "late viewer behind the first, 500 ms after joining, p95",
        behind.quantile(0.95),
        "ms",
        Bound::AtMost,
        5.0,
    );
    report.plain(
        "  its capture to last packet, p50",
        Samples::new(own).quantile(0.5),
        "ms",
    );
    report.note(&format!(
        "late join: {JOINS} joins {APART:?} apart, 720p30, a key frame every 60 frames; \
         {} frames compared with the first viewer's; times of packets are the kernel's",
        behind.len()
    ));
    Ok(())
}

/// From each POST to the next key frame of the stream itself, in milliseconds: what a viewer
/// waits for where nothing is cached.
fn next_keys(log: &[FrameRecord], posted: &[u64]) -> Vec<f64> {
    posted
        .iter()
        .filter_map(|&p| {
            let key = log.iter().find(|f| f.key && f.last_ns > p)?;
            Some((key.last_ns - p) as f64 / 1e6)
        })
        .collect()
}

/// For every frame both saw after `settled`: (late minus first arrival, late's capture to last
/// packet), in milliseconds.
fn compare(
    late: &[FrameRecord],
    first: &[FrameRecord],
    settled: u64,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let known: HashMap<u64, &FrameRecord> = first
        .iter()
        .filter_map(|f| Some((f.capture_ns? / 1_000_000, f)))
        .collect();
    // The last: frames out of the cache may come under times of their own.
    let anchor = late.iter().rev().find_map(|f| {
        let twin = known.get(&(f.capture_ns? / 1_000_000))?;
        Some((f, *twin))
    });
    let (here, there) = anchor.context("no frame with a capture time in both logs")?;
    let offset = here.rtp_timestamp.wrapping_sub(there.rtp_timestamp);
    let arrivals: HashMap<u32, u64> = first.iter().map(|f| (f.rtp_timestamp, f.last_ns)).collect();
    let (mut delta, mut latency) = (vec![], vec![]);
    for f in late.iter().filter(|f| f.last_ns > settled) {
        if let Some(&other) = arrivals.get(&f.rtp_timestamp.wrapping_sub(offset)) {
            delta.push((f.last_ns as f64 - other as f64) / 1e6);
        }
        if let Some(captured) = f.capture_ns {
            latency.push((f.last_ns as f64 - captured as f64) / 1e6);
        }
    }
    Ok((delta, latency))
}

//! Encoder output to the last packet given to the kernel, with ten viewers.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::config::Stream;
use peer::{Server, Swarm, Viewer, ViewerOptions};

use crate::report::{Bound, Report};
use crate::summary::Samples;

const VIEWERS: usize = 10;
const LENGTH: Duration = Duration::from_secs(20);
const LIMIT: Duration = Duration::from_secs(10);
/// The server's own histogram of it.
const METRIC: &str = "livehal_stage_latency_seconds";

pub fn run(report: &mut Report) -> Result<()> {
    let stream = Stream {
        width: 1280,
        height: 720,
        bitrate: 2_000_000,
        ..Stream::default()
    };
    let server = Server::start(&stream.toml())?;
    let swarm = Swarm::start(None)?;
    let options = ViewerOptions {
        log_frames: true,
        ..ViewerOptions::default()
    };
    let viewers: Vec<Viewer> = (0..VIEWERS)
        .map(|_| swarm.view(&server.client(), "cam", options.clone()))
        .collect::<Result<_>>()?;
    for v in &viewers {
        v.wait("media", LIMIT, |s| s.frames > 60)?;
        v.clear_log();
    }
    let own = |server: &Server| -> Result<_> {
        server
            .metrics()?
            .histogram(METRIC, &[("stage", "encode_to_sent")])
            .with_context(|| format!("no {METRIC} in /metrics"))
    };
    let before = own(&server)?;
    std::thread::sleep(LENGTH);
    let during = own(&server)?.since(&before);
    let p99 = during.quantile_bound(0.99).context("empty histogram")?;
    report.figure(
        "encoder output to last packet, 10 viewers, p99 (own count)",
        p99 * 1e3,
        "ms",
        Bound::AtMost,
        2.0,
    );
    let spread = Samples::new(spread(&viewers));
    report.figure(
        "first viewer's first packet to tenth's last packet, p99",
        spread.quantile(0.99),
        "ms",
        Bound::AtMost,
        2.0,
    );
    report.plain("  p50", spread.quantile(0.5), "ms");
    report.note(&format!(
        "delivery: {} frames; the first line is the upper bound of the bucket of the server's \
         histogram, the second is seen from outside: kernel receive times of one frame over all \
         ten viewers, which leaves out only the hand-over from encoder to sender",
        during.count()
    ));
    Ok(())
}

/// For every frame that all viewers have, by its place from the end of the run: milliseconds
/// from the first packet at any viewer to the last at any.
fn spread(viewers: &[Viewer]) -> Vec<f64> {
    let mut frames: HashMap<u64, (usize, u64, u64)> = HashMap::new();
    for v in viewers {
        let log = v.stats().log;
        // Every session has its own RTP offset; the first capture time both have aligns them.
        let Some((anchor_rtp, anchor_ns)) = log
            .iter()
            .find_map(|f| Some((f.rtp_timestamp, f.capture_ns?)))
        else {
            continue;
        };
        for f in &log {
            let ticks = i64::from(f.rtp_timestamp.wrapping_sub(anchor_rtp) as i32);
            let captured = anchor_ns as i64 + ticks * 100_000 / 9;
            // Frames are 33 ms apart: tenths of that name one without doubt.
            let key = (captured as f64 / 1e7).round() as u64;
            let entry = frames.entry(key).or_insert((0, u64::MAX, 0));
            entry.0 += 1;
            entry.1 = entry.1.min(f.first_ns);
            entry.2 = entry.2.max(f.last_ns);
        }
    }
    frames
        .values()
        .filter(|f| f.0 == viewers.len())
        .map(|f| (f.2 - f.1) as f64 / 1e6)
        .collect()
}

//! From the picture's clock to the frame in a page, in headless Chromium.

use std::time::Duration;

use anyhow::{Context, Result};
use e2e::browser::{self, Browser, WATCH};
use e2e::config::Stream;
use peer::Server;
use serde_json::Value;

use crate::report::{Bound, Report};
use crate::summary::Samples;

const FRAMES: u64 = 300;
const LIMIT: Duration = Duration::from_secs(60);
const WALL_SPAN: f64 = (1u64 << 40) as f64;

pub fn run(report: &mut Report) -> Result<()> {
    if let Err(e) = browser::executable() {
        report.note(&format!("browser: skipped: {e:#}"));
        return Ok(());
    }
    let stream = Stream {
        name: "demo",
        width: 1280,
        height: 720,
        bitrate: 2_000_000,
        ..Stream::default()
    };
    let server = Server::start(&stream.toml())?;
    let mut browser = Browser::start(1400, 900)?;
    browser.open(&server.url(), "/#demo")?;
    browser.wait("a playing video", LIMIT, |p| Ok(p.evaluate(WATCH)? == true))?;
    // The jitter buffer settles first.
    browser.wait("frames", LIMIT, |p| {
        Ok(p.evaluate("window.__frames.length")?.as_u64() > Some(90))
    })?;
    let before = encode_time(&server)?;
    browser.evaluate("window.__frames.length = 0")?;
    browser.wait("frames", LIMIT, |p| {
        Ok(p.evaluate("window.__frames.length")?.as_u64() > Some(FRAMES))
    })?;
    let after = encode_time(&server)?;
    let encode = (after.0 - before.0) / (after.1 - before.1) * 1e3;
    let frames = browser.evaluate("window.__frames")?;
    let frames = frames.as_array().context("frames")?;
    let since = |key: &str| Samples::new(frames.iter().filter_map(|f| latency(f, key)));
    let (receive, callback) = (since("receive"), since("now"));
    report.figure(
        "picture's clock to receiveTime beyond encoding, p50",
        receive.quantile(0.5) - encode,
        "ms",
        Bound::AtMost,
        5.0,
    );
    report.plain("  p95", receive.quantile(0.95) - encode, "ms");
    report.plain("  encode time, mean", encode, "ms");
    report.plain(
        "picture's clock to the frame callback, p50",
        callback.quantile(0.5),
        "ms",
    );
    report.plain("  p95", callback.quantile(0.95), "ms");
    report.note(&format!(
        "browser: {} frames with receiveTime; the picture's clock has whole milliseconds; the \
         callback waits for a 60 Hz compositor without a display, which moves it by up to 30 ms",
        receive.len()
    ));
    Ok(())
}

/// Milliseconds from the clock in the picture to `key`.
fn latency(frame: &Value, key: &str) -> Option<f64> {
    let wall = frame["strip"]["wall"].as_f64()?;
    let at = frame[key].as_f64()?;
    let late = (at - wall).rem_euclid(WALL_SPAN);
    Some(if late > WALL_SPAN / 2.0 {
        late - WALL_SPAN
    } else {
        late
    })
}

/// (seconds, frames) the encoder worked so far, by the server's count.
fn encode_time(server: &Server) -> Result<(f64, f64)> {
    let metrics = server.metrics()?;
    let of = |suffix: &str| {
        let name = format!("livehal_stage_latency_seconds{suffix}");
        metrics
            .sum(&name, &[("stage", "encode")])
            .with_context(|| format!("no {name} of stage encode in /metrics"))
    };
    Ok((of("_sum")?, of("_count")?))
}

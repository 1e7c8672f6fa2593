//! Chromium and aiortc: implementations that have nothing in common with ours.

use std::process::Child;
use std::time::Duration;

use anyhow::Result;
use e2e::browser::{self, Browser, WATCH};
use e2e::config::Stream;
use e2e::{python, skip};
use peer::Server;
use serde_json::Value;

use crate::support::{LIMIT, drops, number};

/// The demo stream and, where there is footage, the real one.
fn streams() -> (String, bool) {
    let demo = Stream {
        name: "demo",
        width: 1280,
        height: 720,
        bitrate: 2_000_000,
        ..Stream::default()
    };
    let mut config = demo.toml();
    match python::footage() {
        Err(e) => {
            skip("real footage", &format!("{e:#}"));
            (config, false)
        }
        Ok((_, y4m)) => {
            let real = Stream {
                name: "real",
                file: Some(y4m),
                ..Stream::default()
            };
            config.push_str(&real.toml());
            (config, true)
        }
    }
}

/// Opens the page on a stream and watches its video until it showed `count` frames.
fn watch(browser: &mut Browser, server: &Server, stream: &str, count: u64) -> Result<Vec<Value>> {
    // A fragment alone would leave the page as it is, with the last stream still in its video.
    browser.open(&server.url(), &format!("/?{stream}#{stream}"))?;
    browser.wait("a playing video", Duration::from_secs(20), |page| {
        Ok(page.evaluate(WATCH)? == true)
    })?;
    browser.wait("frames", Duration::from_secs(40), |page| {
        let both = "Math.min(window.__frames.length, window.__decoded.length)";
        Ok(page.evaluate(both)?.as_u64() >= Some(count))
    })?;
    let all = browser.evaluate("window.__frames")?;
    Ok(all.as_array().cloned().unwrap_or_default())
}

/// Decoder counters of the page's peer connection, by the browser's own account.
fn decoded(browser: &mut Browser) -> Result<Value> {
    browser.evaluate(
        "(() => { const q = window.__video.getVideoPlaybackQuality(); \
         return { total: q.totalVideoFrames, dropped: q.droppedVideoFrames }; })()",
    )
}

#[test]
fn chromium_and_aiortc_play_demo_and_real_footage_at_the_same_time() {
    if let Err(e) = browser::executable() {
        return skip("Chromium", &format!("{e:#}"));
    }
    let (config, has_footage) = streams();
    let server = Server::start(&config).unwrap();
    let aiortc = start_aiortc(&server, "demo", 150);
    let mut browser = Browser::start(1400, 900).unwrap();
    let frames = watch(&mut browser, &server, "demo", 120).unwrap();
    assert_decoded_rises(&mut browser, &server, "demo");
    assert!(frames.len() >= 120);
    let quality = decoded(&mut browser).unwrap();
    assert!(quality["total"].as_u64() >= Some(120), "{quality}");
    if let Some(child) = aiortc {
        let text = python::finish(child).unwrap();
        assert_aiortc(&text, 150, drops(&server, "demo"));
    }
    // No PLI storm: a clean network needs at most the one of a joining decoder.
    let requests = number(&server, "demo", "keyframe_requests");
    assert!(requests <= 4, "{requests} key-frame requests");
    if has_footage {
        let aiortc = start_aiortc(&server, "real", 100);
        let frames = watch(&mut browser, &server, "real", 100).unwrap();
        assert_moving_picture(&frames);
        if let Some(child) = aiortc {
            let text = python::finish(child).unwrap();
            let seen: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(
                (&seen["width"], &seen["height"]),
                (&640.into(), &272.into())
            );
        }
        assert!(number(&server, "real", "keyframe_requests") <= 4);
    }
    assert_eq!(browser.console_errors, Vec::<String>::new());
    assert_eq!(browser.foreign_requests, Vec::<String>::new());
}

/// Of every frame the decoder gave, shown or not, the strip is read and the number is the next
/// one, but for frames the server says it dropped before they were coded.
fn assert_decoded_rises(browser: &mut Browser, server: &Server, stream: &str) {
    let decoded = browser.evaluate("window.__decoded").unwrap();
    let decoded = decoded.as_array().unwrap();
    let numbers: Vec<i64> = decoded.iter().filter_map(|s| s["frame"].as_i64()).collect();
    assert!(numbers.len() >= 30, "{} frames", numbers.len());
    assert_eq!(numbers.len(), decoded.len(), "every strip is readable");
    assert_gaps(&numbers, drops(server, stream));
}

/// Numbers rise, and not more of them are missing than were dropped.
fn assert_gaps(numbers: &[i64], dropped: u64) {
    let missing: i64 = numbers
        .windows(2)
        .map(|pair| {
            assert!(pair[1] > pair[0], "{} then {}", pair[0], pair[1]);
            pair[1] - pair[0] - 1
        })
        .sum();
    assert!(
        missing as u64 <= dropped,
        "{missing} missing, {dropped} dropped"
    );
}

fn assert_moving_picture(frames: &[Value]) {
    let mut hashes: Vec<i64> = frames.iter().filter_map(|f| f["hash"].as_i64()).collect();
    assert_eq!(
        (&frames[0]["width"], &frames[0]["height"]),
        (&640.into(), &272.into())
    );
    hashes.sort_unstable();
    hashes.dedup();
    assert!(
        hashes.len() > 20,
        "{} different pictures of {}",
        hashes.len(),
        frames.len()
    );
}

/// aiortc decoding so many frames; `None`, and said, where it is not installed.
pub(crate) fn start_aiortc(server: &Server, stream: &str, frames: usize) -> Option<Child> {
    if let Err(e) = python::interpreter() {
        skip("aiortc", &format!("{e:#}"));
        return None;
    }
    let url = format!("{}/whep/{stream}", server.url());
    Some(python::spawn("whep.py", &[&url, "--frames", &frames.to_string()]).unwrap())
}

/// What aiortc decoded: so many frames of the built-in source, as [`assert_gaps`] has it.
pub(crate) fn assert_aiortc(text: &str, frames: usize, dropped: u64) {
    let seen: Value = serde_json::from_str(text).unwrap();
    let strips: Vec<i64> = seen["strips"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|s| s[0].as_i64())
        .collect();
    assert_eq!(strips.len(), frames, "frames with a strip");
    assert_gaps(&strips, dropped);
    assert_eq!(seen["packets_lost"], 0, "{text}");
}

#[test]
fn the_page_shows_its_streams_and_plays_on_a_phone() {
    if let Err(e) = browser::executable() {
        return skip("Chromium", &format!("{e:#}"));
    }
    let server = Server::start(&Stream::default().toml()).unwrap();
    server
        .wait_stream("cam", "frames", LIMIT, |d| d["frames"].as_u64() > Some(10))
        .unwrap();
    let mut browser = Browser::start(390, 844).unwrap();
    watch(&mut browser, &server, "cam", 30).unwrap();
    assert_decoded_rises(&mut browser, &server, "cam");
    let text = browser.evaluate("document.body.innerText").unwrap();
    let text = text.as_str().unwrap();
    for shown in ["cam", "640", "360"] {
        assert!(text.contains(shown), "{shown} in {text}");
    }
    let wide = browser
        .evaluate("document.documentElement.scrollWidth - window.innerWidth")
        .unwrap();
    assert!(
        wide.as_i64() <= Some(0),
        "the page is {wide} px wider than the phone"
    );
    assert_eq!(browser.console_errors, Vec::<String>::new());
    assert_eq!(browser.foreign_requests, Vec::<String>::new());
}

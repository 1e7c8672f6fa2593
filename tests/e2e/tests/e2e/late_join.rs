//! A viewer that comes late starts from the cached key frame, and does not stay behind.

use std::collections::HashMap;
use std::time::Duration;

use e2e::config::Stream;
use peer::decode::StripDecoder;
use peer::{Server, Swarm, ViewerOptions};

use crate::support::{LIMIT, assert_gaps_are_counted, delivering, number, pictures};

/// Ten seconds from one key frame to the next: none comes by while a test waits.
fn long_gop() -> Stream {
    Stream {
        gop: 300,
        ..Stream::default()
    }
}

#[test]
fn a_late_viewer_starts_without_a_new_key_frame() {
    let server = Server::start(&long_gop().toml()).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let first = swarm
        .view(&server.client(), "cam", ViewerOptions::default())
        .unwrap();
    first.wait("45 frames", LIMIT, |s| s.frames >= 45).unwrap();
    let keys = number(&server, "cam", "keyframes");
    for _ in 0..3 {
        let late = swarm.view(&server.client(), "cam", delivering()).unwrap();
        let seen = pictures(&late, &mut StripDecoder::new().unwrap(), 60);
        assert_gaps_are_counted(&server, "cam", &seen);
        let stats = late.stats();
        assert_eq!((stats.after_gap, stats.bare_keys), (0, 0), "{stats:?}");
        late.delete().unwrap();
    }
    assert_eq!(
        number(&server, "cam", "keyframes"),
        keys,
        "the cache was not enough: the encoder made a key frame"
    );
}

#[test]
fn a_late_viewer_catches_up_with_the_others() {
    let server = Server::start(&long_gop().toml()).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let logging = ViewerOptions {
        log_frames: true,
        ..ViewerOptions::default()
    };
    let first = swarm
        .view(&server.client(), "cam", logging.clone())
        .unwrap();
    first.wait("60 frames", LIMIT, |s| s.frames >= 60).unwrap();
    let late = swarm.view(&server.client(), "cam", logging).unwrap();
    late.wait("a log", LIMIT, |s| s.frames >= 150).unwrap();
    let (first, late) = (first.stats(), late.stats());
    // The same picture has the same capture time, whatever each session's RTP offset is.
    let offset = shared_offset(&first.log, &late.log);
    let mut arrivals: HashMap<u32, u64> = HashMap::new();
    for f in &first.log {
        arrivals.insert(f.rtp_timestamp, f.last_ns);
    }
    let settled = late.posted_ns + Duration::from_millis(500).as_nanos() as u64;
    let mut compared = 0;
    for f in late.log.iter().filter(|f| f.last_ns > settled) {
        let Some(&other) = arrivals.get(&f.rtp_timestamp.wrapping_sub(offset)) else {
            continue;
        };
        compared += 1;
        let behind = f.last_ns.saturating_sub(other);
        // A frame interval is 33 ms: less than that is not behind.
        assert!(behind < 25_000_000, "{behind} ns behind the first viewer");
    }
    assert!(compared > 60, "{compared} frames to compare");
}

/// Difference of the two sessions' RTP offsets, from frames whose capture time is told.
fn shared_offset(a: &[peer::viewer::FrameRecord], b: &[peer::viewer::FrameRecord]) -> u32 {
    let by_capture: HashMap<u64, u32> = a
        .iter()
        .filter_map(|f| Some((f.capture_ns? / 1_000_000, f.rtp_timestamp)))
        .collect();
    b.iter()
        .filter_map(|f| {
            let other = by_capture.get(&(f.capture_ns? / 1_000_000))?;
            Some(f.rtp_timestamp.wrapping_sub(*other))
        })
        .next_back()
        .expect("both viewers saw a frame with the same capture time")
}

//! What the server does with the feedback of its viewers.

use std::time::{Duration, Instant};

use e2e::config::Stream;
use peer::decode::StripDecoder;
use peer::net::Impairment;
use peer::{Server, Swarm, Viewer, ViewerOptions};

use crate::support::{LIMIT, assert_gaps_are_counted, delivering, number, pictures};

fn lossy(loss: f64) -> Option<Impairment> {
    Some(Impairment {
        loss,
        delay: Duration::from_millis(5),
        ..Impairment::default()
    })
}

#[test]
fn lost_packets_come_again_by_rtx_and_no_frame_is_lost() {
    let server = Server::start(&Stream::default().toml()).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let options = ViewerOptions {
        impairment: lossy(0.05),
        ..delivering()
    };
    let viewer = swarm.view(&server.client(), "cam", options).unwrap();
    let seen = pictures(&viewer, &mut StripDecoder::new().unwrap(), 150);
    assert_gaps_are_counted(&server, "cam", &seen);
    let stats = viewer.stats();
    assert!(stats.counters.rtx > 5, "{stats:?}");
    assert_eq!(stats.plis, 0, "{stats:?}");
}

#[test]
fn without_rtx_lost_packets_come_again_as_they_were() {
    let server = Server::start(&Stream::default().toml()).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let options = ViewerOptions {
        impairment: lossy(0.05),
        rtx: false,
        ..delivering()
    };
    let viewer = swarm.view(&server.client(), "cam", options).unwrap();
    let seen = pictures(&viewer, &mut StripDecoder::new().unwrap(), 150);
    assert_gaps_are_counted(&server, "cam", &seen);
    let stats = viewer.stats();
    assert!(stats.nacked > 5 && stats.counters.rtx == 0, "{stats:?}");
}

/// Asks for key frames for a while and returns how many came and how long it took.
fn storm(viewer: &Viewer, mut ask: impl FnMut(&Viewer, u8)) -> (u64, Duration) {
    let before = viewer.stats().keys;
    let start = Instant::now();
    for i in 0..100 {
        ask(viewer, i);
        std::thread::sleep(Duration::from_millis(20));
    }
    (viewer.stats().keys - before, start.elapsed())
}

#[test]
fn key_frame_requests_are_answered_but_at_most_one_in_half_a_second() {
    let stream = Stream {
        gop: 3000,
        ..Stream::default()
    };
    let server = Server::start(&stream.toml()).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let viewer = swarm
        .view(&server.client(), "cam", ViewerOptions::default())
        .unwrap();
    viewer.wait("media", LIMIT, |s| s.frames > 10).unwrap();
    for (name, ask) in [
        ("PLI", (|v, _| v.send_pli()) as fn(&Viewer, u8)),
        ("FIR", |v, n| v.send_fir(n)),
    ] {
        let (keys, took) = storm(&viewer, ask);
        let most = took.as_millis() as u64 / 500 + 1;
        assert!(keys >= 2, "{name}: {keys} key frames in {took:?}");
        assert!(keys <= most, "{name}: {keys} key frames in {took:?}");
    }
    let requests = number(&server, "cam", "keyframe_requests");
    let forwarded = number(&server, "cam", "keyframe_requests_forwarded");
    assert!(requests >= 150, "{requests} requests counted");
    assert!(forwarded <= 12, "{forwarded} requests forwarded");
}

#[test]
fn a_repeated_fir_is_one_request() {
    let stream = Stream {
        gop: 3000,
        ..Stream::default()
    };
    let server = Server::start(&stream.toml()).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let viewer = swarm
        .view(&server.client(), "cam", ViewerOptions::default())
        .unwrap();
    viewer.wait("media", LIMIT, |s| s.frames > 10).unwrap();
    let keys = viewer.stats().keys;
    // RFC 5104 section 4.3.1.2: the same sequence number is the same request.
    for _ in 0..60 {
        viewer.send_fir(7);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(viewer.stats().keys - keys, 1);
}

fn adaptive() -> Stream {
    Stream {
        width: 1280,
        height: 720,
        bitrate: 2_000_000,
        bounds: Some((300_000, 2_500_000)),
        ..Stream::default()
    }
}

#[test]
fn remb_moves_the_bit_rate_within_its_bounds() {
    let server = Server::start(&adaptive().toml()).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let options = ViewerOptions {
        transport_cc: false,
        ..ViewerOptions::default()
    };
    let viewer = swarm.view(&server.client(), "cam", options).unwrap();
    viewer.wait("media", LIMIT, |s| s.frames > 10).unwrap();
    let repeat = |bps: u64, what: &str, done: fn(u64) -> bool| {
        server
            .wait_stream("cam", what, LIMIT, |d| {
                viewer.send_remb(bps);
                done(d["bitrate_bps"].as_u64().unwrap())
            })
            .unwrap();
    };
    repeat(600_000, "bit rate at the estimate", |b| b <= 600_000);
    repeat(50_000, "bit rate at its lower bound", |b| b == 300_000);
    repeat(50_000_000, "bit rate back up", |b| b >= 1_500_000);
    assert!(number(&server, "cam", "bitrate_bps") <= 2_500_000);
}

#[test]
fn a_narrow_link_makes_the_encoder_send_less_and_a_wide_one_more() {
    let server = Server::start(&adaptive().toml()).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let options = ViewerOptions {
        impairment: Some(Impairment {
            rate_bps: Some(1_000_000),
            delay: Duration::from_millis(20),
            ..Impairment::default()
        }),
        ..ViewerOptions::default()
    };
    let viewer = swarm.view(&server.client(), "cam", options).unwrap();
    let limit = Duration::from_secs(30);
    server
        .wait_stream("cam", "lower bit rate", limit, |d| {
            d["bitrate_bps"].as_u64().unwrap() < 1_100_000
        })
        .unwrap();
    viewer.set_impairment(None);
    server
        .wait_stream("cam", "higher bit rate", limit, |d| {
            d["bitrate_bps"].as_u64().unwrap() > 1_400_000
        })
        .unwrap();
}

//! A viewer's session and its media.

use std::time::Duration;

use e2e::config::Stream;
use peer::decode::StripDecoder;
use peer::sdp::Setup;
use peer::session::Protection;
use peer::{Server, Swarm, ViewerOptions};

use crate::support::{LIMIT, assert_gaps_are_counted, delivering, pictures, unit, viewers, wait};

#[test]
fn every_frame_decodes_under_both_srtp_protections() {
    let server = Server::start(&Stream::default().toml()).unwrap();
    let swarm = Swarm::start(None).unwrap();
    for (protection, name) in [
        (Protection::Any, "Srtp_Aead_Aes_128_Gcm"),
        (Protection::Sha1, "Srtp_Aes128_Cm_Hmac_Sha1_80"),
    ] {
        let options = ViewerOptions {
            protection,
            ..delivering()
        };
        let viewer = swarm.view(&server.client(), "cam", options).unwrap();
        let seen = pictures(&viewer, &mut StripDecoder::new().unwrap(), 90);
        assert_gaps_are_counted(&server, "cam", &seen);
        assert_eq!((seen[0].width, seen[0].height), (640, 360));
        let stats = viewer.stats();
        assert_eq!(stats.profile, name);
        assert_eq!(stats.counters.broken, 0, "{stats:?}");
        assert_eq!(stats.counters.lost, 0, "{stats:?}");
        assert_eq!(stats.oddities.srtp_bad, 0, "{stats:?}");
        assert_eq!(stats.oddities.stun_bad, 0, "{stats:?}");
        viewer.delete().unwrap();
    }
}

#[test]
fn the_answer_agrees_to_what_both_sides_can() {
    let server = Server::start(&Stream::default().toml()).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let viewer = swarm
        .view(&server.client(), "cam", ViewerOptions::default())
        .unwrap();
    let answer = &viewer.answer;
    assert!(answer.ice_lite);
    assert_eq!(answer.setup, Setup::Passive);
    assert_eq!(answer.direction, "sendonly");
    assert_eq!(answer.h264, peer::sdp::H264_PT);
    assert_eq!(answer.rtx, Some(peer::sdp::RTX_PT));
    assert!(answer.fmtp.contains("packetization-mode=1"), "{answer:?}");
    for wanted in ["nack", "nack pli", "ccm fir", "transport-cc"] {
        assert!(
            answer.feedback.iter().any(|f| f == wanted),
            "{wanted} in {answer:?}"
        );
    }
    assert!(answer.extension("abs-capture-time").is_some(), "{answer:?}");
    assert_eq!(answer.candidates.len(), 1, "{answer:?}");
    assert_eq!(answer.candidates[0].port(), server.port());
    assert!(viewer.resource.etag.is_some());

    let plain = ViewerOptions {
        rtx: false,
        transport_cc: false,
        ..ViewerOptions::default()
    };
    let viewer = swarm.view(&server.client(), "cam", plain).unwrap();
    assert_eq!(viewer.answer.rtx, None);
    assert!(!viewer.answer.feedback.iter().any(|f| f == "transport-cc"));
    viewer
        .wait("10 frames without RTX", LIMIT, |s| s.frames >= 10)
        .unwrap();
}

#[test]
fn a_deleted_session_is_gone_and_its_peer_is_told() {
    let server = Server::start(&Stream::default().toml()).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let viewer = swarm
        .view(&server.client(), "cam", ViewerOptions::default())
        .unwrap();
    viewer.wait("media", LIMIT, |s| s.frames > 5).unwrap();
    assert_eq!(viewers(&server, "cam"), 1);
    viewer.delete().unwrap();
    viewer.wait("close_notify", LIMIT, |s| s.closed).unwrap();
    wait("no viewers", LIMIT, || viewers(&server, "cam") == 0);
    let again = server
        .client()
        .request("DELETE", &viewer.resource.url, None, b"")
        .unwrap();
    assert_eq!(again.status, 404, "{}", again.text());
}

#[test]
fn a_peer_that_says_goodbye_is_removed_at_once() {
    let server = Server::start(&Stream::default().toml()).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let viewer = swarm
        .view(&server.client(), "cam", ViewerOptions::default())
        .unwrap();
    viewer.wait("media", LIMIT, |s| s.frames > 0).unwrap();
    drop(viewer);
    // Far below the idle timeout: the DTLS close_notify did it.
    wait("no viewers", Duration::from_secs(2), || {
        viewers(&server, "cam") == 0
    });
}

#[test]
fn capture_time_of_the_header_extension_is_the_clock_in_the_picture() {
    let server = Server::start(&Stream::default().toml()).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let viewer = swarm.view(&server.client(), "cam", delivering()).unwrap();
    let mut decoder = StripDecoder::new().unwrap();
    let mut first = None;
    let mut stamped = 0;
    for _ in 0..90 {
        let unit = unit(&viewer);
        let strip = decoder.decode(&unit).unwrap().strip.unwrap();
        if let Some(capture_ns) = unit.capture_ns {
            stamped += 1;
            let off = capture_ns as f64 / 1e6 - strip.wall_ms as f64;
            assert!(off.abs() < 5.0, "{off} ms at frame {}", strip.frame);
        }
        // RTP time follows the same clock: 90 a millisecond from the first frame on.
        let (rtp0, wall0) = *first.get_or_insert((unit.rtp_timestamp, strip.wall_ms));
        let rtp_ms = f64::from(unit.rtp_timestamp.wrapping_sub(rtp0)) / 90.0;
        let off = rtp_ms - (strip.wall_ms - wall0) as f64;
        assert!(off.abs() < 5.0, "{off} ms at frame {}", strip.frame);
    }
    assert!(stamped >= 2, "abs-capture-time on {stamped} of 90 frames");
    let sr = viewer
        .wait("sender report", LIMIT, |s| s.sender_reports > 0)
        .unwrap();
    assert!(sr.sender_reports > 0);
}

#[test]
fn an_on_demand_stream_runs_only_while_it_is_watched() {
    let stream = Stream {
        on_demand: Some(1),
        ..Stream::default()
    };
    let server = Server::start(&stream.toml()).unwrap();
    assert_eq!(server.stream("cam").unwrap()["state"], "stopped");
    let swarm = Swarm::start(None).unwrap();
    for _ in 0..2 {
        let viewer = swarm.view(&server.client(), "cam", delivering()).unwrap();
        let seen = pictures(&viewer, &mut StripDecoder::new().unwrap(), 30);
        assert_gaps_are_counted(&server, "cam", &seen);
        assert_eq!(server.stream("cam").unwrap()["state"], "running");
        viewer.delete().unwrap();
        server
            .wait_stream("cam", "stop", LIMIT, |d| d["state"] == "stopped")
            .unwrap();
    }
}

#[test]
fn two_streams_on_one_port_do_not_mix() {
    let small = Stream {
        name: "small",
        width: 320,
        height: 240,
        ..Stream::default()
    };
    let config = Stream::default().toml() + &small.toml();
    let server = Server::start(&config).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let a = swarm.view(&server.client(), "cam", delivering()).unwrap();
    let b = swarm.view(&server.client(), "small", delivering()).unwrap();
    let seen_a = pictures(&a, &mut StripDecoder::new().unwrap(), 30);
    let seen_b = pictures(&b, &mut StripDecoder::new().unwrap(), 30);
    assert!(seen_a.iter().all(|p| p.width == 640));
    assert!(seen_b.iter().all(|p| p.width == 320));
    assert_gaps_are_counted(&server, "cam", &seen_a);
    assert_gaps_are_counted(&server, "small", &seen_b);
}

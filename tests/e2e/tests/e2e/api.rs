//! The HTTP API from outside.

use std::time::Duration;

use e2e::config::{Stream, whip};
use peer::http::Client;
use peer::{Server, Swarm, ViewerOptions};

use crate::support::{LIMIT, number};

#[test]
fn streams_are_listed_with_what_flows_in_them() {
    let config = Stream::default().toml() + &whip("live");
    let server = Server::start(&config).unwrap();
    let running = |d: &serde_json::Value| d["frames"].as_u64() > Some(30);
    let detail = server
        .wait_stream("cam", "30 frames", LIMIT, running)
        .unwrap();
    assert_eq!(detail["state"], "running");
    assert_eq!(
        (&detail["width"], &detail["height"]),
        (&640.into(), &360.into())
    );
    assert_eq!(detail["source"]["kind"], "native");
    assert_eq!(detail["source"]["capture"], "testsrc");
    assert_eq!(detail["source"]["encoder"], "software");
    let list = server.client().json("/api/streams").unwrap();
    let names: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["cam", "live"]);
    let missing = server
        .client()
        .request("GET", "/api/streams/nope", None, b"")
        .unwrap();
    assert_eq!(missing.status, 404);
    assert!(missing.text().contains("nope"), "{}", missing.text());
}

#[test]
fn a_snapshot_is_a_jpeg_of_the_stream() {
    let server = Server::start(&Stream::default().toml()).unwrap();
    let reply = server
        .client()
        .request("GET", "/api/streams/cam/snapshot.jpg", None, b"")
        .unwrap();
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, Some("image/jpeg"))
    );
    assert_eq!(jpeg_size(&reply.body), Some((640, 360)));
}

/// (width, height) in the frame header of a JPEG.
fn jpeg_size(data: &[u8]) -> Option<(u16, u16)> {
    let mut rest = data.strip_prefix(&[0xff, 0xd8])?;
    while let [0xff, marker, high, low, tail @ ..] = rest {
        if (0xc0..=0xc2).contains(marker) {
            let h = u16::from_be_bytes([*tail.get(1)?, *tail.get(2)?]);
            let w = u16::from_be_bytes([*tail.get(3)?, *tail.get(4)?]);
            return Some((w, h));
        }
        rest = tail.get(usize::from(u16::from_be_bytes([*high, *low])) - 2..)?;
    }
    None
}

#[test]
fn the_key_frame_and_bit_rate_of_a_stream_obey() {
    let stream = Stream {
        gop: 3000,
        bounds: Some((200_000, 1_500_000)),
        ..Stream::default()
    };
    let server = Server::start(&stream.toml()).unwrap();
    let client = server.client();
    server
        .wait_stream("cam", "frames", LIMIT, |d| d["frames"].as_u64() > Some(20))
        .unwrap();
    let keys = number(&server, "cam", "keyframes");
    let reply = client
        .request("POST", "/api/streams/cam/keyframe", None, b"")
        .unwrap();
    assert_eq!(reply.status / 100, 2, "{}", reply.text());
    server
        .wait_stream("cam", "a key frame", LIMIT, |d| {
            d["keyframes"].as_u64() > Some(keys)
        })
        .unwrap();
    let put = |body: &str| {
        client
            .request(
                "PUT",
                "/api/streams/cam/bitrate",
                Some("application/json"),
                body.as_bytes(),
            )
            .unwrap()
    };
    let reply = put("{\"bps\": 900000}");
    assert_eq!(reply.status / 100, 2, "{}", reply.text());
    assert_eq!(number(&server, "cam", "bitrate_bps"), 900_000);
    for bad in ["{\"bps\": 1}", "{\"bps\": -5}", "{\"bit\": 5}", "{", ""] {
        let reply = put(bad);
        assert_eq!(reply.status / 100, 4, "{bad}: {}", reply.text());
        assert!(!reply.text().is_empty(), "{bad}: a refusal says why");
    }
    assert_eq!(number(&server, "cam", "bitrate_bps"), 900_000);
}

#[test]
fn a_stream_stops_and_starts_again() {
    let server = Server::start(&Stream::default().toml()).unwrap();
    let client = server.client();
    let swarm = Swarm::start(None).unwrap();
    for _ in 0..2 {
        let reply = client
            .request("POST", "/api/streams/cam/stop", None, b"")
            .unwrap();
        assert_eq!(reply.status / 100, 2, "{}", reply.text());
        server
            .wait_stream("cam", "stop", LIMIT, |d| d["state"] == "stopped")
            .unwrap();
        let reply = client
            .request("POST", "/api/streams/cam/start", None, b"")
            .unwrap();
        assert_eq!(reply.status / 100, 2, "{}", reply.text());
        server
            .wait_stream("cam", "start", LIMIT, |d| d["state"] == "running")
            .unwrap();
        let viewer = swarm
            .view(&client, "cam", ViewerOptions::default())
            .unwrap();
        viewer.wait("media", LIMIT, |s| s.frames > 10).unwrap();
    }
}

#[test]
fn metrics_count_what_happened() {
    let server = Server::start(&Stream::default().toml()).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let viewer = swarm
        .view(&server.client(), "cam", ViewerOptions::default())
        .unwrap();
    viewer.wait("60 frames", LIMIT, |s| s.frames >= 60).unwrap();
    let metrics = server.metrics().unwrap();
    let of_cam = [("stream", "cam")];
    let value = |name: &str| {
        metrics
            .sum(name, &of_cam)
            .unwrap_or_else(|| panic!("{name} in {:?}", metrics.names()))
    };
    assert!(value("livehal_stream_frames_total") >= 60.0);
    assert!(value("livehal_stream_bytes_total") > 10_000.0);
    assert_eq!(value("livehal_stream_viewers"), 1.0);
    assert_eq!(value("livehal_stream_up"), 1.0);
    value("livehal_stream_drops_total");
    value("livehal_stream_keyframe_requests_total");
    for stage in [
        "capture_to_encode",
        "encode",
        "encode_to_sent",
        "capture_to_sent",
    ] {
        let labels = [("stream", "cam"), ("stage", stage)];
        let histogram = metrics.histogram("livehal_stage_latency_seconds", &labels);
        assert!(histogram.unwrap().count() >= 50.0, "{stage}");
    }
}

#[test]
fn cross_origin_pages_may_use_whep() {
    let server = Server::start(&Stream::default().toml()).unwrap();
    let reply = server
        .client()
        .request("OPTIONS", "/whep/cam", None, b"")
        .unwrap();
    assert_eq!(reply.status / 100, 2, "{}", reply.text());
}

#[test]
fn tokens_open_what_their_scopes_name_and_nothing_else() {
    let auth = "[auth]\n\
        [[auth.tokens]]\nname = \"all\"\ntoken = \"token-for-all-the-views\"\nscopes = [\"view\"]\n\
        [[auth.tokens]]\nname = \"one\"\ntoken = \"token-for-the-one-view\"\nscopes = [\"view:live\"]\n\
        [[auth.tokens]]\nname = \"pub\"\ntoken = \"token-for-publishing\"\nscopes = [\"publish\"]\n";
    let config = format!("{auth}{}{}", Stream::default().toml(), whip("live"));
    let server = Server::start_with("", &config).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let client = |token| Client::new(&server.url(), Some(token));
    let view = |c: &Client| swarm.view(c, "cam", ViewerOptions::default());
    let status = |r: anyhow::Error| -> u16 {
        let text = format!("{r:#}");
        let word = text.split_whitespace().nth(2).unwrap_or_default();
        word.parse().unwrap_or_else(|_| panic!("{text}"))
    };
    assert_eq!(status(view(&server.client()).unwrap_err()), 401);
    assert_eq!(status(view(&client("wrong")).unwrap_err()), 401);
    assert_eq!(
        status(view(&client("token-for-the-one-view")).unwrap_err()),
        403
    );
    assert_eq!(
        status(view(&client("token-for-publishing")).unwrap_err()),
        403
    );
    let viewer = view(&client("token-for-all-the-views")).unwrap();
    viewer.wait("media", LIMIT, |s| s.frames > 5).unwrap();
    // A viewer may end its own session with the token it began it with.
    viewer.delete().unwrap();
    let publisher = swarm
        .publish(
            &client("token-for-publishing"),
            "live",
            peer::PublisherOptions::default(),
        )
        .unwrap();
    publisher.wait_secured(Duration::from_secs(10)).unwrap();
}

//! What is shipped is good.

use livehal::PixelFormat;
use liveion::{SourceConfig, StreamConfig};

use crate::support::{SHIPPED, full, parse};

fn streams(text: &str) -> Vec<StreamConfig> {
    parse(text).unwrap().streams
}

#[test]
fn the_shipped_file_runs_one_demo_for_this_machine_only() {
    let config = parse(SHIPPED).unwrap();
    assert!(config.http.listen.ip().is_loopback());
    assert!(config.webrtc.udp_listen.ip().is_loopback());
    assert!(config.open);
    assert_eq!(config.warnings, Vec::<String>::new());
    let [demo] = config.streams.as_slice() else {
        panic!("{:?}", config.streams);
    };
    let SourceConfig::Native(params) = &demo.source else {
        panic!("{demo:?}");
    };
    assert_eq!(demo.name, "demo");
    assert!(!demo.on_demand);
    assert_eq!(params.capture.backend, "testsrc");
    assert_eq!(params.encoder.backend, "software");
    let size = (
        params.capture.width,
        params.capture.height,
        params.capture.fps,
    );
    assert_eq!(size, (Some(1280), Some(720), Some(30)));
    assert_eq!(params.encoder.gop, 60);
}

/// Every default that a comment states is the default: setting it changes nothing.
#[test]
fn stated_defaults_are_the_defaults() {
    let stated = full();
    let keep = |line: &&str| {
        let key = line.split([' ', '=']).next().unwrap_or_default();
        line.starts_with('[') && !line.contains("tls") && !line.contains("auth.tokens")
            || [
                "max_connections",
                "idle_timeout_s",
                "max_sessions",
                "allow_open",
                "level",
                "format",
                "bus",
                "payload_type",
                "clock_rate",
            ]
            .contains(&key)
    };
    let head = stated.split("[stream.demo]").next().unwrap();
    let written: Vec<&str> = head.lines().filter(keep).collect();
    let written = parse(&written.join("\n")).unwrap();
    let default = parse("").unwrap();
    assert_eq!(written.http.max_connections, default.http.max_connections);
    assert_eq!(written.webrtc.idle_timeout, default.webrtc.idle_timeout);
    assert_eq!(written.webrtc.max_sessions, default.webrtc.max_sessions);
    assert_eq!(written.log, default.log);
    assert_eq!(written.bus, default.bus);
    // And what the shipped file sets, it says is the default too.
    let shipped = parse(SHIPPED).unwrap();
    assert_eq!(shipped.http.listen, default.http.listen);
    assert_eq!(shipped.webrtc.udp_listen, default.webrtc.udp_listen);
}

#[test]
fn every_example_in_the_shipped_file_is_valid() {
    let config = parse(&full()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let names: Vec<_> = config.streams.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(
        names,
        ["demo", "footage", "pi-cam", "rdk-cam", "studio", "usb-cam"]
    );
    assert!(config.http.tls.is_some());
    assert!(!config.open);
}

/// The three examples of the original, as they were.
#[test]
fn the_native_examples_are_the_contract() {
    let streams = streams(&full());
    let params = |name: &str| {
        let stream = streams.iter().find(|s| s.name == name).unwrap();
        let SourceConfig::Native(params) = &stream.source else {
            panic!("{stream:?}");
        };
        params
    };
    let expected = [
        (
            "pi-cam",
            "libcamera",
            "0",
            PixelFormat::Yuv420,
            "v4l2-m2m",
            "baseline",
            Some("3.1"),
        ),
        (
            "usb-cam",
            "v4l2",
            "/dev/video2",
            PixelFormat::Yuyv422,
            "v4l2-m2m",
            "42001f",
            None,
        ),
        (
            "rdk-cam",
            "v4l2",
            "/dev/video0",
            PixelFormat::Yuyv422,
            "rdk",
            "42001f",
            None,
        ),
    ];
    for (name, capture, device, format, encoder, profile, level) in expected {
        let p = params(name);
        assert_eq!(p.capture.backend, capture, "{name}");
        assert_eq!(p.capture.device.as_deref(), Some(device), "{name}");
        assert_eq!(p.capture.pixel_format, Some(format), "{name}");
        let size = (p.capture.width, p.capture.height, p.capture.fps);
        assert_eq!(size, (Some(640), Some(480), Some(30)), "{name}");
        assert_eq!(p.encoder.backend, encoder, "{name}");
        assert_eq!(p.encoder.profile, profile, "{name}");
        assert_eq!(p.encoder.level.as_deref(), level, "{name}");
        assert_eq!(
            (p.encoder.bitrate, p.encoder.gop),
            (1_000_000, 60),
            "{name}"
        );
        assert_eq!(
            (p.output.payload_type, p.output.clock_rate),
            (96, 90_000),
            "{name}"
        );
    }
}

#[test]
fn relative_paths_begin_at_the_file() {
    let footage = streams(&full())
        .into_iter()
        .find(|s| s.name == "footage")
        .unwrap();
    let SourceConfig::Native(params) = footage.source else {
        panic!("{footage:?}");
    };
    assert_eq!(
        params.capture.path.unwrap().to_str(),
        Some("/etc/livehal/footage.y4m")
    );
}

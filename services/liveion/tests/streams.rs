//! Streams over a real pipeline and a real socket.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use livehal::{NativeSourceParams, PipelineState};
use liveion::{Live, LiveConfig, SourceConfig, Stream, StreamConfig};

/// Two gray pictures of `width` × 64 at 10 fps.
fn footage(path: &Path, width: usize) {
    let mut y4m = format!("YUV4MPEG2 W{width} H64 F10:1 Ip C420jpeg\n").into_bytes();
    for luma in [60, 160] {
        y4m.extend_from_slice(b"FRAME\n");
        y4m.extend(std::iter::repeat_n(luma, width * 64));
        y4m.extend(std::iter::repeat_n(128, width * 64 / 2));
    }
    std::fs::write(path, y4m).unwrap();
}

fn source(path: &Path) -> SourceConfig {
    let params: NativeSourceParams = serde_json::from_value(serde_json::json!({
        "capture": { "backend": "file", "path": path, "width": 128, "height": 64 },
        "encoder": {
            "backend": "software", "codec": "h264", "bitrate": 200_000,
            "profile": "baseline", "level": "3.1", "gop": 10,
        },
    }))
    .unwrap();
    SourceConfig::Native(Box::new(params))
}

fn live(source: SourceConfig) -> (Live, Arc<Stream>) {
    let config = LiveConfig {
        udp_listen: "127.0.0.1:0".parse().unwrap(),
        candidates: vec![],
        idle_timeout: Duration::from_secs(10),
        max_sessions: 4,
    };
    let stream = StreamConfig {
        name: "cam".into(),
        source,
        on_demand: false,
        grace: Duration::from_secs(1),
    };
    let live = Live::start(config, vec![stream]).unwrap();
    let stream = live.stream("cam").unwrap();
    (live, stream)
}

async fn until(stream: &Stream, wanted: impl Fn(&PipelineState) -> bool) -> PipelineState {
    let mut state = stream.state();
    let reached = state.wait_for(|s| wanted(s));
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, reached)
        .await
        .unwrap()
        .unwrap()
        .clone()
}

#[tokio::test]
async fn a_source_that_failed_for_good_starts_when_it_is_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.y4m");
    footage(&path, 64);
    let (live, stream) = live(source(&path));
    let state = until(&stream, |s| matches!(s, PipelineState::Failed(_))).await;
    let PipelineState::Failed(why) = state else {
        unreachable!()
    };
    assert!(why.contains("128") && why.contains("64"), "{why}");
    let offered = live.whep("cam", "v=0").await.unwrap_err();
    assert!(!offered.to_string().is_empty());

    footage(&path, 128);
    stream.start().unwrap();
    until(&stream, |s| *s == PipelineState::Running).await;
    assert!(stream.snapshot().await.unwrap().starts_with(&[0xff, 0xd8]));
    live.shutdown().await;
    assert_eq!(stream.info().state, PipelineState::Stopped);
}

#[tokio::test]
async fn a_stopped_stream_refuses_viewers_and_starts_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.y4m");
    footage(&path, 128);
    let (live, stream) = live(source(&path));
    until(&stream, |s| *s == PipelineState::Running).await;
    stream.stop().unwrap();
    until(&stream, |s| *s == PipelineState::Stopped).await;
    assert!(stream.snapshot().await.is_err());
    stream.start().unwrap();
    until(&stream, |s| *s == PipelineState::Running).await;
    live.shutdown().await;
}

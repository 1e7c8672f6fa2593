//! Real footage in an MP4 through a whole pipeline.
#![cfg(feature = "encoder-software")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use livehal::{
    CaptureParams, DropReason, EncodedPacket, EncoderParams, NativePipeline, NativeSourceParams,
    OutputParams, PipelineState, VideoCodec,
};
use livehal_ffmpeg::Library;

/// tests/footage has 132 pictures of 40 ms in it.
const PASS: usize = 132;
const INTERVAL: Duration = Duration::from_millis(40);

/// The footage, where it and FFmpeg's libraries can be had.
fn footage() -> Option<PathBuf> {
    if let Err(e) = Library::load() {
        println!("SKIPPED: {e}");
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/footage");
    let out = Command::new(script)
        .arg("bigbuckbunny.mp4")
        .output()
        .unwrap();
    match out.status.code() {
        Some(0) => Some(String::from_utf8(out.stdout).unwrap().trim_end().into()),
        Some(77) => {
            println!(
                "SKIPPED: {}",
                String::from_utf8_lossy(&out.stderr).trim_end()
            );
            None
        }
        other => panic!("tests/footage: {other:?}"),
    }
}

fn params(path: &Path) -> NativeSourceParams {
    NativeSourceParams {
        capture: CaptureParams {
            backend: "file".into(),
            device: None,
            path: Some(path.into()),
            width: None,
            height: None,
            fps: None,
            pixel_format: None,
            prefer_dmabuf: false,
            controls: Default::default(),
        },
        encoder: EncoderParams {
            backend: "software".into(),
            device: None,
            codec: VideoCodec::H264,
            // So much that rate control has no reason to leave a picture out.
            bitrate: 10_000_000,
            min_bitrate: None,
            max_bitrate: None,
            profile: "main".into(),
            level: Some("3.1".into()),
            gop: 50,
        },
        output: OutputParams::default(),
    }
}

#[tokio::test]
async fn an_mp4_plays_at_its_rate_with_rising_times_across_two_loops() {
    let Some(path) = footage() else { return };
    let (pipeline, mut packets) = NativePipeline::start("film", params(&path)).unwrap();
    let mut got: Vec<EncodedPacket> = Vec::new();
    while got.len() < 2 * PASS + 20 {
        let next = tokio::time::timeout(Duration::from_secs(10), packets.recv()).await;
        got.push(next.expect("a packet in time").expect("a running pipeline"));
    }
    let geometry = pipeline.geometry().unwrap();
    assert_eq!(
        (geometry.width, geometry.height, geometry.fps),
        (1280, 720, 25.0)
    );
    assert_eq!(*pipeline.state().borrow(), PipelineState::Running);

    let gaps: Vec<_> = got.windows(2).map(|w| w[1].pts.since(w[0].pts)).collect();
    assert!(
        gaps.iter().all(|gap| !gap.is_zero()),
        "times that do not rise"
    );
    let mut sorted = gaps.clone();
    sorted.sort();
    let median = sorted[sorted.len() / 2];
    assert!(
        median.abs_diff(INTERVAL) < INTERVAL / 20,
        "the median interval is {median:?}"
    );
    // On average never faster than the file, also where it begins again. Slower only if the
    // machine was too busy to code every picture, which is counted then.
    let lost: u64 = [
        DropReason::EncoderBusy,
        DropReason::RateControl,
        DropReason::OutputFull,
        DropReason::AwaitingKey,
        DropReason::CaptureError,
    ]
    .into_iter()
    .map(|reason| pipeline.stats().drops(reason))
    .sum();
    let time = got.last().unwrap().pts.since(got[0].pts);
    let least = INTERVAL * (gaps.len() as u32 - 1);
    println!("{} packets in {time:?}, {lost} pictures lost", got.len());
    assert!(time >= least, "{time:?} for {} pictures", got.len());
    assert!(
        time <= INTERVAL * (gaps.len() as u32 + lost as u32) + Duration::from_secs(1),
        "{time:?} for {} pictures",
        got.len()
    );
}

#[tokio::test]
async fn another_size_than_configured_fails_by_key_file_and_both_sizes() {
    let Some(path) = footage() else { return };
    let mut params = params(&path);
    (params.capture.width, params.capture.height) = (Some(640), Some(360));
    let (pipeline, _packets) = NativePipeline::start("film", params).unwrap();
    let mut state = pipeline.state();
    let failed = state.wait_for(|state| matches!(state, PipelineState::Failed(_)));
    let failed = tokio::time::timeout(Duration::from_secs(10), failed).await;
    let PipelineState::Failed(why) = failed.unwrap().unwrap().clone() else {
        unreachable!("waited for");
    };
    let expected = format!("capture.width = 640: {} is 1280x720", path.display());
    assert!(why.contains(&expected), "{why}");
}

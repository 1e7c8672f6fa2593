//! Whole pipelines, from picture to packet, seen from outside.
#![cfg(feature = "encoder-software")]
#![allow(clippy::unwrap_used, clippy::expect_used)] // also in helpers

use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use livehal::{
    CaptureParams, CaptureTime, DropReason, EncodedPacket, EncoderParams, NativePipeline,
    NativeSourceParams, OutputParams, PacketReceiver, PipelineState, VideoCodec, strip,
};
use openh264::decoder::Decoder;
use openh264::formats::YUVSource;

const LIMIT: Duration = Duration::from_secs(20);

fn capture(backend: &str) -> CaptureParams {
    CaptureParams {
        backend: backend.into(),
        device: None,
        path: None,
        width: None,
        height: None,
        fps: None,
        pixel_format: None,
        prefer_dmabuf: false,
        controls: Default::default(),
    }
}

fn source(capture: CaptureParams, level: &str) -> NativeSourceParams {
    NativeSourceParams {
        capture,
        encoder: EncoderParams {
            backend: "auto".into(),
            device: None,
            codec: VideoCodec::H264,
            bitrate: 800_000,
            min_bitrate: None,
            max_bitrate: None,
            profile: "constrained-baseline".into(),
            level: Some(level.into()),
            gop: 30,
        },
        output: OutputParams::default(),
    }
}

fn testsrc(width: u32, height: u32, fps: u32) -> NativeSourceParams {
    let sized = CaptureParams {
        width: Some(width),
        height: Some(height),
        fps: Some(fps),
        ..capture("testsrc")
    };
    source(sized, "3.1")
}

fn file(path: &Path, level: &str) -> NativeSourceParams {
    let path = CaptureParams {
        path: Some(path.into()),
        ..capture("file")
    };
    source(path, level)
}

/// Footage whose pictures are bright or dark by turns.
fn footage(width: usize, height: usize, pictures: usize) -> Vec<u8> {
    let mut bytes = format!("YUV4MPEG2 W{width} H{height} F60:1\n").into_bytes();
    for n in 0..pictures {
        bytes.extend_from_slice(b"FRAME\n");
        let luma = if n % 2 == 0 { 60 } else { 180 };
        bytes.extend(std::iter::repeat_n(luma, width * height));
        bytes.extend(std::iter::repeat_n(128, width * height / 2));
    }
    bytes
}

async fn packet(packets: &mut PacketReceiver) -> EncodedPacket {
    tokio::time::timeout(LIMIT, packets.recv())
        .await
        .expect("no packet in time")
        .expect("the pipeline ended")
}

async fn state(
    pipeline: &NativePipeline,
    wanted: impl Fn(&PipelineState) -> bool,
) -> PipelineState {
    let mut state = pipeline.state();
    tokio::time::timeout(LIMIT, state.wait_for(|state| wanted(state)))
        .await
        .unwrap_or_else(|_| panic!("still {:?}", *pipeline.state().borrow()))
        .unwrap()
        .clone()
}

#[tokio::test]
async fn frame_numbers_and_times_are_read_from_decoded_pictures_without_a_gap() {
    let (pipeline, mut packets) = NativePipeline::start("e2e", testsrc(640, 360, 30)).unwrap();
    let mut decoder = Decoder::new().unwrap();
    let mut next = 0;
    while next < 60 {
        let packet = packet(&mut packets).await;
        let picture = decoder.decode(&packet.data).unwrap().unwrap();
        let strip = strip::read(picture.y(), picture.strides().0, 640).unwrap();
        // Frames before the encoder was open are not coded, and counted.
        if next == 0 {
            next = strip.frame;
        }
        let busy = pipeline.stats().drops(DropReason::EncoderBusy) as u32;
        assert!(
            (next..=next + busy).contains(&strip.frame),
            "{} after {next}",
            strip.frame
        );
        next = strip.frame + 1;
        let unix = packet.pts.to_unix().as_millis() as u64;
        assert!(strip.millis_near(unix).abs_diff(unix) <= 2);
    }
    let geometry = pipeline.geometry().unwrap();
    assert_eq!(
        (geometry.width, geometry.height, geometry.fps),
        (640, 360, 30.0)
    );
}

#[tokio::test]
async fn a_key_frame_asked_for_decodes_on_its_own() {
    let mut params = testsrc(320, 240, 60);
    params.encoder.gop = 36_000;
    let (pipeline, mut packets) = NativePipeline::start("key", params).unwrap();
    assert!(packet(&mut packets).await.flags.key);
    for _ in 0..10 {
        assert!(!packet(&mut packets).await.flags.key);
    }
    pipeline.request_keyframe();
    let key = loop {
        let packet = packet(&mut packets).await;
        if packet.flags.key {
            break packet;
        }
    };
    let mut decoder = Decoder::new().unwrap();
    let picture = decoder.decode(&key.data).unwrap().unwrap();
    assert_eq!(picture.dimensions(), (320, 240));
}

#[tokio::test]
async fn footage_plays_in_a_loop_at_its_own_rate() {
    let mut clip = tempfile::NamedTempFile::new().unwrap();
    clip.write_all(&footage(64, 64, 4)).unwrap();
    let (pipeline, mut packets) = NativePipeline::start("clip", file(clip.path(), "3")).unwrap();
    let mut decoder = Decoder::new().unwrap();
    let mut times = Vec::new();
    for n in 0..30 {
        let packet = packet(&mut packets).await;
        let picture = decoder.decode(&packet.data).unwrap().unwrap();
        if pipeline.stats().drops(DropReason::EncoderBusy) == 0 {
            assert_eq!(picture.y()[0] > 120, n % 2 == 1, "picture {n}");
        }
        times.push(packet.pts);
    }
    assert!(times.is_sorted_by(|a, b| a < b));
    // 29 intervals at 60 a second, not faster.
    assert!(
        times[29].since(times[0]) > Duration::from_millis(450),
        "{times:?}"
    );
}

#[tokio::test]
async fn a_missing_file_is_named_in_the_state_and_played_when_it_appears() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("late.y4m");
    let (pipeline, mut packets) = NativePipeline::start("late", file(&path, "3")).unwrap();
    let named = format!("capture.path = {}: ", path.display());
    state(
        &pipeline,
        |s| matches!(s, PipelineState::Degraded(why) if why.starts_with(&named)),
    )
    .await;
    std::fs::write(&path, footage(64, 64, 2)).unwrap();
    assert!(packet(&mut packets).await.flags.key);
    state(&pipeline, |s| *s == PipelineState::Running).await;
    assert!(pipeline.stats().restarts.load(Ordering::Relaxed) >= 1);
}

#[tokio::test]
async fn footage_that_the_level_does_not_allow_fails_by_key() {
    let mut clip = tempfile::NamedTempFile::new().unwrap();
    clip.write_all(&footage(640, 480, 1)).unwrap();
    let (pipeline, mut packets) = NativePipeline::start("big", file(clip.path(), "3")).unwrap();
    let failed = state(&pipeline, |s| matches!(s, PipelineState::Failed(_))).await;
    let PipelineState::Failed(why) = failed else {
        unreachable!()
    };
    assert!(
        why.starts_with("encoder.level = 3: 640x480 at 60 fps"),
        "{why}"
    );
    assert!(packets.recv().await.is_none());
}

#[tokio::test]
async fn a_snapshot_shows_a_later_picture_than_what_was_there_when_it_was_asked_for() {
    let (pipeline, mut packets) = NativePipeline::start("still", testsrc(640, 360, 30)).unwrap();
    let there = packet(&mut packets).await.pts.to_unix().as_millis() as u64;
    let asked = CaptureTime::now().to_unix().as_millis() as u64;
    let still = pipeline.snapshot().await.unwrap();
    let strip = strip_of(&still, 640);
    let millis = strip.millis_near(asked);
    assert!(
        (there + 3..asked + 2_000).contains(&millis),
        "{there} {asked} {millis}"
    );
}

#[tokio::test]
async fn a_still_of_a_coded_key_frame_shows_its_picture() {
    let (pipeline, mut packets) = NativePipeline::start("coded", testsrc(640, 360, 30)).unwrap();
    let key = packet(&mut packets).await;
    let delta = packet(&mut packets).await;
    drop(pipeline);
    let still = livehal::jpeg_from_access_unit(key.codec, &key.data).unwrap();
    let unix = key.pts.to_unix().as_millis() as u64;
    assert!(strip_of(&still, 640).millis_near(unix).abs_diff(unix) <= 2);

    for bad in [&delta.data[..], &key.data[..40], b"", b"\0\0\0\x01\x67"] {
        assert!(livehal::jpeg_from_access_unit(VideoCodec::H264, bad).is_err());
    }
    let error = livehal::jpeg_from_access_unit(VideoCodec::Vp9, &key.data).unwrap_err();
    assert!(error.to_string().contains("no decoder for vp9"), "{error}");
}

#[tokio::test]
async fn dropping_a_pipeline_ends_its_threads_and_packets() {
    let (pipeline, mut packets) = NativePipeline::start("drop-me", testsrc(320, 240, 30)).unwrap();
    packet(&mut packets).await;
    assert_eq!(threads_of("drop-me"), 3);
    let begin = CaptureTime::now();
    drop(pipeline);
    assert!(CaptureTime::now().since(begin) < Duration::from_millis(500));
    // The kernel tells who joins a thread before it takes the thread off its list.
    let gone = async {
        while threads_of("drop-me") > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone)
        .await
        .unwrap();
    while packets.recv().await.is_some() {}
}

/// Threads of this process named after a stream.
fn threads_of(stream: &str) -> usize {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.trim_end().ends_with(&format!(":{stream}")))
        .count()
}

/// Reads the strip of a JPEG.
fn strip_of(still: &[u8], width: usize) -> strip::Strip {
    let mut decoder = jpeg_decoder::Decoder::new(still);
    let pixels = decoder.decode().unwrap();
    assert_eq!(usize::from(decoder.info().unwrap().width), width);
    let green: Vec<u8> = pixels.iter().skip(1).step_by(3).copied().collect();
    strip::read(&green, width, width).unwrap()
}

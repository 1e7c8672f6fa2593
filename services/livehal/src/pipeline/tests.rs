//! The pipeline on backends that fail on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::PacketReceiver;
use super::fakes::{Camera, Coder, FPS, Script};
use super::native::Pipeline;
use super::output::CAPACITY;
use crate::*;

/// Longer than anything here takes on a busy machine.
pub(super) const LIMIT: Duration = Duration::from_secs(20);

async fn packet(packets: &mut PacketReceiver) -> EncodedPacket {
    tokio::time::timeout(LIMIT, packets.recv())
        .await
        .expect("no packet in time")
        .expect("the pipeline ended")
}

async fn state(pipeline: &Pipeline, wanted: impl Fn(&PipelineState) -> bool) -> PipelineState {
    let mut state = pipeline.state();
    tokio::time::timeout(LIMIT, state.wait_for(|state| wanted(state)))
        .await
        .unwrap_or_else(|_| panic!("still {:?}", *pipeline.state().borrow()))
        .unwrap()
        .clone()
}

async fn degraded(pipeline: &Pipeline, why: &str) {
    state(
        pipeline,
        |s| matches!(s, PipelineState::Degraded(reason) if reason.contains(why)),
    )
    .await;
}

async fn running(pipeline: &Pipeline) {
    state(pipeline, |s| *s == PipelineState::Running).await;
}

async fn until(condition: impl Fn() -> bool) {
    let end = CaptureTime::now().after(LIMIT);
    while !condition() {
        assert!(CaptureTime::now() < end, "did not come true");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Drops the pipeline and gives the time that took.
fn stop(pipeline: Pipeline) -> Duration {
    let begin = CaptureTime::now();
    drop(pipeline);
    CaptureTime::now().since(begin)
}

#[tokio::test]
async fn packets_carry_the_time_of_capture_and_begin_with_a_key_frame() {
    let script = Script::new(Camera::Works, Coder::Works);
    let (pipeline, mut packets) = script.start();
    assert_eq!(*pipeline.state().borrow(), PipelineState::Starting);
    let mut last = CaptureTime::default();
    for n in 0..10 {
        let packet = packet(&mut packets).await;
        assert_eq!(packet.flags.key, n == 0);
        assert!(!packet.flags.discontinuity);
        assert_eq!(packet.data[..], packet.pts.as_nanos().to_be_bytes());
        let timing = packet.timing;
        assert_eq!((packet.pts, packet.dts), (timing.captured, timing.captured));
        assert!(last < packet.pts && packet.pts <= timing.encode_start);
        assert!(timing.encode_start <= timing.encode_end);
        last = packet.pts;
    }
    running(&pipeline).await;
    let geometry = pipeline.geometry().unwrap();
    assert_eq!(
        (geometry.width, geometry.height, geometry.fps),
        (64, 64, 100.0)
    );
    assert_eq!(pipeline.backends(), ("testsrc", "auto"));
    let stats = pipeline.stats();
    let coded = stats.frames_encoded.load(Ordering::Relaxed);
    assert!(coded >= 10);
    assert_eq!(stats.bytes_encoded.load(Ordering::Relaxed), coded * 8);
    assert_eq!(stats.keyframes_encoded.load(Ordering::Relaxed), 1);
    assert_eq!(stats.encode.counts().iter().sum::<u64>(), coded);
}

#[tokio::test]
async fn a_camera_that_dies_is_visible_and_flows_again_when_it_is_back() {
    let script = Script::new(Camera::Works, Coder::Works);
    let (pipeline, mut packets) = script.start();
    let first = packet(&mut packets).await;
    running(&pipeline).await;
    script.camera(Camera::Missing);
    degraded(&pipeline, "the camera was unplugged").await;
    degraded(&pipeline, "no such camera").await;
    script.camera(Camera::Works);
    running(&pipeline).await;
    let after = loop {
        let packet = packet(&mut packets).await;
        if packet.flags.discontinuity {
            break packet;
        }
    };
    assert!(after.flags.key && after.pts > first.pts);
    assert!(pipeline.stats().restarts.load(Ordering::Relaxed) >= 1);
}

#[tokio::test]
async fn a_camera_that_is_missing_at_first_is_named_and_awaited() {
    let script = Script::new(Camera::Missing, Coder::Works);
    let (pipeline, mut packets) = script.start();
    degraded(&pipeline, "no such camera").await;
    assert_eq!(pipeline.geometry(), None);
    script.camera(Camera::Works);
    let first = packet(&mut packets).await;
    assert!(first.flags.key && !first.flags.discontinuity);
    running(&pipeline).await;
}

#[tokio::test]
async fn a_camera_that_is_not_there_is_looked_for_often() {
    let script = Script::new(Camera::Unplugged, Coder::Works);
    let (pipeline, mut packets) = script.start();
    degraded(&pipeline, "not plugged in").await;
    // Waits that double would not come that far in time.
    until(|| script.opened.load(Ordering::SeqCst) >= 8).await;
    script.camera(Camera::Works);
    packet(&mut packets).await;
}

#[tokio::test]
async fn what_cannot_get_better_fails_and_ends_the_packets() {
    let script = Script::new(Camera::Unfit, Coder::Works);
    let (pipeline, mut packets) = script.start();
    let failed = state(&pipeline, |s| matches!(s, PipelineState::Failed(_))).await;
    assert_eq!(failed, PipelineState::Failed("the wrong camera".into()));
    assert!(packets.recv().await.is_none());
    assert_eq!(script.opened.load(Ordering::SeqCst), 1);
    assert!(matches!(pipeline.set_bitrate(200_000), Err(Error::Stopped)));
    assert!(matches!(pipeline.snapshot().await, Err(Error::Stopped)));
}

#[tokio::test]
async fn a_panic_in_either_backend_is_a_failure_like_others() {
    let script = Script::new(Camera::Works, Coder::Works);
    let (pipeline, mut packets) = script.start();
    packet(&mut packets).await;
    script.camera(Camera::Panics);
    degraded(&pipeline, "backend testsrc panicked: the camera is on fire").await;
    script.camera(Camera::Works);
    running(&pipeline).await;
    script.coder(Coder::Panics);
    degraded(&pipeline, "backend auto panicked: the encoder is on fire").await;
    script.coder(Coder::Works);
    running(&pipeline).await;
}

#[tokio::test]
async fn an_encoder_that_dies_is_counted_and_started_again() {
    let script = Script::new(Camera::Works, Coder::Works);
    let (pipeline, mut packets) = script.start();
    packet(&mut packets).await;
    script.coder(Coder::Dies);
    degraded(&pipeline, "the encoder is gone").await;
    assert!(pipeline.stats().drops(DropReason::EncodeError) >= 1);
    script.coder(Coder::Works);
    running(&pipeline).await;
}

#[tokio::test]
async fn a_silent_camera_is_opened_again() {
    let script = Script::new(Camera::Works, Coder::Works);
    let (pipeline, mut packets) = script.start();
    packet(&mut packets).await;
    script.camera(Camera::Silent);
    degraded(&pipeline, "no frame from capture for 1.5s").await;
    script.camera(Camera::Works);
    running(&pipeline).await;
}

#[tokio::test]
async fn a_camera_hanging_in_its_driver_is_left_behind() {
    let script = Script::new(Camera::Works, Coder::Works);
    let (pipeline, mut packets) = script.start();
    packet(&mut packets).await;
    script.camera(Camera::Hangs);
    degraded(&pipeline, "no frame from capture").await;
    script.camera(Camera::Works);
    running(&pipeline).await;
    // The old thread comes back to life in the middle of the new session.
    assert_eq!(script.hanging.load(Ordering::SeqCst), 1);
    script.free();
    until(|| script.hanging.load(Ordering::SeqCst) == 0).await;
    while packets.try_recv().is_ok() {}
    for _ in 0..20 {
        packet(&mut packets).await;
    }
    assert_eq!(*pipeline.state().borrow(), PipelineState::Running);
    assert_eq!(pipeline.stats().restarts.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_encoder_hanging_in_a_frame_is_left_behind_and_its_late_packet_too() {
    let script = Script::new(Camera::Works, Coder::Works);
    let (pipeline, mut packets) = script.start();
    packet(&mut packets).await;
    script.coder(Coder::Hangs);
    degraded(&pipeline, "the encoder hangs").await;
    script.coder(Coder::Works);
    running(&pipeline).await;
    while packets.try_recv().is_ok() {}
    let mut last = packet(&mut packets).await.pts;
    script.free();
    for _ in 0..20 {
        let packet = packet(&mut packets).await;
        assert!(packet.pts > last, "a packet of the old session");
        last = packet.pts;
    }
}

#[tokio::test]
async fn a_stop_takes_no_longer_than_half_a_second_whatever_happens() {
    let limit = Duration::from_millis(500);
    for (camera, coder) in [
        (Camera::Works, Coder::Works),
        (Camera::Silent, Coder::Works),
        (Camera::Missing, Coder::Works),
        (Camera::Hangs, Coder::Works),
        (Camera::Works, Coder::Hangs),
    ] {
        let script = Script::new(camera, coder);
        let (pipeline, _packets) = script.start();
        until(|| script.opened.load(Ordering::SeqCst) > 0).await;
        if camera == Camera::Hangs || coder == Coder::Hangs {
            until(|| script.hanging.load(Ordering::SeqCst) > 0).await;
        }
        let mut state = pipeline.state();
        let took = stop(pipeline);
        assert!(took < limit, "{took:?}");
        assert_eq!(*state.borrow_and_update(), PipelineState::Stopped);
        script.free();
    }
}

#[tokio::test]
async fn a_busy_encoder_gets_the_newest_frame_and_the_others_are_counted() {
    let script = Script::new(Camera::Works, Coder::Hangs);
    let (pipeline, mut packets) = script.start();
    let stats = pipeline.stats();
    until(|| stats.drops(DropReason::EncoderBusy) >= 5).await;
    let before = CaptureTime::now();
    script.coder(Coder::Works);
    script.free();
    let first = packet(&mut packets).await;
    let second = packet(&mut packets).await;
    assert!(first.pts < before);
    // Not the oldest that waited: at most one interval before the encoder was free.
    let interval = Duration::from_secs(1) / FPS;
    assert!(
        second.pts.after(3 * interval) > before,
        "{:?}",
        before.since(second.pts)
    );
    assert!(
        !second.flags.discontinuity,
        "frames dropped before coding break nothing"
    );
}

#[tokio::test]
async fn an_overloaded_encoder_shows_in_the_state() {
    let script = Script::new(Camera::Works, Coder::Works);
    let (pipeline, mut packets) = script.start();
    packet(&mut packets).await;
    running(&pipeline).await;
    // Each frame takes as long as two.
    let busy = Arc::new(AtomicBool::new(true));
    let slow = {
        let (script, busy) = (Arc::clone(&script), Arc::clone(&busy));
        tokio::task::spawn_blocking(move || {
            while busy.load(Ordering::SeqCst) {
                script.coder(Coder::Hangs);
                std::thread::sleep(Duration::from_millis(20));
                script.free();
                *script.freed.lock().unwrap() = false;
            }
            script.coder(Coder::Works);
            script.free();
        })
    };
    let drain = tokio::spawn(async move { while packets.recv().await.is_some() {} });
    degraded(&pipeline, "the encoder does not keep up").await;
    busy.store(false, Ordering::SeqCst);
    slow.await.unwrap();
    running(&pipeline).await;
    assert_eq!(pipeline.stats().restarts.load(Ordering::Relaxed), 0);
    drop(pipeline);
    drain.await.unwrap();
}

#[tokio::test]
async fn packets_nobody_takes_are_counted_and_followed_by_one_key_frame() {
    let script = Script::new(Camera::Works, Coder::Works);
    let (pipeline, mut packets) = script.start();
    let stats = pipeline.stats();
    until(|| stats.drops(DropReason::AwaitingKey) >= 10).await;
    assert_eq!(stats.drops(DropReason::OutputFull), 1);
    assert_eq!(packets.len(), CAPACITY);
    // While there is no room, no key frame is coded in vain.
    assert_eq!(script.keys_asked.load(Ordering::SeqCst), 1);
    for _ in 0..CAPACITY {
        assert!(!packet(&mut packets).await.flags.discontinuity);
    }
    let next = packet(&mut packets).await;
    assert!(next.flags.key && next.flags.discontinuity);
    let next = packet(&mut packets).await;
    assert!(!next.flags.key && !next.flags.discontinuity);
    assert_eq!(script.keys_asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_key_frame_asked_for_comes_and_survives_a_frame_left_out() {
    let script = Script::new(Camera::Works, Coder::Works);
    let (pipeline, mut packets) = script.start();
    packet(&mut packets).await;
    let stats = pipeline.stats();
    script.coder(Coder::Skips);
    until(|| stats.drops(DropReason::RateControl) >= 1).await;
    pipeline.request_keyframe();
    until(|| script.keys_asked.load(Ordering::SeqCst) >= 3).await;
    script.coder(Coder::Works);
    let key = loop {
        let packet = packet(&mut packets).await;
        if packet.flags.key {
            break packet;
        }
    };
    assert!(!key.flags.discontinuity);
    assert!(!packet(&mut packets).await.flags.key);
    assert_eq!(stats.keyframe_requests.load(Ordering::Relaxed), 1);
    assert_eq!(stats.keyframes_encoded.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn pictures_that_cannot_be_read_are_dropped_as_damaged_and_the_stream_goes_on() {
    let script = Script::new(Camera::Works, Coder::Works);
    let (pipeline, mut packets) = script.start();
    packet(&mut packets).await;
    let stats = pipeline.stats();
    script.coder(Coder::CannotRead);
    pipeline.request_keyframe();
    until(|| stats.drops(DropReason::CaptureError) >= 3).await;
    script.coder(Coder::Works);
    until(|| stats.keyframes_encoded.load(Ordering::Relaxed) == 2).await;
    assert_eq!(stats.restarts.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_bit_rate_within_bounds_reaches_the_encoder_and_the_one_after_a_restart() {
    let script = Script::new(Camera::Works, Coder::Works);
    let (pipeline, mut packets) = script.start();
    packet(&mut packets).await;
    for bad in [99_999, 600_001, 0] {
        let error = pipeline.set_bitrate(bad).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("encoder.bitrate = {bad}: ")),
            "{error}"
        );
        assert!(error.contains("100000 to 600000"), "{error}");
    }
    pipeline.set_bitrate(250_000).unwrap();
    until(|| script.bitrate.load(Ordering::SeqCst) == 250_000).await;
    script.camera(Camera::Dies);
    degraded(&pipeline, "unplugged").await;
    script.camera(Camera::Works);
    running(&pipeline).await;
    until(|| script.bitrate.load(Ordering::SeqCst) == 250_000).await;
}

#[tokio::test]
async fn damaged_frames_are_counted_and_do_not_stop_the_stream() {
    let script = Script::new(Camera::Works, Coder::Works);
    let (pipeline, mut packets) = script.start();
    packet(&mut packets).await;
    let stats = pipeline.stats();
    script.camera(Camera::Damaged);
    until(|| stats.drops(DropReason::CaptureError) >= 3).await;
    script.camera(Camera::Works);
    while packets.try_recv().is_ok() {}
    packet(&mut packets).await;
    assert_eq!(stats.restarts.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn snapshots_are_stills_of_the_next_frame_for_everybody_who_asked() {
    let script = Script::new(Camera::Works, Coder::Works);
    let (pipeline, _packets) = script.start();
    let (one, two) = tokio::join!(pipeline.snapshot(), pipeline.snapshot());
    for still in [one.unwrap(), two.unwrap()] {
        let mut decoder = jpeg_decoder::Decoder::new(&still[..]);
        decoder.decode().unwrap();
        let info = decoder.info().unwrap();
        assert_eq!((info.width, info.height), (64, 64));
    }
    assert!(pipeline.snapshot().await.is_ok());
}

#[tokio::test]
async fn a_snapshot_without_a_frame_is_refused_in_time_and_too_many_at_once() {
    let script = Script::new(Camera::Silent, Coder::Works);
    let (pipeline, _packets) = script.start();
    let pipeline = Arc::new(pipeline);
    let waiting: Vec<_> = (0..16)
        .map(|_| {
            let pipeline = Arc::clone(&pipeline);
            tokio::spawn(async move { pipeline.snapshot().await })
        })
        .collect();
    tokio::task::yield_now().await;
    let refused = pipeline.snapshot().await;
    assert!(
        matches!(&refused, Err(Error::Backend(why)) if why.contains("too many")),
        "{refused:?}"
    );
    for asked in waiting {
        assert!(matches!(asked.await.unwrap(), Err(Error::NoFrame)));
    }
}

#[tokio::test]
async fn a_cameras_controls_are_those_of_the_camera_that_is_open() {
    let script = Script::new(Camera::Works, Coder::Works);
    let (pipeline, mut packets) = script.start();
    packet(&mut packets).await;
    let gain = || {
        pipeline
            .controls()
            .first()
            .and_then(|control| control.value.clone())
    };
    assert_eq!(gain(), Some(ControlValue::Int(1)));
    assert_eq!(
        pipeline.set_control("gain", &ControlValue::Int(5)),
        Ok(ControlValue::Int(5))
    );
    assert_eq!(gain(), Some(ControlValue::Int(5)));
    let refused = pipeline
        .set_control("gain", &ControlValue::Int(9))
        .unwrap_err();
    assert_eq!(refused.to_string(), "control gain = 9: allowed are 1 to 8");

    // A panic closes a camera, too.
    script.camera(Camera::Panics);
    degraded(&pipeline, "on fire").await;
    script.camera(Camera::Missing);
    degraded(&pipeline, "no such camera").await;
    assert_eq!(gain(), None);
    let closed = pipeline
        .set_control("gain", &ControlValue::Int(5))
        .unwrap_err();
    assert!(closed.to_string().contains("no camera is open"), "{closed}");
    script.camera(Camera::Works);
    until(|| gain() == Some(ControlValue::Int(1))).await;
}

#[tokio::test]
async fn a_camera_that_hung_does_not_take_the_next_ones_controls_away() {
    let script = Script::new(Camera::Hangs, Coder::Works);
    let (pipeline, _packets) = script.start();
    until(|| script.hanging.load(Ordering::SeqCst) == 1).await;
    script.camera(Camera::Works);
    running(&pipeline).await;
    script.free();
    until(|| script.hanging.load(Ordering::SeqCst) == 0).await;
    // Its thread ends within a stop's time; the controls stay throughout.
    let end = CaptureTime::now().after(Duration::from_millis(300));
    while CaptureTime::now() < end {
        assert_eq!(pipeline.controls().len(), 1);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

use std::time::Duration;

use super::*;
use crate::strip;

fn params(width: u32, height: u32, fps: u32) -> CaptureParams {
    CaptureParams {
        backend: NAME.into(),
        device: None,
        path: None,
        width: Some(width),
        height: Some(height),
        fps: Some(fps),
        pixel_format: None,
        prefer_dmabuf: false,
        controls: Default::default(),
    }
}

fn next(source: &mut TestSource) -> RawFrame {
    match source.next_frame(&StopToken::default()) {
        Ok(Captured::Frame(frame)) => frame,
        _ => panic!("no frame"),
    }
}

fn read(frame: &RawFrame, width: u32) -> Option<Strip> {
    let luma = frame.picture.plane(0).unwrap();
    strip::read(luma.data, luma.stride, width as usize)
}

#[test]
fn frames_carry_their_number_and_the_time_of_capture() {
    let mut source = TestSource::new(&params(640, 360, 200));
    for number in 0..20 {
        let frame = next(&mut source);
        let strip = read(&frame, 640).unwrap();
        assert_eq!(strip.frame, number);
        let unix = frame.captured.to_unix().as_millis() as u64;
        // The two clocks are read one after the other.
        assert!(strip.millis_near(unix).abs_diff(unix) <= 2);
    }
}

#[test]
fn frames_never_come_before_they_are_due() {
    let begin = CaptureTime::now();
    let mut source = TestSource::new(&params(64, 64, 200));
    for n in 0..40 {
        let due = begin.after(Duration::from_millis(5) * n);
        assert!(next(&mut source).captured >= due, "frame {n}");
    }
}

#[test]
fn every_size_is_drawn_and_its_strip_reads() {
    for (width, height) in [
        (16, 16),
        (32, 2048),
        (256, 16),
        (256, 144),
        (640, 48),
        (1920, 1080),
        (2560, 98),
    ] {
        let frame = frames(width, height, 30).nth(3).unwrap();
        let wanted =
            (width >= 256 && height as usize >= strip::height(width as usize)).then_some(3);
        assert_eq!(
            read(&frame, width).map(|s| s.frame),
            wanted,
            "{width}x{height}"
        );
    }
}

#[test]
fn the_picture_moves_but_not_all_of_it() {
    let frames: Vec<RawFrame> = frames(640, 360, 30).take(2).collect();
    let [one, two] = [&frames[0], &frames[1]].map(|f| f.picture.plane(0).unwrap().data);
    let changed = one.iter().zip(two).filter(|(a, b)| a != b).count();
    let share = changed as f64 / one.len() as f64;
    assert!((0.2..0.9).contains(&share), "{share}");
}

#[test]
fn a_buffer_used_again_shows_nothing_of_its_earlier_frame() {
    let scene = Scene::new(640, 360, 30);
    let mut used = I420::new(640, 360);
    scene.draw_background(&mut used);
    let mut fresh = I420::new(640, 360);
    scene.draw_background(&mut fresh);
    for frame in [900, 17, 400] {
        scene.draw(&mut used, Strip { frame, millis: 0 });
    }
    scene.draw(
        &mut fresh,
        Strip {
            frame: 400,
            millis: 0,
        },
    );
    assert!(used.bytes_mut() == fresh.bytes_mut());
}

#[test]
fn a_stop_ends_the_wait_for_the_next_frame() {
    let mut source = TestSource::new(&params(64, 64, 1));
    let stop = StopToken::default();
    assert!(matches!(source.next_frame(&stop), Ok(Captured::Frame(_))));
    stop.stop();
    assert!(matches!(source.next_frame(&stop), Ok(Captured::Stopped)));
}

use std::io::Write;

use tempfile::NamedTempFile;

use super::*;

fn clip(contents: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(contents).unwrap();
    file.flush().unwrap();
    file
}

fn y4m(pictures: u8) -> Vec<u8> {
    let mut bytes = b"YUV4MPEG2 W16 H16 F200:1\n".to_vec();
    for value in 0..pictures {
        bytes.extend_from_slice(b"FRAME\n");
        bytes.extend([value; 16 * 16 * 3 / 2]);
    }
    bytes
}

fn params(path: &Path) -> CaptureParams {
    CaptureParams {
        backend: NAME.into(),
        device: None,
        path: Some(path.into()),
        width: None,
        height: None,
        fps: None,
        pixel_format: None,
        prefer_dmabuf: false,
        controls: Default::default(),
    }
}

#[test]
fn footage_loops_without_a_gap_and_times_keep_rising() {
    let clip = clip(&y4m(3));
    let mut capture = open(&params(clip.path())).unwrap();
    let stop = StopToken::default();
    let mut times = Vec::new();
    for n in 0..10 {
        let Ok(Captured::Frame(frame)) = capture.next_frame(&stop) else {
            panic!("no frame {n}");
        };
        assert_eq!(frame.picture.plane(0).unwrap().data[0], n % 3);
        times.push(frame.captured);
    }
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    // Three passes of 15 ms each: none was skipped and none played twice as fast.
    assert!(
        times[9].since(times[0]) >= Duration::from_millis(44),
        "{times:?}"
    );
}

#[test]
fn a_stop_ends_the_wait_for_the_next_picture() {
    let mut bytes = y4m(2);
    let slow = b"YUV4MPEG2 W16 H16 F001:1\n";
    bytes[..slow.len()].copy_from_slice(slow);
    let clip = clip(&bytes);
    let mut capture = open(&params(clip.path())).unwrap();
    let stop = StopToken::default();
    assert!(matches!(capture.next_frame(&stop), Ok(Captured::Frame(_))));
    stop.stop();
    let begin = CaptureTime::now();
    assert!(matches!(capture.next_frame(&stop), Ok(Captured::Stopped)));
    assert!(CaptureTime::now().since(begin) < Duration::from_millis(500));
}

#[test]
fn another_size_or_rate_than_configured_is_refused_by_key_file_and_both_values() {
    let clip = clip(&y4m(1));
    for (key, change) in [
        ("width", (|p| p.width = Some(32)) as fn(&mut CaptureParams)),
        ("height", |p| p.height = Some(32)),
        ("fps", |p| p.fps = Some(32)),
    ] {
        let mut params = params(clip.path());
        change(&mut params);
        let error = open(&params).err().unwrap();
        assert!(error.permanent);
        assert!(
            error.text.starts_with(&format!(
                "capture.{key} = 32: {} is 16x16 at 200.000 fps",
                clip.path().display()
            )),
            "{}",
            error.text
        );
    }
}

#[test]
fn the_size_and_rate_of_the_file_are_accepted_when_configured() {
    let clip = clip(&y4m(1));
    let mut params = params(clip.path());
    (params.width, params.height, params.fps) = (Some(16), Some(16), Some(200));
    assert!(open(&params).is_ok());
}

#[test]
fn a_missing_file_is_named_and_may_appear_later() {
    let error = open(&params(Path::new("/nowhere/clip.y4m"))).err().unwrap();
    assert!(!error.permanent);
    assert!(
        error.text.starts_with("capture.path = /nowhere/clip.y4m: "),
        "{}",
        error.text
    );
}

#[test]
fn what_is_no_regular_file_is_refused() {
    for path in ["/", "/dev/null"] {
        let error = open(&params(Path::new(path))).err().unwrap();
        assert!(
            error.permanent && error.text.contains("is not a regular file"),
            "{}",
            error.text
        );
    }
}

#[test]
fn the_kind_of_a_file_is_found_in_its_first_bytes() {
    assert_eq!(kind_of(b"YUV4MPEG2 W16"), Some(Kind::Y4m));
    assert_eq!(kind_of(b"\0\0\0\x20ftypisom"), Some(Kind::Media));
    assert_eq!(kind_of(&[0x1A, 0x45, 0xDF, 0xA3, 0]), Some(Kind::Media));
    assert_eq!(kind_of(b"RIFF"), None);
    assert_eq!(kind_of(b""), None);
}

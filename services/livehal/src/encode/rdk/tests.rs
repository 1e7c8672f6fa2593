use std::sync::atomic::Ordering;

use openh264::decoder::Decoder;
use openh264::formats::YUVSource;

use super::codec::Layout;
use super::contract::encodes;
use super::library::{LoadError, open_file, open_system};
use super::standin::{self, StandIn, library};
use super::*;
use crate::annexb::nal_units;
use crate::capture::{Color, testsrc};
use crate::{PixelFormat, VideoCodec, strip};

const SIZE: (u32, u32) = (640, 360);

fn params(profile: &str, level: Option<&str>, gop: u32) -> EncoderParams {
    EncoderParams {
        backend: NAME.into(),
        codec: VideoCodec::H264,
        device: None,
        bitrate: 1_000_000,
        min_bitrate: None,
        max_bitrate: None,
        profile: profile.into(),
        level: level.map(Into::into),
        gop,
    }
}

fn format() -> RawFormat {
    RawFormat {
        pixel: PixelFormat::Yuv420,
        width: SIZE.0,
        height: SIZE.1,
        fps: 30.0,
        color: Color::assumed(SIZE.1),
        stride: SIZE.0,
    }
}

fn frames() -> impl Iterator<Item = RawFrame> {
    testsrc::frames(SIZE.0, SIZE.1, 30)
}

/// An encoder of the library under test.
fn open_with(params: &EncoderParams, faults: &str) -> Result<RdkEncoder, BackendError> {
    if let Some(standin) = StandIn::get() {
        standin.faults(faults);
    }
    RdkEncoder::open_in(library(), params, &format(), &Arc::default())
}

fn open(faults: &str) -> RdkEncoder {
    open_with(&params("42001f", None, 30), faults).unwrap()
}

fn unit(encoder: &mut RdkEncoder, frame: &RawFrame, key: bool) -> (Bytes, bool) {
    match encoder.encode(frame, key).unwrap() {
        Encoded::Unit { data, key } => (data, key),
        Encoded::Skipped | Encoded::Damaged(_) => panic!("no access unit"),
    }
}

fn nal_types(unit: &[u8]) -> Vec<u8> {
    nal_units(unit).map(|nal| nal[0] & 0x1F).collect()
}

fn error(encoder: &mut RdkEncoder) -> BackendError {
    let mut frames = frames().take(100).enumerate();
    let result = frames.find_map(|(n, frame)| encoder.encode(&frame, n == 5).err());
    result.expect("an error")
}

#[test]
fn every_frame_comes_out_at_once_and_is_the_picture_that_went_in() {
    if !encodes("pictures") {
        return;
    }
    let stats = Arc::default();
    let params = params("42001f", None, 30);
    let mut encoder = RdkEncoder::open_in(library(), &params, &format(), &stats).unwrap();
    let mut decoder = Decoder::new().unwrap();
    for (n, frame) in frames().take(60).enumerate() {
        let (data, key) = unit(&mut encoder, &frame, false);
        assert_eq!(key, n % 30 == 0, "frame {n}");
        let picture = decoder.decode(&data).unwrap().unwrap();
        let read = strip::read(picture.y(), picture.strides().0, SIZE.0 as usize);
        assert_eq!(read.map(|s| s.frame), Some(n as u32));
        let (from, to) = (frame.picture.plane(1).unwrap(), picture.u());
        let rows = from
            .data
            .chunks(from.stride)
            .zip(to.chunks(picture.strides().1));
        let pairs = rows.flat_map(|(from, to)| from.iter().zip(to));
        let off: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        assert!(off / from.data.len() as u64 <= 4, "chroma is off by {off}");
    }
    assert_eq!(stats.frame_copies.load(Ordering::Relaxed), 60);
}

#[test]
fn every_key_frame_has_its_parameter_sets_however_the_encoder_gives_them() {
    if !encodes("parameter sets") {
        return;
    }
    for headers in ["", "headers=split", "headers=every"] {
        let mut encoder = open(headers);
        for (n, frame) in frames().take(40).enumerate() {
            let (data, key) = unit(&mut encoder, &frame, n == 17);
            assert_eq!(key, n == 0 || n == 17, "{headers}: frame {n}");
            let expected = if key { vec![7, 8, 5] } else { vec![1] };
            assert_eq!(nal_types(&data), expected, "{headers}: frame {n}");
        }
    }
}

#[test]
fn the_profile_and_level_asked_for_are_made() {
    if !encodes("profiles") {
        return;
    }
    for (profile, level, idc) in [
        ("42001f", None, [0x42, 31]),
        ("main", Some("3.1"), [0x4D, 31]),
        ("high", Some("4.2"), [0x64, 42]),
    ] {
        let mut encoder = open_with(&params(profile, level, 30), "").unwrap();
        let (data, _) = unit(&mut encoder, &frames().next().unwrap(), true);
        let [made, _, made_level] = sps_of(&data).unwrap();
        assert_eq!([made, made_level], idc, "{profile}");
    }
}

#[test]
fn the_bit_rate_follows_a_change() {
    if !encodes("bit rate") {
        return;
    }
    let mut encoder = open("");
    let frames: Vec<RawFrame> = frames().take(180).collect();
    let mut rate = |part: &[RawFrame]| {
        let bytes = part
            .iter()
            .map(|frame| unit(&mut encoder, frame, false).0.len());
        bytes.sum::<usize>() as f64 * 8.0 * 30.0 / part.len() as f64
    };
    let before = rate(&frames[30..90]);
    encoder.set_bitrate(300_000).unwrap();
    let mut rate = |part: &[RawFrame]| {
        let bytes = part
            .iter()
            .map(|frame| unit(&mut encoder, frame, false).0.len());
        bytes.sum::<usize>() as f64 * 8.0 * 30.0 / part.len() as f64
    };
    let after = rate(&frames[120..]);
    assert!((0.8..1.2).contains(&(before / 1e6)), "{before}");
    assert!((0.7..1.3).contains(&(after / 3e5)), "{after}");
}

#[test]
fn an_encoder_is_released_whatever_became_of_it() {
    let Some(standin) = StandIn::get() else {
        return;
    };
    for faults in [
        "",
        "configure",
        "start",
        "stop",
        "hang=0",
        "error=1",
        "small",
        "high",
    ] {
        let encoder = open_with(&params("42001f", None, 30), faults);
        if let Ok(mut encoder) = encoder {
            for frame in frames().take(3) {
                let _ = encoder.encode(&frame, false);
            }
        }
        assert_eq!(standin.open(), 0, "{faults}");
    }
}

#[test]
fn a_device_that_errs_or_hangs_is_reported_and_the_next_opening_works() {
    if StandIn::get().is_none() {
        return;
    }
    for (faults, expected) in [
        ("hang=2", "no packet came for 1s"),
        ("error=2", "does not answer in time (-268435452)"),
        ("small", "640x360 is too small: stride 704, chroma stride 0"),
        ("headers=none", "the first key frame has no parameter sets"),
        ("no-idr", "no key frame came although it was asked for"),
    ] {
        let mut encoder = open_with(&params("42001f", None, 40), faults).unwrap();
        let error = error(&mut encoder);
        assert!(
            !error.permanent && error.text.contains(expected),
            "{faults}: {}",
            error.text
        );
        drop(encoder);
        assert!(
            unit(&mut open(""), &frames().next().unwrap(), true).1,
            "{faults}"
        );
    }
}

#[test]
fn what_does_not_start_says_why() {
    if StandIn::get().is_none() {
        return;
    }
    for (faults, expected) in [
        ("no-device", "there is no /dev/vpu"),
        (
            "busy",
            "all of the codec's instances are in use (-268435448)",
        ),
        ("configure", "hb_mm_mc_configure: not enough memory"),
        ("start", "hb_mm_mc_start: not enough memory"),
    ] {
        let error = open_with(&params("42001f", None, 30), faults)
            .err()
            .unwrap();
        assert!(
            !error.permanent && error.text.contains(expected),
            "{faults}: {}",
            error.text
        );
    }
}

#[test]
fn without_its_device_the_vendors_library_says_so() {
    if Path::new(DEVICE).exists() {
        return;
    }
    let error = open_with(&params("42001f", None, 30), "no-device")
        .err()
        .unwrap();
    assert!(
        error
            .text
            .contains("there is no /dev/vpu: this is no RDK X5"),
        "{}",
        error.text
    );
    assert!(
        error.text.contains("hb_mm_mc_initialize: unknown error"),
        "{}",
        error.text
    );
}

#[test]
fn a_profile_that_was_not_asked_for_is_refused() {
    if StandIn::get().is_none() {
        return;
    }
    let mut encoder = open("high");
    let error = error(&mut encoder);
    assert!(error.permanent, "{}", error.text);
    assert!(
        error
            .text
            .contains("asks for 42001f, the RDK X5's encoder makes 64"),
        "{}",
        error.text
    );
}

#[test]
fn packets_without_time_stamps_are_taken_by_their_order() {
    if StandIn::get().is_none() {
        return;
    }
    let mut encoder = open("no-pts");
    for frame in frames().take(5) {
        unit(&mut encoder, &frame, false);
    }
    assert!(encoder.told.pts);
}

#[test]
fn an_empty_packet_is_a_frame_left_out() {
    if StandIn::get().is_none() {
        return;
    }
    let mut encoder = open("empty");
    let result = encoder.encode(&frames().next().unwrap(), true).unwrap();
    assert!(matches!(result, Encoded::Skipped));
}

#[test]
fn limits_of_the_hardware_are_told_by_key() {
    for (change, expected) in [
        (
            (648, 364, 30),
            "capture.height = 364: the RDK X5's encoder takes 128 to 8192, in steps of 8",
        ),
        ((248, 128, 30), "capture.width = 248"),
        (
            (640, 360, 2048),
            "encoder.gop = 2048: allowed are 1 to 2047",
        ),
    ] {
        let (width, height, gop) = change;
        let format = RawFormat {
            width,
            height,
            ..format()
        };
        let params = params("42001f", None, gop);
        let error = RdkEncoder::open_in(library(), &params, &format, &Arc::default());
        let error = error.err().unwrap();
        assert!(
            error.permanent && error.text.contains(expected),
            "{}",
            error.text
        );
    }
}

#[test]
fn a_missing_broken_or_foreign_library_is_named() {
    let dir = tempfile::tempdir().unwrap();
    // Its own name would find the stand-in, which this process has open.
    let name = "libmultimedia-test.so.1";
    let file = dir.path().join(name);
    let missing = open_system(name, dir.path()).err().unwrap().to_string();
    assert!(
        missing.starts_with("libmultimedia.so.1 not found in the system's"),
        "{missing}"
    );
    assert!(missing.contains(dir.path().to_str().unwrap()), "{missing}");
    let missing = open_file(&file).err().unwrap();
    assert_eq!(
        missing,
        LoadError::Missing {
            searched: file.display().to_string()
        }
    );
    std::fs::write(&file, "no library").unwrap();
    let broken = open_file(&file).err().unwrap();
    assert!(matches!(broken, LoadError::Broken { .. }), "{broken}");
    // A library that is there on every Linux, and is not this one.
    let other = open_file(&own_libc()).err().unwrap();
    assert!(matches!(other, LoadError::Incomplete { .. }), "{other}");
    std::fs::copy(standin::path(), &file).unwrap();
    assert!(open_system(name, dir.path()).is_ok());
}

/// The C library that this process runs with.
fn own_libc() -> std::path::PathBuf {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps
        .lines()
        .find(|line| line.contains("libc.so") || line.contains("libc-"))
        .unwrap();
    line.split_once('/')
        .map(|(_, path)| format!("/{path}"))
        .unwrap()
        .into()
}

#[test]
fn descriptions_of_input_buffers_that_cannot_be_are_refused() {
    let mut memory = vec![0u8; 3000];
    let y = memory.as_mut_ptr();
    let good = || {
        let mut buffer = abi::Buffer::empty();
        // SAFETY: every byte of the union is initialised.
        let frame = unsafe { &mut buffer.of.frame };
        frame.planes = [y, y.wrapping_add(1280), std::ptr::null_mut()];
        frame.plane_sizes = [1280, 640, 0];
        frame.stride = 64;
        *frame
    };
    let layout = Layout::of(&good(), 48, 20).unwrap();
    assert_eq!((layout.y_stride, layout.y_size), (64, 1280));
    assert_eq!((layout.uv_stride, layout.uv_size), (64, 640));
    let refused = |change: &dyn Fn(&mut abi::FrameBuffer)| {
        let mut frame = good();
        change(&mut frame);
        Layout::of(&frame, 48, 20).unwrap_err()
    };
    assert!(refused(&|f| f.stride = 47).contains("rows too short"));
    assert!(refused(&|f| f.stride = -64).contains("negative"));
    assert!(refused(&|f| f.chroma_stride = 20).contains("rows too short"));
    assert!(refused(&|f| f.planes[1] = std::ptr::null_mut()).contains("lacks a plane"));
    assert!(refused(&|f| f.plane_sizes[1] = 639).contains("too small"));
    assert!(refused(&|f| f.planes[1] = y.wrapping_add(1279)).contains("overlap"));
}

#[test]
fn a_damaged_picture_is_told_and_takes_no_buffer_away() {
    struct Short;
    impl crate::capture::Picture for Short {
        fn plane(&self, _: usize) -> Option<crate::capture::Plane<'_>> {
            None
        }
    }
    if !encodes("damaged pictures") {
        return;
    }
    let mut encoder = open("");
    let good = frames().next().unwrap();
    for _ in 0..2 * BUFFERS {
        let damaged = RawFrame {
            picture: Arc::new(Short),
            ..good.clone()
        };
        let result = encoder.encode(&damaged, true).unwrap();
        assert!(matches!(result, Encoded::Damaged(why) if why.contains("plane 0 is missing")));
        assert!(unit(&mut encoder, &good, true).1);
    }
}

use openh264::decoder::Decoder;
use openh264::formats::YUVSource;

use super::*;
use crate::annexb::nal_units;
use crate::capture::{Color, Picture, Plane, testsrc};
use crate::convert::{PlaneMut, Target};
use crate::{CaptureTime, PixelFormat, VideoCodec, strip};

fn params(bitrate: u32, profile: &str, level: Option<&str>) -> EncoderParams {
    EncoderParams {
        backend: NAME.into(),
        device: None,
        codec: VideoCodec::H264,
        bitrate,
        min_bitrate: None,
        max_bitrate: None,
        profile: profile.into(),
        level: level.map(Into::into),
        gop: 30,
    }
}

fn format(width: u32, height: u32, fps: f64) -> RawFormat {
    RawFormat {
        pixel: PixelFormat::Yuv420,
        width,
        height,
        fps,
        color: Color::assumed(height),
        stride: width,
    }
}

fn open(bitrate: u32, width: u32, height: u32) -> SoftwareEncoder {
    let params = params(bitrate, "42e01f", None);
    SoftwareEncoder::open(&params, &format(width, height, 30.0), &stats()).unwrap()
}

/// Data and key flag; `None` where the frame was left out.
fn encode(encoder: &mut SoftwareEncoder, frame: &RawFrame, key: bool) -> Option<(Bytes, bool)> {
    match encoder.encode(frame, key).unwrap() {
        Encoded::Unit { data, key } => Some((data, key)),
        Encoded::Skipped => None,
        Encoded::Damaged(why) => panic!("{why}"),
    }
}

fn stats() -> Arc<PipelineStats> {
    Arc::default()
}

/// Bits a second over the frames given, at 30 frames a second.
fn rate_over(encoder: &mut SoftwareEncoder, frames: &[RawFrame]) -> f64 {
    let bytes: usize = frames
        .iter()
        .filter_map(|frame| encode(encoder, frame, false))
        .map(|(data, _)| data.len())
        .sum();
    bytes as f64 * 8.0 * 30.0 / frames.len() as f64
}

fn nal_types(unit: &[u8]) -> Vec<u8> {
    nal_units(unit).map(|nal| nal[0] & 0x1F).collect()
}

#[test]
fn every_profile_and_level_asked_for_is_in_the_sequence_parameter_set() {
    let frame = testsrc::frames(320, 240, 30).next().unwrap();
    for (profile, idc) in [
        ("baseline", 0x42),
        ("constrained-baseline", 0x42),
        ("main", 0x4D),
        ("constrained-high", 0x64),
        ("high", 0x64),
    ] {
        for (level, number) in [
            ("1.3", 13),
            ("2", 20),
            ("3.1", 31),
            ("4.2", 42),
            ("5.2", 52),
        ] {
            let params = params(500_000, profile, Some(level));
            let mut encoder =
                SoftwareEncoder::open(&params, &format(320, 240, 30.0), &stats()).unwrap();
            let (data, _) = encode(&mut encoder, &frame, true).unwrap();
            let [made, constraints, made_level] = sps_of(&data).unwrap();
            assert_eq!((made, made_level), (idc, number), "{profile} {level}");
            if idc == 0x42 {
                // Constrained Baseline: constraint_set0_flag and constraint_set1_flag.
                assert_eq!(constraints & 0xC0, 0xC0, "{profile}");
            }
        }
    }
}

#[test]
fn a_level_the_encoder_would_raise_is_refused_at_the_first_key_frame() {
    // The parameters' own check is left out: 720p does not fit level 3.
    let params = params(500_000, "baseline", Some("3"));
    let mut encoder = SoftwareEncoder::open(&params, &format(1280, 720, 30.0), &stats()).unwrap();
    let frame = testsrc::frames(1280, 720, 30).next().unwrap();
    let error = encoder.encode(&frame, true).err().unwrap();
    assert!(error.permanent);
    assert!(
        error.text.contains("ask for 42001e, OpenH264 makes 42c01f"),
        "{}",
        error.text
    );
}

#[test]
fn pictures_too_large_are_refused_by_name() {
    let params = params(500_000, "42e034", None);
    let error = SoftwareEncoder::open(&params, &format(4096, 2160, 30.0), &stats())
        .err()
        .unwrap();
    assert!(
        error.permanent && error.text.contains("3840x2160"),
        "{}",
        error.text
    );
}

/// A picture's two planes.
struct Nv12([Vec<u8>; 2], usize);

impl Picture for Nv12 {
    fn plane(&self, index: usize) -> Option<Plane<'_>> {
        let data = self.0.get(index)?;
        let stride = self.1;
        Some(Plane { data, stride })
    }
}

#[test]
fn another_layout_is_coded_alike_and_its_conversions_are_counted() {
    use std::sync::atomic::Ordering::Relaxed;

    let (width, height) = (320, 240);
    let params = params(500_000, "42e01f", None);
    let planar = format(width, height, 30.0);
    let nv12 = RawFormat {
        pixel: PixelFormat::Nv12,
        ..planar
    };
    let (direct, converted) = (stats(), stats());
    let mut one = SoftwareEncoder::open(&params, &planar, &direct).unwrap();
    let mut other = SoftwareEncoder::open(&params, &nv12, &converted).unwrap();
    let mut converter = Converter::new(&planar).unwrap();
    for frame in testsrc::frames(width, height, 30).take(5) {
        let mut planes = [vec![0; 320 * 240], vec![0; 320 * 120]];
        let stride = 320;
        let target = planes.each_mut().map(|data| PlaneMut { data, stride });
        converter
            .convert(frame.picture.as_ref(), Target::Nv12(target))
            .unwrap();
        let paired = RawFrame {
            picture: Arc::new(Nv12(planes, stride)),
            ..frame
        };
        assert_eq!(
            encode(&mut one, &frame, false),
            encode(&mut other, &paired, false)
        );
    }
    assert_eq!(
        (
            direct.frame_copies.load(Relaxed),
            converted.frame_copies.load(Relaxed)
        ),
        (0, 5)
    );
}

#[test]
fn a_picture_too_short_is_damaged_and_the_next_is_coded() {
    let nv12 = RawFormat {
        pixel: PixelFormat::Nv12,
        ..format(320, 240, 30.0)
    };
    let params = params(500_000, "42e01f", None);
    let mut encoder = SoftwareEncoder::open(&params, &nv12, &stats()).unwrap();
    let frame = |rows: usize| RawFrame {
        captured: CaptureTime::now(),
        picture: Arc::new(Nv12([vec![50; 320 * rows], vec![128; 320 * 120]], 320)),
    };
    let Encoded::Damaged(why) = encoder.encode(&frame(239), true).unwrap() else {
        panic!("coded");
    };
    assert!(why.contains("plane 0"), "{why}");
    assert!(encode(&mut encoder, &frame(240), true).unwrap().1);
}

#[test]
fn a_key_frame_comes_every_gop_and_only_then_with_its_parameter_sets_before_it() {
    let mut encoder = open(1_000_000, 640, 360);
    for (n, frame) in testsrc::frames(640, 360, 30).take(95).enumerate() {
        let (data, key) = encode(&mut encoder, &frame, false).unwrap();
        assert_eq!(key, n % 30 == 0, "frame {n}");
        assert_eq!(nal_types(&data), if key { vec![7, 8, 5] } else { vec![1] });
    }
}

#[test]
fn a_cut_to_another_scene_brings_no_key_frame() {
    let mut encoder = open(1_000_000, 640, 360);
    // The encoder looks for cuts only a while after a key frame.
    for (n, frame) in testsrc::frames(640, 360, 30).take(28).enumerate() {
        let frame = if n < 20 { frame } else { negative(&frame) };
        let (_, key) = encode(&mut encoder, &frame, false).unwrap();
        assert_eq!(key, n == 0, "frame {n}");
    }
}

/// The picture in negative, upside down: nothing of it can be predicted from the original.
fn negative(frame: &RawFrame) -> RawFrame {
    struct Planes([Vec<u8>; 3]);
    impl Picture for Planes {
        fn plane(&self, index: usize) -> Option<Plane<'_>> {
            let data = self.0.get(index)?;
            let stride = if index == 0 { 640 } else { 320 };
            Some(Plane { data, stride })
        }
    }
    let planes = [0, 1, 2].map(|index| {
        let from = frame.picture.plane(index).unwrap().data;
        from.iter().rev().map(|v| 251 - v.min(&235)).collect()
    });
    RawFrame {
        captured: frame.captured,
        picture: std::sync::Arc::new(Planes(planes)),
    }
}

#[test]
fn a_key_frame_comes_at_once_when_asked_for_and_starts_a_new_gop() {
    let mut encoder = open(1_000_000, 640, 360);
    let keys: Vec<usize> = testsrc::frames(640, 360, 30)
        .take(60)
        .enumerate()
        .filter(|(n, frame)| encode(&mut encoder, frame, *n == 17).unwrap().1)
        .map(|(n, _)| n)
        .collect();
    assert_eq!(keys, [0, 17, 47]);
}

#[test]
fn the_bit_rate_is_held_and_follows_a_change_without_leaving_frames_out() {
    let mut encoder = open(1_500_000, 640, 360);
    let frames: Vec<RawFrame> = testsrc::frames(640, 360, 30).take(360).collect();
    let (first, rest) = frames.split_at(120);
    let (second, third) = rest.split_at(120);
    for (part, target) in [(first, 1_500_000), (second, 500_000), (third, 2_000_000)] {
        encoder.set_bitrate(target).unwrap();
        // The first second after a change settles.
        let (settling, part) = part.split_at(30);
        rate_over(&mut encoder, settling);
        let rate = rate_over(&mut encoder, part) / f64::from(target);
        assert!((0.93..1.07).contains(&rate), "{target}: {rate:.3}");
    }
}

#[test]
fn a_low_bit_rate_is_held_by_coarser_quantisers_before_frames_are_left_out() {
    let mut encoder = open(150_000, 640, 360);
    let frames: Vec<RawFrame> = testsrc::frames(640, 360, 30).take(240).collect();
    let bytes: Vec<usize> = frames
        .iter()
        .map(|frame| encode(&mut encoder, frame, false).unwrap().0.len())
        .collect();
    let rate = bytes.iter().sum::<usize>() as f64 * 8.0 * 30.0 / 240.0 / 150_000.0;
    assert!((0.9..1.06).contains(&rate), "{rate:.3}");
}

#[test]
fn a_bit_rate_too_low_for_the_picture_leaves_frames_out_rather_than_exceed_it() {
    let mut encoder = open(60_000, 1280, 720);
    let frames: Vec<RawFrame> = testsrc::frames(1280, 720, 30).take(300).collect();
    let bits: Vec<usize> = frames
        .iter()
        .map(|frame| encode(&mut encoder, frame, false).map_or(0, |(data, _)| data.len() * 8))
        .collect();
    assert!(bits.contains(&0), "nothing was left out");
    // Ten seconds, and what may be owed at the end.
    let allowed = 60_000.0 * (10.0 + 1.5) + *bits.iter().max().unwrap() as f64;
    let sum = bits.iter().sum::<usize>() as f64;
    assert!(sum <= allowed, "{sum} of {allowed}");
}

#[test]
fn a_key_frame_asked_for_comes_even_when_the_rate_is_exceeded() {
    let mut encoder = open(60_000, 1280, 720);
    let frames: Vec<RawFrame> = testsrc::frames(1280, 720, 30).take(60).collect();
    let skipped = frames
        .iter()
        .position(|frame| encode(&mut encoder, frame, false).is_none())
        .unwrap();
    let (_, key) = encode(&mut encoder, &frames[skipped + 1], true).unwrap();
    assert!(key);
}

#[test]
fn a_source_at_half_its_rate_still_gets_its_bit_rate() {
    let mut encoder = open(1_000_000, 640, 360);
    let half: Vec<RawFrame> = testsrc::frames(640, 360, 15).take(150).collect();
    let (settling, rest) = half.split_at(75);
    rate_over(&mut encoder, settling);
    // Computed for 30 frames a second, of which half came.
    let rate = rate_over(&mut encoder, rest) / 2.0 / 1_000_000.0;
    assert!((0.9..1.1).contains(&rate), "{rate:.3}");
}

#[test]
fn the_strip_survives_coding_at_a_low_bit_rate() {
    for (width, height, bitrate) in [
        (256, 144, 60_000),
        (640, 360, 150_000),
        (1280, 720, 300_000),
    ] {
        let mut encoder = open(bitrate, width, height);
        let mut decoder = Decoder::new().unwrap();
        let mut read = 0;
        for (n, frame) in testsrc::frames(width, height, 30).take(90).enumerate() {
            let Some((data, _)) = encode(&mut encoder, &frame, false) else {
                continue;
            };
            let picture = decoder.decode(&data).unwrap().unwrap();
            let strip = strip::read(picture.y(), picture.strides().0, width as usize);
            assert_eq!(strip.map(|s| s.frame), Some(n as u32), "{width}x{height}");
            read += 1;
        }
        assert!(read > 45, "{width}x{height}: only {read} frames");
    }
}

#[test]
fn rows_longer_than_the_picture_are_coded_like_others() {
    struct Padded(Vec<u8>);
    impl Picture for Padded {
        fn plane(&self, index: usize) -> Option<Plane<'_>> {
            // All planes share the rows of a picture 64 wide; the last is cut short.
            let rows = if index == 0 { 48 } else { 24 };
            let columns = if index == 0 { 48 } else { 24 };
            Some(Plane {
                data: &self.0[..(rows - 1) * 64 + columns],
                stride: 64,
            })
        }
    }
    let picture = Padded((0..64 * 48).map(|i| (i % 64 * 3) as u8).collect());
    let frame = RawFrame {
        captured: CaptureTime::from_nanos(1),
        picture: std::sync::Arc::new(picture),
    };
    let mut encoder = open(2_000_000, 48, 48);
    let (data, _) = encode(&mut encoder, &frame, true).unwrap();
    let mut decoder = Decoder::new().unwrap();
    let decoded = decoder.decode(&data).unwrap().unwrap();
    for (x, &value) in decoded.y()[..48].iter().enumerate() {
        assert!(value.abs_diff((x * 3) as u8) < 12, "column {x}: {value}");
    }
}

#[test]
fn a_picture_smaller_than_the_encoders_is_refused() {
    let mut encoder = open(500_000, 640, 360);
    let frame = testsrc::frames(320, 240, 30).next().unwrap();
    assert!(encoder.encode(&frame, false).is_err());
}

/// A library built before nasm was installed stays in cargo's cache: this does not link then.
#[cfg(openh264_x86_assembly)]
#[test]
fn the_assembly_is_in_the_library() {
    unsafe extern "C" {
        fn WelsSampleSad16x16_sse2(a: *mut u8, a_stride: i32, b: *mut u8, b_stride: i32) -> i32;
    }
    let (mut one, mut two) = ([1u8; 256], [3u8; 256]);
    // SAFETY: both are 16 rows of 16 bytes; the function only reads them. SSE2 is in every x86_64.
    let difference = unsafe { WelsSampleSad16x16_sse2(one.as_mut_ptr(), 16, two.as_mut_ptr(), 16) };
    assert_eq!(difference, 512);
}

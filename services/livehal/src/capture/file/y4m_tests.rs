use std::io::Cursor;

use super::*;

const HEADER: &str = "YUV4MPEG2 W16 H16 F30:1 Ip A1:1 C420jpeg XYSCSS=420JPEG";
const PICTURE: usize = 16 * 16 * 3 / 2;

fn file(header: &str, pictures: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{header}\n").into_bytes();
    for &value in pictures {
        bytes.extend_from_slice(b"FRAME\n");
        bytes.extend(std::iter::repeat_n(value, PICTURE));
    }
    bytes
}

fn open(bytes: Vec<u8>) -> Result<Y4m<Cursor<Vec<u8>>>, BackendError> {
    Y4m::new(Cursor::new(bytes), "clip.y4m".into())
}

/// First luma sample and time of each picture until the end.
fn pictures(footage: &mut dyn Footage) -> Result<Vec<(u8, Duration)>, BackendError> {
    let mut all = Vec::new();
    while let Some(shot) = footage.next()? {
        all.push((shot.picture.unwrap().plane(0).unwrap().data[0], shot.at));
    }
    Ok(all)
}

#[test]
fn pictures_come_in_order_with_their_times_and_again_after_a_rewind() {
    let mut y4m = open(file(HEADER, &[1, 2, 3])).unwrap();
    let expected: Vec<_> = [(1, 0), (2, 33_333_333), (3, 66_666_666)]
        .map(|(value, ns)| (value, Duration::from_nanos(ns)))
        .into();
    assert_eq!(pictures(&mut y4m), Ok(expected.clone()));
    y4m.rewind().unwrap();
    assert_eq!(pictures(&mut y4m), Ok(expected));
}

#[test]
fn size_rate_and_range_come_from_the_header() {
    let format = open(file("YUV4MPEG2 W16 H16 F30000:1001 XCOLORRANGE=FULL", &[0]))
        .unwrap()
        .format();
    assert_eq!((format.width, format.height), (16, 16));
    assert!((format.fps - 29.97).abs() < 0.001);
    assert!(format.color.full_range);
}

#[test]
fn every_420_variant_is_accepted() {
    for variant in ["420", "420jpeg", "420mpeg2", "420paldv"] {
        let header = format!("YUV4MPEG2 W16 H16 F25:1 C{variant}");
        assert!(open(file(&header, &[0])).is_ok(), "{variant}");
    }
    assert!(open(file("YUV4MPEG2 W16 H16 F25:1", &[0])).is_ok());
}

#[test]
fn a_bad_header_is_refused_by_file_and_field() {
    let cases = [
        ("YUV4MPEG2 H16 F25:1", "W (width) is missing"),
        ("YUV4MPEG2 W16 F25:1", "H (height) is missing"),
        ("YUV4MPEG2 W16 H16", "F (frame rate) is missing"),
        ("YUV4MPEG2 W15 H16 F25:1", "field W15"),
        ("YUV4MPEG2 W0 H16 F25:1", "field W0"),
        ("YUV4MPEG2 W-2 H16 F25:1", "field W-2"),
        ("YUV4MPEG2 W99999999999 H16 F25:1", "field W99999999999"),
        ("YUV4MPEG2 W16 Hx F25:1", "field Hx"),
        ("YUV4MPEG2 W16 H16 F0:0", "field F0:0"),
        ("YUV4MPEG2 W16 H16 F25", "field F25"),
        ("YUV4MPEG2 W16 H16 F1:2", "field F1:2"),
        ("YUV4MPEG2 W16 H16 F241:1", "field F241:1"),
        ("YUV4MPEG2 W16 H16 F25:1 It", "field It: interlaced"),
        ("YUV4MPEG2 W16 H16 F25:1 Im", "field Im: interlaced"),
        ("YUV4MPEG2 W16 H16 F25:1 C422", "field C422"),
        ("YUV4MPEG2 W16 H16 F25:1 C444", "field C444"),
        ("YUV4MPEG2 W16 H16 F25:1 C420p10", "field C420p10"),
        ("YUV4MPEG2 W16 H16 F25:1 Cmono", "field Cmono"),
        ("YUV4MPEG2 W16 H16 F25:1 Zx", "field Zx: unknown"),
        ("YUV4MPEG W16 H16 F25:1", "is not YUV4MPEG2"),
    ];
    for (header, complaint) in cases {
        let error = open(file(header, &[0])).err().unwrap();
        assert!(error.permanent, "{header}");
        assert!(error.text.starts_with("clip.y4m: "), "{}", error.text);
        assert!(error.text.contains(complaint), "{header}: {}", error.text);
    }
}

#[test]
fn a_file_without_a_whole_picture_is_refused() {
    for keep in [
        HEADER.len() + 1,
        HEADER.len() + 7,
        HEADER.len() + 7 + PICTURE - 1,
    ] {
        let mut bytes = file(HEADER, &[0]);
        bytes.truncate(keep);
        let error = open(bytes).err().unwrap();
        assert!(error.text.contains("no whole picture"), "{}", error.text);
    }
}

#[test]
fn a_huge_size_in_a_small_file_is_refused_before_memory_is_taken() {
    let error = open(file("YUV4MPEG2 W8192 H8192 F25:1", &[0]))
        .err()
        .unwrap();
    assert!(error.text.contains("no whole picture"), "{}", error.text);
}

#[test]
fn an_incomplete_last_picture_is_left_out() {
    for missing in [1, PICTURE - 1, PICTURE + 3, PICTURE + 5] {
        let mut bytes = file(HEADER, &[1, 2]);
        bytes.truncate(bytes.len() - missing);
        let mut y4m = open(bytes).unwrap();
        let values: Vec<u8> = pictures(&mut y4m).unwrap().iter().map(|p| p.0).collect();
        assert_eq!(values, [1], "{missing} bytes missing");
    }
}

#[test]
fn a_picture_that_does_not_begin_with_frame_is_an_error_with_its_number() {
    let mut bytes = file(HEADER, &[1]);
    bytes.extend_from_slice(b"FRAMES\n");
    let error = pictures(&mut open(bytes).unwrap()).err().unwrap();
    assert!(error.text.contains("clip.y4m: picture 1"), "{}", error.text);
}

#[test]
fn a_picture_line_may_carry_parameters() {
    let mut bytes = format!("{HEADER}\nFRAME Ip XCOMMENT\n").into_bytes();
    bytes.extend([7; PICTURE]);
    assert_eq!(pictures(&mut open(bytes).unwrap()).unwrap()[0].0, 7);
}

#[test]
fn a_line_without_end_is_refused() {
    let error = open([MAGIC, &[b'X'; 10_000]].concat()).err().unwrap();
    assert!(error.text.contains("too long"), "{}", error.text);
}

/// The fuzz target's body, for a bounded time: damaged files end in an error, never in a panic, and
/// what is read stays within the file.
#[test]
fn damaged_files_end_in_errors() {
    let mut random = fastrand::Rng::with_seed(7);
    let whole = file(HEADER, &[1, 2, 3]);
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..random.usize(1..8) {
            let at = if random.bool() {
                random.usize(..HEADER.len() + 8)
            } else {
                random.usize(..bytes.len())
            };
            match random.u8(..4) {
                0 => bytes[at] = random.u8(..),
                1 => bytes[at] = b"0123456789:WHFIC \n"[random.usize(..18)],
                2 => drop(bytes.drain(at..bytes.len().min(at + 4))),
                _ => bytes.truncate(at.max(whole.len() / 2)),
            }
        }
        let length = bytes.len();
        if let Ok(mut y4m) = open(bytes) {
            let format = y4m.format();
            let size = format.width as usize * format.height as usize * 3 / 2;
            let read = pictures(&mut y4m).map_or(0, |all| all.len());
            assert!(read * size <= length);
        }
    }
}

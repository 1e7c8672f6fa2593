use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::*;

const FULL: Color = Color {
    matrix: Matrix::Bt601,
    full_range: true,
};
const SIZE: (usize, usize) = (98, 54);

/// Smooth, for JPEG at its best loses next to nothing then.
fn smooth(x: usize, y: usize, component: usize) -> u8 {
    let (x, y) = (x as f64, y as f64);
    match component {
        0 => (120.0 + (x / 20.0).sin() * 60.0 + (y / 15.0).cos() * 40.0) as u8,
        1 => (100.0 + x / 2.0) as u8,
        _ => (160.0 - y) as u8,
    }
}

/// A JPEG as a camera makes it.
fn jpeg(size: (usize, usize), sampling: SamplingFactor) -> Vec<u8> {
    let mut pixels = Vec::new();
    for y in 0..size.1 {
        for x in 0..size.0 {
            pixels.extend([0, 1, 2].map(|c| smooth(x, y, c)));
        }
    }
    let mut data = Vec::new();
    let mut encoder = Encoder::new(&mut data, 97);
    encoder.set_sampling_factor(sampling);
    let (width, height) = (size.0 as u16, size.1 as u16);
    encoder
        .encode(&pixels, width, height, ColorType::Ycbcr)
        .unwrap();
    data
}

fn decode(data: Vec<u8>) -> Result<Planes, ConvertError> {
    let format = format(PixelFormat::Mjpeg, SIZE, FULL);
    convert(&format, &Memory(vec![(data, 0)]))
}

fn wanted() -> Planes {
    expected(SIZE, |x, y| [0, 1, 2].map(|c| f64::from(smooth(x, y, c))))
}

#[test]
fn every_subsampling_comes_out_as_the_picture_went_in() {
    use SamplingFactor::{F_1_1, F_1_2, F_2_1, F_2_2};
    for sampling in [F_1_1, F_1_2, F_2_1, F_2_2] {
        assert_close(&decode(jpeg(SIZE, sampling)).unwrap(), &wanted(), 42.0);
    }
}

#[test]
fn gray_has_no_colour() {
    let pixels: Vec<u8> = (0..SIZE.1)
        .flat_map(|y| (0..SIZE.0).map(move |x| smooth(x, y, 0)))
        .collect();
    let mut data = Vec::new();
    let encoder = Encoder::new(&mut data, 97);
    encoder
        .encode(&pixels, SIZE.0 as u16, SIZE.1 as u16, ColorType::Luma)
        .unwrap();
    let [y, u, v] = decode(data).unwrap();
    assert!(psnr(&y, &pixels) > 42.0);
    assert!(u.iter().chain(&v).all(|&c| c == 128));
}

/// The segments of a JPEG up to its scan: marker, and where each begins and ends.
fn segments(data: &[u8]) -> Vec<(u8, std::ops::Range<usize>)> {
    let mut at = 2;
    let mut found = vec![];
    loop {
        let length = usize::from(u16::from_be_bytes([data[at + 2], data[at + 3]]));
        found.push((data[at + 1], at..at + 2 + length));
        if data[at + 1] == 0xDA {
            return found;
        }
        at += 2 + length;
    }
}

#[test]
fn frames_without_huffman_tables_are_read() {
    let whole = jpeg(SIZE, SamplingFactor::F_2_1);
    let mut bare = whole.clone();
    let tables: Vec<_> = segments(&whole)
        .into_iter()
        .filter(|s| s.0 == 0xC4)
        .collect();
    assert!(!tables.is_empty());
    for (_, range) in tables.into_iter().rev() {
        bare.drain(range);
    }
    assert!(bare.len() < whole.len() - 400);
    assert!(decode(bare).unwrap() == decode(whole).unwrap());
}

#[test]
fn padding_and_stray_bytes_at_the_end_do_no_harm() {
    let whole = jpeg(SIZE, SamplingFactor::F_2_1);
    let clean = decode(whole.clone()).unwrap();
    let mut padded = whole.clone();
    padded.extend([0; 1000]);
    assert!(decode(padded).unwrap() == clean);
    let mut stray = whole;
    let end = stray.len() - 2;
    stray.splice(end..end, [0x11, 0x22]);
    assert!(decode(stray).unwrap() == clean);
}

#[test]
fn damaged_frames_are_errors_and_the_next_is_read() {
    let whole = jpeg(SIZE, SamplingFactor::F_2_1);
    let scan = segments(&whole).last().unwrap().1.end;
    let mut noise = whole.clone();
    for (i, byte) in noise[scan..].iter_mut().enumerate().skip(20).step_by(3) {
        *byte = (i * 37) as u8;
    }
    let format = format(PixelFormat::Mjpeg, SIZE, FULL);
    let mut planar = Planar::new(&format).unwrap();
    for (name, data) in [
        ("empty", vec![]),
        ("not a JPEG", vec![7; 5000]),
        ("no scan", whole[..scan].to_vec()),
        ("cut off", whole[..whole.len() * 2 / 3].to_vec()),
        ("noise", noise),
        (
            "another size",
            jpeg((SIZE.0 + 2, SIZE.1), SamplingFactor::F_2_1),
        ),
    ] {
        let error = planar.planes(&Memory(vec![(data, 0)])).err();
        assert!(
            matches!(error, Some(ConvertError::Damaged(_))),
            "{name}: {error:?}"
        );
        planar.planes(&Memory(vec![(whole.clone(), 0)])).unwrap();
    }
}

#[test]
fn no_prefix_or_changed_byte_does_worse_than_an_error() {
    let small = jpeg((32, 16), SamplingFactor::F_2_1);
    let format = format(PixelFormat::Mjpeg, (32, 16), FULL);
    let mut planar = Planar::new(&format).unwrap();
    for at in 0..small.len() {
        let _ = planar.planes(&Memory(vec![(small[..at].to_vec(), 0)]));
        for value in [0, 0xFF, small[at] ^ 0x10] {
            let mut changed = small.clone();
            changed[at] = value;
            let _ = planar.planes(&Memory(vec![(changed, 0)]));
        }
    }
    planar.planes(&Memory(vec![(small, 0)])).unwrap();
}

use super::*;
use crate::capture::Matrix;

/// A picture in memory: bytes and stride of each plane.
pub(crate) struct Memory(pub(crate) Vec<(Vec<u8>, usize)>);

impl Picture for Memory {
    fn plane(&self, index: usize) -> Option<Plane<'_>> {
        let (data, stride) = self.0.get(index)?;
        Some(Plane {
            data,
            stride: *stride,
        })
    }
}

const BT601: Color = Color {
    matrix: Matrix::Bt601,
    full_range: false,
};
const BT709: Color = Color {
    matrix: Matrix::Bt709,
    full_range: false,
};

pub(crate) fn format(
    pixel: PixelFormat,
    (width, height): (usize, usize),
    color: Color,
) -> RawFormat {
    RawFormat {
        pixel,
        width: width as u32,
        height: height as u32,
        fps: 30.0,
        color,
        stride: 0,
    }
}

/// Samples that differ from pixel to pixel in every component, without hard edges.
fn sample(x: usize, y: usize, component: usize) -> u8 {
    let (x, y, c) = (x as f64, y as f64, component as f64);
    let wave = (x / 7.0 + c).sin() * 50.0 + (y / 5.0 - c * 2.0).cos() * 50.0;
    (128.0 + wave + ((x + 2.0 * y) % 9.0)) as u8
}

/// `width` bytes a row, padded to `stride` with something else; the last row is not padded.
fn plane(
    (width, height): (usize, usize),
    stride: usize,
    value: impl Fn(usize, usize) -> u8,
) -> (Vec<u8>, usize) {
    let mut data = vec![0xEE; stride * (height - 1) + width];
    for y in 0..height {
        for x in 0..width {
            data[y * stride + x] = value(x, y);
        }
    }
    (data, stride)
}

/// Planes without padding: Y, U, V.
type Planes = [Vec<u8>; 3];

/// What a 4:2:0 picture should be: luma and full-size chroma are given, chroma becomes the mean.
fn expected(size: (usize, usize), value: impl Fn(usize, usize) -> [f64; 3]) -> Planes {
    let mut planes = [vec![], vec![], vec![]];
    for y in 0..size.1 {
        for x in 0..size.0 {
            planes[0].push(value(x, y)[0].round() as u8);
        }
    }
    for y in (0..size.1).step_by(2) {
        for x in (0..size.0).step_by(2) {
            for component in [1, 2] {
                let four = [(0, 0), (1, 0), (0, 1), (1, 1)];
                let sum: f64 = four
                    .iter()
                    .map(|(dx, dy)| value(x + dx, y + dy)[component])
                    .sum();
                planes[component].push((sum / 4.0).round() as u8);
            }
        }
    }
    planes
}

/// Converts to both targets, with rows of odd length there too, checks that they agree and that
/// nothing was written between the rows.
fn convert(format: &RawFormat, picture: &dyn Picture) -> Result<Planes, ConvertError> {
    let (width, height) = (format.width as usize, format.height as usize);
    let half = (width / 2, height / 2);
    let mut converter = Converter::new(format)?;
    let mut buffers = [
        (width + 5, height),
        (half.0 + 3, half.1),
        (half.0 + 9, half.1),
    ]
    .map(|(stride, rows)| (vec![0xAA; stride * rows], stride));
    let [y, u, v] = &mut buffers;
    let planes = [y, u, v].map(|(data, stride)| PlaneMut {
        data,
        stride: *stride,
    });
    converter.convert(picture, Target::Yuv420(planes))?;
    let planar = [0, 1, 2].map(|index| {
        let (data, stride) = &buffers[index];
        unpad(data, *stride, if index == 0 { width } else { half.0 })
    });

    let mut luma = vec![0xAA; (width + 1) * height];
    let mut chroma = vec![0xAA; (width + 7) * half.1];
    let target = [
        PlaneMut {
            data: &mut luma,
            stride: width + 1,
        },
        PlaneMut {
            data: &mut chroma,
            stride: width + 7,
        },
    ];
    converter.convert(picture, Target::Nv12(target))?;
    let pairs = unpad(&chroma, width + 7, width);
    let paired = [
        unpad(&luma, width + 1, width),
        pairs.iter().copied().step_by(2).collect(),
        pairs.iter().copied().skip(1).step_by(2).collect(),
    ];
    assert!(paired == planar, "NV12 and planar differ");
    Ok(planar)
}

fn unpad(data: &[u8], stride: usize, width: usize) -> Vec<u8> {
    let rows = data.chunks(stride);
    rows.flat_map(|row| {
        assert!(
            row[width..].iter().all(|&b| b == 0xAA),
            "written beside a row"
        );
        row[..width].iter().copied()
    })
    .collect()
}

/// Peak signal-to-noise ratio in dB; infinite for equal planes.
fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let square = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b)).powi(2);
    let error: f64 = a.iter().zip(b).map(square).sum::<f64>() / a.len() as f64;
    10.0 * (255.0 * 255.0 / error).log10()
}

#[track_caller]
fn assert_close(made: &Planes, expected: &Planes, decibels: f64) {
    for (name, (made, expected)) in ["Y", "U", "V"].iter().zip(made.iter().zip(expected)) {
        let psnr = psnr(made, expected);
        assert!(psnr >= decibels, "{name}: {psnr:.1} dB");
    }
}

/// Sizes with every remainder that vector code treats apart.
const SIZES: [(usize, usize); 5] = [(16, 16), (34, 18), (62, 22), (130, 10), (322, 242)];

#[test]
fn yuyv_is_exact_with_any_stride() {
    for size in SIZES {
        for padding in [0, 1, 13, 64] {
            let value = |x: usize, y: usize| match x % 4 {
                1 => sample(x / 4, y, 1),
                3 => sample(x / 4, y, 2),
                _ => sample(x / 2, y, 0),
            };
            let packed = plane((2 * size.0, size.1), 2 * size.0 + padding, value);
            let format = format(PixelFormat::Yuyv422, size, BT601);
            let made = convert(&format, &Memory(vec![packed])).unwrap();
            let wanted = expected(size, |x, y| {
                [0, 1, 2].map(|c| f64::from(sample(if c == 0 { x } else { x / 2 }, y, c)))
            });
            // A mean of two that ends in a half is rounded up, by both.
            assert!(made == wanted, "{size:?} + {padding}");
        }
    }
}

#[test]
fn planar_formats_are_moved_as_they_are() {
    for size in SIZES {
        let half = (size.0 / 2, size.1 / 2);
        let wanted = [
            plane(size, size.0, |x, y| sample(x, y, 0)).0,
            plane(half, half.0, |x, y| sample(x, y, 1)).0,
            plane(half, half.0, |x, y| sample(x, y, 2)).0,
        ];
        let luma = plane(size, size.0 + 11, |x, y| sample(x, y, 0));
        let pairs = plane((size.0, half.1), size.0 + 3, |x, y| {
            sample(x / 2, y, 1 + x % 2)
        });
        let nv12 = format(PixelFormat::Nv12, size, BT601);
        let made = convert(&nv12, &Memory(vec![luma.clone(), pairs])).unwrap();
        assert!(made == wanted, "nv12 {size:?}");
        let u = plane(half, half.0 + 1, |x, y| sample(x, y, 1));
        let v = plane(half, half.0 + 2, |x, y| sample(x, y, 2));
        let yuv420 = format(PixelFormat::Yuv420, size, BT601);
        let made = convert(&yuv420, &Memory(vec![luma, u, v])).unwrap();
        assert!(made == wanted, "yuv420 {size:?}");
    }
}

/// ITU-R BT.601-7 section 2.5 and BT.709-6 section 3, quantised as there in section 3.4.
fn quantised([r, g, b]: [f64; 3], matrix: Matrix) -> [f64; 3] {
    let (kr, kb) = match matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
    };
    let luma = kr * r + (1.0 - kr - kb) * g + kb * b;
    let chroma = |component: f64, k: f64| (component - luma) / (2.0 * (1.0 - k));
    [
        219.0 * luma + 16.0,
        224.0 * chroma(b, kb) + 128.0,
        224.0 * chroma(r, kr) + 128.0,
    ]
}

#[test]
fn rgb_follows_the_standards_formulas() {
    for size in SIZES {
        for color in [BT601, BT709] {
            for padding in [0, 7] {
                let packed = plane((3 * size.0, size.1), 3 * size.0 + padding, |x, y| {
                    sample(x / 3, y, x % 3)
                });
                let full = Color {
                    full_range: true,
                    ..color
                };
                let format = format(PixelFormat::Rgb888, size, full);
                assert_eq!(Converter::color(&format), color);
                let made = convert(&format, &Memory(vec![packed])).unwrap();
                let wanted = expected(size, |x, y| {
                    let rgb = [0, 1, 2].map(|c| f64::from(sample(x, y, c)) / 255.0);
                    quantised(rgb, color.matrix)
                });
                assert_close(&made, &wanted, 50.0);
            }
        }
    }
}

#[test]
fn limited_range_rgb_keeps_black_white_and_red() {
    let size = (16, 16);
    let limited = format(PixelFormat::Rgb888, size, BT709);
    for (rgb, yuv) in [
        ([16, 16, 16], [16, 128, 128]),
        ([235, 235, 235], [235, 128, 128]),
        // Weaker than 240 by what the documentation says.
        ([235, 16, 16], [63, 102, 237]),
    ] {
        let picture = Memory(vec![plane((48, 16), 48, |x, _| rgb[x % 3])]);
        let made = convert(&limited, &picture).unwrap();
        for (plane, wanted) in made.iter().zip(yuv) {
            assert!(
                plane.iter().all(|&v| v.abs_diff(wanted) <= 1),
                "{rgb:?}: {plane:?}"
            );
        }
    }
}

#[test]
fn planes_too_short_are_refused_on_both_sides() {
    let size = (32, 16);
    for (pixel, planes) in [
        (PixelFormat::Yuyv422, vec![(64, 16)]),
        (PixelFormat::Rgb888, vec![(96, 16)]),
        (PixelFormat::Nv12, vec![(32, 16), (32, 8)]),
        (PixelFormat::Yuv420, vec![(32, 16), (16, 8), (16, 8)]),
    ] {
        let format = format(pixel, size, BT601);
        let whole = || {
            Memory(
                planes
                    .iter()
                    .map(|&(w, h)| plane((w, h), w, |_, _| 1))
                    .collect(),
            )
        };
        convert(&format, &whole()).unwrap();
        for index in 0..planes.len() {
            let mut short = whole();
            short.0[index].0.pop();
            let mut narrow = whole();
            narrow.0[index].1 -= 1;
            let mut missing = whole();
            missing.0.truncate(index);
            for bad in [short, narrow, missing] {
                let error = convert(&format, &bad).unwrap_err();
                assert!(matches!(error, ConvertError::Damaged(_)), "{error}");
            }
        }
        let mut converter = Converter::new(&format).unwrap();
        let mut bytes = [vec![0; 32 * 16], vec![0; 16 * 8], vec![0; 16 * 8 - 1]];
        let mut strides = [32, 16, 16].into_iter();
        let target = bytes.each_mut().map(|data| PlaneMut {
            data,
            stride: strides.next().unwrap(),
        });
        let error = converter
            .convert(&whole(), Target::Yuv420(target))
            .unwrap_err();
        assert!(
            error.to_string().contains("plane V of the destination"),
            "{error}"
        );
    }
}

#[test]
fn odd_sizes_are_refused() {
    for size in [(15, 16), (16, 15), (0, 16)] {
        let format = format(PixelFormat::Nv12, size, BT601);
        assert!(matches!(
            Converter::new(&format),
            Err(ConvertError::Unfit(_))
        ));
    }
}

#[test]
fn copies_are_counted() {
    let stats = Arc::new(PipelineStats::default());
    let format = format(PixelFormat::Nv12, (16, 16), BT601);
    let picture = Memory(vec![(vec![0; 256], 16), (vec![0; 128], 16)]);
    let mut planar = Planar::new(&format).unwrap().counted(&stats);
    planar.planes(&picture).unwrap();
    planar.planes(&picture).unwrap();
    assert_eq!(stats.frame_copies.load(Ordering::Relaxed), 2);
}

#[cfg(all(feature = "mjpeg", target_os = "linux"))]
mod mjpeg;

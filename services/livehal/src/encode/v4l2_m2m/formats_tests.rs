//! Layouts and choices, without a device.

use std::fs::File;
use std::os::fd::AsFd;

use super::*;
use crate::capture::DmaBufPlane;
use crate::v4l2::PlaneFormat;

fn format(fourcc: Fourcc, (width, height): (u32, u32), planes: &[(u32, u32)]) -> PixFormat {
    let mut format = PixFormat::new(fourcc, width, height);
    format.planes = planes
        .iter()
        .map(|&(size, stride)| PlaneFormat { size, stride })
        .collect();
    format
}

fn places(layout: &Layout) -> Vec<(usize, usize, usize)> {
    let place = |p: &Place| (p.buffer, p.offset, p.stride);
    layout.planes.iter().map(place).collect()
}

#[test]
fn chroma_follows_the_rows_that_the_driver_added() {
    let nv12 = format(Fourcc::NV12, (1920, 1088), &[(1920 * 1088 * 3 / 2, 1920)]);
    let layout = Layout::new(PixelFormat::Nv12, &nv12, (1920, 1080)).unwrap();
    assert_eq!(places(&layout), [(0, 0, 1920), (0, 1920 * 1088, 1920)]);
    let yuv420 = format(Fourcc::YUV420, (64, 48), &[(64 * 48 * 3 / 2, 64)]);
    let layout = Layout::new(PixelFormat::Yuv420, &yuv420, (64, 34)).unwrap();
    let luma = 64 * 48;
    let expected = [(0, 0, 64), (0, luma, 32), (0, luma + luma / 4, 32)];
    assert_eq!(places(&layout), expected);
    assert_eq!((layout.planes[2].row, layout.planes[2].rows), (32, 17));
}

#[test]
fn separate_planes_have_strides_of_their_own() {
    let nv12m = format(Fourcc::NV12M, (64, 64), &[(80 * 64, 80), (96 * 32, 96)]);
    let layout = Layout::new(PixelFormat::Nv12, &nv12m, (64, 64)).unwrap();
    assert_eq!(places(&layout), [(0, 0, 80), (1, 0, 96)]);
}

#[test]
fn a_driver_whose_buffer_is_too_small_is_refused() {
    let small = format(Fourcc::NV12, (64, 64), &[(64 * 64 * 3 / 2 - 1, 64)]);
    assert!(Layout::new(PixelFormat::Nv12, &small, (64, 64)).is_err());
    let narrow = format(Fourcc::YUYV, (64, 64), &[(1 << 20, 100)]);
    assert!(Layout::new(PixelFormat::Yuyv422, &narrow, (64, 64)).is_err());
    let missing = format(Fourcc::YUV420M, (64, 64), &[(1 << 20, 64), (1 << 20, 32)]);
    assert!(Layout::new(PixelFormat::Yuv420, &missing, (64, 64)).is_err());
}

#[test]
fn pictures_are_read_in_place_only_where_they_lie_as_the_encoder_reads() {
    let nv12 = format(Fourcc::NV12, (64, 64), &[(64 * 64 * 3 / 2, 64)]);
    let layout = Layout::new(PixelFormat::Nv12, &nv12, (64, 64)).unwrap();
    let (one, two) = (
        File::open("/dev/null").unwrap(),
        File::open("/dev/null").unwrap(),
    );
    let plane = |file, length, offset, stride| DmaBufPlane {
        fd: File::as_fd(file),
        length,
        offset,
        stride,
    };
    let whole = 64 * 64 * 3 / 2;
    let fits = |planes: &[DmaBufPlane<'_>]| {
        layout
            .importable(&DmaBuf {
                planes: planes.to_vec(),
            })
            .is_ok()
    };
    assert!(fits(&[
        plane(&one, whole, 0, 64),
        plane(&one, whole, 4096, 64)
    ]));
    assert!(!fits(&[plane(&one, whole, 0, 64)]));
    assert!(!fits(&[
        plane(&one, whole, 0, 64),
        plane(&two, whole, 4096, 64)
    ]));
    assert!(!fits(&[
        plane(&one, whole, 0, 64),
        plane(&one, whole, 8192, 64)
    ]));
    assert!(!fits(&[
        plane(&one, whole, 0, 80),
        plane(&one, whole, 4096, 64)
    ]));
    assert!(!fits(&[
        plane(&one, whole - 1, 0, 64),
        plane(&one, whole - 1, 4096, 64)
    ]));
}

#[test]
fn the_cameras_own_format_is_taken_before_a_converted_one() {
    let offered = |codes: &[Fourcc]| -> Vec<FormatInfo> {
        let info = |code: &Fourcc| FormatInfo {
            fourcc: *code,
            flags: 0,
            description: String::new(),
        };
        codes.iter().map(info).collect()
    };
    let all = offered(&[Fourcc::YUV420, Fourcc::NV12, Fourcc::YUYV]);
    assert_eq!(
        choose(PixelFormat::Yuyv422, &all),
        Some((PixelFormat::Yuyv422, Fourcc::YUYV))
    );
    assert_eq!(
        choose(PixelFormat::Mjpeg, &all),
        Some((PixelFormat::Nv12, Fourcc::NV12))
    );
    let planar = offered(&[Fourcc::YUV420M]);
    assert_eq!(
        choose(PixelFormat::Nv12, &planar),
        Some((PixelFormat::Yuv420, Fourcc::YUV420M))
    );
    assert_eq!(choose(PixelFormat::Nv12, &offered(&[Fourcc::MJPEG])), None);
}

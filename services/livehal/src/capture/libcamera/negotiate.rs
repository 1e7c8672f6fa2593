//! What is asked of a camera, and what it gives.

use libcamera::camera::{Camera, CameraConfiguration, CameraConfigurationStatus, Orientation};
use libcamera::color_space::{ColorSpace, Range, YcbcrEncoding};
use libcamera::geometry::Size;
use libcamera::pixel_format::PixelFormat as Native;
use libcamera::stream::{StreamConfigurationRef, StreamRole};

use super::controls::FLIPS;
use crate::capture::{BackendError, Color, Matrix, RawFormat};
use crate::{CaptureParams, ControlValue, PixelFormat};

/// Our formats and DRM's, the most welcome first: 4:2:0 needs no conversion.
const FORMATS: [(PixelFormat, Native); 5] = [
    (PixelFormat::Yuv420, native(*b"YU12")),
    (PixelFormat::Nv12, native(*b"NV12")),
    (PixelFormat::Yuyv422, native(*b"YUYV")),
    // In memory R, G, B: DRM names the bytes of a little-endian number.
    (PixelFormat::Rgb888, native(*b"BG24")),
    (PixelFormat::Mjpeg, native(*b"MJPG")),
];

const fn native(code: [u8; 4]) -> Native {
    Native::new(u32::from_le_bytes(code), 0)
}

fn ours(format: Native) -> Option<PixelFormat> {
    FORMATS
        .iter()
        .find(|(_, native)| *native == format)
        .map(|(ours, _)| *ours)
}

/// A configuration that the camera accepts.
pub(super) struct Negotiated {
    pub(super) config: CameraConfiguration,
    pub(super) format: RawFormat,
    /// Horizontal and vertical.
    pub(super) flips: [bool; 2],
}

/// Asks `camera` for what `params` wants. What it changes is used and shown; what cannot be used is
/// refused with what the camera offers.
///
/// # Errors
/// The camera gives no video, none of our formats, or does not flip.
pub(super) fn negotiate(
    camera: &Camera<'_>,
    params: &CaptureParams,
) -> Result<Negotiated, BackendError> {
    let none = || BackendError::permanent(format!("camera {} gives no video", camera.id()));
    let mut config = camera
        .generate_configuration(&[StreamRole::VideoRecording])
        .ok_or_else(none)?;
    let (width, height) = params.size_or_default();
    let wanted = params.pixel_format.unwrap_or(PixelFormat::Yuv420);
    let offers = offers(&*config.get(0).ok_or_else(none)?);
    let flips = flips(params)?;
    let mut asked = wanted;
    loop {
        config.set_orientation(orientation(flips));
        let mut stream = config.get_mut(0).ok_or_else(none)?;
        stream.set_pixel_format(to_native(asked));
        stream.set_size(Size::new(width, height));
        // One in the encoder, one in front of it, one in a snapshot, and some for the camera.
        let count = stream.get_buffer_count();
        stream.set_buffer_count(count.max(6));
        if let CameraConfigurationStatus::Invalid = config.validate() {
            return Err(BackendError::permanent(format!(
                "camera {} refuses {width}x{height} in {asked}; it offers {}",
                camera.id(),
                describe(&offers)
            )));
        }
        let given = config.get(0).ok_or_else(none)?;
        if let Some(pixel) = ours(given.get_pixel_format()) {
            let format = format(&given, pixel, params.fps_or_default());
            check_flips(&config, flips, camera.id())?;
            tell(camera.id(), params, wanted, &format, &offers);
            return Ok(Negotiated {
                config,
                format,
                flips,
            });
        }
        // The camera chose one that this program does not know: ask for the best that it does.
        let best = offers.iter().find_map(|(native, _)| ours(*native));
        match best {
            Some(best) if best != asked => asked = best,
            _ => {
                return Err(BackendError::permanent(format!(
                    "camera {} gives none of yuv420, nv12, yuyv, rgb888 and mjpeg; it offers {}",
                    camera.id(),
                    describe(&offers)
                )));
            }
        }
    }
}

fn to_native(format: PixelFormat) -> Native {
    let found = FORMATS.iter().find(|(ours, _)| *ours == format);
    found.map_or(native(*b"YU12"), |(_, native)| *native)
}

/// The camera's formats, our favourites first, each with its largest size.
fn offers(stream: &StreamConfigurationRef<'_>) -> Vec<(Native, Size)> {
    let formats = stream.formats();
    let rank = |format: Native| {
        FORMATS
            .iter()
            .position(|(_, n)| *n == format)
            .unwrap_or(FORMATS.len())
    };
    let mut all: Vec<_> = formats
        .pixel_formats()
        .into_iter()
        .map(|format| (format, formats.range(format).max))
        .collect();
    all.sort_by_key(|(format, _)| rank(*format));
    all
}

fn describe(offers: &[(Native, Size)]) -> String {
    let named = |(format, size): &(Native, Size)| {
        let name = ours(*format).map_or_else(|| format.to_string(), |ours| ours.to_string());
        format!("{name} up to {}x{}", size.width, size.height)
    };
    let all: Vec<_> = offers.iter().map(named).collect();
    if all.is_empty() {
        "nothing".into()
    } else {
        all.join(", ")
    }
}

fn format(stream: &StreamConfigurationRef<'_>, pixel: PixelFormat, fps: u32) -> RawFormat {
    let size = stream.get_size();
    RawFormat {
        pixel,
        width: size.width,
        height: size.height,
        fps: f64::from(fps),
        color: color(stream.get_color_space(), pixel, size.height),
        stride: if pixel == PixelFormat::Mjpeg {
            0
        } else {
            stream.get_stride()
        },
    }
}

fn color(space: Option<ColorSpace>, pixel: PixelFormat, height: u32) -> Color {
    // JPEG files have one way to write colours.
    if pixel == PixelFormat::Mjpeg {
        return Color {
            matrix: Matrix::Bt601,
            full_range: true,
        };
    }
    let Some(space) = space else {
        return Color::assumed(height);
    };
    Color {
        matrix: match space.ycbcr_encoding {
            YcbcrEncoding::Rec601 => Matrix::Bt601,
            YcbcrEncoding::Rec709 | YcbcrEncoding::Rec2020 => Matrix::Bt709,
            YcbcrEncoding::None => Color::assumed(height).matrix,
        },
        full_range: space.range == Range::Full,
    }
}

/// Says what the camera changed.
fn tell(
    id: &str,
    params: &CaptureParams,
    wanted: PixelFormat,
    given: &RawFormat,
    offers: &[(Native, Size)],
) {
    let (width, height) = params.size_or_default();
    let offers = describe(offers);
    if (given.width, given.height) != (width, height) {
        tracing::warn!(
            "capture.width x capture.height = {width}x{height}: camera {id} gives {}x{}; it offers {offers}",
            given.width,
            given.height
        );
    }
    if given.pixel != wanted {
        tracing::warn!(
            "capture.pixel_format = {wanted}: camera {id} gives {}; it offers {offers}",
            given.pixel
        );
    }
}

fn flips(params: &CaptureParams) -> Result<[bool; 2], BackendError> {
    let mut flips = [false; 2];
    for (flip, name) in flips.iter_mut().zip(FLIPS) {
        *flip = match params.controls.get(name) {
            None => false,
            Some(ControlValue::Bool(value)) => *value,
            Some(other) => {
                return Err(BackendError::permanent(format!(
                    "capture.controls.{name} = {other}: allowed are true and false"
                )));
            }
        };
    }
    Ok(flips)
}

fn orientation([horizontal, vertical]: [bool; 2]) -> Orientation {
    match (horizontal, vertical) {
        (false, false) => Orientation::Rotate0,
        (true, false) => Orientation::Rotate0Mirror,
        (true, true) => Orientation::Rotate180,
        // Upside down and mirrored is what remains.
        (false, true) => Orientation::Rotate180Mirror,
    }
}

/// A camera that cannot turn its picture as configured says so here. One that nobody asked to flip
/// gives what it gives.
fn check_flips(
    config: &CameraConfiguration,
    flips: [bool; 2],
    id: &str,
) -> Result<(), BackendError> {
    if flips == [false; 2] || config.orientation() == orientation(flips) {
        return Ok(());
    }
    let wanted: Vec<_> = FLIPS
        .iter()
        .zip(flips)
        .filter(|(_, on)| *on)
        .map(|(n, _)| *n)
        .collect();
    Err(BackendError::permanent(format!(
        "capture.controls.{} = true: camera {id} cannot; it gives {:?}",
        wanted.join(" and "),
        config.orientation()
    )))
}

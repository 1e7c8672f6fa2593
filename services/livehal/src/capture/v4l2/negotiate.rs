//! Size, rate and format: what is asked for, what the driver gives, and what it offers instead.

use super::layout::Layout;
use crate::capture::{BackendError, Color, Matrix, RawFormat};
use crate::v4l2::sys::{
    V4L2_FIELD_INTERLACED, V4L2_FIELD_INTERLACED_BT, V4L2_FIELD_INTERLACED_TB, V4L2_FIELD_NONE,
    V4L2_QUANTIZATION_LIM_RANGE,
};
use crate::v4l2::{BufferType, Device, Failure, Fourcc, FrameSizes, Interval, PixFormat};
use crate::{CaptureParams, PixelFormat};

/// What camera and program have agreed on.
pub(super) struct Agreed {
    pub(super) fourcc: Fourcc,
    pub(super) format: RawFormat,
    pub(super) layout: Layout,
    /// Why this pixel format.
    pub(super) why: &'static str,
}

/// Raw formats, those that cost least to code first.
const RAW: [PixelFormat; 4] = [
    PixelFormat::Yuv420,
    PixelFormat::Nv12,
    PixelFormat::Yuyv422,
    PixelFormat::Rgb888,
];

/// A rate is reached if it is missed by no more than this share: 29.97 for 30.
const RATE_SLACK: f64 = 0.01;

/// Sets up the device as `params` ask.
///
/// # Errors
/// Permanent, naming what the device offers, if it does not offer this; else what the device says.
pub(super) fn agree(
    device: &Device,
    kind: BufferType,
    params: &CaptureParams,
) -> Result<Agreed, BackendError> {
    let size = params.size_or_default();
    let fps = f64::from(params.fps_or_default());
    let offers = Offers::of(device, kind)?;
    let (fourcc, why) = offers.choose(device, params.pixel_format, size, fps)?;
    let refused = |what: String| {
        let offered = offers.describe(device);
        BackendError::permanent(format!(
            "{} ({}): {what}; it offers {offered}",
            device.path().display(),
            device.card()
        ))
    };
    let given = device.set_format(kind, &PixFormat::new(fourcc, size.0, size.1))?;
    check(&given, fourcc, size).map_err(&refused)?;
    let interval = device.set_interval(kind, Interval::of_fps(fps))?;
    // The rate can have changed the format: some drivers have fewer sizes at higher rates.
    let given = device.format(kind).unwrap_or(given);
    check(&given, fourcc, size).map_err(&refused)?;
    let interval = match interval {
        Some(interval) => Some(interval),
        None => device.interval(kind)?,
    };
    let real = interval.and_then(Interval::fps).unwrap_or(fps);
    if (real - fps).abs() > fps * RATE_SLACK {
        tracing::warn!(
            device = %device.path().display(),
            asked = fps,
            given = real,
            "the camera has another frame rate"
        );
    }
    let pixel = fourcc.pixels().unwrap_or(PixelFormat::Mjpeg);
    let layout = Layout::new(&given, pixel).map_err(&refused)?;
    let format = RawFormat {
        pixel,
        width: given.width,
        height: given.height,
        fps: real,
        color: color(&given, pixel),
        stride: layout.stride(),
    };
    Ok(Agreed {
        fourcc,
        format,
        layout,
        why,
    })
}

/// Whether the driver gave what was asked for.
fn check(given: &PixFormat, fourcc: Fourcc, (width, height): (u32, u32)) -> Result<(), String> {
    if given.fourcc != fourcc {
        return Err(format!("asked for {fourcc}, it gives {}", given.fourcc));
    }
    if (given.width, given.height) != (width, height) {
        return Err(format!(
            "{width}x{height} is not to be had in {fourcc}; the nearest is {}x{}",
            given.width, given.height
        ));
    }
    let whole = [
        V4L2_FIELD_NONE,
        V4L2_FIELD_INTERLACED,
        V4L2_FIELD_INTERLACED_TB,
        V4L2_FIELD_INTERLACED_BT,
    ];
    if whole.contains(&given.field) {
        return Ok(());
    }
    Err(format!(
        "it gives separate fields (V4L2 field order {}), which are no pictures",
        given.field
    ))
}

/// What the samples mean. For R, G, B that is the matrix to convert with, and their own range.
fn color(given: &PixFormat, pixel: PixelFormat) -> Color {
    match pixel {
        // JFIF says so, whatever the driver does.
        PixelFormat::Mjpeg => Color {
            matrix: Matrix::Bt601,
            full_range: true,
        },
        PixelFormat::Rgb888 => Color {
            full_range: given.quantization != V4L2_QUANTIZATION_LIM_RANGE,
            ..Color::assumed(given.height)
        },
        _ => given.color(),
    }
}

/// What a device offers of the formats known here.
struct Offers {
    known: Vec<(Fourcc, FrameSizes)>,
    /// Names of the others.
    others: Vec<String>,
}

impl Offers {
    fn of(device: &Device, kind: BufferType) -> Result<Self, Failure> {
        let mut offers = Self {
            known: Vec::new(),
            others: Vec::new(),
        };
        for info in device.formats(kind)? {
            if info.fourcc.pixels().is_some() {
                let sizes = device.frame_sizes(info.fourcc)?;
                offers.known.push((info.fourcc, sizes));
            } else {
                offers.others.push(info.fourcc.to_string());
            }
        }
        Ok(offers)
    }

    /// The code for what is asked; where nothing is, of what the device has: raw at the size and
    /// rate, else JPEG at both, else raw at the size, however slow.
    fn choose(
        &self,
        device: &Device,
        asked: Option<PixelFormat>,
        size: (u32, u32),
        fps: f64,
    ) -> Result<(Fourcc, &'static str), BackendError> {
        let refused = |what: String| {
            BackendError::permanent(format!(
                "{} ({}): {what}; it offers {}",
                device.path().display(),
                device.card(),
                self.describe(device)
            ))
        };
        if let Some(pixel) = asked {
            return self
                .code(pixel)
                .map(|(fourcc, _)| (fourcc, "capture.pixel_format"))
                .ok_or_else(|| refused(format!("capture.pixel_format = {pixel} is not offered")));
        }
        let fits = |pixel: PixelFormat| {
            self.code(pixel)
                .filter(|(_, sizes)| sizes.contains(size.0, size.1))
                .map(|(fourcc, _)| fourcc)
        };
        let at_rate = |pixel| fits(pixel).filter(|fourcc| reaches(device, *fourcc, size, fps));
        if let Some(fourcc) = RAW.into_iter().find_map(at_rate) {
            return Ok((fourcc, "raw at this size and rate"));
        }
        if let Some(fourcc) = at_rate(PixelFormat::Mjpeg) {
            return Ok((fourcc, "no raw format at this size and rate"));
        }
        RAW.into_iter()
            .find_map(fits)
            .or_else(|| fits(PixelFormat::Mjpeg))
            .map(|fourcc| (fourcc, "no format has this rate at this size"))
            .ok_or_else(|| refused(format!("{}x{} is not to be had", size.0, size.1)))
    }

    /// The code that the device has for a format, and its sizes.
    fn code(&self, pixel: PixelFormat) -> Option<(Fourcc, &FrameSizes)> {
        Fourcc::of_pixels(pixel).iter().find_map(|code| {
            let (fourcc, sizes) = self.known.iter().find(|(fourcc, _)| fourcc == code)?;
            Some((*fourcc, sizes))
        })
    }

    /// All of it, for messages: formats by our names, sizes, and rates where there are lists.
    fn describe(&self, device: &Device) -> String {
        let mut said: Vec<String> = self
            .known
            .iter()
            .filter_map(|(fourcc, sizes)| {
                let name = fourcc.pixels()?;
                Some(format!("{name} ({})", sized(device, *fourcc, sizes)))
            })
            .collect();
        if said.is_empty() {
            said.push("no format known here".to_owned());
        }
        if !self.others.is_empty() {
            let others = self.others.join(" ");
            said.push(format!("and, not usable here, {others}"));
        }
        said.join(", ")
    }
}

/// The sizes of a format, with their rates.
fn sized(device: &Device, fourcc: Fourcc, sizes: &FrameSizes) -> String {
    let FrameSizes::List(list) = sizes else {
        return sizes.to_string();
    };
    let all: Vec<_> = list
        .iter()
        .map(|&(width, height)| {
            let rates = device.frame_intervals(fourcc, (width, height));
            let mut rates: Vec<f64> = rates
                .unwrap_or_default()
                .into_iter()
                .filter_map(Interval::fps)
                .collect();
            rates.sort_by(f64::total_cmp);
            let rates: Vec<_> = rates.iter().map(|fps| rate(*fps)).collect();
            if rates.is_empty() {
                format!("{width}x{height}")
            } else {
                format!("{width}x{height} at {} fps", rates.join("/"))
            }
        })
        .collect();
    all.join(", ")
}

/// A rate without needless digits.
fn rate(fps: f64) -> String {
    let text = format!("{fps:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Whether a format has a rate at a size; believed of drivers that list none.
fn reaches(device: &Device, fourcc: Fourcc, size: (u32, u32), fps: f64) -> bool {
    let Ok(intervals) = device.frame_intervals(fourcc, size) else {
        return true;
    };
    let fastest = intervals
        .into_iter()
        .filter_map(Interval::fps)
        .max_by(f64::total_cmp);
    fastest.is_none_or(|fastest| fastest >= fps * (1.0 - RATE_SLACK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_written_without_needless_digits() {
        assert_eq!(
            [30.0, 29.97, 7.5, 100.0].map(rate),
            ["30", "29.97", "7.5", "100"]
        );
    }

    #[test]
    fn what_the_driver_gave_is_held_against_what_was_asked() {
        let given = PixFormat::new(Fourcc::YUYV, 640, 480);
        assert_eq!(check(&given, Fourcc::YUYV, (640, 480)), Ok(()));
        let other = check(&given, Fourcc::NV12, (640, 480)).unwrap_err();
        assert!(other.contains("NV12") && other.contains("YUYV"), "{other}");
        let size = check(&given, Fourcc::YUYV, (1280, 720)).unwrap_err();
        assert!(size.contains("nearest is 640x480"), "{size}");
        // V4L2_FIELD_ALTERNATE
        let fields = PixFormat { field: 7, ..given };
        assert!(
            check(&fields, Fourcc::YUYV, (640, 480))
                .unwrap_err()
                .contains("fields")
        );
    }

    #[test]
    fn jpeg_is_full_range_and_rgb_its_own() {
        let mut given = PixFormat::new(Fourcc::RGB24, 1280, 720);
        assert!(color(&given, PixelFormat::Rgb888).full_range);
        given.quantization = V4L2_QUANTIZATION_LIM_RANGE;
        assert!(!color(&given, PixelFormat::Rgb888).full_range);
        assert!(color(&given, PixelFormat::Mjpeg).full_range);
        assert!(!color(&given, PixelFormat::Yuyv422).full_range);
    }
}

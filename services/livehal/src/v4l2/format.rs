//! Formats: what the pixels of a queue are.

use std::fmt;

use super::sys::*;
use crate::PixelFormat;
use crate::capture::{Color, Matrix};

/// A four-character code.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fourcc(pub(crate) u32);

impl Fourcc {
    pub(crate) const YUYV: Self = Self::new(b"YUYV");
    pub(crate) const NV12: Self = Self::new(b"NV12");
    /// NV12 whose planes are separate buffers.
    pub(crate) const NV12M: Self = Self::new(b"NM12");
    pub(crate) const YUV420: Self = Self::new(b"YU12");
    /// YUV420 whose planes are separate buffers.
    pub(crate) const YUV420M: Self = Self::new(b"YM12");
    pub(crate) const MJPEG: Self = Self::new(b"MJPG");
    pub(crate) const JPEG: Self = Self::new(b"JPEG");
    pub(crate) const RGB24: Self = Self::new(b"RGB3");
    pub(crate) const H264: Self = Self::new(b"H264");
    /// The codec of the kernel's virtual driver, vicodec.
    #[cfg(feature = "bench")]
    pub(crate) const FWHT: Self = Self::new(b"FWHT");

    /// Those above by the header's names.
    #[cfg(test)]
    pub(super) const NAMED: &[(&'static str, Self)] = &[
        ("V4L2_PIX_FMT_YUYV", Self::YUYV),
        ("V4L2_PIX_FMT_NV12", Self::NV12),
        ("V4L2_PIX_FMT_NV12M", Self::NV12M),
        ("V4L2_PIX_FMT_YUV420", Self::YUV420),
        ("V4L2_PIX_FMT_YUV420M", Self::YUV420M),
        ("V4L2_PIX_FMT_MJPEG", Self::MJPEG),
        ("V4L2_PIX_FMT_JPEG", Self::JPEG),
        ("V4L2_PIX_FMT_RGB24", Self::RGB24),
        ("V4L2_PIX_FMT_H264", Self::H264),
        #[cfg(feature = "bench")]
        ("V4L2_PIX_FMT_FWHT", Self::FWHT),
    ];

    pub(crate) const fn new(code: &[u8; 4]) -> Self {
        Self(u32::from_le_bytes(*code))
    }

    /// Codes of a raw format, best first: planes in one buffer, then in several.
    pub(crate) const fn of_pixels(format: PixelFormat) -> &'static [Self] {
        match format {
            PixelFormat::Yuyv422 => &[Self::YUYV],
            PixelFormat::Nv12 => &[Self::NV12, Self::NV12M],
            PixelFormat::Yuv420 => &[Self::YUV420, Self::YUV420M],
            PixelFormat::Mjpeg => &[Self::MJPEG, Self::JPEG],
            PixelFormat::Rgb888 => &[Self::RGB24],
        }
    }

    /// The raw format that a code means, if it is one of ours.
    pub(crate) fn pixels(self) -> Option<PixelFormat> {
        [
            PixelFormat::Yuyv422,
            PixelFormat::Nv12,
            PixelFormat::Yuv420,
            PixelFormat::Mjpeg,
            PixelFormat::Rgb888,
        ]
        .into_iter()
        .find(|format| Self::of_pixels(*format).contains(&self))
    }
}

impl fmt::Display for Fourcc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The top bit means big-endian (v4l2_fourcc_be); short names end in spaces.
        let bytes = (self.0 & !(1 << 31)).to_le_bytes();
        for &byte in bytes.trim_ascii_end() {
            match byte {
                b' '..=b'~' => write!(f, "{}", char::from(byte))?,
                // No driver has one.
                other => write!(f, "\\x{other:02x}")?,
            }
        }
        if self.0 >> 31 == 1 {
            f.write_str("-BE")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fourcc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which way buffers go, seen from the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The device fills them.
    Capture,
    /// The device reads them.
    Output,
}

/// A kind of queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BufferType {
    /// Which way buffers go.
    pub(crate) direction: Direction,
    /// It speaks the multi-planar interface; a buffer may still have one plane only.
    pub(crate) multiplanar: bool,
}

impl BufferType {
    pub(crate) const fn raw(self) -> u32 {
        match (self.direction, self.multiplanar) {
            (Direction::Capture, false) => V4L2_BUF_TYPE_VIDEO_CAPTURE,
            (Direction::Capture, true) => V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE,
            (Direction::Output, false) => V4L2_BUF_TYPE_VIDEO_OUTPUT,
            (Direction::Output, true) => V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE,
        }
    }
}

/// One entry of a device's list of formats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FormatInfo {
    pub(crate) fourcc: Fourcc,
    /// `V4L2_FMT_FLAG_…`
    pub(crate) flags: u32,
    /// The driver's words.
    pub(crate) description: String,
}

/// The sizes a device has in a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FrameSizes {
    /// These widths and heights.
    List(Vec<(u32, u32)>),
    /// Anything between, in steps: least, most, step of width and of height.
    Range {
        width: (u32, u32, u32),
        height: (u32, u32, u32),
    },
    /// The driver does not say.
    Unknown,
}

impl FrameSizes {
    /// Whether a size is one of them; true where nothing is known.
    pub(crate) fn contains(&self, width: u32, height: u32) -> bool {
        let fits = |value: u32, (least, most, step): (u32, u32, u32)| {
            (least..=most).contains(&value) && (value - least).is_multiple_of(step.max(1))
        };
        match self {
            Self::List(sizes) => sizes.contains(&(width, height)),
            Self::Range {
                width: w,
                height: h,
            } => fits(width, *w) && fits(height, *h),
            Self::Unknown => true,
        }
    }
}

impl fmt::Display for FrameSizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(sizes) => {
                let sizes: Vec<_> = sizes.iter().map(|(w, h)| format!("{w}x{h}")).collect();
                f.write_str(&sizes.join(", "))
            }
            Self::Range { width, height } => write!(
                f,
                "{}x{} to {}x{} in steps of {}x{}",
                width.0, height.0, width.1, height.1, width.2, height.2
            ),
            Self::Unknown => f.write_str("sizes it does not list"),
        }
    }
}

/// Time from one frame to the next, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) numerator: u32,
    pub(crate) denominator: u32,
}

impl Interval {
    /// The interval of a rate, to a thousandth of a frame a second.
    pub(crate) fn of_fps(fps: f64) -> Self {
        if fps.fract() == 0.0 {
            return Self {
                numerator: 1,
                denominator: fps as u32,
            };
        }
        Self {
            numerator: 1_000,
            denominator: (fps * 1_000.0).round() as u32,
        }
    }

    /// Frames a second; `None` where the driver gave a zero.
    pub(crate) fn fps(self) -> Option<f64> {
        (self.numerator != 0 && self.denominator != 0)
            .then(|| f64::from(self.denominator) / f64::from(self.numerator))
    }

    pub(super) fn from_raw(raw: v4l2_fract) -> Self {
        Self {
            numerator: raw.numerator,
            denominator: raw.denominator,
        }
    }

    pub(super) fn raw(self) -> v4l2_fract {
        v4l2_fract {
            numerator: self.numerator,
            denominator: self.denominator,
        }
    }
}

/// One plane of a format, as memory has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PlaneFormat {
    /// Bytes of the whole plane.
    pub(crate) size: u32,
    /// Bytes from one row to the next; 0 for compressed formats.
    pub(crate) stride: u32,
}

/// The format of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PixFormat {
    pub(crate) fourcc: Fourcc,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// `V4L2_FIELD_…`
    pub(crate) field: u32,
    /// `V4L2_COLORSPACE_…`
    pub(crate) colorspace: u32,
    /// `V4L2_YCBCR_ENC_…`
    pub(crate) ycbcr_enc: u32,
    /// `V4L2_QUANTIZATION_…`
    pub(crate) quantization: u32,
    /// `V4L2_XFER_FUNC_…`
    pub(crate) xfer_func: u32,
    /// One for each buffer plane, at least one: single-planar devices have exactly one, which
    /// holds all colour planes one behind the other.
    pub(crate) planes: Vec<PlaneFormat>,
}

impl PixFormat {
    /// A format to ask for; the driver is to choose strides and sizes. One plane, whose size a
    /// compressed format may want set.
    pub(crate) fn new(fourcc: Fourcc, width: u32, height: u32) -> Self {
        Self {
            fourcc,
            width,
            height,
            field: V4L2_FIELD_NONE,
            colorspace: V4L2_COLORSPACE_DEFAULT,
            ycbcr_enc: V4L2_YCBCR_ENC_DEFAULT,
            quantization: V4L2_QUANTIZATION_DEFAULT,
            xfer_func: V4L2_XFER_FUNC_DEFAULT,
            planes: vec![PlaneFormat::default()],
        }
    }

    /// The same with the meaning of samples said.
    pub(crate) fn with_color(mut self, color: Color) -> Self {
        (self.colorspace, self.ycbcr_enc) = match color.matrix {
            Matrix::Bt601 => (V4L2_COLORSPACE_SMPTE170M, V4L2_YCBCR_ENC_601),
            Matrix::Bt709 => (V4L2_COLORSPACE_REC709, V4L2_YCBCR_ENC_709),
        };
        self.quantization = if color.full_range {
            V4L2_QUANTIZATION_FULL_RANGE
        } else {
            V4L2_QUANTIZATION_LIM_RANGE
        };
        self.xfer_func = V4L2_XFER_FUNC_709;
        self
    }

    /// What the samples mean, by the header's rules for what is left at its default; a matrix
    /// that is neither BT.601 nor BT.709 is taken for the nearer one.
    pub(crate) fn color(&self) -> Color {
        let by_space = match self.colorspace {
            V4L2_COLORSPACE_REC709 => Matrix::Bt709,
            V4L2_COLORSPACE_SMPTE170M
            | V4L2_COLORSPACE_470_SYSTEM_M
            | V4L2_COLORSPACE_470_SYSTEM_BG
            | V4L2_COLORSPACE_JPEG
            | V4L2_COLORSPACE_SRGB => Matrix::Bt601,
            _ => Color::assumed(self.height).matrix,
        };
        let matrix = match self.ycbcr_enc {
            V4L2_YCBCR_ENC_601 | V4L2_YCBCR_ENC_XV601 => Matrix::Bt601,
            V4L2_YCBCR_ENC_709 | V4L2_YCBCR_ENC_XV709 => Matrix::Bt709,
            _ => by_space,
        };
        let full_range = match self.quantization {
            V4L2_QUANTIZATION_FULL_RANGE => true,
            V4L2_QUANTIZATION_LIM_RANGE => false,
            _ => self.colorspace == V4L2_COLORSPACE_JPEG,
        };
        Color { matrix, full_range }
    }

    pub(super) fn from_raw(raw: &v4l2_format, kind: BufferType) -> Self {
        if kind.multiplanar {
            // SAFETY: plain numbers, of which every value is valid.
            Self::from_multi(unsafe { &raw.fmt.pix_mp })
        } else {
            // SAFETY: plain numbers, of which every value is valid.
            Self::from_single(unsafe { &raw.fmt.pix })
        }
    }

    fn from_single(pix: &v4l2_pix_format) -> Self {
        Self {
            fourcc: Fourcc(pix.pixelformat),
            width: pix.width,
            height: pix.height,
            field: pix.field,
            colorspace: pix.colorspace,
            ycbcr_enc: pix.ycbcr_enc,
            quantization: pix.quantization,
            xfer_func: pix.xfer_func,
            planes: vec![PlaneFormat {
                size: pix.sizeimage,
                stride: pix.bytesperline,
            }],
        }
    }

    fn from_multi(pix: &v4l2_pix_format_mplane) -> Self {
        let count = usize::from(pix.num_planes).clamp(1, VIDEO_MAX_PLANES);
        let plane = |plane: &v4l2_plane_pix_format| PlaneFormat {
            size: plane.sizeimage,
            stride: plane.bytesperline,
        };
        Self {
            fourcc: Fourcc(pix.pixelformat),
            width: pix.width,
            height: pix.height,
            field: pix.field,
            colorspace: pix.colorspace,
            ycbcr_enc: pix.ycbcr_enc.into(),
            quantization: pix.quantization.into(),
            xfer_func: pix.xfer_func.into(),
            planes: pix.plane_fmt.iter().take(count).map(plane).collect(),
        }
    }

    pub(super) fn raw(&self, kind: BufferType) -> v4l2_format {
        let mut raw = v4l2_format::zeroed();
        raw.r#type = kind.raw();
        if kind.multiplanar {
            raw.fmt.pix_mp = self.multi();
        } else {
            raw.fmt.pix = self.single();
        }
        raw
    }

    fn single(&self) -> v4l2_pix_format {
        let plane = self.planes.first().copied().unwrap_or_default();
        v4l2_pix_format {
            width: self.width,
            height: self.height,
            pixelformat: self.fourcc.0,
            field: self.field,
            bytesperline: plane.stride,
            sizeimage: plane.size,
            colorspace: self.colorspace,
            // Says that the fields from `flags` on are set.
            r#priv: 0xfeed_cafe,
            flags: 0,
            ycbcr_enc: self.ycbcr_enc,
            quantization: self.quantization,
            xfer_func: self.xfer_func,
        }
    }

    fn multi(&self) -> v4l2_pix_format_mplane {
        let mut plane_fmt = [v4l2_plane_pix_format {
            sizeimage: 0,
            bytesperline: 0,
            reserved: [0; 6],
        }; VIDEO_MAX_PLANES];
        for (to, from) in plane_fmt.iter_mut().zip(&self.planes) {
            (to.sizeimage, to.bytesperline) = (from.size, from.stride);
        }
        v4l2_pix_format_mplane {
            width: self.width,
            height: self.height,
            pixelformat: self.fourcc.0,
            field: self.field,
            colorspace: self.colorspace,
            plane_fmt,
            num_planes: self.planes.len().min(VIDEO_MAX_PLANES) as u8,
            flags: 0,
            // The header's numbers of these are small.
            ycbcr_enc: self.ycbcr_enc as u8,
            quantization: self.quantization as u8,
            xfer_func: self.xfer_func as u8,
            reserved: [0; 7],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_named_as_people_know_them() {
        for (code, name) in [
            (u32::from_le_bytes(*b"YUYV"), "YUYV"),
            (u32::from_le_bytes(*b"Y10 "), "Y10"),
            (u32::from_le_bytes(*b"Y16 ") | 1 << 31, "Y16-BE"),
            (u32::from_le_bytes(*b"A\x01BC"), "A\\x01BC"),
        ] {
            assert_eq!(Fourcc(code).to_string(), name);
        }
    }

    #[test]
    fn a_format_survives_either_interface() {
        for multiplanar in [false, true] {
            let kind = BufferType {
                direction: Direction::Output,
                multiplanar,
            };
            let color = Color {
                matrix: Matrix::Bt709,
                full_range: true,
            };
            let mut format = PixFormat::new(Fourcc::NV12M, 1280, 720).with_color(color);
            format.planes = vec![
                PlaneFormat {
                    size: 1280 * 736,
                    stride: 1280,
                };
                1 + usize::from(multiplanar)
            ];
            let back = PixFormat::from_raw(&format.raw(kind), kind);
            assert_eq!(back, format);
            assert_eq!(back.color(), color);
        }
    }

    #[test]
    fn a_driver_that_claims_more_planes_than_there_are_is_not_believed() {
        let kind = BufferType {
            direction: Direction::Capture,
            multiplanar: true,
        };
        let mut raw = PixFormat::new(Fourcc::NV12, 64, 64).raw(kind);
        raw.fmt.pix_mp.num_planes = 200;
        let planes = PixFormat::from_raw(&raw, kind).planes.len();
        assert_eq!(planes, VIDEO_MAX_PLANES);
    }

    #[test]
    fn colours_left_at_their_default_follow_the_header() {
        let mut format = PixFormat::new(Fourcc::YUYV, 640, 480);
        assert_eq!(format.color(), Color::assumed(480));
        format.colorspace = V4L2_COLORSPACE_JPEG;
        assert!(format.color().full_range);
        format.quantization = V4L2_QUANTIZATION_LIM_RANGE;
        assert!(!format.color().full_range);
        format.ycbcr_enc = V4L2_YCBCR_ENC_709;
        assert_eq!(format.color().matrix, Matrix::Bt709);
    }

    #[test]
    fn sizes_are_in_their_list_or_on_their_grid() {
        let list = FrameSizes::List(vec![(640, 480)]);
        assert!(list.contains(640, 480) && !list.contains(640, 360));
        let range = FrameSizes::Range {
            width: (32, 4096, 16),
            height: (32, 2160, 2),
        };
        assert!(range.contains(48, 34) && range.contains(4096, 2160));
        assert!(!range.contains(40, 34) && !range.contains(48, 33) && !range.contains(16, 32));
    }

    #[test]
    fn rates_become_intervals_and_back() {
        let fps = |fps| Interval::of_fps(fps).fps();
        assert_eq!(fps(30.0), Some(30.0));
        assert_eq!(fps(29.97), Some(29.97));
        assert_eq!(Interval::of_fps(25.0).denominator, 25);
        let broken = Interval {
            numerator: 0,
            denominator: 1,
        };
        assert_eq!(broken.fps(), None);
    }
}

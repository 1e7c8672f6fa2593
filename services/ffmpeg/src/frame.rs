//! Decoded pictures.

use std::ptr::NonNull;
use std::sync::Arc;

use crate::api::Api;
use crate::error::{Error, Result};
use crate::sys::{AV_FRAME_FLAG_CORRUPT, AV_NOPTS_VALUE, AVCOL_RANGE_JPEG, AVFrame, AVPixelFormat};

/// Planes a picture can have.
const MAX_PLANES: usize = 4;

/// A decoded picture in memory. It keeps its memory alive, also beyond its decoder.
#[derive(Debug)]
pub struct Frame {
    api: Arc<Api>,
    inner: NonNull<AVFrame>,
    width: u32,
    height: u32,
    format: AVPixelFormat,
    planes: Vec<PlaneShape>,
}

// SAFETY: owned data with atomic reference counts; the decoder no longer writes what it gave out.
unsafe impl Send for Frame {}
// SAFETY: everything behind `&self` only reads.
unsafe impl Sync for Frame {}

#[derive(Debug)]
struct PlaneShape {
    data: NonNull<u8>,
    stride: usize,
    row_bytes: usize,
    rows: usize,
}

/// One plane of a picture.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    /// All rows, from the first byte of the first to the last byte of the last.
    pub data: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Bytes of picture in a row.
    pub row_bytes: usize,
    /// Rows.
    pub rows: usize,
}

/// Pixels at each edge that are not to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Crop {
    /// Rows at the top.
    pub top: usize,
    /// Rows at the bottom.
    pub bottom: usize,
    /// Columns at the left.
    pub left: usize,
    /// Columns at the right.
    pub right: usize,
}

impl Frame {
    /// A frame without a picture, for the decoder to fill.
    pub(crate) fn empty(api: &Arc<Api>) -> Result<Self> {
        // SAFETY: allocates; null if it cannot.
        let inner = unsafe { api.util.av_frame_alloc() };
        Ok(Self {
            api: Arc::clone(api),
            inner: NonNull::new(inner)
                .ok_or_else(|| crate::context::out_of_memory("av_frame_alloc"))?,
            width: 0,
            height: 0,
            format: -1,
            planes: Vec::new(),
        })
    }

    /// Refers to the picture of `other` besides it.
    ///
    /// # Safety
    /// This one is empty, `other` a live frame with memory.
    pub(crate) unsafe fn refer(&mut self, other: *const AVFrame) -> Result<()> {
        // SAFETY: by the caller's word.
        let code = unsafe { self.api.util.av_frame_ref(self.inner.as_ptr(), other) };
        self.api.check("av_frame_ref", code)?;
        Ok(())
    }

    pub(crate) fn as_ptr(&mut self) -> *mut AVFrame {
        self.inner.as_ptr()
    }

    /// Reads the shape of the picture the decoder put in.
    pub(crate) fn describe(&mut self) -> Result<()> {
        let fields = &self.api.layout.frame;
        let at = self.inner.as_ptr();
        // SAFETY: a live frame that nobody else has.
        let (width, height, format) = unsafe {
            (
                fields.width.get(at),
                fields.height.get(at),
                fields.format.get(at),
            )
        };
        let planes = self.shapes(width, height, format);
        match (u32::try_from(width), u32::try_from(height), planes) {
            (Ok(w), Ok(h), Some(planes)) if w > 0 && h > 0 => {
                (self.width, self.height, self.format) = (w, h, format);
                self.planes = planes;
                Ok(())
            }
            _ => Err(Error::Frame {
                width: width.into(),
                height: height.into(),
                format: self.api.format_name(format).into(),
            }),
        }
    }

    /// Where the planes are; `None` if they are not rows from top to bottom in memory.
    fn shapes(&self, width: i32, height: i32, format: AVPixelFormat) -> Option<Vec<PlaneShape>> {
        let fields = &self.api.layout.frame;
        let at = self.inner.as_ptr();
        let util = &self.api.util;
        let (mut across, mut down) = (0, 0);
        // SAFETY: a live frame that nobody else has; any format may be asked about.
        let (data, strides, count) = unsafe {
            util.av_pix_fmt_get_chroma_sub_sample(format, &mut across, &mut down);
            (
                fields.data.get(at),
                fields.linesize.get(at),
                usize::try_from(util.av_pix_fmt_count_planes(format)).ok()?,
            )
        };
        if !(1..=MAX_PLANES).contains(&count) {
            return None;
        }
        let mut planes = Vec::with_capacity(count);
        for (i, (data, stride)) in data.into_iter().zip(strides).take(count).enumerate() {
            // SAFETY: a pure calculation, negative where it makes no sense.
            let row_bytes = unsafe { util.av_image_get_linesize(format, width, i as i32) };
            // The second and third planes are those of colour: fewer rows, rounded up.
            let shift = if i == 1 || i == 2 { down } else { 0 };
            let shape = PlaneShape {
                data: NonNull::new(data)?,
                stride: usize::try_from(stride).ok()?,
                row_bytes: usize::try_from(row_bytes).ok()?,
                rows: usize::try_from(-(-height >> shift)).ok()?,
            };
            if shape.rows == 0 || shape.row_bytes == 0 || shape.stride < shape.row_bytes {
                return None;
            }
            planes.push(shape);
        }
        Some(planes)
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Pixel format by FFmpeg's name, such as `yuv420p`.
    pub fn pixel_format(&self) -> &'static str {
        self.api.format_name(self.format)
    }

    /// Whether luma and chroma use 0 to 255 (the deep formats, all their bits) rather than 16 to
    /// 235 and 240.
    pub fn is_full_range(&self) -> bool {
        // SAFETY: a live frame.
        let range = unsafe { self.api.layout.frame.color_range.get(self.inner.as_ptr()) };
        range == AVCOL_RANGE_JPEG || self.pixel_format().starts_with("yuvj")
    }

    /// The matrix between RGB and Y, Cb, Cr as ITU-T H.273 numbers them: 1 is BT.709, 2 is unknown,
    /// 5 and 6 are BT.601.
    pub fn matrix_coefficients(&self) -> u32 {
        // SAFETY: a live frame.
        unsafe { self.api.layout.frame.colorspace.get(self.inner.as_ptr()) }
    }

    /// The transfer function as ITU-T H.273 numbers them: 16 is PQ and 18 is HLG, both for high
    /// dynamic range.
    pub fn transfer_characteristics(&self) -> u32 {
        // SAFETY: a live frame.
        unsafe { self.api.layout.frame.color_trc.get(self.inner.as_ptr()) }
    }

    /// Whether it is of two fields, one half a frame later than the other.
    pub fn is_interlaced(&self) -> bool {
        let layout = self.api.layout;
        // SAFETY: a live frame.
        let field = unsafe { layout.frame.interlaced.get(self.inner.as_ptr()) };
        field & layout.interlaced_mask != 0
    }

    /// Whether the decoder knows that it is damaged, even if it covered that up.
    pub fn is_damaged(&self) -> bool {
        let fields = &self.api.layout.frame;
        let at = self.inner.as_ptr();
        // SAFETY: a live frame.
        let (flags, errors) = unsafe { (fields.flags.get(at), fields.decode_error_flags.get(at)) };
        flags & AV_FRAME_FLAG_CORRUPT != 0 || errors != 0
    }

    /// Presentation time in units of the stream's time base; guessed by FFmpeg where the
    /// container gives none.
    pub fn pts(&self) -> Option<i64> {
        // SAFETY: a live frame.
        let pts = unsafe {
            self.api
                .layout
                .frame
                .best_effort_timestamp
                .get(self.inner.as_ptr())
        };
        (pts != AV_NOPTS_VALUE).then_some(pts)
    }

    /// How long it is to be shown, in units of the stream's time base, where that is known.
    pub fn duration(&self) -> Option<i64> {
        // SAFETY: a live frame.
        let duration = unsafe { self.api.layout.frame.duration.get(self.inner.as_ptr()) };
        (duration > 0).then_some(duration)
    }

    /// What is not to be shown; nothing if the decoder was told to apply it.
    pub fn crop(&self) -> Crop {
        let fields = &self.api.layout.frame;
        let at = self.inner.as_ptr();
        // SAFETY: a live frame.
        unsafe {
            Crop {
                top: fields.crop_top.get(at),
                bottom: fields.crop_bottom.get(at),
                left: fields.crop_left.get(at),
                right: fields.crop_right.get(at),
            }
        }
    }

    /// The planes, in the format's order.
    pub fn planes(&self) -> impl ExactSizeIterator<Item = Plane<'_>> {
        self.planes.iter().map(|p| Plane {
            // SAFETY: FFmpeg allocated `rows` rows `stride` apart, the last of at least
            // `row_bytes`; the frame owns a reference to that memory and nobody writes it.
            data: unsafe {
                std::slice::from_raw_parts(p.data.as_ptr(), p.stride * (p.rows - 1) + p.row_bytes)
            },
            stride: p.stride,
            row_bytes: p.row_bytes,
            rows: p.rows,
        })
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let mut frame = self.inner.as_ptr();
        // SAFETY: allocated by `empty`, freed once.
        unsafe { self.api.util.av_frame_free(&mut frame) };
    }
}

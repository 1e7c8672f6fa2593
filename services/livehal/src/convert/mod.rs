//! Any raw picture as planar 4:2:0 or NV12, where an encoder wants it.
//!
//! The destination belongs to the caller: it may be an encoder's mapped device buffer, so that a
//! picture moves once. Each packed pixel is read once and each sample of the result written once;
//! only the chroma that is halved passes through a few rows of scratch memory.

#[cfg(all(feature = "mjpeg", target_os = "linux"))]
mod jpeg;
mod packed;
mod planar;
mod whole;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::capture::{Color, Picture, Plane, RawFormat};
use crate::{PipelineStats, PixelFormat};

pub(crate) use planar::split;
pub(crate) use whole::Planar;

/// Where converted samples go. Sizes are half of luma's for chroma.
pub(crate) enum Target<'a> {
    /// Y, U and V.
    Yuv420([PlaneMut<'a>; 3]),
    /// Y, and pairs of U and V.
    #[allow(
        dead_code,
        reason = "what hardware encoders take, which not every build has"
    )]
    Nv12([PlaneMut<'a>; 2]),
}

/// A plane to be written.
pub(crate) struct PlaneMut<'a> {
    /// The rows, each `stride` bytes; the last one too.
    pub(crate) data: &'a mut [u8],
    /// Bytes from one row to the next.
    pub(crate) stride: usize,
}

#[cfg(all(feature = "mjpeg", target_os = "linux"))]
impl PlaneMut<'_> {
    /// The same plane, for a shorter time.
    fn reborrow(&mut self) -> PlaneMut<'_> {
        PlaneMut {
            data: self.data,
            stride: self.stride,
        }
    }
}

/// Why a picture was not converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConvertError {
    /// This picture cannot be read; the next one may be.
    #[error("damaged picture: {0}")]
    Damaged(String),
    /// The destination is too small, or the format none that is converted.
    #[error("{0}")]
    Unfit(String),
}

/// Converts pictures of one format.
pub(crate) struct Converter {
    pixel: PixelFormat,
    width: usize,
    height: usize,
    color: Color,
    #[cfg(all(feature = "mjpeg", target_os = "linux"))]
    scratch: Vec<u8>,
    stats: Option<Arc<PipelineStats>>,
    #[cfg(all(feature = "mjpeg", target_os = "linux"))]
    jpeg: Option<jpeg::Decoder>,
}

impl Converter {
    /// For pictures of `format`, whose width and height must be even.
    ///
    /// # Errors
    /// [`ConvertError::Unfit`] for an odd or empty size, or a compressed format that this build
    /// does not decode.
    pub(crate) fn new(format: &RawFormat) -> Result<Self, ConvertError> {
        let (width, height) = (format.width, format.height);
        if width % 2 != 0 || height % 2 != 0 || width == 0 || height == 0 {
            return Err(ConvertError::Unfit(format!(
                "{width}x{height}: chroma has half as many rows and columns, so both must be even"
            )));
        }
        #[cfg(not(all(feature = "mjpeg", target_os = "linux")))]
        if format.pixel == PixelFormat::Mjpeg {
            return Err(ConvertError::Unfit(
                "this program decodes mjpeg only with the cargo feature mjpeg".into(),
            ));
        }
        Ok(Self {
            pixel: format.pixel,
            width: width as usize,
            height: height as usize,
            color: format.color,
            #[cfg(all(feature = "mjpeg", target_os = "linux"))]
            scratch: Vec::new(),
            stats: None,
            #[cfg(all(feature = "mjpeg", target_os = "linux"))]
            jpeg: match format.pixel {
                PixelFormat::Mjpeg => Some(jpeg::Decoder::new()?),
                _ => None,
            },
        })
    }

    /// Counts every picture in [`PipelineStats::frame_copies`] of `stats`, unless it is one that
    /// must be decompressed anyway.
    #[cfg(any(
        feature = "encoder-software",
        feature = "encoder-v4l2-m2m",
        feature = "encoder-rdk"
    ))]
    pub(crate) fn counted(mut self, stats: &Arc<PipelineStats>) -> Self {
        self.stats = Some(Arc::clone(stats));
        self
    }

    /// What the samples written mean: that of the source, except that R, G, B become limited range.
    pub(crate) fn color(format: &RawFormat) -> Color {
        match format.pixel {
            PixelFormat::Rgb888 => Color {
                full_range: false,
                ..format.color
            },
            _ => format.color,
        }
    }

    /// Writes `picture` to `target`.
    ///
    /// # Errors
    /// [`ConvertError::Damaged`] if the picture is shorter than its format, or no whole JPEG of its
    /// size; [`ConvertError::Unfit`] if the target is too small. The target is then undefined.
    pub(crate) fn convert(
        &mut self,
        picture: &dyn Picture,
        mut target: Target<'_>,
    ) -> Result<(), ConvertError> {
        self.check_target(&target)?;
        match self.pixel {
            PixelFormat::Yuyv422 => self.yuyv(self.source(picture, 0)?, &mut target)?,
            PixelFormat::Rgb888 => self.rgb(self.source(picture, 0)?, &mut target)?,
            PixelFormat::Nv12 => {
                let planes = [self.source(picture, 0)?, self.source(picture, 1)?];
                self.nv12(planes, &mut target);
            }
            PixelFormat::Yuv420 => {
                let planes = [
                    self.source(picture, 0)?,
                    self.source(picture, 1)?,
                    self.source(picture, 2)?,
                ];
                self.yuv420(planes, &mut target);
            }
            PixelFormat::Mjpeg => return self.mjpeg(picture, &mut target),
        }
        if let Some(stats) = &self.stats {
            stats.frame_copies.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Bytes of a row's pixels, and the rows, of plane `index`.
    fn extent(&self, index: usize) -> (usize, usize) {
        let (width, height) = (self.width, self.height);
        match (self.pixel, index) {
            (PixelFormat::Yuyv422, _) => (2 * width, height),
            (PixelFormat::Rgb888, _) => (3 * width, height),
            (_, 0) => (width, height),
            (PixelFormat::Nv12, _) => (width, height / 2),
            _ => (width / 2, height / 2),
        }
    }

    /// A plane of `picture`, found to be large enough.
    fn source<'a>(
        &self,
        picture: &'a dyn Picture,
        index: usize,
    ) -> Result<Plane<'a>, ConvertError> {
        let (row, rows) = self.extent(index);
        let damaged = |has: String| {
            ConvertError::Damaged(format!(
                "{}x{} {}: plane {index} {has}",
                self.width, self.height, self.pixel
            ))
        };
        let plane = picture
            .plane(index)
            .ok_or_else(|| damaged("is missing".into()))?;
        let needed = (rows - 1).saturating_mul(plane.stride).saturating_add(row);
        if plane.stride < row || plane.data.len() < needed {
            return Err(damaged(format!(
                "has {} bytes in rows of {}; {rows} rows of {row} are needed",
                plane.data.len(),
                plane.stride
            )));
        }
        Ok(plane)
    }

    fn check_target(&self, target: &Target<'_>) -> Result<(), ConvertError> {
        let (width, height) = (self.width, self.height);
        let check = |plane: &PlaneMut<'_>, name: &str, row: usize, rows: usize| {
            if plane.stride >= row && plane.data.len() >= rows.saturating_mul(plane.stride) {
                return Ok(());
            }
            Err(ConvertError::Unfit(format!(
                "{width}x{height}: plane {name} of the destination has {} bytes in rows of {}; \
                 {rows} rows of at least {row} are needed",
                plane.data.len(),
                plane.stride
            )))
        };
        match target {
            Target::Yuv420([y, u, v]) => {
                check(y, "Y", width, height)?;
                check(u, "U", width / 2, height / 2)?;
                check(v, "V", width / 2, height / 2)
            }
            Target::Nv12([y, uv]) => {
                check(y, "Y", width, height)?;
                check(uv, "UV", width, height / 2)
            }
        }
    }

    fn nv12(&self, [from_y, from_uv]: [Plane<'_>; 2], target: &mut Target<'_>) {
        let (width, height) = (self.width, self.height);
        match target {
            Target::Nv12([y, uv]) => {
                planar::copy(from_y, (width, height), y);
                planar::copy(from_uv, (width, height / 2), uv);
            }
            Target::Yuv420([y, u, v]) => {
                planar::copy(from_y, (width, height), y);
                planar::split_plane(from_uv, (width / 2, height / 2), u, v);
            }
        }
    }

    fn yuv420(&self, [from_y, from_u, from_v]: [Plane<'_>; 3], target: &mut Target<'_>) {
        let (width, height) = (self.width, self.height);
        let half = (width / 2, height / 2);
        match target {
            Target::Yuv420([y, u, v]) => {
                planar::copy(from_y, (width, height), y);
                planar::copy(from_u, half, u);
                planar::copy(from_v, half, v);
            }
            Target::Nv12([y, uv]) => {
                planar::copy(from_y, (width, height), y);
                planar::join_planes(from_u, from_v, half, uv);
            }
        }
    }

    #[cfg(not(all(feature = "mjpeg", target_os = "linux")))]
    fn mjpeg(&mut self, _: &dyn Picture, _: &mut Target<'_>) -> Result<(), ConvertError> {
        unreachable!("refused by new")
    }

    #[cfg(all(feature = "mjpeg", target_os = "linux"))]
    fn mjpeg(
        &mut self,
        picture: &dyn Picture,
        target: &mut Target<'_>,
    ) -> Result<(), ConvertError> {
        let (Some(plane), Some(jpeg)) = (picture.plane(0), &mut self.jpeg) else {
            return Err(ConvertError::Damaged("mjpeg: no data".into()));
        };
        let size = (self.width, self.height);
        jpeg.decode(plane.data, size, target, &mut self.scratch)
    }
}

#[cfg(test)]
mod tests;

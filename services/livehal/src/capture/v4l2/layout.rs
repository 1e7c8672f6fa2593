//! Where the planes of a picture lie in a device's buffers.

use crate::PixelFormat;
use crate::v4l2::{Dequeued, PixFormat};

/// One colour plane in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Which of the buffer's own planes it is in.
    pub(super) buffer: usize,
    /// Bytes from the start of the data there.
    pub(super) offset: usize,
    /// Bytes from one row to the next.
    pub(super) stride: usize,
    /// Bytes from the first to behind the last pixel.
    pub(super) len: usize,
}

/// The places of all planes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layout {
    /// The buffer holds a compressed picture of its own length.
    Compressed,
    /// These colour planes, in so many planes of a buffer.
    Raw { places: Vec<Place>, buffers: usize },
}

impl Layout {
    /// The layout of a format that a driver gave.
    ///
    /// # Errors
    /// What is wrong with it: rows shorter than their pixels, or more than the buffers hold.
    pub(super) fn new(format: &PixFormat, pixel: PixelFormat) -> Result<Self, String> {
        let (width, height) = (format.width as usize, format.height as usize);
        // Columns in bytes and rows of each plane, and how its stride follows from luma's where
        // all are in one buffer.
        let planes: &[(usize, usize, usize)] = match pixel {
            PixelFormat::Mjpeg => return Ok(Self::Compressed),
            PixelFormat::Yuyv422 => &[(2 * width, height, 1)],
            PixelFormat::Rgb888 => &[(3 * width, height, 1)],
            PixelFormat::Nv12 => &[(width, height, 1), (width, height / 2, 1)],
            PixelFormat::Yuv420 => &[
                (width, height, 1),
                (width / 2, height / 2, 2),
                (width / 2, height / 2, 2),
            ],
        };
        let first = format.planes.first().copied().unwrap_or_default();
        let separate = format.planes.len() > 1;
        if separate && format.planes.len() != planes.len() {
            return Err(format!(
                "{} in {} planes instead of {}",
                format.fourcc,
                format.planes.len(),
                planes.len()
            ));
        }
        let mut places = Vec::new();
        let mut end = 0;
        for (index, &(row, rows, divisor)) in planes.iter().enumerate() {
            let own = format.planes.get(index).copied().unwrap_or_default();
            let (said, buffer, offset) = if separate {
                (own.stride as usize, index, 0)
            } else {
                (first.stride as usize / divisor, 0, end)
            };
            // Some drivers leave it out.
            let stride = if said == 0 { row } else { said };
            if stride < row {
                return Err(format!("rows of {stride} bytes for {row} bytes of pixels"));
            }
            end = offset + stride * rows;
            places.push(Place {
                buffer,
                offset,
                stride,
                len: stride * (rows - 1) + row,
            });
        }
        let layout = Self::Raw {
            places,
            buffers: format.planes.len().max(1),
        };
        layout.check_room(format)?;
        Ok(layout)
    }

    fn check_room(&self, format: &PixFormat) -> Result<(), String> {
        let Self::Raw { places, .. } = self else {
            return Ok(());
        };
        for place in places {
            let size = format
                .planes
                .get(place.buffer)
                .map_or(0, |p| p.size as usize);
            if size < place.offset + place.len {
                return Err(format!(
                    "buffers of {size} bytes for {} bytes of pixels",
                    place.offset + place.len
                ));
            }
        }
        Ok(())
    }

    /// Planes of a buffer.
    pub(super) fn buffers(&self) -> usize {
        match self {
            Self::Compressed => 1,
            Self::Raw { buffers, .. } => *buffers,
        }
    }

    /// Bytes from one row of the first plane to the next; 0 if compressed.
    pub(super) fn stride(&self) -> u32 {
        match self {
            Self::Compressed => 0,
            Self::Raw { places, .. } => places.first().map_or(0, |p| p.stride as u32),
        }
    }

    /// Whether a buffer holds all of a picture, or for compressed ones anything.
    pub(super) fn is_whole(&self, buffer: &Dequeued) -> bool {
        let length = |plane: usize| buffer.bytes(plane).map_or(0, <[u8]>::len);
        match self {
            Self::Compressed => length(0) > 0,
            Self::Raw { places, .. } => places
                .iter()
                .all(|place| length(place.buffer) >= place.offset + place.len),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v4l2::{Fourcc, PlaneFormat};

    fn layout(
        pixel: PixelFormat,
        size: (u32, u32),
        planes: &[(u32, u32)],
    ) -> Result<Vec<(usize, usize, usize)>, String> {
        let mut format = PixFormat::new(Fourcc::of_pixels(pixel)[0], size.0, size.1);
        format.planes = planes
            .iter()
            .map(|&(size, stride)| PlaneFormat { size, stride })
            .collect();
        Ok(match Layout::new(&format, pixel)? {
            Layout::Compressed => vec![],
            Layout::Raw { places, .. } => places
                .iter()
                .map(|p| (p.buffer, p.offset, p.stride))
                .collect(),
        })
    }

    #[test]
    fn planes_in_one_buffer_follow_each_other_by_luma_stride() {
        let size = (60, 40);
        let nv12 = layout(PixelFormat::Nv12, size, &[(64 * 60, 64)]).unwrap();
        assert_eq!(nv12, [(0, 0, 64), (0, 64 * 40, 64)]);
        let yuv420 = layout(PixelFormat::Yuv420, size, &[(64 * 60, 64)]).unwrap();
        assert_eq!(yuv420, [(0, 0, 64), (0, 2560, 32), (0, 3200, 32)]);
        let yuyv = layout(PixelFormat::Yuyv422, size, &[(4800, 0)]).unwrap();
        assert_eq!(yuyv, [(0, 0, 120)]);
        assert_eq!(layout(PixelFormat::Mjpeg, size, &[(9999, 0)]).unwrap(), []);
    }

    #[test]
    fn planes_in_several_buffers_have_their_own_strides() {
        let planes = [(64 * 40, 64), (48 * 20, 48), (48 * 20, 48)];
        let made = layout(PixelFormat::Yuv420, (60, 40), &planes).unwrap();
        assert_eq!(made, [(0, 0, 64), (1, 0, 48), (2, 0, 48)]);
    }

    #[test]
    fn drivers_that_cannot_hold_what_they_promise_are_refused() {
        let refused = |pixel, planes: &[(u32, u32)]| layout(pixel, (60, 40), planes).unwrap_err();
        assert!(refused(PixelFormat::Yuyv422, &[(4800, 119)]).contains("rows of 119"));
        assert!(refused(PixelFormat::Nv12, &[(3599, 60)]).contains("3599"));
        assert!(refused(PixelFormat::Yuv420, &[(2400, 60), (600, 30)]).contains("2 planes"));
    }
}

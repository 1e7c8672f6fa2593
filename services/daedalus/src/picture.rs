//! From a decoded picture to a CAPTURE buffer: one pass over the samples, which also interleaves
//! the two planes of chroma.

use daedalus_proto::wire::CtxFormat;
use livehal_ffmpeg::{Frame, Plane};

/// `V4L2_PIX_FMT_NV12`: a plane of luma, a plane of both chromas, 8 bits.
pub const NV12: u32 = u32::from_le_bytes(*b"NV12");
/// `V4L2_PIX_FMT_P010`: likewise with 10 bits, in the upper ones of 16.
pub const P010: u32 = u32::from_le_bytes(*b"P010");
/// `V4L2_PIX_FMT_YUV420`: three planes, 8 bits.
pub const YUV420: u32 = u32::from_le_bytes(*b"YU12");

/// How far 10 bits are up in 16.
const P010_SHIFT: u32 = 6;

/// Why a picture cannot be put into a buffer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// The decoder's pixel format is none that goes with the buffer's.
    #[error("{pixels} does not go into {}", fourcc(*buffer))]
    Pixels {
        /// FFmpeg's name.
        pixels: &'static str,
        /// `V4L2_PIX_FMT_…`
        buffer: u32,
    },
    /// The picture is larger than the buffer.
    #[error("{width}x{height} does not go into {buffer_width}x{buffer_height}")]
    Size {
        /// Of the picture.
        width: u32,
        /// Of the picture.
        height: u32,
        /// Of the buffer.
        buffer_width: u32,
        /// Of the buffer.
        buffer_height: u32,
    },
    /// The buffer is smaller than its own description.
    #[error("a buffer of {len} bytes is too small for its format")]
    Buffer {
        /// Bytes there are.
        len: usize,
    },
}

/// A fourcc as text.
fn fourcc(code: u32) -> String {
    code.to_le_bytes().escape_ascii().to_string()
}

/// Copies the visible part of `frame` to `buffer`, which is laid out as `format` says.
///
/// # Errors
/// See [`CopyError`]; the buffer is then unchanged.
pub fn copy(frame: &Frame, format: &CtxFormat, buffer: &mut [u8]) -> Result<(), CopyError> {
    let (width, height) = (frame.width(), frame.height());
    if width > format.width || height > format.height {
        return Err(CopyError::Size {
            width,
            height,
            buffer_width: format.width,
            buffer_height: format.height,
        });
    }
    let deep = match (frame.pixel_format(), format.fourcc) {
        ("yuv420p" | "yuvj420p", NV12) => false,
        ("yuv420p10le", P010) => true,
        (pixels, buffer) => return Err(CopyError::Pixels { pixels, buffer }),
    };
    let planes: Vec<_> = frame.planes().collect();
    let [y, u, v] = planes.as_slice() else {
        return Err(CopyError::Pixels {
            pixels: frame.pixel_format(),
            buffer: format.fourcc,
        });
    };
    let len = buffer.len();
    let (luma, chroma) = split(buffer, format, y, u).ok_or(CopyError::Buffer { len })?;
    let stride = format.bytesperline as usize;
    for (to, from) in luma.chunks_mut(stride).zip(rows(y)) {
        if deep {
            raise(from, to);
        } else if let Some(to) = to.get_mut(..from.len()) {
            to.copy_from_slice(from);
        }
    }
    for ((to, u), v) in chroma.chunks_mut(stride).zip(rows(u)).zip(rows(v)) {
        if deep {
            interleave_raised(u, v, to);
        } else {
            interleave(u, v, to);
        }
    }
    Ok(())
}

/// The two planes of the buffer, each long enough for its rows.
fn split<'a>(
    buffer: &'a mut [u8],
    format: &CtxFormat,
    luma: &Plane,
    chroma: &Plane,
) -> Option<(&'a mut [u8], &'a mut [u8])> {
    let stride = usize::try_from(format.bytesperline).ok()?;
    let size = usize::try_from(format.sizeimage).ok()?;
    let both = buffer.get_mut(..size)?;
    let (first, second) = both.split_at_mut_checked(usize::try_from(format.uv_offset).ok()?)?;
    let fits = luma.row_bytes <= stride
        && chroma.row_bytes.checked_mul(2)? <= stride
        && stride.checked_mul(luma.rows)? <= first.len()
        && stride.checked_mul(chroma.rows)? <= second.len();
    fits.then_some((first, second))
}

fn rows<'a>(plane: &Plane<'a>) -> impl Iterator<Item = &'a [u8]> {
    let bytes = plane.row_bytes;
    plane
        .data
        .chunks(plane.stride)
        .take(plane.rows)
        .map(move |row| row.get(..bytes).unwrap_or(row))
}

fn interleave(u: &[u8], v: &[u8], to: &mut [u8]) {
    for ((to, u), v) in to.chunks_exact_mut(2).zip(u).zip(v) {
        to.copy_from_slice(&[*u, *v]);
    }
}

fn raise(from: &[u8], to: &mut [u8]) {
    for (to, from) in to.chunks_exact_mut(2).zip(from.as_chunks::<2>().0) {
        to.copy_from_slice(&raised(*from));
    }
}

fn interleave_raised(u: &[u8], v: &[u8], to: &mut [u8]) {
    let pairs = u.as_chunks::<2>().0.iter().zip(v.as_chunks::<2>().0);
    for (to, (u, v)) in to.chunks_exact_mut(4).zip(pairs) {
        let ([a, b], [c, d]) = (raised(*u), raised(*v));
        to.copy_from_slice(&[a, b, c, d]);
    }
}

fn raised(sample: [u8; 2]) -> [u8; 2] {
    (u16::from_le_bytes(sample) << P010_SHIFT).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chroma_is_interleaved_and_ten_bits_are_the_upper_ones() {
        let mut to = [9; 5];
        interleave(&[1, 2], &[3, 4], &mut to);
        assert_eq!(to, [1, 3, 2, 4, 9]);
        // 0x3ff and 1.
        let mut to = [9; 5];
        raise(&[0xff, 0x03, 0x01, 0x00], &mut to);
        assert_eq!(to, [0xc0, 0xff, 0x40, 0x00, 9]);
        let mut to = [9; 4];
        interleave_raised(&[0xff, 0x03], &[0x01, 0x00], &mut to);
        assert_eq!(to, [0xc0, 0xff, 0x40, 0x00]);
    }
}

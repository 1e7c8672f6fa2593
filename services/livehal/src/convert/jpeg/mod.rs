//! Motion JPEG, decoded by libjpeg-turbo to planar samples in the JPEG's own subsampling.
//!
//! Luma lands in its destination at once, and so does chroma of 4:2:0. That of 4:2:2, the usual of
//! USB cameras, passes through scratch memory to be halved. Frames without Huffman tables, usual as
//! well, get the standard ones (ISO/IEC 10918-1 annex K.3) from the library.

mod raw;

use raw::{Problem, RawDecoder, Subsampling};

use super::packed::write_means;
use super::planar::{copy, halve_row, join_planes, rows_mut};
use super::{ConvertError, PlaneMut, Target};
use crate::capture::Plane;

/// A JPEG decoder, used again for every frame.
pub(super) struct Decoder(RawDecoder);

impl Decoder {
    pub(super) fn new() -> Result<Self, ConvertError> {
        RawDecoder::new()
            .map(Self)
            .map_err(|e| ConvertError::Unfit(format!("mjpeg: {e}")))
    }

    /// Writes the picture in `data`, which must be of `size`, to `target`.
    pub(super) fn decode(
        &mut self,
        data: &[u8],
        (width, height): (usize, usize),
        target: &mut Target<'_>,
        scratch: &mut Vec<u8>,
    ) -> Result<(), ConvertError> {
        let frame = match self.0.header(data) {
            Ok(frame) => frame,
            Err(problem) => {
                // The library would go on in the middle of this header with the next frame.
                *self = Self::new()?;
                return Err(damaged(problem));
            }
        };
        if (frame.width, frame.height) != (width, height) {
            return Err(ConvertError::Damaged(format!(
                "mjpeg: a frame of {}x{} among those of {width}x{height}",
                frame.width, frame.height
            )));
        }
        // Of each chroma plane as it is coded.
        let coded = match frame.subsampling {
            Subsampling::Gray => (0, 0),
            Subsampling::Yuv420 => (width / 2, height / 2),
            Subsampling::Yuv422 => (width / 2, height),
            Subsampling::Yuv440 => (width, height / 2),
            Subsampling::Yuv444 => (width, height),
        };
        if let (Subsampling::Yuv420, Target::Yuv420([y, u, v])) = (frame.subsampling, &mut *target)
        {
            let planes = [y.reborrow(), u.reborrow(), v.reborrow()];
            return usable(self.0.decode(&frame, planes));
        }
        scratch.resize(2 * coded.0 * coded.1, 0);
        let (u, v) = scratch.split_at_mut(coded.0 * coded.1);
        let chroma = |data| PlaneMut {
            data,
            stride: coded.0,
        };
        let (Target::Yuv420([y, ..]) | Target::Nv12([y, _])) = target;
        let planes = [y.reborrow(), chroma(&mut *u), chroma(&mut *v)];
        usable(self.0.decode(&frame, planes))?;
        put_chroma([u, v], coded, (width / 2, height / 2), target);
        Ok(())
    }
}

/// Brings chroma planes of size `coded` to `half` luma's, into `target`.
fn put_chroma(
    [u, v]: [&mut [u8]; 2],
    coded: (usize, usize),
    half: (usize, usize),
    target: &mut Target<'_>,
) {
    if coded.0 == 0 {
        match target {
            Target::Yuv420([_, u, v]) => {
                rows_mut(u, half).for_each(|row| row.fill(128));
                rows_mut(v, half).for_each(|row| row.fill(128));
            }
            Target::Nv12([_, uv]) => {
                rows_mut(uv, (2 * half.0, half.1)).for_each(|row| row.fill(128));
            }
        }
        return;
    }
    if coded.0 > half.0 {
        for row in u
            .chunks_exact_mut(coded.0)
            .chain(v.chunks_exact_mut(coded.0))
        {
            halve_row(row);
        }
    }
    let planes = [&*u, &*v].map(|data| Plane {
        data,
        stride: coded.0,
    });
    if coded.1 > half.1 {
        write_means(planes, half.0, 0, half.1, target);
        return;
    }
    let [u, v] = planes;
    match target {
        Target::Nv12([_, uv]) => join_planes(u, v, half, uv),
        Target::Yuv420([_, to_u, to_v]) => {
            copy(u, half, to_u);
            copy(v, half, to_v);
        }
    }
}

/// Bytes between two markers are skipped without loss, and many cameras leave some at the end of
/// every frame. Everything else the decoder warns of shows in the picture.
fn usable(result: Result<(), Problem>) -> Result<(), ConvertError> {
    match result {
        Err(Problem::Warning(text)) if text.contains("extraneous bytes before marker") => Ok(()),
        other => other.map_err(damaged),
    }
}

fn damaged(problem: Problem) -> ConvertError {
    ConvertError::Damaged(format!("mjpeg: {problem}"))
}

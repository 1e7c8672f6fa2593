//! Packed 4:2:2 and RGB, by crate `yuv`.

use yuv::{
    BufferStoreMut, YuvBiPlanarImageMut, YuvConversionMode, YuvError, YuvPackedImage,
    YuvPlanarImageMut, YuvRange, YuvStandardMatrix, rgb_to_yuv_nv12, rgb_to_yuv420,
    yuyv422_to_yuv422,
};

use super::planar::{mean_of_rows, mean_of_rows_joined};
use super::{ConvertError, Converter, PlaneMut, Target};
use crate::capture::{Matrix, Plane};

/// Rows converted at a time: their chroma stays in the first cache. Even.
const STRIPE: usize = 8;

/// Some rows of a packed picture, all of them whole.
struct Stripe<'a> {
    top: usize,
    rows: usize,
    data: &'a [u8],
    stride: usize,
}

/// Cuts a picture into stripes of an even number of rows.
///
/// The libraries want every row to be `stride` long, and the last one may not be: then the last two
/// are copied to `tail`.
fn stripes<'a>(
    plane: Plane<'a>,
    row: usize,
    height: usize,
    tail: &'a mut Vec<u8>,
) -> impl Iterator<Item = Stripe<'a>> {
    let stride = plane.stride;
    let whole = if plane.data.len() >= stride.saturating_mul(height) {
        height
    } else {
        height - 2
    };
    tail.clear();
    for y in whole..height {
        tail.extend_from_slice(
            plane
                .data
                .get(y * stride..)
                .unwrap_or_default()
                .get(..row)
                .unwrap_or_default(),
        );
    }
    let last = (whole < height).then_some(Stripe {
        top: whole,
        rows: height - whole,
        data: tail,
        stride: row,
    });
    (0..whole)
        .step_by(STRIPE)
        .filter_map(move |top| {
            let rows = STRIPE.min(whole - top);
            let data = plane.data.get(top * stride..)?.get(..rows * stride)?;
            Some(Stripe {
                top,
                rows,
                data,
                stride,
            })
        })
        .chain(last)
}

/// Rows `top..top + rows` of a plane.
fn part<'a>(plane: &'a mut PlaneMut<'_>, top: usize, rows: usize) -> BufferStoreMut<'a, u8> {
    let range = top * plane.stride..(top + rows) * plane.stride;
    BufferStoreMut::Borrowed(plane.data.get_mut(range).unwrap_or_default())
}

fn failed(e: YuvError) -> ConvertError {
    ConvertError::Unfit(format!("conversion failed: {e}"))
}

fn stride(stride: usize) -> Result<u32, ConvertError> {
    u32::try_from(stride)
        .map_err(|_| ConvertError::Unfit(format!("rows of {stride} bytes are too long")))
}

impl Converter {
    /// Packed 4:2:2. The chroma of two rows becomes their mean: taking one of them, as the library
    /// would, leaves jagged edges.
    pub(super) fn yuyv(
        &self,
        from: Plane<'_>,
        target: &mut Target<'_>,
    ) -> Result<(), ConvertError> {
        let (width, half) = (self.width, self.width / 2);
        let mut chroma = vec![0; 2 * STRIPE * half];
        let (u, v) = chroma.split_at_mut(STRIPE * half);
        let mut tail = Vec::new();
        for stripe in stripes(from, 2 * width, self.height, &mut tail) {
            let luma = match target {
                Target::Yuv420([y, ..]) | Target::Nv12([y, _]) => y,
            };
            let mut image = YuvPlanarImageMut {
                y_stride: stride(luma.stride)?,
                y_plane: part(luma, stripe.top, stripe.rows),
                u_plane: BufferStoreMut::Borrowed(u),
                u_stride: half as u32,
                v_plane: BufferStoreMut::Borrowed(v),
                v_stride: half as u32,
                width: width as u32,
                height: stripe.rows as u32,
            };
            let packed = YuvPackedImage {
                yuy: stripe.data,
                yuy_stride: stride(stripe.stride)?,
                width: width as u32,
                height: stripe.rows as u32,
            };
            yuyv422_to_yuv422(&mut image, &packed).map_err(failed)?;
            let planes = [&*u, &*v].map(|data| Plane { data, stride: half });
            write_means(planes, half, stripe.top / 2, stripe.rows / 2, target);
        }
        Ok(())
    }

    /// Packed R, G, B. Where these are of limited range already, the full-range formulas leave luma
    /// as it should be and chroma 2 % weak, which is closer than treating them as full range.
    pub(super) fn rgb(&self, from: Plane<'_>, target: &mut Target<'_>) -> Result<(), ConvertError> {
        let (width, matrix) = (self.width, standard(self.color.matrix));
        let range = if self.color.full_range {
            YuvRange::Limited
        } else {
            YuvRange::Full
        };
        let mode = YuvConversionMode::Balanced;
        let mut tail = Vec::new();
        for stripe in stripes(from, 3 * width, self.height, &mut tail) {
            let (top, rows) = (stripe.top, stripe.rows);
            let rgb_stride = stride(stripe.stride)?;
            match target {
                Target::Yuv420([y, u, v]) => {
                    let mut image = YuvPlanarImageMut {
                        y_stride: stride(y.stride)?,
                        y_plane: part(y, top, rows),
                        u_stride: stride(u.stride)?,
                        u_plane: part(u, top / 2, rows / 2),
                        v_stride: stride(v.stride)?,
                        v_plane: part(v, top / 2, rows / 2),
                        width: width as u32,
                        height: rows as u32,
                    };
                    rgb_to_yuv420(&mut image, stripe.data, rgb_stride, range, matrix, mode)
                }
                Target::Nv12([y, uv]) => {
                    let mut image = YuvBiPlanarImageMut {
                        y_stride: stride(y.stride)?,
                        y_plane: part(y, top, rows),
                        uv_stride: stride(uv.stride)?,
                        uv_plane: part(uv, top / 2, rows / 2),
                        width: width as u32,
                        height: rows as u32,
                    };
                    rgb_to_yuv_nv12(&mut image, stripe.data, rgb_stride, range, matrix, mode)
                }
            }
            .map_err(failed)?;
        }
        Ok(())
    }
}

fn standard(matrix: Matrix) -> YuvStandardMatrix {
    match matrix {
        Matrix::Bt601 => YuvStandardMatrix::Bt601,
        Matrix::Bt709 => YuvStandardMatrix::Bt709,
    }
}

/// Writes the means of every two rows of U and V to rows `top..top + rows` of the target.
pub(super) fn write_means(
    [u, v]: [Plane<'_>; 2],
    width: usize,
    top: usize,
    rows: usize,
    target: &mut Target<'_>,
) {
    for y in 0..rows {
        let ([u0, u1], [v0, v1]) = (two_rows(u, width, y), two_rows(v, width, y));
        match target {
            Target::Yuv420([_, to_u, to_v]) => {
                mean_of_rows(u0, u1, row_mut(to_u, top + y));
                mean_of_rows(v0, v1, row_mut(to_v, top + y));
            }
            Target::Nv12([_, to]) => {
                mean_of_rows_joined([u0, u1], [v0, v1], row_mut(to, top + y));
            }
        }
    }
}

/// Rows `2 * y` and the one below.
fn two_rows(plane: Plane<'_>, width: usize, y: usize) -> [&[u8]; 2] {
    [2 * y, 2 * y + 1].map(|y| {
        let rest = plane.data.get(y * plane.stride..).unwrap_or_default();
        rest.get(..width).unwrap_or_default()
    })
}

fn row_mut<'a>(plane: &'a mut PlaneMut<'_>, y: usize) -> &'a mut [u8] {
    let range = y * plane.stride..(y + 1) * plane.stride;
    plane.data.get_mut(range).unwrap_or_default()
}

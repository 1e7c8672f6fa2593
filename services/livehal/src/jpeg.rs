//! Stills: planar 4:2:0 pictures as JPEG.

use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};

use crate::Error;
use crate::capture::{Color, Matrix, Plane};

/// Of 100; a still is looked at longer than a frame.
const QUALITY: u8 = 88;

/// Codes a picture whose planes are Y, U and V.
///
/// # Errors
/// [`Error::Backend`] where a plane is too small for the size, or the size too large for JPEG.
pub(crate) fn encode(
    planes: [Plane<'_>; 3],
    width: u32,
    height: u32,
    color: Color,
) -> Result<Vec<u8>, Error> {
    let failed = |why: &dyn std::fmt::Display| Error::Backend(format!("snapshot: {why}"));
    let (Ok(columns), Ok(rows)) = (u16::try_from(width), u16::try_from(height)) else {
        return Err(failed(&"the picture is too large for JPEG"));
    };
    let image = Image {
        planes,
        width: columns,
        height: rows,
        conversion: Conversion::new(color),
    };
    if !image.is_whole() {
        return Err(failed(&"the picture is smaller than its size"));
    }
    let mut data = Vec::new();
    let mut encoder = Encoder::new(&mut data, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode_image(image).map_err(|e| failed(&e))?;
    Ok(data)
}

/// A picture as the JPEG encoder wants it: rows of Y, Cb and Cr, of BT.601 and full range.
struct Image<'a> {
    planes: [Plane<'a>; 3],
    width: u16,
    height: u16,
    conversion: Conversion,
}

impl Image<'_> {
    fn is_whole(&self) -> bool {
        let (width, height) = (usize::from(self.width), usize::from(self.height));
        let holds = |plane: &Plane<'_>, columns: usize, rows: usize| {
            rows > 0
                && plane.stride >= columns
                && plane.data.len() >= (rows - 1) * plane.stride + columns
        };
        let [y, u, v] = &self.planes;
        let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
        holds(y, width, height)
            && holds(u, half_width, half_height)
            && holds(v, half_width, half_height)
    }
}

impl ImageBuffer for Image<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        // In bounds: `is_whole` was asked first.
        let line = usize::from(y);
        let [luma, cb, cr] = &self.planes;
        let luma = &luma.data[line * luma.stride..][..usize::from(self.width)];
        let cb = &cb.data[line / 2 * cb.stride..];
        let cr = &cr.data[line / 2 * cr.stride..];
        // The encoder takes the mean of two by two again, which gives back what was there.
        for ((pair, &cb), &cr) in luma.chunks(2).zip(cb).zip(cr) {
            let chroma = self.conversion.chroma(cb, cr);
            for &luma in pair {
                buffers[0].push(self.conversion.luma(luma, chroma.luma));
                buffers[1].push(chroma.cb);
                buffers[2].push(chroma.cr);
            }
        }
    }
}

/// The linear map from one way to write colours as Y, Cb, Cr to that of JPEG, in 16.16 fixed point.
struct Conversion {
    black: i32,
    y: i32,
    cb_to_y: i32,
    cr_to_y: i32,
    cb_to_cb: i32,
    cr_to_cb: i32,
    cb_to_cr: i32,
    cr_to_cr: i32,
}

/// Chroma converted, and what it adds to luma.
struct Chroma {
    cb: u8,
    cr: u8,
    luma: i32,
}

impl Conversion {
    fn new(color: Color) -> Self {
        // Shares of red and blue in luma.
        let (kr, kb) = match color.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
        };
        let (black, y_scale, c_scale) = if color.full_range {
            (0, 1.0, 1.0)
        } else {
            (16, 255.0 / 219.0, 255.0 / 224.0)
        };
        // R = y + 2 (1 - kr) cr and B = y + 2 (1 - kb) cb; G follows. Their luma in BT.601 is y and
        // a share of each chroma; the chromas are the distances of B and R from that luma.
        let (r_cr, b_cb) = (2.0 * (1.0 - kr), 2.0 * (1.0 - kb));
        let kg = 1.0 - kr - kb;
        let (g_cb, g_cr) = (-kb * b_cb / kg, -kr * r_cr / kg);
        let cb_to_y = 0.587 * g_cb + 0.114 * b_cb;
        let cr_to_y = 0.299 * r_cr + 0.587 * g_cr;
        let fixed = |value: f64| (value * 65_536.0).round() as i32;
        Self {
            black,
            y: fixed(y_scale),
            cb_to_y: fixed(c_scale * cb_to_y),
            cr_to_y: fixed(c_scale * cr_to_y),
            cb_to_cb: fixed(c_scale * (b_cb - cb_to_y) / 1.772),
            cr_to_cb: fixed(c_scale * -cr_to_y / 1.772),
            cb_to_cr: fixed(c_scale * -cb_to_y / 1.402),
            cr_to_cr: fixed(c_scale * (r_cr - cr_to_y) / 1.402),
        }
    }

    fn chroma(&self, cb: u8, cr: u8) -> Chroma {
        let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
        Chroma {
            cb: to_byte(self.cb_to_cb * cb + self.cr_to_cb * cr + (128 << 16)),
            cr: to_byte(self.cb_to_cr * cb + self.cr_to_cr * cr + (128 << 16)),
            luma: self.cb_to_y * cb + self.cr_to_y * cr,
        }
    }

    fn luma(&self, luma: u8, chroma: i32) -> u8 {
        to_byte(self.y * (i32::from(luma) - self.black) + chroma)
    }
}

fn to_byte(fixed: i32) -> u8 {
    ((fixed + 0x8000) >> 16).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes a still of one colour to its mean R, G, B.
    fn shown(y: u8, u: u8, v: u8, color: Color) -> [u8; 3] {
        let (luma, cb, cr) = (vec![y; 18 * 10], vec![u; 9 * 5], vec![v; 9 * 5]);
        let plane = |data, stride| Plane { data, stride };
        let planes = [plane(&luma[..], 18), plane(&cb[..], 9), plane(&cr[..], 9)];
        let data = encode(planes, 18, 10, color).unwrap();
        let mut decoder = jpeg_decoder::Decoder::new(&data[..]);
        let pixels = decoder.decode().unwrap();
        let info = decoder.info().unwrap();
        assert_eq!((info.width, info.height), (18, 10));
        let mean = |channel: usize| {
            let sum: usize = pixels[channel..]
                .iter()
                .step_by(3)
                .map(|&p| usize::from(p))
                .sum();
            (sum / 180) as u8
        };
        [mean(0), mean(1), mean(2)]
    }

    #[track_caller]
    fn assert_near(shown: [u8; 3], expected: [u8; 3]) {
        let near = shown.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 3);
        assert!(near, "{shown:?} is not {expected:?}");
    }

    #[test]
    fn colours_of_every_matrix_and_range_come_out_right() {
        let color = |matrix, full_range| Color { matrix, full_range };
        // Red, blue and grey as they are written in each.
        assert_near(
            shown(63, 102, 240, color(Matrix::Bt709, false)),
            [255, 0, 0],
        );
        assert_near(shown(81, 90, 240, color(Matrix::Bt601, false)), [255, 0, 0]);
        assert_near(shown(76, 85, 255, color(Matrix::Bt601, true)), [255, 0, 0]);
        assert_near(
            shown(32, 240, 118, color(Matrix::Bt709, false)),
            [0, 0, 255],
        );
        assert_near(
            shown(126, 128, 128, color(Matrix::Bt709, false)),
            [128, 128, 128],
        );
        assert_near(shown(16, 128, 128, color(Matrix::Bt709, false)), [0, 0, 0]);
        assert_near(
            shown(235, 128, 128, color(Matrix::Bt601, false)),
            [255, 255, 255],
        );
        assert_near(
            shown(255, 128, 128, color(Matrix::Bt601, true)),
            [255, 255, 255],
        );
    }

    #[test]
    fn a_plane_too_small_for_the_size_is_refused() {
        let data = [0u8; 16 * 16];
        let plane = |len: usize, stride| Plane {
            data: &data[..len],
            stride,
        };
        let color = Color::assumed(16);
        let good = [plane(256, 16), plane(64, 8), plane(64, 8)];
        assert!(encode(good, 16, 16, color).is_ok());
        for bad in [
            [plane(255, 16), plane(64, 8), plane(64, 8)],
            [plane(256, 16), plane(63, 8), plane(64, 8)],
            [plane(256, 16), plane(64, 8), plane(64, 7)],
        ] {
            assert!(encode(bad, 16, 16, color).is_err());
        }
        assert!(encode(good, 70_000, 16, color).is_err());
        assert!(encode(good, 16, 0, color).is_err());
    }
}

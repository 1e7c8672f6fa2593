//! What a camera shows, for the tests in the VM.

use std::time::Duration;

use crate::capture::{Captured, Color, Matrix};
use crate::convert::{Converter, Planar};
use crate::stop::StopToken;
use crate::{CaptureParams, CaptureTime, StreamGeometry};

/// A picture, looked at.
#[derive(Debug)]
pub struct Seen {
    /// Its size and rate.
    pub geometry: StreamGeometry,
    /// Its pixel format.
    pub format: &'static str,
    /// R, G and B, 0 to 255 and beyond where samples are no colour, of the middle of eight upright
    /// bars, in the lower half.
    pub bars: Vec<[f64; 3]>,
}

/// Opens a camera, takes `frames` frames, and looks at the last.
///
/// # Errors
/// What the backend says; no frame within five seconds.
pub fn look(params: &CaptureParams, frames: u32) -> Result<Seen, String> {
    let mut camera = super::open(params).map_err(|e| e.to_string())?;
    let format = camera.format();
    let mut planar = Planar::new(&format).map_err(|e| e.to_string())?;
    let stop = StopToken::default();
    let end = CaptureTime::now().after(Duration::from_secs(5));
    let mut left = frames.max(1);
    loop {
        if CaptureTime::now() > end {
            return Err("no frame within 5 s".into());
        }
        let Captured::Frame(frame) = camera.next_frame(&stop).map_err(|e| e.to_string())? else {
            continue;
        };
        left -= 1;
        if left > 0 {
            continue;
        }
        let planes = planar.planes(frame.picture.as_ref());
        let planes = planes.map_err(|e| e.to_string())?;
        let size = (format.width as usize, format.height as usize);
        let mean = |index: usize, (left, right): (usize, usize)| {
            let shift = usize::from(index > 0);
            let plane = &planes[index];
            let samples = ((size.1 * 5 / 8) >> shift..(size.1 * 7 / 8) >> shift)
                .flat_map(|y| (left >> shift..right >> shift).map(move |x| (x, y)))
                .filter_map(|(x, y)| plane.data.get(y * plane.stride + x));
            let (sum, count) = samples.fold((0.0, 0.0), |(sum, count), sample| {
                (sum + f64::from(*sample), count + 1.0)
            });
            sum / count
        };
        let color = Converter::color(&format);
        let bars = (0..8)
            .map(|bar| {
                let edge = |sixteenth: usize| size.0 * (4 * bar + sixteenth) / 32;
                let columns = (edge(1), edge(3));
                rgb([0, 1, 2].map(|index| mean(index, columns)), color)
            })
            .collect();
        return Ok(Seen {
            geometry: format.geometry(),
            format: format.pixel.name(),
            bars,
        });
    }
}

/// The inverse of BT.601 or BT.709.
fn rgb([y, cb, cr]: [f64; 3], color: Color) -> [f64; 3] {
    let (kr, kb) = match color.matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
    };
    let (y, scale) = if color.full_range {
        (y, 1.0)
    } else {
        ((y - 16.0) * 255.0 / 219.0, 255.0 / 224.0)
    };
    let (cb, cr) = ((cb - 128.0) * scale, (cr - 128.0) * scale);
    let (r, b) = (y + 2.0 * (1.0 - kr) * cr, y + 2.0 * (1.0 - kb) * cb);
    let g = (y - kr * r - kb * b) / (1.0 - kr - kb);
    [r, g, b]
}

//! What pictures the device takes, and how they lie in its buffers.

use super::Coding;
use super::find::Encoder;
use crate::PixelFormat;
use crate::capture::{BackendError, DmaBuf, RawFormat};
use crate::v4l2::{Device, Failure, FormatInfo, Fourcc, Interval, PixFormat};

/// What was agreed with the device.
pub(super) struct Agreed {
    /// Layout of the pixels that the device takes; where it is not that of the capture backend,
    /// pictures are converted.
    pub(super) pixel: PixelFormat,
    /// The capture backend's pictures are laid out otherwise.
    pub(super) converted: bool,
    /// How they lie in the buffers that the device reads.
    pub(super) layout: Layout,
    /// Planes of a buffer that the device writes; one for every codec here.
    pub(super) coded_planes: usize,
}

/// Where the planes of a picture lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// Colour planes, as [`crate::capture::Picture::plane`] numbers them.
    pub(super) planes: Vec<Place>,
    /// Bytes of each plane of the buffer.
    pub(super) sizes: Vec<u32>,
}

/// Where a colour plane lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// In which plane of the buffer.
    pub(super) buffer: usize,
    /// Bytes from its start to the first pixel.
    pub(super) offset: usize,
    /// Bytes from one row to the next.
    pub(super) stride: usize,
    /// Bytes of pixels in a row.
    pub(super) row: usize,
    /// Rows of pixels.
    pub(super) rows: usize,
}

/// Agrees with the device on formats: first the codec, on which the others depend, then the
/// pictures, their part that is to be seen, and their rate.
///
/// # Errors
/// The device cannot take such pictures; what it takes instead.
pub(super) fn agree(
    encoder: &Encoder,
    coding: Coding,
    format: &RawFormat,
) -> Result<Agreed, BackendError> {
    let device = encoder.device.as_ref();
    let (width, height) = (format.width, format.height);
    let mut coded = PixFormat::new(coding.fourcc(), width, height).with_color(format.color);
    // Enough for any access unit that a level allows; drivers that know better say so.
    if let [plane] = &mut coded.planes[..] {
        plane.size = (width * height).max(64 << 10);
    }
    device.set_format(encoder.coded, &coded)?;
    let offered = device.formats(encoder.raw)?;
    let (pixel, fourcc) = choose(format.pixel, &offered).ok_or_else(|| {
        let names: Vec<_> = offered.iter().map(|f| f.fourcc.to_string()).collect();
        refused(
            device,
            &format!(
                "takes no pictures as {}, nv12 or yuv420; it takes {}",
                format.pixel,
                names.join(", ")
            ),
        )
    })?;
    let raw = set_raw(encoder, format, (pixel, fourcc))?;
    visible(encoder, format, &raw, coding)?;
    frame_rate(encoder, format.fps)?;
    let layout = Layout::new(pixel, &raw, (width, height)).map_err(|why| refused(device, &why))?;
    Ok(Agreed {
        pixel,
        converted: pixel != format.pixel,
        layout,
        // The pictures may have changed it.
        coded_planes: device.format(encoder.coded)?.planes.len(),
    })
}

/// The capture backend's own format if the device takes it, else one that it is converted to.
fn choose(own: PixelFormat, offered: &[FormatInfo]) -> Option<(PixelFormat, Fourcc)> {
    [own, PixelFormat::Nv12, PixelFormat::Yuv420]
        .into_iter()
        // Compressed pictures are never taken as they are.
        .filter(|pixel| *pixel != PixelFormat::Mjpeg)
        .find_map(|pixel| {
            let offers = |code: &&Fourcc| offered.iter().any(|f| f.fourcc == **code);
            let code = Fourcc::of_pixels(pixel).iter().find(offers)?;
            Some((pixel, *code))
        })
}

fn set_raw(
    encoder: &Encoder,
    format: &RawFormat,
    (pixel, fourcc): (PixelFormat, Fourcc),
) -> Result<PixFormat, BackendError> {
    let mut ask = PixFormat::new(fourcc, format.width, format.height).with_color(format.color);
    // With the strides of the capture device, its buffers can be read where they are.
    if let [plane] = &mut ask.planes[..]
        && pixel == format.pixel
    {
        plane.stride = format.stride;
    }
    let raw = encoder.device.set_format(encoder.raw, &ask)?;
    if raw.fourcc != fourcc {
        let said = format!("offers {fourcc} but makes {} of it", raw.fourcc);
        return Err(refused(&encoder.device, &said));
    }
    Ok(raw)
}

/// Makes sure that what comes out has the size of what goes in.
fn visible(
    encoder: &Encoder,
    format: &RawFormat,
    raw: &PixFormat,
    coding: Coding,
) -> Result<(), BackendError> {
    let device = encoder.device.as_ref();
    let size = (format.width, format.height);
    let not_so = |why: String| {
        let sizes = device
            .frame_sizes(coding.fourcc())
            .map_or(String::new(), |sizes| format!("; it has {sizes}"));
        refused(device, &format!("{}x{}: {why}{sizes}", size.0, size.1))
    };
    if raw.width < size.0 || raw.height < size.1 {
        return Err(not_so(format!(
            "it takes at most {}x{} of it",
            raw.width, raw.height
        )));
    }
    let seen = device.set_visible(encoder.raw, size)?;
    if seen == Some(size) || (seen.is_none() && (raw.width, raw.height) == size) {
        return Ok(());
    }
    let (w, h) = seen.unwrap_or((raw.width, raw.height));
    Err(not_so(format!("it would code {w}x{h}")))
}

fn frame_rate(encoder: &Encoder, fps: f64) -> Result<(), BackendError> {
    let device = encoder.device.as_ref();
    let Some(made) = device
        .set_interval(encoder.raw, Interval::of_fps(fps))?
        .and_then(Interval::fps)
    else {
        tracing::debug!(device = %device.path().display(), "takes no frame rate");
        return Ok(());
    };
    // Its rate control would miss the bit rate by as much.
    if (made - fps).abs() > fps / 50.0 {
        return Err(refused(
            device,
            &format!("{fps} frames a second: it would reckon with {made:.2}"),
        ));
    }
    Ok(())
}

/// Only another configuration, or another device, can mend it.
pub(super) fn refused(device: &Device, why: &str) -> BackendError {
    BackendError::permanent(format!(
        "encoder.backend = v4l2-m2m: {} ({}): {why}",
        device.path().display(),
        device.card()
    ))
}

/// A request failed; a later try may not.
pub(super) fn failed(failure: Failure) -> BackendError {
    BackendError::passing(format!("encoder.backend = v4l2-m2m: {failure}"))
}

impl Layout {
    /// Where the planes of `pixel` pictures lie, of which `width` × `height` are pixels.
    pub(super) fn new(
        pixel: PixelFormat,
        format: &PixFormat,
        (width, height): (u32, u32),
    ) -> Result<Self, String> {
        let (width, height) = (width as usize, height as usize);
        let shapes: &[(usize, usize)] = match pixel {
            PixelFormat::Yuyv422 => &[(2 * width, height)],
            PixelFormat::Rgb888 => &[(3 * width, height)],
            PixelFormat::Nv12 => &[(width, height), (width, height / 2)],
            PixelFormat::Yuv420 => &[
                (width, height),
                (width / 2, height / 2),
                (width / 2, height / 2),
            ],
            PixelFormat::Mjpeg => return Err("takes compressed pictures".into()),
        };
        let separate = format.planes.len() > 1;
        let (mut planes, mut offset) = (Vec::new(), 0);
        for (index, &(row, rows)) in shapes.iter().enumerate() {
            let buffer = if separate { index } else { 0 };
            let Some(memory) = format.planes.get(buffer) else {
                return Err(format!("has {} planes for {pixel}", format.planes.len()));
            };
            let halved = !separate && pixel == PixelFormat::Yuv420 && index > 0;
            let stride = memory.stride as usize / if halved { 2 } else { 1 };
            let place = Place {
                buffer,
                offset: if separate { 0 } else { offset },
                stride,
                row,
                rows,
            };
            if stride < row || place.end() > memory.size as usize {
                return Err(format!(
                    "gives plane {index} of {pixel} {} bytes in rows of {stride}; {rows} rows of \
                     {row} at {} do not fit",
                    memory.size, place.offset
                ));
            }
            planes.push(place);
            // Chroma comes after all rows of luma, those out of sight too.
            offset += stride * (format.height as usize) / if index == 0 { 1 } else { 2 };
        }
        Ok(Self {
            planes,
            sizes: format.planes.iter().map(|plane| plane.size).collect(),
        })
    }

    /// Why the device cannot read a picture where it is.
    pub(super) fn importable(&self, from: &DmaBuf<'_>) -> Result<(), String> {
        if from.planes.len() != self.planes.len() {
            return Err(format!("{} planes", from.planes.len()));
        }
        for (n, (plane, place)) in from.planes.iter().zip(&self.planes).enumerate() {
            let size = self.sizes.get(place.buffer).copied().unwrap_or(0);
            let first = |p: &Place| p.buffer == place.buffer;
            let start = self.planes.iter().position(first).unwrap_or(n);
            let same = from
                .planes
                .get(start)
                .is_some_and(|first| raw_fd(first.fd) == raw_fd(plane.fd));
            if !same {
                return Err("planes in several buffers".into());
            }
            if plane.offset as usize != place.offset || plane.stride as usize != place.stride {
                return Err(format!(
                    "plane {n} at {} in rows of {}, the encoder reads at {} in rows of {}",
                    plane.offset, plane.stride, place.offset, place.stride
                ));
            }
            if plane.length < size {
                return Err(format!(
                    "a buffer of {} bytes, the encoder reads {size}",
                    plane.length
                ));
            }
        }
        Ok(())
    }
}

impl Place {
    /// The end of the last row.
    fn end(&self) -> usize {
        self.offset + self.rows * self.stride
    }
}

fn raw_fd(fd: std::os::fd::BorrowedFd<'_>) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(&fd)
}

#[cfg(test)]
#[path = "formats_tests.rs"]
mod tests;

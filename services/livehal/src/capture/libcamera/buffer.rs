//! Frame buffers of the camera: DMA-BUFs, mapped where the processor reads them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use libcamera::framebuffer::{AsFrameBuffer, FrameBufferPlaneRef};
use libcamera::request::Request;
use rustix::ioctl::{Setter, ioctl, opcode};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::backend::Event;
use super::manager::Manager;
use crate::PixelFormat;
use crate::capture::{DmaBuf, DmaBufPlane, Picture, Plane, RawFormat};

/// One buffer, which request after request brings back full.
pub(super) struct Buffer {
    planes: Vec<Place>,
    memory: Vec<Memory>,
}

/// Where a plane lies.
struct Place {
    /// Index into `Buffer::memory`.
    memory: usize,
    offset: usize,
    length: usize,
    stride: usize,
}

impl Buffer {
    /// Maps the planes of `framebuffer`, which has pictures of `format`.
    ///
    /// # Errors
    /// The planes do not hold such a picture, or cannot be mapped.
    pub(super) fn new(framebuffer: &impl AsFrameBuffer, format: &RawFormat) -> io::Result<Self> {
        let given = framebuffer.planes();
        let mut fds: Vec<(i32, usize)> = Vec::new();
        let mut spans = Vec::new();
        for plane in (0..given.len()).filter_map(|i| given.get(i)) {
            // libcamera's virtual camera has a third plane of NV12, with nothing in it.
            if !plane.is_empty() {
                spans.push(span(&plane, &mut fds)?);
            }
        }
        let planes = split(&spans, format).ok_or_else(|| {
            let told = format!("its planes {spans:?} hold no picture of {format:?}");
            io::Error::new(io::ErrorKind::InvalidData, told)
        })?;
        let memory: Vec<Memory> = fds
            .iter()
            .map(|&(fd, end)| Memory::new(fd, end))
            .collect::<io::Result<_>>()?;
        Ok(Self { planes, memory })
    }

    fn sync(&self, flags: u64) {
        for memory in &self.memory {
            memory.sync(flags);
        }
    }
}

/// Index of the buffer, first byte and length.
type Span = (usize, usize, usize);

/// Notes the plane's buffer in `fds`, each once, with the last byte used.
fn span(plane: &FrameBufferPlaneRef<'_>, fds: &mut Vec<(i32, usize)>) -> io::Result<Span> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, "a plane has no place");
    let (fd, offset) = (plane.fd(), plane.offset().ok_or_else(invalid)?);
    let end = offset.checked_add(plane.len()).ok_or_else(invalid)?;
    let known = fds
        .iter_mut()
        .enumerate()
        .find(|(_, (known, _))| *known == fd);
    let index = match known {
        Some((index, (_, last))) => {
            *last = end.max(*last);
            index
        }
        None => {
            fds.push((fd, end));
            fds.len() - 1
        }
    };
    Ok((index, offset, plane.len()))
}

/// The planes of a picture: as they are given, or one after the other where they are given as one.
fn split(spans: &[Span], format: &RawFormat) -> Option<Vec<Place>> {
    let height = format.height as usize;
    let stride = format.stride as usize;
    let half = height.div_ceil(2);
    // Bytes a row needs at least, from row to row, and rows.
    let width = format.width as usize;
    let even = width.div_ceil(2);
    let shapes: Vec<(usize, usize, usize)> = match format.pixel {
        PixelFormat::Yuv420 => {
            vec![
                (width, stride, height),
                (even, stride / 2, half),
                (even, stride / 2, half),
            ]
        }
        PixelFormat::Nv12 => vec![(width, stride, height), (2 * even, stride, half)],
        PixelFormat::Yuyv422 => vec![(4 * even, stride, height)],
        PixelFormat::Rgb888 => vec![(3 * width, stride, height)],
        PixelFormat::Mjpeg => {
            let &(memory, offset, length) = spans.first()?;
            return Some(vec![Place {
                memory,
                offset,
                length,
                stride: 0,
            }]);
        }
    };
    let mut spans = spans.to_vec();
    if let [(memory, mut offset, length)] = *spans.as_slice() {
        let end = offset + length;
        spans.clear();
        for &(_, stride, rows) in &shapes {
            let length = (stride * rows).min(end.checked_sub(offset)?);
            spans.push((memory, offset, length));
            offset += length;
        }
    }
    if spans.len() != shapes.len() {
        return None;
    }
    let place =
        |(&(memory, offset, length), &(row, stride, rows)): (&Span, &(usize, usize, usize))| {
            let needed = (rows.checked_sub(1)? * stride).checked_add(row)?;
            (stride >= row && length >= needed).then_some(Place {
                memory,
                offset,
                length,
                stride,
            })
        };
    spans.iter().zip(&shapes).map(place).collect()
}

fn dmabuf<'a>(place: &Place, memory: &'a [Memory]) -> Option<DmaBufPlane<'a>> {
    let memory = memory.get(place.memory)?;
    Some(DmaBufPlane {
        fd: memory.fd.as_fd(),
        length: u32::try_from(memory.size).ok()?,
        offset: u32::try_from(place.offset).ok()?,
        stride: u32::try_from(place.stride).ok()?,
    })
}

/// A DMA-BUF mapped for reading.
struct Memory {
    fd: OwnedFd,
    address: NonNull<u8>,
    mapped: usize,
    /// Of the whole buffer.
    size: usize,
}

// SAFETY: an address of shared memory, read through `Memory::bytes` only.
unsafe impl Send for Memory {}
// SAFETY: as above; reading from several threads is no conflict.
unsafe impl Sync for Memory {}

impl Memory {
    /// Maps the first `end` bytes.
    fn new(fd: i32, end: usize) -> io::Result<Self> {
        // SAFETY: libcamera keeps the plane's descriptor open while its frame buffer lives, which
        // the caller borrows.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned()?;
        let size = rustix::fs::seek(&fd, rustix::fs::SeekFrom::End(0)).map_or(end, |n| n as usize);
        if size < end || end == 0 {
            let told = format!("a buffer of {size} bytes is to hold {end}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, told));
        }
        // SAFETY: a new mapping at an address that the kernel chooses; nothing else is there.
        let address = unsafe {
            mmap(
                std::ptr::null_mut(),
                end,
                ProtFlags::READ,
                MapFlags::SHARED,
                &fd,
                0,
            )
        }?;
        let address = NonNull::new(address.cast::<u8>())
            .ok_or_else(|| io::Error::other("mapped at address 0"))?;
        Ok(Self {
            fd,
            address,
            mapped: end,
            size,
        })
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: mapped for as long as `self` lives, and nobody writes: the camera fills a buffer
        // only while its request is queued, when no picture of it exists.
        unsafe { std::slice::from_raw_parts(self.address.as_ptr(), self.mapped) }
    }

    /// Tells the kernel that the processor begins or ends to read. What is no DMA-BUF, or needs
    /// none of this, says so; the pixels are what they are.
    fn sync(&self, flags: u64) {
        // DMA_BUF_IOCTL_SYNC of <linux/dma-buf.h>: _IOW('b', 0, struct dma_buf_sync).
        const SYNC: rustix::ioctl::Opcode = opcode::write::<u64>(b'b', 0);
        // SAFETY: the kernel reads one u64, the only field of struct dma_buf_sync.
        if let Err(e) = unsafe { ioctl(self.fd.as_fd(), Setter::<SYNC, u64>::new(flags)) } {
            tracing::debug!("DMA_BUF_IOCTL_SYNC: {e}");
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: mapped in `new`, and no slice of it outlives `self`.
        let _ = unsafe { munmap(self.address.as_ptr().cast(), self.mapped) };
    }
}

// <linux/dma-buf.h>.
const SYNC_READ: u64 = 1;
const SYNC_START: u64 = 0;
const SYNC_END: u64 = 1 << 2;

/// A completed request as a picture. Its buffer goes back to the camera when the last user is done.
pub(super) struct CameraPicture {
    buffer: Arc<Buffer>,
    /// Bytes that the camera filled of each plane; all, if it does not say.
    used: Vec<usize>,
    /// Somebody read with the processor.
    read: AtomicBool,
    /// Empty only while this is dropped. `Mutex`: a request may go from thread to thread, but is not
    /// for two at once.
    request: Mutex<Option<Request>>,
    inbox: Sender<Event>,
    /// The last to go: the request is libcamera's.
    _manager: Manager,
}

impl CameraPicture {
    pub(super) fn new(
        buffer: Arc<Buffer>,
        used: Vec<usize>,
        request: Request,
        inbox: Sender<Event>,
        manager: Manager,
    ) -> Self {
        Self {
            buffer,
            used,
            read: AtomicBool::new(false),
            request: Mutex::new(Some(request)),
            inbox,
            _manager: manager,
        }
    }
}

impl Picture for CameraPicture {
    fn plane(&self, index: usize) -> Option<Plane<'_>> {
        let place = self.buffer.planes.get(index)?;
        let used = self
            .used
            .get(index)
            .copied()
            .filter(|&n| n > 0)
            .unwrap_or(place.length);
        let length = if place.stride == 0 {
            used.min(place.length)
        } else {
            place.length
        };
        let memory = self.buffer.memory.get(place.memory)?;
        let data = memory.bytes().get(place.offset..place.offset + length)?;
        if !self.read.swap(true, Ordering::AcqRel) {
            self.buffer.sync(SYNC_START | SYNC_READ);
        }
        Some(Plane {
            data,
            stride: place.stride,
        })
    }

    fn dmabuf(&self) -> Option<DmaBuf<'_>> {
        let Buffer { planes, memory } = &*self.buffer;
        let planes: Option<Vec<_>> = planes.iter().map(|place| dmabuf(place, memory)).collect();
        Some(DmaBuf { planes: planes? })
    }
}

impl Drop for CameraPicture {
    fn drop(&mut self) {
        if self.read.load(Ordering::Acquire) {
            self.buffer.sync(SYNC_END | SYNC_READ);
        }
        let request = self
            .request
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(request) = request {
            // Where the camera was closed meanwhile, the request ends here.
            let _ = self.inbox.send(Event::Returned(request));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Color;

    fn places(
        spans: &[Span],
        pixel: PixelFormat,
        stride: u32,
    ) -> Option<Vec<(usize, usize, usize)>> {
        let format = RawFormat {
            pixel,
            width: 6,
            height: 4,
            fps: 30.0,
            color: Color::assumed(4),
            stride,
        };
        let places = split(spans, &format)?;
        Some(
            places
                .iter()
                .map(|p| (p.offset, p.length, p.stride))
                .collect(),
        )
    }

    #[test]
    fn planes_lie_where_the_camera_says_with_its_stride() {
        let given = [(0, 0, 64), (0, 64, 16), (0, 80, 16)];
        assert_eq!(
            places(&given, PixelFormat::Yuv420, 16),
            Some(vec![(0, 64, 16), (64, 16, 8), (80, 16, 8)])
        );
        // The last row may end with its pixels.
        let short = [(0, 0, 54), (0, 64, 22)];
        assert_eq!(
            places(&short, PixelFormat::Nv12, 16),
            Some(vec![(0, 54, 16), (64, 22, 16)])
        );
    }

    #[test]
    fn planes_given_as_one_follow_one_another() {
        assert_eq!(
            places(&[(0, 8, 96)], PixelFormat::Nv12, 16),
            Some(vec![(8, 64, 16), (72, 32, 16)])
        );
        assert_eq!(
            places(&[(0, 8, 72)], PixelFormat::Yuyv422, 16),
            Some(vec![(8, 64, 16)])
        );
        assert_eq!(
            places(&[(0, 0, 999)], PixelFormat::Mjpeg, 0),
            Some(vec![(0, 999, 0)])
        );
    }

    #[test]
    fn planes_that_hold_no_picture_are_refused() {
        assert_eq!(
            places(&[(0, 0, 64), (0, 64, 21)], PixelFormat::Nv12, 16),
            None
        );
        assert_eq!(
            places(&[(0, 0, 64), (0, 64, 32)], PixelFormat::Yuv420, 16),
            None
        );
        assert_eq!(places(&[(0, 0, 64)], PixelFormat::Rgb888, 16), None);
        assert_eq!(places(&[], PixelFormat::Mjpeg, 0), None);
    }
}

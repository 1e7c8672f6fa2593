//! The buffers of one direction of a device.
//!
//! A buffer is the device's (queued), the program's (a [`Buffer`]), or nobody's (free). A
//! [`Buffer`] may be dropped by any thread, at any time, even after its queue: a captured one goes
//! back to the device, one for output is free again. Memory stays mapped while anybody holds a
//! buffer in it; the device itself is closed without waiting for them.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use rustix::io::Errno;

use super::device::{Device, Failure, Ready};
use super::format::{BufferType, Direction};
use super::mapping::Mapping;
use super::sys::*;
use crate::CaptureTime;

/// The buffers of one direction of a device, set up and perhaps streaming.
pub(crate) struct Queue {
    core: Arc<Core>,
    /// One for each buffer; none where buffers come from outside.
    memory: Vec<Arc<Memory>>,
}

/// A buffer that the program has.
pub(crate) struct Buffer {
    index: usize,
    memory: Arc<Memory>,
    core: Weak<Core>,
}

/// A buffer that the device is done with.
pub(crate) struct Dequeued {
    /// The buffer. Has no memory of ours if it came from outside.
    pub(crate) buffer: Buffer,
    /// Where the data of each plane begins and ends, in bytes; within the plane.
    pub(crate) data: Vec<(usize, usize)>,
    /// The driver's time stamp, to the microsecond.
    pub(crate) time: CaptureTime,
    /// The driver's number for the frame.
    pub(crate) sequence: u32,
    /// `V4L2_BUF_FLAG_…`
    pub(crate) flags: u32,
}

/// A plane in a DMA-BUF from outside.
#[derive(Clone, Copy)]
pub(crate) struct ExternalPlane<'a> {
    /// The DMA-BUF.
    pub(crate) fd: BorrowedFd<'a>,
    /// Its size in bytes.
    pub(crate) length: u32,
    /// Bytes of it that hold data.
    pub(crate) used: u32,
}

struct Core {
    device: Arc<Device>,
    kind: BufferType,
    memory: u32,
    planes: usize,
    states: Mutex<States>,
}

struct States {
    slots: Vec<Slot>,
    streaming: bool,
    /// A buffer could not be given back; told at the next opportunity.
    failed: Option<Failure>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Free,
    Queued,
    Held,
}

#[derive(Default)]
struct Memory {
    planes: Vec<Mapping>,
    exported: OnceLock<Vec<OwnedFd>>,
}

type Planes = [v4l2_plane; VIDEO_MAX_PLANES];

impl Queue {
    /// About `count` buffers in the device's own memory, mapped; the driver may give more or fewer.
    /// `planes` is the number of planes in the queue's format.
    ///
    /// # Errors
    /// The device is used by somebody else, lacks memory, or has no such queue.
    pub(crate) fn mapped(
        device: &Arc<Device>,
        kind: BufferType,
        planes: usize,
        count: u32,
    ) -> Result<Self, Failure> {
        let core = Core::allocate(device, kind, V4L2_MEMORY_MMAP, (planes, count))?;
        let memory = (0..core.states().slots.len())
            .map(|index| core.map(index).map(Arc::new))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            core: Arc::new(core),
            memory,
        })
    }

    /// About `count` places for DMA-BUFs from outside.
    ///
    /// # Errors
    /// As [`mapped`](Self::mapped); `EINVAL` where the driver imports none.
    pub(crate) fn external(
        device: &Arc<Device>,
        kind: BufferType,
        planes: usize,
        count: u32,
    ) -> Result<Self, Failure> {
        Ok(Self {
            core: Arc::new(Core::allocate(
                device,
                kind,
                V4L2_MEMORY_DMABUF,
                (planes, count),
            )?),
            memory: Vec::new(),
        })
    }

    /// How many buffers there are.
    pub(crate) fn len(&self) -> usize {
        self.core.states().slots.len()
    }

    /// Makes DMA-BUFs of all mapped buffers; [`Buffer::dmabuf`] then has them.
    ///
    /// # Errors
    /// The driver exports none.
    pub(crate) fn export(&self) -> Result<(), Failure> {
        for (index, memory) in self.memory.iter().enumerate() {
            let fds = (0..memory.planes.len())
                .map(|plane| {
                    self.core
                        .device
                        .export(self.core.kind, (index as u32, plane as u32))
                })
                .collect::<Result<Vec<_>, _>>()?;
            // A second call would make the same buffers again.
            let _ = memory.exported.set(fds);
        }
        Ok(())
    }

    /// Starts streaming. Free mapped capture buffers are given to the device first.
    ///
    /// # Errors
    /// The driver cannot start.
    pub(crate) fn start(&self) -> Result<(), Failure> {
        let core = &self.core;
        let mut states = core.states();
        if core.returns_by_itself() {
            for index in 0..states.slots.len() {
                if states.slots.get(index) == Some(&Slot::Free) {
                    core.enqueue(&mut states, index)?;
                }
            }
        }
        let mut kind = core.kind.raw() as i32;
        core.device.plain(&VIDIOC_STREAMON, &mut kind)?;
        states.streaming = true;
        Ok(())
    }

    /// Stops streaming: whatever is queued is free again.
    ///
    /// # Errors
    /// The device is gone; the buffers are free all the same.
    pub(crate) fn stop(&self) -> Result<(), Failure> {
        self.core.stop()
    }

    /// The next buffer that is done; `None` if there is none now.
    ///
    /// # Errors
    /// The device failed or is gone; `EPIPE` after the last buffer of a drained codec. A driver
    /// that gives a buffer it does not have, or claims more data than there is room, has failed.
    pub(crate) fn dequeue(&self) -> Result<Option<Dequeued>, Failure> {
        let core = &self.core;
        let mut states = core.states();
        if let Some(failed) = states.failed.take() {
            return Err(failed);
        }
        let (mut raw, mut planes) = (v4l2_buffer::zeroed(), no_planes());
        match core.request(&VIDIOC_DQBUF, &mut raw, &mut planes) {
            Ok(()) => {}
            Err(e) if e.errno == Errno::AGAIN => return Ok(None),
            Err(e) => return Err(e),
        }
        let index = raw.index as usize;
        match states.slots.get_mut(index) {
            Some(slot @ Slot::Queued) => *slot = Slot::Held,
            _ => return Err(core.wrong(Errno::RANGE)),
        }
        drop(states);
        let buffer = self.buffer(index);
        let data = planes
            .iter()
            .take(core.planes)
            .enumerate()
            .map(|(n, plane)| core.extent(plane, buffer.memory.planes.get(n)))
            .collect::<Result<_, _>>()?;
        Ok(Some(Dequeued {
            buffer,
            data,
            time: time_of(raw.timestamp),
            sequence: raw.sequence,
            flags: raw.flags,
        }))
    }

    /// Waits for the next captured buffer, at most `limit`.
    ///
    /// # Errors
    /// As [`dequeue`](Self::dequeue); `EIO` if the device says no more than that it has failed.
    pub(crate) fn wait(&self, limit: Duration) -> Result<Option<Dequeued>, Failure> {
        if let Some(ready) = self.dequeue()? {
            return Ok(Some(ready));
        }
        let want = Ready {
            capture: true,
            ..Ready::default()
        };
        let found = self.core.device.poll(want, limit)?;
        let next = self.dequeue()?;
        if next.is_none() && found.error {
            return Err(self.core.device.failure("poll", Errno::IO));
        }
        Ok(next)
    }

    /// A free mapped buffer, to be filled and [submitted](Self::submit).
    pub(crate) fn take(&self) -> Option<Buffer> {
        let mut states = self.core.states();
        let index = states.slots.iter().position(|slot| *slot == Slot::Free)?;
        if index >= self.memory.len() {
            return None;
        }
        *states.slots.get_mut(index)? = Slot::Held;
        drop(states);
        Some(self.buffer(index))
    }

    /// Gives a filled buffer to the device. `used`: bytes of data in each plane.
    ///
    /// # Errors
    /// The device refuses it; it is free again.
    pub(crate) fn submit(
        &self,
        mut buffer: Buffer,
        used: &[u32],
        time: CaptureTime,
    ) -> Result<(), Failure> {
        let index = buffer.index;
        if !Weak::ptr_eq(&buffer.core, &Arc::downgrade(&self.core)) {
            return Err(self.core.wrong(Errno::INVAL));
        }
        let (mut raw, mut planes) = (v4l2_buffer::zeroed(), no_planes());
        for (n, (plane, used)) in planes.iter_mut().zip(used).enumerate() {
            plane.bytesused = *used;
            plane.length = buffer.memory.planes.get(n).map_or(0, Mapping::len) as u32;
        }
        (raw.index, raw.timestamp) = (index as u32, timeval_of(time));
        raw.field = V4L2_FIELD_NONE;
        let mut states = self.core.states();
        self.core.request(&VIDIOC_QBUF, &mut raw, &mut planes)?;
        if let Some(slot) = states.slots.get_mut(index) {
            *slot = Slot::Queued;
        }
        // It is the device's now: dropping it must not free it.
        buffer.core = Weak::new();
        Ok(())
    }

    /// Whether place `index` is free.
    pub(crate) fn is_free(&self, index: usize) -> bool {
        self.core.states().slots.get(index) == Some(&Slot::Free)
    }

    /// Gives DMA-BUFs to the device in the free place `index`. They must stay as they are until the
    /// place is free again.
    ///
    /// # Errors
    /// The place is not free, or the device cannot read the buffers.
    pub(crate) fn submit_external(
        &self,
        index: usize,
        from: &[ExternalPlane<'_>],
        time: CaptureTime,
    ) -> Result<(), Failure> {
        let core = &self.core;
        let mut states = core.states();
        if from.len() != core.planes || states.slots.get(index) != Some(&Slot::Free) {
            return Err(core.device.failure(VIDIOC_QBUF.name, Errno::INVAL));
        }
        let (mut raw, mut planes) = (v4l2_buffer::zeroed(), no_planes());
        for (plane, from) in planes.iter_mut().zip(from) {
            plane.bytesused = from.used;
            plane.length = from.length;
            plane.m.fd = from.fd.as_raw_fd();
        }
        (raw.index, raw.timestamp) = (index as u32, timeval_of(time));
        raw.field = V4L2_FIELD_NONE;
        core.request(&VIDIOC_QBUF, &mut raw, &mut planes)?;
        if let Some(slot) = states.slots.get_mut(index) {
            *slot = Slot::Queued;
        }
        Ok(())
    }

    /// An error for what the program must not do with this queue.
    pub(crate) fn misused(&self) -> Failure {
        self.core.device.failure(VIDIOC_QBUF.name, Errno::INVAL)
    }

    fn buffer(&self, index: usize) -> Buffer {
        Buffer {
            index,
            memory: self.memory.get(index).cloned().unwrap_or_default(),
            core: Arc::downgrade(&self.core),
        }
    }
}

impl Buffer {
    /// Its number in the queue.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// All bytes of a plane.
    pub(crate) fn plane(&self, plane: usize) -> Option<&[u8]> {
        // SAFETY: the device does not write while the buffer is ours, and nobody else has it.
        self.memory.planes.get(plane).map(|m| unsafe { m.bytes() })
    }

    /// All bytes of every plane, to be written.
    pub(crate) fn planes_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        self.memory.planes.iter().map(|mapping| {
            // SAFETY: the device does not use the buffer while it is ours; nobody else has it, and
            // `self` is borrowed as long as the bytes. Each plane is a mapping of its own.
            unsafe { mapping.bytes_mut() }
        })
    }

    /// The DMA-BUF of a plane, if the queue was [exported](Queue::export).
    pub(crate) fn dmabuf(&self, plane: usize) -> Option<BorrowedFd<'_>> {
        let exported = self.memory.exported.get()?;
        exported.get(plane).map(AsFd::as_fd)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade() {
            core.give_back(self.index);
        }
    }
}

impl Dequeued {
    /// The data in a plane.
    pub(crate) fn bytes(&self, plane: usize) -> Option<&[u8]> {
        let (start, end) = *self.data.get(plane)?;
        self.buffer.plane(plane)?.get(start..end)
    }

    /// The driver could not fill the buffer properly.
    pub(crate) fn damaged(&self) -> bool {
        self.flags & V4L2_BUF_FLAG_ERROR != 0
    }

    /// The time stamp is that of the buffer which the device made this one of.
    pub(crate) fn copied_time(&self) -> bool {
        self.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK == V4L2_BUF_FLAG_TIMESTAMP_COPY
    }

    /// The time stamp is of `CLOCK_MONOTONIC`.
    pub(crate) fn monotonic(&self) -> bool {
        self.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC
    }
}

impl Core {
    fn allocate(
        device: &Arc<Device>,
        kind: BufferType,
        memory: u32,
        (planes, count): (usize, u32),
    ) -> Result<Self, Failure> {
        let mut raw = v4l2_requestbuffers::zeroed();
        (raw.count, raw.r#type, raw.memory) = (count, kind.raw(), memory);
        device.plain(&VIDIOC_REQBUFS, &mut raw)?;
        if raw.count == 0 {
            return Err(device.failure(VIDIOC_REQBUFS.name, Errno::NOMEM));
        }
        Ok(Self {
            device: Arc::clone(device),
            kind,
            memory,
            planes: planes.clamp(1, VIDEO_MAX_PLANES),
            states: Mutex::new(States {
                slots: vec![Slot::Free; raw.count as usize],
                streaming: false,
                failed: None,
            }),
        })
    }

    fn map(&self, index: usize) -> Result<Memory, Failure> {
        let (mut raw, mut planes) = (v4l2_buffer::zeroed(), no_planes());
        raw.index = index as u32;
        self.request(&VIDIOC_QUERYBUF, &mut raw, &mut planes)?;
        let planes = planes
            .iter()
            .take(self.planes)
            .map(|plane| {
                // SAFETY: for this kind of memory the kernel has set the offset.
                let offset = unsafe { plane.m.mem_offset };
                Mapping::new(self.device.fd(), offset, plane.length)
                    .map_err(|errno| self.device.failure("mmap", errno))
            })
            .collect::<Result<_, _>>()?;
        Ok(Memory {
            planes,
            exported: OnceLock::new(),
        })
    }

    /// Buffers go back to the device when nobody needs them.
    fn returns_by_itself(&self) -> bool {
        self.kind.direction == Direction::Capture && self.memory == V4L2_MEMORY_MMAP
    }

    fn enqueue(&self, states: &mut States, index: usize) -> Result<(), Failure> {
        let (mut raw, mut planes) = (v4l2_buffer::zeroed(), no_planes());
        raw.index = index as u32;
        self.request(&VIDIOC_QBUF, &mut raw, &mut planes)?;
        if let Some(slot) = states.slots.get_mut(index) {
            *slot = Slot::Queued;
        }
        Ok(())
    }

    fn give_back(&self, index: usize) {
        let mut states = self.states();
        match states.slots.get_mut(index) {
            Some(slot @ Slot::Held) => *slot = Slot::Free,
            _ => return,
        }
        if states.streaming && self.returns_by_itself() {
            let sent = self.enqueue(&mut states, index);
            states.failed = states.failed.take().or(sent.err());
        }
    }

    fn stop(&self) -> Result<(), Failure> {
        let mut states = self.states();
        let mut kind = self.kind.raw() as i32;
        let stopped = self.device.plain(&VIDIOC_STREAMOFF, &mut kind);
        states.streaming = false;
        states.failed = None;
        for slot in &mut states.slots {
            if *slot == Slot::Queued {
                *slot = Slot::Free;
            }
        }
        stopped
    }

    /// Where a plane's data is.
    fn extent(
        &self,
        plane: &v4l2_plane,
        mapping: Option<&Mapping>,
    ) -> Result<(usize, usize), Failure> {
        // Of buffers for output only the driver's word is known, and nobody reads them.
        let room = mapping.map_or(plane.length as usize, Mapping::len);
        let (start, end) = (plane.data_offset as usize, plane.bytesused as usize);
        if end > room {
            return Err(self.wrong(Errno::OVERFLOW));
        }
        Ok((start.min(end), end))
    }

    /// The driver does what it must not.
    fn wrong(&self, errno: Errno) -> Failure {
        self.device.failure(VIDIOC_DQBUF.name, errno)
    }

    /// A request about a buffer; `planes` stands for the planes in either interface.
    fn request(
        &self,
        request: &Request<v4l2_buffer>,
        raw: &mut v4l2_buffer,
        planes: &mut Planes,
    ) -> Result<(), Failure> {
        (raw.r#type, raw.memory) = (self.kind.raw(), self.memory);
        if self.kind.multiplanar {
            raw.length = self.planes as u32;
            raw.m.planes = planes.as_mut_ptr();
            // SAFETY: `planes` has at least `length` elements and lives during the call.
            return unsafe { self.device.request(request, raw) };
        }
        let [plane, ..] = planes;
        (raw.bytesused, raw.length) = (plane.bytesused, plane.length);
        if self.memory == V4L2_MEMORY_DMABUF {
            // SAFETY: all members are plain numbers; the caller has set this one, or none.
            raw.m.fd = unsafe { plane.m.fd };
        }
        // SAFETY: for these kinds of memory the request holds no address.
        unsafe { self.device.request(request, raw) }?;
        (plane.bytesused, plane.length) = (raw.bytesused, raw.length);
        if self.memory == V4L2_MEMORY_MMAP {
            // SAFETY: all members are plain numbers.
            plane.m.mem_offset = unsafe { raw.m.offset };
        }
        Ok(())
    }

    fn states(&self) -> MutexGuard<'_, States> {
        // Nothing in it is left half-done by a panic.
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // A device that is gone has stopped already, and older kernels keep what is still mapped.
        let _ = self.stop();
        let mut raw = v4l2_requestbuffers::zeroed();
        (raw.r#type, raw.memory) = (self.kind.raw(), self.memory);
        let _ = self.device.plain(&VIDIOC_REQBUFS, &mut raw);
    }
}

fn no_planes() -> Planes {
    [v4l2_plane::zeroed(); VIDEO_MAX_PLANES]
}

fn time_of(raw: timeval) -> CaptureTime {
    let seconds = u64::try_from(raw.tv_sec).unwrap_or(0);
    let micros = u64::try_from(raw.tv_usec).unwrap_or(0);
    CaptureTime::from_nanos(
        seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(micros.saturating_mul(1_000)),
    )
}

fn timeval_of(time: CaptureTime) -> timeval {
    let micros = time.as_nanos() / 1_000;
    timeval {
        tv_sec: (micros / 1_000_000) as i64,
        tv_usec: (micros % 1_000_000) as i64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_kept_to_the_microsecond() {
        let time = CaptureTime::from_nanos(12_345_678_901_234);
        assert_eq!(time_of(timeval_of(time)).as_nanos(), 12_345_678_901_000);
        let before_the_epoch = timeval {
            tv_sec: -1,
            tv_usec: 5,
        };
        assert_eq!(time_of(before_the_epoch).as_nanos(), 5_000);
    }
}

//! The video node as a client uses it: VP9, one access unit a request.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::sys::{
    self, Buffer, ExportBuffer, ExtControl, ExtControls, Format, Plane, RequestBuffers, Zero,
};

/// Of `struct v4l2_ctrl_vp9_frame`: its size, and where `frame_width_minus_1` is.
const FRAME_CONTROL: usize = 168;
const FRAME_SIZE_AT: usize = 120;

/// Where the driver's video node and media device are.
pub fn find() -> Result<(PathBuf, PathBuf)> {
    for entry in fs::read_dir("/sys/class/video4linux")? {
        let entry = entry?;
        if fs::read_to_string(entry.path().join("name"))?.trim() != "daedalus_v4l2" {
            continue;
        }
        for other in fs::read_dir(entry.path().join("device"))? {
            let name = other?.file_name();
            if name.to_string_lossy().starts_with("media") {
                let dev = PathBuf::from("/dev");
                return Ok((dev.join(entry.file_name()), dev.join(name)));
            }
        }
    }
    bail!("daedalus_v4l2 has no video node")
}

/// A new request.
fn request(media: &File) -> io::Result<OwnedFd> {
    let mut fd = -1_i32;
    // SAFETY: the request's number says an int.
    unsafe { sys::ioctl(media, sys::REQUEST_ALLOC, &raw mut fd) }?;
    // SAFETY: the kernel has just made it for this process.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `hold-request`
pub fn hold_request() -> Result<()> {
    let request = request(&File::open(find()?.1)?)?;
    println!("held");
    std::thread::sleep(Duration::from_secs(3600));
    drop(request);
    Ok(())
}

/// Memory of a buffer.
struct Mapping {
    at: NonNull<u8>,
    len: usize,
}

// SAFETY: memory of its own; nothing of it belongs to a thread.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(file: impl AsFd, offset: u64, len: usize) -> Result<Self> {
        let both = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, which nothing else knows of.
        let at = unsafe {
            mmap(
                std::ptr::null_mut(),
                len,
                both,
                MapFlags::SHARED,
                file,
                offset,
            )
        }?;
        let at = NonNull::new(at.cast()).context("mapped at 0")?;
        Ok(Self { at, len })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        ensure!(
            bytes.len() <= self.len,
            "{} bytes for a buffer of {}",
            bytes.len(),
            self.len
        );
        // SAFETY: inside the mapping, which does not overlap with what is borrowed.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.at.as_ptr(), bytes.len()) };
        Ok(())
    }

    /// FNV-1a, 64 bits.
    fn digest(&self) -> u64 {
        // SAFETY: the mapping; nobody writes to a buffer that has been dequeued.
        let bytes = unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.len) };
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |d, b| {
            (d ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and gone with it.
        let _ = unsafe { munmap(self.at.as_ptr().cast(), self.len) };
    }
}

/// What became of an access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The picture's digest; none where its buffer has the error flag.
    pub picture: Option<u64>,
    /// Its buffer.
    pub index: u32,
    /// From the request's queueing to its completion.
    pub took: Duration,
}

/// A context: the node, open, with buffers.
pub struct Node {
    video: File,
    media: File,
    requests: Vec<OwnedFd>,
    output: Vec<Mapping>,
    capture: Vec<Mapping>,
    control: Vec<u8>,
}

impl Node {
    /// Opens the node, for VP9 of a size.
    pub fn open(width: u32, height: u32) -> Result<Self> {
        let (video, media) = find()?;
        let open = |path: PathBuf| {
            let file = OpenOptions::new().read(true).write(true).open(&path);
            file.with_context(|| path.display().to_string())
        };
        let mut node = Self {
            video: open(video)?,
            media: open(media)?,
            requests: Vec::new(),
            output: Vec::new(),
            capture: Vec::new(),
            control: vec![0; FRAME_CONTROL],
        };
        let mut format = Format::zero();
        format.kind = sys::OUTPUT;
        (format.pix.width, format.pix.height) = (width, height);
        format.pix.pixelformat = sys::VP9_FRAME;
        node.call(sys::S_FMT, &mut format).context("S_FMT")?;
        node.with_control(sys::G_EXT_CTRLS, sys::WHICH_CURRENT, -1)
            .context("G_EXT_CTRLS")?;
        for (at, size) in [(FRAME_SIZE_AT, width), (FRAME_SIZE_AT + 2, height)] {
            let size = u16::try_from(size - 1)?.to_ne_bytes();
            node.control[at..at + 2].copy_from_slice(&size);
        }
        Ok(node)
    }

    fn call<T>(&self, request: u32, argument: &mut T) -> io::Result<i32> {
        // SAFETY: the callers' structures are the requests', with pointers to what lives longer.
        unsafe { sys::ioctl(&self.video, request, argument) }
    }

    fn with_control(&mut self, call: u32, which: u32, request: i32) -> io::Result<i32> {
        let mut control = ExtControl {
            id: sys::CID_VP9_FRAME,
            size: self.control.len() as u32,
            reserved: 0,
            data: self.control.as_mut_ptr(),
        };
        let mut controls = ExtControls::zero();
        (controls.which, controls.count, controls.request) = (which, 1, request);
        controls.controls = &raw mut control;
        self.call(call, &mut controls)
    }

    /// Has the driver make `count` buffers for each queue, and a request for each of OUTPUT's; 0 frees them.
    pub fn buffers(&mut self, count: u32) -> Result<()> {
        self.output = self.queue_buffers(sys::OUTPUT, count)?;
        self.capture = self.queue_buffers(sys::CAPTURE, count)?;
        self.requests.clear();
        for _ in 0..count {
            self.requests.push(request(&self.media)?);
        }
        Ok(())
    }

    fn queue_buffers(&self, kind: u32, count: u32) -> Result<Vec<Mapping>> {
        let mut wanted = RequestBuffers::zero();
        (wanted.count, wanted.kind, wanted.memory) = (count, kind, sys::MMAP);
        self.call(sys::REQBUFS, &mut wanted).context("REQBUFS")?;
        if wanted.count < count {
            let short = io::Error::from(io::ErrorKind::OutOfMemory);
            return Err(short).context("REQBUFS: too few");
        }
        (0..count)
            .map(|index| {
                let (mut plane, mut buffer) = (Plane::zero(), buffer(kind, index));
                (buffer.planes, buffer.length) = (&raw mut plane, 1);
                self.call(sys::QUERYBUF, &mut buffer).context("QUERYBUF")?;
                Mapping::new(&self.video, plane.offset, plane.length as usize)
            })
            .collect()
    }

    /// A buffer as a DMA-BUF.
    ///
    /// # Errors
    /// The driver's.
    pub fn export(&self, kind: u32, index: u32) -> io::Result<OwnedFd> {
        let mut wanted = ExportBuffer::zero();
        (wanted.kind, wanted.index) = (kind, index);
        wanted.flags = (libc::O_RDWR | libc::O_CLOEXEC).cast_unsigned();
        self.call(sys::EXPBUF, &mut wanted)?;
        // SAFETY: the kernel has just made it for this process.
        Ok(unsafe { OwnedFd::from_raw_fd(wanted.fd) })
    }

    /// The digest of what is in a CAPTURE buffer, seen by another mapping: that of its DMA-BUF.
    pub fn exported(&self, index: u32) -> Result<u64> {
        let len = self.capture.get(index as usize).map(|m| m.len);
        let buffer = self.export(sys::CAPTURE, index).context("EXPBUF")?;
        Ok(Mapping::new(&buffer, 0, len.context("no such buffer")?)?.digest())
    }

    /// Frees the buffers of a queue, or tries to.
    ///
    /// # Errors
    /// The driver's: EBUSY while it streams.
    pub fn free(&self, kind: u32) -> io::Result<()> {
        let mut wanted = RequestBuffers::zero();
        (wanted.kind, wanted.memory) = (kind, sys::MMAP);
        self.call(sys::REQBUFS, &mut wanted).map(drop)
    }

    /// Starts a queue.
    ///
    /// # Errors
    /// The driver's: EBUSY where as many contexts decode as may.
    pub fn start(&self, kind: u32) -> io::Result<()> {
        self.call(sys::STREAMON, &mut kind.cast_signed()).map(drop)
    }

    /// Stops a queue; its buffers are the client's again.
    ///
    /// # Errors
    /// The driver's.
    pub fn stop(&self, kind: u32) -> io::Result<()> {
        self.call(sys::STREAMOFF, &mut kind.cast_signed()).map(drop)
    }

    /// Starts both.
    pub fn stream(&self) -> Result<()> {
        self.start(sys::OUTPUT).context("STREAMON")?;
        self.start(sys::CAPTURE).context("STREAMON")
    }

    /// Queues a unit with the buffers and the request of that number.
    pub fn submit(&mut self, index: u32, unit: &[u8]) -> Result<()> {
        let at = index as usize;
        let mapping = self.output.get_mut(at).context("no such buffer")?;
        mapping.write(unit)?;
        let request = self.requests.get(at).context("no such request")?;
        let request = request.as_raw_fd();
        // Fails where the request is new.
        let _ = self.request_call(index, sys::REQUEST_REINIT);
        self.with_control(sys::S_EXT_CTRLS, sys::WHICH_REQUEST, request)
            .context("S_EXT_CTRLS")?;
        self.queue(sys::CAPTURE, index, 0, None)
            .context("QBUF of CAPTURE")?;
        self.queue(sys::OUTPUT, index, unit.len() as u32, Some(request))
            .context("QBUF of OUTPUT")?;
        self.request_call(index, sys::REQUEST_QUEUE)
            .context("MEDIA_REQUEST_IOC_QUEUE")?;
        Ok(())
    }

    fn request_call(&self, index: u32, call: u32) -> io::Result<i32> {
        let request = self.requests.get(index as usize);
        let request = request.ok_or(io::ErrorKind::NotFound)?;
        // SAFETY: these take nothing.
        unsafe { sys::ioctl(request, call, std::ptr::null_mut::<u8>()) }
    }

    fn queue(&self, kind: u32, index: u32, used: u32, request: Option<i32>) -> io::Result<()> {
        let (mut plane, mut buffer) = (Plane::zero(), buffer(kind, index));
        plane.bytesused = used;
        (buffer.planes, buffer.length) = (&raw mut plane, 1);
        if let Some(request) = request {
            (buffer.request, buffer.flags) = (request, sys::FLAG_REQUEST_FD);
        }
        self.call(sys::QBUF, &mut buffer).map(drop)
    }

    /// Waits until the request of that number is complete.
    ///
    /// # Errors
    /// If it is not within `limit`.
    pub fn wait(&self, index: u32, limit: Duration) -> Result<()> {
        let request = self.requests.get(index as usize).context("no such one")?;
        let mut fds = [PollFd::new(request, PollFlags::PRI)];
        let limit = Timespec::try_from(limit)?;
        ensure!(
            poll(&mut fds, Some(&limit))? == 1,
            "request {index} is not complete within {} ms",
            limit.tv_sec * 1000 + limit.tv_nsec / 1_000_000
        );
        Ok(())
    }

    /// Takes a finished buffer of a queue: its number, and whether it has the error flag.
    ///
    /// # Errors
    /// The driver's.
    pub fn take(&self, kind: u32) -> io::Result<(u32, bool)> {
        let (mut plane, mut buffer) = (Plane::zero(), buffer(kind, 0));
        (buffer.planes, buffer.length) = (&raw mut plane, 1);
        self.call(sys::DQBUF, &mut buffer)?;
        Ok((buffer.index, buffer.flags & sys::FLAG_ERROR != 0))
    }

    /// Decodes one unit.
    ///
    /// # Errors
    /// If a call fails, or it is not done within `limit`; a unit that is not decoded is no error.
    pub fn decode(&mut self, unit: &[u8], limit: Duration) -> Result<Outcome> {
        let begin = Instant::now();
        self.submit(0, unit)?;
        self.wait(0, limit)?;
        let took = begin.elapsed();
        self.take(sys::OUTPUT).context("DQBUF of OUTPUT")?;
        let (index, failed) = self.take(sys::CAPTURE).context("DQBUF of CAPTURE")?;
        let mapping = self.capture.get(index as usize).context("DQBUF: index")?;
        Ok(Outcome {
            picture: (!failed).then(|| mapping.digest()),
            index,
            took,
        })
    }
}

fn buffer(kind: u32, index: u32) -> Buffer {
    let mut buffer = Buffer::zero();
    (buffer.kind, buffer.index) = (kind, index);
    (buffer.memory, buffer.field) = (sys::MMAP, sys::FIELD_NONE);
    buffer
}

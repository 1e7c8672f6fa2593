//! One device: its requests as safe calls, and errors that say which device and which request.

use std::ffi::c_int;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode};

use super::format::{BufferType, FormatInfo, Fourcc, FrameSizes, Interval, PixFormat};
use super::sys::*;
use crate::CaptureTime;
use crate::capture::BackendError;

/// Entries that a driver may list of one kind. A broken one that never ends is cut off here.
const MOST_ENTRIES: u32 = 512;

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The device.
    pub(crate) device: PathBuf,
    /// The request, as the documentation calls it.
    pub(crate) request: &'static str,
    /// What the kernel said.
    pub(crate) errno: Errno,
}

impl Failure {
    /// The device is no longer there.
    pub(crate) fn gone(&self) -> bool {
        matches!(self.errno, Errno::NODEV | Errno::NXIO | Errno::NOENT)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = self.device.display();
        if self.gone() {
            write!(
                f,
                "{device} is not there ({}: {})",
                self.request, self.errno
            )
        } else if self.errno == Errno::BUSY {
            write!(f, "{device} is in use ({}: {})", self.request, self.errno)
        } else {
            write!(f, "{device}: {}: {}", self.request, self.errno)
        }
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for BackendError {
    fn from(failure: Failure) -> Self {
        if failure.gone() {
            Self::absent(failure.to_string())
        } else {
            Self::passing(failure.to_string())
        }
    }
}

/// What a device can do: `V4L2_CAP_…` of the very node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capabilities(pub(crate) u32);

impl Capabilities {
    /// It gives pictures and takes none; `Some(multiplanar)`.
    pub(crate) fn captures(self) -> Option<bool> {
        self.streams(V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_CAPTURE_MPLANE)
    }

    /// It turns buffers into others: a codec or converter; `Some(multiplanar)`.
    pub(crate) fn transforms(self) -> Option<bool> {
        self.streams(V4L2_CAP_VIDEO_M2M, V4L2_CAP_VIDEO_M2M_MPLANE)
    }

    fn streams(self, single: u32, multi: u32) -> Option<bool> {
        if self.0 & V4L2_CAP_STREAMING == 0 {
            None
        } else if self.0 & multi != 0 {
            Some(true)
        } else {
            (self.0 & single != 0).then_some(false)
        }
    }
}

/// What [`Device::poll`] waits for, and what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ready {
    /// A buffer of the capture queue is done.
    pub(crate) capture: bool,
    /// A buffer of the output queue is done.
    pub(crate) output: bool,
    /// An event waits.
    pub(crate) event: bool,
    /// The device has failed, is gone, or no queue has anything to do. Always waited for.
    pub(crate) error: bool,
}

/// An open device. Its requests may come from several threads.
pub(crate) struct Device {
    fd: OwnedFd,
    path: PathBuf,
    driver: String,
    card: String,
    bus: String,
    capabilities: Capabilities,
}

impl Device {
    /// Opens a device; nothing waits in it later.
    ///
    /// # Errors
    /// It is not there, not allowed, or no V4L2 device.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |request, errno| Failure {
            device: path.to_owned(),
            request,
            errno,
        };
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| failed("open", e))?;
        let mut raw = v4l2_capability::zeroed();
        plain(fd.as_fd(), &VIDIOC_QUERYCAP, &mut raw)
            .map_err(|errno| failed(VIDIOC_QUERYCAP.name, errno))?;
        // `capabilities` are those of the whole device, of which this may be one node of several.
        let node = if raw.capabilities & V4L2_CAP_DEVICE_CAPS != 0 {
            raw.device_caps
        } else {
            raw.capabilities
        };
        Ok(Self {
            fd,
            path: path.to_owned(),
            driver: text(&raw.driver),
            card: text(&raw.card),
            bus: text(&raw.bus_info),
            capabilities: Capabilities(node),
        })
    }

    /// Where it was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The driver's name.
    pub(crate) fn driver(&self) -> &str {
        &self.driver
    }

    /// The card's name, for people.
    pub(crate) fn card(&self) -> &str {
        &self.card
    }

    /// Where it is attached.
    pub(crate) fn bus(&self) -> &str {
        &self.bus
    }

    /// What it can do.
    pub(crate) fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// The formats of a queue. Those of an encoder's output queue depend on the format that its
    /// capture queue has.
    pub(crate) fn formats(&self, kind: BufferType) -> Result<Vec<FormatInfo>, Failure> {
        self.entries(&VIDIOC_ENUM_FMT, |raw: &mut v4l2_fmtdesc, index| {
            (raw.index, raw.r#type) = (index, kind.raw());
        })
        .map(|all| {
            all.iter()
                .map(|raw| FormatInfo {
                    fourcc: Fourcc(raw.pixelformat),
                    flags: raw.flags,
                    description: text(&raw.description),
                })
                .collect()
        })
    }

    /// The sizes of a format.
    pub(crate) fn frame_sizes(&self, fourcc: Fourcc) -> Result<FrameSizes, Failure> {
        let all = self.entries(
            &VIDIOC_ENUM_FRAMESIZES,
            |raw: &mut v4l2_frmsizeenum, index| {
                (raw.index, raw.pixel_format) = (index, fourcc.0);
            },
        )?;
        Ok(match all.first() {
            None => FrameSizes::Unknown,
            Some(raw) if raw.r#type != V4L2_FRMSIZE_TYPE_DISCRETE => {
                let [w_least, w_most, w_step, h_least, h_most, h_step] = raw.stepwise;
                FrameSizes::Range {
                    width: (w_least, w_most, w_step),
                    height: (h_least, h_most, h_step),
                }
            }
            Some(_) => FrameSizes::List(
                all.iter()
                    .map(|raw| {
                        let [width, height, ..] = raw.stepwise;
                        (width, height)
                    })
                    .collect(),
            ),
        })
    }

    /// The frame intervals of a format and size: all of a list, or the shortest and the longest
    /// of a range. Empty where the driver does not say.
    pub(crate) fn frame_intervals(
        &self,
        fourcc: Fourcc,
        (width, height): (u32, u32),
    ) -> Result<Vec<Interval>, Failure> {
        let all = self.entries(
            &VIDIOC_ENUM_FRAMEINTERVALS,
            |raw: &mut v4l2_frmivalenum, index| {
                (raw.index, raw.pixel_format) = (index, fourcc.0);
                (raw.width, raw.height) = (width, height);
            },
        )?;
        Ok(match all.first() {
            Some(raw) if raw.r#type != V4L2_FRMIVAL_TYPE_DISCRETE => {
                let [least, most, _] = raw.stepwise;
                [least, most].map(Interval::from_raw).to_vec()
            }
            _ => all
                .iter()
                .map(|raw| Interval::from_raw(raw.stepwise[0]))
                .collect(),
        })
    }

    /// The present format of a queue.
    pub(crate) fn format(&self, kind: BufferType) -> Result<PixFormat, Failure> {
        let mut raw = v4l2_format::zeroed();
        raw.r#type = kind.raw();
        self.format_request(&VIDIOC_G_FMT, raw, kind)
    }

    /// Asks for a format; what comes back is what the driver made of it.
    pub(crate) fn set_format(
        &self,
        kind: BufferType,
        format: &PixFormat,
    ) -> Result<PixFormat, Failure> {
        self.format_request(&VIDIOC_S_FMT, format.raw(kind), kind)
    }

    /// What [`set_format`](Self::set_format) would give, without setting it.
    pub(crate) fn try_format(
        &self,
        kind: BufferType,
        format: &PixFormat,
    ) -> Result<PixFormat, Failure> {
        self.format_request(&VIDIOC_TRY_FMT, format.raw(kind), kind)
    }

    fn format_request(
        &self,
        request: &Request<v4l2_format>,
        mut raw: v4l2_format,
        kind: BufferType,
    ) -> Result<PixFormat, Failure> {
        // SAFETY: the video formats of the four types of `BufferType` hold no address.
        unsafe { self.request(request, &mut raw) }?;
        Ok(PixFormat::from_raw(&raw, kind))
    }

    /// Asks for a frame interval; what comes back is the driver's. `None` if it has no choice.
    pub(crate) fn set_interval(
        &self,
        kind: BufferType,
        interval: Interval,
    ) -> Result<Option<Interval>, Failure> {
        let mut raw = v4l2_streamparm::zeroed();
        raw.r#type = kind.raw();
        raw.parm.timeperframe = interval.raw();
        raw.parm.capability = V4L2_CAP_TIMEPERFRAME;
        match self.plain(&VIDIOC_S_PARM, &mut raw) {
            Ok(()) => {
                let can = raw.parm.capability & V4L2_CAP_TIMEPERFRAME != 0;
                Ok(can.then(|| Interval::from_raw(raw.parm.timeperframe)))
            }
            Err(e) if e.errno == Errno::NOTTY => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The present frame interval; `None` where the driver does not say.
    pub(crate) fn interval(&self, kind: BufferType) -> Result<Option<Interval>, Failure> {
        let mut raw = v4l2_streamparm::zeroed();
        raw.r#type = kind.raw();
        match self.plain(&VIDIOC_G_PARM, &mut raw) {
            Ok(()) => Ok(Some(Interval::from_raw(raw.parm.timeperframe))),
            Err(e) if e.errno == Errno::NOTTY => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Names of the inputs, first to last.
    pub(crate) fn inputs(&self) -> Result<Vec<String>, Failure> {
        let all = self.entries(&VIDIOC_ENUMINPUT, |raw: &mut v4l2_input, index| {
            raw.index = index;
        })?;
        Ok(all.iter().map(|raw| text(&raw.name)).collect())
    }

    /// Number of the input in use.
    pub(crate) fn input(&self) -> Result<u32, Failure> {
        let mut index: c_int = 0;
        self.plain(&VIDIOC_G_INPUT, &mut index)?;
        Ok(index as u32)
    }

    /// Uses input `index`.
    pub(crate) fn set_input(&self, index: u32) -> Result<(), Failure> {
        self.plain(&VIDIOC_S_INPUT, &mut (index as c_int))
    }

    /// Marks the top left `width` × `height` of an output queue's pictures as what is to be seen.
    /// What comes back is what the driver made of it; `None` if it cannot crop.
    pub(crate) fn set_visible(
        &self,
        kind: BufferType,
        (width, height): (u32, u32),
    ) -> Result<Option<(u32, u32)>, Failure> {
        let mut raw = self.selection(kind);
        (raw.r.width, raw.r.height) = (width, height);
        match self.plain(&VIDIOC_S_SELECTION, &mut raw) {
            Ok(()) => {
                Ok((raw.r.left == 0 && raw.r.top == 0).then_some((raw.r.width, raw.r.height)))
            }
            Err(e) if matches!(e.errno, Errno::NOTTY | Errno::INVAL) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The part of an output queue's pictures that is to be seen; `None` if it cannot crop.
    pub(crate) fn visible(&self, kind: BufferType) -> Result<Option<(u32, u32)>, Failure> {
        let mut raw = self.selection(kind);
        match self.plain(&VIDIOC_G_SELECTION, &mut raw) {
            Ok(()) => Ok(Some((raw.r.width, raw.r.height))),
            Err(e) if matches!(e.errno, Errno::NOTTY | Errno::INVAL) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn selection(&self, kind: BufferType) -> v4l2_selection {
        let mut raw = v4l2_selection::zeroed();
        // This request wants the single-planar types always: drivers before 4.14 know no others.
        raw.r#type = BufferType {
            multiplanar: false,
            ..kind
        }
        .raw();
        raw.target = V4L2_SEL_TGT_CROP;
        raw
    }

    /// Wants to be told of events of a kind, of control `id` or of none.
    pub(crate) fn subscribe(&self, event: u32, id: u32) -> Result<(), Failure> {
        let mut raw = v4l2_event_subscription::zeroed();
        (raw.r#type, raw.id) = (event, id);
        self.plain(&VIDIOC_SUBSCRIBE_EVENT, &mut raw)
    }

    /// The next event's kind, if there is one.
    pub(crate) fn next_event(&self) -> Result<Option<u32>, Failure> {
        let mut raw = v4l2_event::zeroed();
        match self.plain(&VIDIOC_DQEVENT, &mut raw) {
            Ok(()) => Ok(Some(raw.r#type)),
            Err(e) if matches!(e.errno, Errno::NOENT | Errno::AGAIN) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Tells an encoder something: `V4L2_ENC_CMD_…`. False if it does not know the command.
    pub(crate) fn encoder_command(&self, command: u32) -> Result<bool, Failure> {
        let mut raw = v4l2_encoder_cmd::zeroed();
        raw.cmd = command;
        if self.plain(&VIDIOC_TRY_ENCODER_CMD, &mut raw).is_err() {
            return Ok(false);
        }
        raw = v4l2_encoder_cmd::zeroed();
        raw.cmd = command;
        self.plain(&VIDIOC_ENCODER_CMD, &mut raw).map(|()| true)
    }

    /// Waits for what is wanted, or an error, at most `limit`. Nothing is ready if the time is
    /// over.
    pub(crate) fn poll(&self, want: Ready, limit: Duration) -> Result<Ready, Failure> {
        let wanted = [
            (want.capture, PollFlags::IN),
            (want.output, PollFlags::OUT),
            (want.event, PollFlags::PRI),
        ];
        let mut flags = PollFlags::empty();
        for (_, flag) in wanted.iter().filter(|(wanted, _)| *wanted) {
            flags |= *flag;
        }
        let deadline = CaptureTime::now().after(limit);
        loop {
            let left = deadline.since(CaptureTime::now());
            let time = Timespec {
                tv_sec: left.as_secs() as i64,
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut fds = [PollFd::new(&self.fd, flags)];
            match rustix::event::poll(&mut fds, Some(&time)) {
                Ok(_) => {
                    let [fd] = &fds;
                    let seen = fd.revents();
                    return Ok(Ready {
                        capture: seen.contains(PollFlags::IN),
                        output: seen.contains(PollFlags::OUT),
                        event: seen.contains(PollFlags::PRI),
                        error: seen.intersects(PollFlags::ERR | PollFlags::HUP),
                    });
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(self.failure("poll", errno)),
            }
        }
    }

    /// A DMA-BUF of a plane of a buffer.
    pub(super) fn export(
        &self,
        kind: BufferType,
        (index, plane): (u32, u32),
    ) -> Result<OwnedFd, Failure> {
        let mut raw = v4l2_exportbuffer::zeroed();
        (raw.r#type, raw.index, raw.plane) = (kind.raw(), index, plane);
        raw.flags = (OFlags::RDWR | OFlags::CLOEXEC).bits();
        self.plain(&VIDIOC_EXPBUF, &mut raw)?;
        if raw.fd < 0 {
            return Err(self.failure(VIDIOC_EXPBUF.name, Errno::BADF));
        }
        // SAFETY: the kernel made this descriptor for us, and nobody else has it.
        Ok(unsafe { OwnedFd::from_raw_fd(raw.fd) })
    }

    /// Every entry of a list, up to the driver's `EINVAL`; none if it has no such list.
    pub(super) fn entries<T: Plain>(
        &self,
        request: &Request<T>,
        ask: impl Fn(&mut T, u32),
    ) -> Result<Vec<T>, Failure> {
        let mut all = Vec::new();
        for index in 0..MOST_ENTRIES {
            let mut raw = T::zeroed();
            ask(&mut raw, index);
            match self.plain(request, &mut raw) {
                Ok(()) => all.push(raw),
                // ENODATA: an input without them, as an HDMI one without a signal.
                Err(e) if matches!(e.errno, Errno::INVAL | Errno::NOTTY | Errno::NODATA) => break,
                Err(e) => return Err(e),
            }
        }
        Ok(all)
    }

    /// A request whose argument is all there is.
    pub(super) fn plain<T: Plain>(
        &self,
        request: &Request<T>,
        argument: &mut T,
    ) -> Result<(), Failure> {
        plain(self.fd.as_fd(), request, argument).map_err(|errno| self.failure(request.name, errno))
    }

    /// # Safety
    /// Every address in `argument` is valid for what the request does with it.
    pub(super) unsafe fn request<T: Abi>(
        &self,
        request: &Request<T>,
        argument: &mut T,
    ) -> Result<(), Failure> {
        // SAFETY: the caller vouches for what `argument` points to.
        unsafe { ioctl(self.fd.as_fd(), request, argument) }
            .map_err(|errno| self.failure(request.name, errno))
    }

    pub(super) fn failure(&self, request: &'static str, errno: Errno) -> Failure {
        Failure {
            device: self.path.clone(),
            request,
            errno,
        }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Text that a driver gives, up to its terminating zero.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

fn plain<T: Plain>(
    fd: BorrowedFd<'_>,
    request: &Request<T>,
    argument: &mut T,
) -> Result<(), Errno> {
    // SAFETY: `Plain` says that the kernel stays within the argument.
    unsafe { ioctl(fd, request, argument) }
}

/// # Safety
/// Every address in `argument` is valid for what the request does with it.
unsafe fn ioctl<T: Abi>(
    fd: BorrowedFd<'_>,
    request: &Request<T>,
    argument: &mut T,
) -> Result<(), Errno> {
    loop {
        let call = Call {
            opcode: request.opcode,
            argument: &mut *argument,
        };
        // SAFETY: the request's number says how long its argument is, and that is the size of `T`,
        // of which every bit pattern the kernel writes is a value; the caller vouches for the rest.
        match unsafe { rustix::ioctl::ioctl(fd, call) } {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

struct Call<'a, T> {
    opcode: Opcode,
    argument: &'a mut T,
}

// SAFETY: the pointer is to a `T`, whose size is in the opcode, and valid for reads and writes.
unsafe impl<T> Ioctl for Call<'_, T> {
    type Output = ();

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        self.opcode
    }

    fn as_ptr(&mut self) -> *mut std::ffi::c_void {
        std::ptr::from_mut(self.argument).cast()
    }

    unsafe fn output_from_ptr(
        _: IoctlOutput,
        _: *mut std::ffi::c_void,
    ) -> rustix::io::Result<Self::Output> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_device_is_refused_by_name() {
        let open = |path: &str| Device::open(Path::new(path)).err().unwrap();
        let missing = open("/dev/no-such-video");
        assert!(missing.gone());
        let said = missing.to_string();
        assert!(
            said.contains("/dev/no-such-video is not there (open:"),
            "{said}"
        );
        let other = open("/dev/null");
        assert_eq!(
            (other.request, other.errno),
            ("VIDIOC_QUERYCAP", Errno::NOTTY)
        );
    }

    #[test]
    fn text_ends_at_its_zero_or_with_its_field() {
        assert_eq!(text(b"vivid\0junk"), "vivid");
        assert_eq!(text(b"vivid"), "vivid");
    }

    #[test]
    fn capabilities_need_streaming() {
        let caps = |bits| Capabilities(bits | V4L2_CAP_STREAMING);
        assert_eq!(caps(V4L2_CAP_VIDEO_CAPTURE).captures(), Some(false));
        assert_eq!(caps(V4L2_CAP_VIDEO_M2M_MPLANE).transforms(), Some(true));
        assert_eq!(caps(V4L2_CAP_VIDEO_M2M_MPLANE).captures(), None);
        assert_eq!(Capabilities(V4L2_CAP_VIDEO_CAPTURE).captures(), None);
    }
}

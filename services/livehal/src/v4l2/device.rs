//! One device: its requests as safe calls, and errors that say which device and which request.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::format::BufferType;
use super::ioctl::{ioctl, plain};
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

    /// What it can do.
    pub(crate) fn capabilities(&self) -> Capabilities {
        self.capabilities
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
        assert_eq!(other.request, "VIDIOC_QUERYCAP");
        // ENOSYS: user emulation before QEMU 8 knows no such request itself.
        assert!(
            [Errno::NOTTY, Errno::NOSYS].contains(&other.errno),
            "{other}"
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

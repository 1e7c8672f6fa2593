//! The kernel's end: `/dev/daedalus-v4l2`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use daedalus_proto::wire::{CaptureFd, IOC_GET_CAPTURE_FD};
use rustix::fs::OFlags;
use rustix::ioctl::{Opcode, Updater, ioctl};

use crate::channel::{Buffer, MESSAGE_MAX};

const GET_CAPTURE_FD: Opcode = IOC_GET_CAPTURE_FD;

/// What carries whole messages to and from the kernel.
///
/// Contexts answer at the same time, each by one message: `write` takes `&self`.
pub trait Bridge: Send + Sync + 'static {
    /// What can be waited for: readable when there is a message.
    fn as_fd(&self) -> BorrowedFd<'_>;

    /// The next message.
    ///
    /// # Errors
    /// `WouldBlock` if there is none, or the system's: then there will be no more.
    fn read(&self) -> io::Result<Vec<u8>>;

    /// Sends a whole message.
    ///
    /// # Errors
    /// The system's; `ESTALE` where nobody waits for it any more.
    fn write(&self, message: &[u8]) -> io::Result<()>;

    /// A CAPTURE buffer of a context, by its index and serial number.
    ///
    /// # Errors
    /// The system's; `ENOENT` or `ESTALE` where there is no such buffer any more.
    fn capture(&self, ctx: u32, index: u32, serial: u32) -> io::Result<Buffer<OwnedFd>>;
}

/// The character device.
#[derive(Debug)]
pub struct Device(File);

impl Device {
    /// Opens it; only one can have it open.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::NONBLOCK | OFlags::CLOEXEC;
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags.bits() as i32)
            .open(path)
            .map(Self)
    }
}

impl Bridge for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        read_message(&self.0)
    }

    fn write(&self, message: &[u8]) -> io::Result<()> {
        // One message is one call.
        match (&self.0).write(message)? {
            written if written == message.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    fn capture(&self, ctx: u32, index: u32, serial: u32) -> io::Result<Buffer<OwnedFd>> {
        let mut argument = CaptureFd {
            ctx,
            index,
            serial,
            fd: -1,
            size: 0,
        };
        // SAFETY: the number says that the kernel reads and writes this structure.
        unsafe { ioctl(&self.0, Updater::<GET_CAPTURE_FD, _>::new(&mut argument)) }?;
        if argument.fd < 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Buffer {
            // SAFETY: the kernel has just made it, for this process.
            fd: unsafe { OwnedFd::from_raw_fd(argument.fd) },
            size: argument.size,
        })
    }
}

/// Reads one message of any length: the kernel tells that of the next.
pub fn read_message(mut file: impl Read + AsFd) -> io::Result<Vec<u8>> {
    loop {
        let pending = rustix::io::ioctl_fionread(&file)?;
        let pending = usize::try_from(pending).unwrap_or(usize::MAX);
        let mut message = vec![0; pending.clamp(1, MESSAGE_MAX)];
        match file.read(&mut message) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                message.truncate(read);
                return Ok(message);
            }
            // The one asked about was taken back, and the next is longer.
            Err(e) if e.raw_os_error() == Some(libc::EMSGSIZE) && pending < MESSAGE_MAX => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

//! CAPTURE buffers, mapped once each and written between `DMA_BUF_IOCTL_SYNC`s.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};

use rustix::io::Errno;
use rustix::ioctl::{Opcode, Setter, ioctl, opcode};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::channel::Buffer;

/// `DMA_BUF_IOCTL_SYNC` of linux/dma-buf.h.
pub(crate) const DMA_BUF_IOCTL_SYNC: Opcode = opcode::write::<u64>(b'b', 0);
/// A processor is going to write.
const SYNC_WRITE: u64 = 2;
/// It has written.
const SYNC_END: u64 = 4;

/// Most buffers that a queue has.
const BUFFERS_MAX: usize = 1024;

/// The buffers a worker knows, by index and serial number.
#[derive(Debug, Default)]
pub struct Buffers {
    mapped: HashMap<(u32, u32), Mapping>,
}

impl Buffers {
    /// Maps a buffer.
    ///
    /// # Errors
    /// The system's.
    pub fn add(&mut self, key: (u32, u32), buffer: Buffer<OwnedFd>) -> io::Result<()> {
        if self.mapped.len() >= BUFFERS_MAX {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        self.mapped.insert(key, Mapping::new(buffer)?);
        Ok(())
    }

    /// Writes to a buffer.
    ///
    /// # Errors
    /// `NotFound`, or the system's; what `write` gives is told apart.
    pub fn write<T>(
        &mut self,
        key: (u32, u32),
        write: impl FnOnce(&mut [u8]) -> T,
    ) -> io::Result<T> {
        let mapping = self.mapped.get_mut(&key).ok_or(io::ErrorKind::NotFound)?;
        sync(mapping.fd.as_fd(), SYNC_WRITE)?;
        let written = write(mapping.bytes());
        sync(mapping.fd.as_fd(), SYNC_WRITE | SYNC_END)?;
        Ok(written)
    }

    /// Gives all of them back.
    pub fn clear(&mut self) {
        self.mapped.clear();
    }
}

/// Tells the memory's owner. Memory that is no DMA-BUF has no owner to be told.
fn sync(fd: BorrowedFd, flags: u64) -> io::Result<()> {
    loop {
        // SAFETY: the argument is as the header says: a structure with 64 bits of flags.
        let done = unsafe { ioctl(fd, Setter::<DMA_BUF_IOCTL_SYNC, u64>::new(flags)) };
        return match done {
            Ok(()) | Err(Errno::NOTTY) => Ok(()),
            Err(Errno::INTR | Errno::AGAIN) => continue,
            Err(e) => Err(e.into()),
        };
    }
}

/// Mapped memory, shared with the kernel and a client.
#[derive(Debug)]
struct Mapping {
    fd: OwnedFd,
    at: NonNull<u8>,
    len: usize,
}

// SAFETY: owned memory, bound to no thread.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(buffer: Buffer<OwnedFd>) -> io::Result<Self> {
        let len = usize::try_from(buffer.size).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: a new mapping, wherever there is room.
        let at = unsafe {
            mmap(
                ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &buffer.fd,
                0,
            )?
        };
        Ok(Self {
            fd: buffer.fd,
            at: NonNull::new(at.cast()).ok_or(io::ErrorKind::InvalidData)?,
            len,
        })
    }

    /// The memory. A client may have it mapped, too, but only reads what a decoder wrote; what it
    /// sees while this writes is its own affair.
    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: mapped for as long as `self`, readable and writable, initialised by the kernel;
        // nobody else in this process has it.
        unsafe { std::slice::from_raw_parts_mut(self.at.as_ptr(), self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, unmapped once. It cannot fail for a whole mapping.
        let _ = unsafe { munmap(self.at.as_ptr().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use super::*;

    #[test]
    fn what_is_written_is_in_the_memory_behind_the_descriptor() {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        let mut buffers = Buffers::default();
        let buffer = Buffer {
            fd: file.try_clone().unwrap().into(),
            size: 4096,
        };
        buffers.add((3, 1), buffer).unwrap();
        buffers.write((3, 1), |bytes| bytes.fill(7)).unwrap();
        let error = buffers.write((3, 2), |_| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        buffers.clear();
        assert!(buffers.write((3, 1), |_| ()).is_err());
        let mut read = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut read).unwrap();
        assert_eq!(read, [7; 4096]);
    }
}

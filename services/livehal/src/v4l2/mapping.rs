//! Memory of a device, mapped into the program.

use std::ffi::c_void;
use std::os::fd::BorrowedFd;
use std::ptr::{NonNull, null_mut};

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};

/// A mapping; unmapped when dropped. It outlives the descriptor it was made from.
pub(super) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: memory of the whole process; access is the business of `bytes` and `bytes_mut`.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of `fd` from `offset` on, to be read and written.
    pub(super) fn new(fd: BorrowedFd<'_>, offset: u32, len: u32) -> Result<Self, Errno> {
        let len = len as usize;
        // SAFETY: a new mapping, at an address of the kernel's choice, replaces none.
        let start = unsafe {
            rustix::mm::mmap(
                null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                fd,
                offset.into(),
            )
        }?;
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        Ok(Self { start, len })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// # Safety
    /// Nobody, no device either, writes to the memory while the bytes are borrowed.
    pub(super) unsafe fn bytes(&self) -> &[u8] {
        // SAFETY: mapped and readable for `len` bytes as long as `self` lives.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// # Safety
    /// Nobody, no device either, uses the memory while the bytes are borrowed.
    #[allow(clippy::mut_from_ref, reason = "the caller vouches for being alone")]
    pub(super) unsafe fn bytes_mut(&self) -> &mut [u8] {
        // SAFETY: mapped and writable for `len` bytes as long as `self` lives.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: our own mapping, of which no borrow is left.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast::<c_void>(), self.len) };
    }
}

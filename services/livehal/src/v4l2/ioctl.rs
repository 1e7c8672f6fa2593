//! The system call.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode};

use super::sys::{Abi, Plain, Request};

/// A request whose argument is all there is.
pub(super) fn plain<T: Plain>(
    fd: BorrowedFd<'_>,
    request: &Request<T>,
    argument: &mut T,
) -> Result<(), Errno> {
    // SAFETY: `Plain` says that the kernel stays within the argument.
    unsafe { ioctl(fd, request, argument) }
}

/// # Safety
/// Every address in `argument` is valid for what the request does with it.
pub(super) unsafe fn ioctl<T: Abi>(
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

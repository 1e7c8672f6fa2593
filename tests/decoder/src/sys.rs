//! The parts of `linux/videodev2.h` and `linux/media.h` that a stateless client needs, for 64-bit machines.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

pub const CAPTURE: u32 = 9;
pub const OUTPUT: u32 = 10;
pub const MMAP: u32 = 1;
pub const FIELD_NONE: u32 = 1;
pub const FLAG_ERROR: u32 = 0x40;
pub const FLAG_REQUEST_FD: u32 = 0x0080_0000;
pub const WHICH_CURRENT: u32 = 0;
pub const WHICH_REQUEST: u32 = 0x0f01_0000;
pub const CID_VP9_FRAME: u32 = 0x00a4_0900 + 300;
pub const VP9_FRAME: u32 = u32::from_le_bytes(*b"VP9F");

const fn number(direction: u32, kind: u8, nr: u32, size: usize) -> u32 {
    direction << 30 | (size as u32) << 16 | (kind as u32) << 8 | nr
}

const fn both<T>(nr: u32) -> u32 {
    number(3, b'V', nr, size_of::<T>())
}

pub const G_FMT: u32 = both::<Format>(4);
pub const S_FMT: u32 = both::<Format>(5);
pub const REQBUFS: u32 = both::<RequestBuffers>(8);
pub const QUERYBUF: u32 = both::<Buffer>(9);
pub const QBUF: u32 = both::<Buffer>(15);
pub const EXPBUF: u32 = both::<ExportBuffer>(16);
pub const DQBUF: u32 = both::<Buffer>(17);
pub const STREAMON: u32 = number(1, b'V', 18, 4);
pub const STREAMOFF: u32 = number(1, b'V', 19, 4);
pub const G_EXT_CTRLS: u32 = both::<ExtControls>(71);
pub const S_EXT_CTRLS: u32 = both::<ExtControls>(72);
pub const REQUEST_ALLOC: u32 = number(2, b'|', 5, 4);
pub const REQUEST_QUEUE: u32 = number(0, b'|', 0x80, 0);
pub const REQUEST_REINIT: u32 = number(0, b'|', 0x81, 0);

/// What may be all zeros: numbers, and pointers that nothing follows then.
pub trait Zero: Copy {
    /// All bytes zero.
    fn zero() -> Self {
        // SAFETY: what implements this is made of such.
        unsafe { std::mem::zeroed() }
    }
}

macro_rules! abi {
    ($($name:ident $size:literal { $($field:ident: $kind:ty),* $(,)? })*) => {$(
        /// As the kernel has it.
        #[repr(C)]
        #[derive(Clone, Copy)]
        pub struct $name { $(pub $field: $kind,)* }
        const _: () = assert!(size_of::<$name>() == $size);
        impl Zero for $name {}
    )*};
}

abi! {
    PlaneFormat 20 { sizeimage: u32, bytesperline: u32, reserved: [u16; 6] }
    PixFormat 192 {
        width: u32, height: u32, pixelformat: u32, field: u32, colorspace: u32,
        planes: [PlaneFormat; 8], num_planes: u8, rest: [u8; 11],
    }
    Format 208 { kind: u32, pad: u32, pix: PixFormat, rest: u64 }
    RequestBuffers 20 { count: u32, kind: u32, memory: u32, capabilities: u32, flags: u32 }
    ExportBuffer 64 { kind: u32, index: u32, plane: u32, flags: u32, fd: i32, reserved: [u32; 11] }
    Plane 64 { bytesused: u32, length: u32, offset: u64, data_offset: u32, reserved: [u32; 11] }
    Buffer 88 {
        index: u32, kind: u32, bytesused: u32, flags: u32, field: u32, pad: u32,
        seconds: i64, microseconds: i64, timecode: [u32; 4], sequence: u32, memory: u32,
        planes: *mut Plane, length: u32, reserved: u32, request: i32, pad2: u32,
    }
    ExtControls 32 {
        which: u32, count: u32, error_idx: u32, request: i32, reserved: u32, pad: u32,
        controls: *mut ExtControl,
    }
}

/// As the kernel has it: packed.
#[repr(C, packed)]
#[derive(Clone, Copy)]
pub struct ExtControl {
    pub id: u32,
    pub size: u32,
    pub reserved: u32,
    pub data: *mut u8,
}
const _: () = assert!(size_of::<ExtControl>() == 20);

/// Calls a driver.
///
/// # Errors
/// The driver's.
///
/// # Safety
/// `argument` is what the request's number says, and pointers in it are valid for what they name.
pub unsafe fn ioctl<T>(fd: &impl AsFd, request: u32, argument: *mut T) -> io::Result<i32> {
    // SAFETY: the caller's.
    let done = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), request.into(), argument) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(done)
}

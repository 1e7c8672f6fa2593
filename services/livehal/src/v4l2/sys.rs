//! What we use of the kernel's interface, `<linux/videodev2.h>`: structures, constants, requests.
//!
//! Written from the Linux Media Subsystem documentation, part I (Video for Linux API); names are
//! the kernel's. The tests hold every size, offset, constant and request number against the
//! header itself. Unions whose members are all of 32-bit numbers are arrays here.
#![allow(
    non_camel_case_types,
    reason = "the kernel's names, to be found in its documentation"
)]

use std::ffi::c_int;
use std::marker::PhantomData;

use rustix::ioctl::{Opcode, opcode};

/// A structure of the interface.
///
/// # Safety
/// All bits zero are a value of the type.
pub(super) unsafe trait Abi: Copy {
    /// All bits zero, as the documentation wants reserved fields to be.
    fn zeroed() -> Self {
        // SAFETY: the implementor vouches for it.
        unsafe { std::mem::zeroed() }
    }
}

/// A structure that leads the kernel to no other memory of this process.
///
/// # Safety
/// No request made with it reads or writes outside it.
pub(super) unsafe trait Plain: Abi {}

macro_rules! abi {
    ($($name:ty),* $(,)?) => {$(
        // SAFETY: integers, arrays, raw pointers and unions of those.
        unsafe impl Abi for $name {}
    )*};
}

macro_rules! plain {
    ($($name:ty),* $(,)?) => {$(
        // SAFETY: integers, arrays and unions of those.
        unsafe impl Abi for $name {}
        // SAFETY: it holds no address.
        unsafe impl Plain for $name {}
    )*};
}

abi!(v4l2_format, v4l2_plane, v4l2_buffer, v4l2_ext_control);
abi!(v4l2_ext_controls);
plain!(c_int, v4l2_capability, v4l2_fmtdesc, v4l2_frmsizeenum);
plain!(v4l2_frmivalenum, v4l2_streamparm, v4l2_requestbuffers);
plain!(v4l2_exportbuffer, v4l2_query_ext_ctrl, v4l2_querymenu);
plain!(v4l2_encoder_cmd, v4l2_selection);

/// A request number and what its argument is.
pub(super) struct Request<T> {
    pub(super) opcode: Opcode,
    /// As the documentation calls it; for messages.
    pub(super) name: &'static str,
    argument: PhantomData<fn(T)>,
}

macro_rules! requests {
    ($($name:ident = $direction:ident($argument:ty, $number:literal);)*) => {$(
        pub(super) const $name: Request<$argument> = Request {
            opcode: opcode::$direction::<$argument>(b'V', $number),
            name: stringify!($name),
            argument: PhantomData,
        };
    )*
        /// All of them, with the names of their arguments in C.
        #[cfg(test)]
        pub(super) fn requests() -> Vec<(&'static str, Opcode)> {
            vec![$((stringify!($name), $name.opcode)),*]
        }
    };
}

requests! {
    VIDIOC_QUERYCAP = read(v4l2_capability, 0);
    VIDIOC_ENUM_FMT = read_write(v4l2_fmtdesc, 2);
    VIDIOC_G_FMT = read_write(v4l2_format, 4);
    VIDIOC_S_FMT = read_write(v4l2_format, 5);
    VIDIOC_REQBUFS = read_write(v4l2_requestbuffers, 8);
    VIDIOC_QUERYBUF = read_write(v4l2_buffer, 9);
    VIDIOC_QBUF = read_write(v4l2_buffer, 15);
    VIDIOC_EXPBUF = read_write(v4l2_exportbuffer, 16);
    VIDIOC_DQBUF = read_write(v4l2_buffer, 17);
    VIDIOC_STREAMON = write(c_int, 18);
    VIDIOC_STREAMOFF = write(c_int, 19);
    VIDIOC_G_PARM = read_write(v4l2_streamparm, 21);
    VIDIOC_S_PARM = read_write(v4l2_streamparm, 22);
    VIDIOC_QUERYMENU = read_write(v4l2_querymenu, 37);
    VIDIOC_G_EXT_CTRLS = read_write(v4l2_ext_controls, 71);
    VIDIOC_S_EXT_CTRLS = read_write(v4l2_ext_controls, 72);
    VIDIOC_ENUM_FRAMESIZES = read_write(v4l2_frmsizeenum, 74);
    VIDIOC_ENUM_FRAMEINTERVALS = read_write(v4l2_frmivalenum, 75);
    VIDIOC_ENCODER_CMD = read_write(v4l2_encoder_cmd, 77);
    VIDIOC_TRY_ENCODER_CMD = read_write(v4l2_encoder_cmd, 78);
    VIDIOC_S_SELECTION = read_write(v4l2_selection, 95);
    VIDIOC_QUERY_EXT_CTRL = read_write(v4l2_query_ext_ctrl, 103);
}

macro_rules! constants {
    ($($(#[$when:meta])? $name:ident = $value:expr;)*) => {
        $($(#[$when])? pub(crate) const $name: u32 = $value;)*
        /// All of them.
        #[cfg(test)]
        pub(super) fn constants() -> Vec<(&'static str, u32)> {
            vec![$($(#[$when])? (stringify!($name), $name)),*]
        }
    };
}

/// The start of the ids of codec controls.
const CODEC_BASE: u32 = 0x0099_0000 | 0x900;

constants! {
    V4L2_CAP_VIDEO_CAPTURE = 0x1;
    V4L2_CAP_VIDEO_CAPTURE_MPLANE = 0x1000;
    V4L2_CAP_VIDEO_M2M_MPLANE = 0x4000;
    V4L2_CAP_VIDEO_M2M = 0x8000;
    V4L2_CAP_STREAMING = 0x0400_0000;
    V4L2_CAP_DEVICE_CAPS = 0x8000_0000;

    V4L2_BUF_TYPE_VIDEO_CAPTURE = 1;
    V4L2_BUF_TYPE_VIDEO_OUTPUT = 2;
    V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE = 9;
    V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE = 10;

    V4L2_MEMORY_MMAP = 1;
    V4L2_MEMORY_DMABUF = 4;

    V4L2_FIELD_NONE = 1;
    V4L2_FIELD_INTERLACED = 4;
    V4L2_FIELD_INTERLACED_TB = 8;
    V4L2_FIELD_INTERLACED_BT = 9;

    V4L2_BUF_FLAG_ERROR = 0x40;
    V4L2_BUF_FLAG_TIMESTAMP_MASK = 0xe000;
    V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC = 0x2000;
    V4L2_BUF_FLAG_TIMESTAMP_COPY = 0x4000;
    V4L2_BUF_FLAG_LAST = 0x0010_0000;


    V4L2_FRMSIZE_TYPE_DISCRETE = 1;
    V4L2_FRMIVAL_TYPE_DISCRETE = 1;

    V4L2_CAP_TIMEPERFRAME = 0x1000;

    V4L2_COLORSPACE_DEFAULT = 0;
    V4L2_COLORSPACE_SMPTE170M = 1;
    V4L2_COLORSPACE_REC709 = 3;
    V4L2_COLORSPACE_470_SYSTEM_M = 5;
    V4L2_COLORSPACE_470_SYSTEM_BG = 6;
    V4L2_COLORSPACE_JPEG = 7;
    V4L2_COLORSPACE_SRGB = 8;
    V4L2_YCBCR_ENC_DEFAULT = 0;
    V4L2_YCBCR_ENC_601 = 1;
    V4L2_YCBCR_ENC_709 = 2;
    V4L2_YCBCR_ENC_XV601 = 3;
    V4L2_YCBCR_ENC_XV709 = 4;
    V4L2_QUANTIZATION_DEFAULT = 0;
    V4L2_QUANTIZATION_FULL_RANGE = 1;
    V4L2_QUANTIZATION_LIM_RANGE = 2;
    V4L2_XFER_FUNC_DEFAULT = 0;
    V4L2_XFER_FUNC_709 = 1;

    V4L2_CTRL_WHICH_CUR_VAL = 0;
    V4L2_CTRL_FLAG_DISABLED = 0x1;
    V4L2_CTRL_FLAG_GRABBED = 0x2;
    V4L2_CTRL_FLAG_READ_ONLY = 0x4;
    V4L2_CTRL_FLAG_INACTIVE = 0x10;
    V4L2_CTRL_FLAG_WRITE_ONLY = 0x40;
    V4L2_CTRL_FLAG_HAS_PAYLOAD = 0x100;
    V4L2_CTRL_FLAG_NEXT_CTRL = 0x8000_0000;
    V4L2_CTRL_TYPE_INTEGER = 1;
    V4L2_CTRL_TYPE_BOOLEAN = 2;
    V4L2_CTRL_TYPE_MENU = 3;
    V4L2_CTRL_TYPE_BUTTON = 4;
    V4L2_CTRL_TYPE_INTEGER64 = 5;
    V4L2_CTRL_TYPE_CTRL_CLASS = 6;
    V4L2_CTRL_TYPE_STRING = 7;
    V4L2_CTRL_TYPE_BITMASK = 8;
    V4L2_CTRL_TYPE_INTEGER_MENU = 9;


    V4L2_ENC_CMD_STOP = 1;

    V4L2_SEL_TGT_CROP = 0;

    V4L2_CID_MPEG_VIDEO_B_FRAMES = CODEC_BASE + 202;
    V4L2_CID_MPEG_VIDEO_GOP_SIZE = CODEC_BASE + 203;
    V4L2_CID_MPEG_VIDEO_BITRATE_MODE = CODEC_BASE + 206;
    V4L2_CID_MPEG_VIDEO_BITRATE = CODEC_BASE + 207;
    V4L2_CID_MPEG_VIDEO_FRAME_RC_ENABLE = CODEC_BASE + 215;
    V4L2_CID_MPEG_VIDEO_HEADER_MODE = CODEC_BASE + 216;
    V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER = CODEC_BASE + 226;
    V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME = CODEC_BASE + 229;
    #[cfg(feature = "bench")]
    V4L2_CID_FWHT_I_FRAME_QP = CODEC_BASE + 290;
    #[cfg(feature = "bench")]
    V4L2_CID_FWHT_P_FRAME_QP = CODEC_BASE + 291;
    V4L2_CID_MPEG_VIDEO_H264_I_PERIOD = CODEC_BASE + 358;
    V4L2_CID_MPEG_VIDEO_H264_LEVEL = CODEC_BASE + 359;
    V4L2_CID_MPEG_VIDEO_H264_PROFILE = CODEC_BASE + 363;
    V4L2_CID_MPEG_VIDEO_PREPEND_SPSPPS_TO_IDR = CODEC_BASE + 644;

    V4L2_MPEG_VIDEO_BITRATE_MODE_CBR = 1;
    V4L2_MPEG_VIDEO_HEADER_MODE_JOINED_WITH_1ST_FRAME = 1;
    V4L2_MPEG_VIDEO_H264_PROFILE_BASELINE = 0;
    V4L2_MPEG_VIDEO_H264_PROFILE_CONSTRAINED_BASELINE = 1;
    V4L2_MPEG_VIDEO_H264_PROFILE_MAIN = 2;
    V4L2_MPEG_VIDEO_H264_PROFILE_HIGH = 4;
    V4L2_MPEG_VIDEO_H264_PROFILE_CONSTRAINED_HIGH = 17;
    V4L2_MPEG_VIDEO_H264_LEVEL_1_0 = 0;
    #[cfg(test)]
    V4L2_MPEG_VIDEO_H264_LEVEL_6_2 = 19;
}

/// Most planes of a multi-planar buffer.
pub(super) const VIDEO_MAX_PLANES: usize = 8;

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct v4l2_capability {
    pub(super) driver: [u8; 16],
    pub(super) card: [u8; 32],
    pub(super) bus_info: [u8; 32],
    pub(super) version: u32,
    pub(super) capabilities: u32,
    pub(super) device_caps: u32,
    pub(super) reserved: [u32; 3],
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct v4l2_fmtdesc {
    pub(super) index: u32,
    pub(super) r#type: u32,
    pub(super) flags: u32,
    pub(super) description: [u8; 32],
    pub(super) pixelformat: u32,
    pub(super) mbus_code: u32,
    pub(super) reserved: [u32; 3],
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct v4l2_frmsizeenum {
    pub(super) index: u32,
    pub(super) pixel_format: u32,
    pub(super) r#type: u32,
    /// Width and height, or least, most and step of width and of height.
    pub(super) stepwise: [u32; 6],
    pub(super) reserved: [u32; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(super) struct v4l2_fract {
    pub(super) numerator: u32,
    pub(super) denominator: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct v4l2_frmivalenum {
    pub(super) index: u32,
    pub(super) pixel_format: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) r#type: u32,
    /// One interval, or least, most and step.
    pub(super) stepwise: [v4l2_fract; 3],
    pub(super) reserved: [u32; 2],
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct v4l2_pix_format {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) pixelformat: u32,
    pub(super) field: u32,
    pub(super) bytesperline: u32,
    pub(super) sizeimage: u32,
    pub(super) colorspace: u32,
    pub(super) r#priv: u32,
    pub(super) flags: u32,
    pub(super) ycbcr_enc: u32,
    pub(super) quantization: u32,
    pub(super) xfer_func: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct v4l2_plane_pix_format {
    pub(super) sizeimage: u32,
    pub(super) bytesperline: u32,
    pub(super) reserved: [u16; 6],
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct v4l2_pix_format_mplane {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) pixelformat: u32,
    pub(super) field: u32,
    pub(super) colorspace: u32,
    pub(super) plane_fmt: [v4l2_plane_pix_format; VIDEO_MAX_PLANES],
    pub(super) num_planes: u8,
    pub(super) flags: u8,
    pub(super) ycbcr_enc: u8,
    pub(super) quantization: u8,
    pub(super) xfer_func: u8,
    pub(super) reserved: [u8; 7],
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) union format_union {
    pub(super) pix: v4l2_pix_format,
    pub(super) pix_mp: v4l2_pix_format_mplane,
    pub(super) raw_data: [u8; 200],
    /// Other members of the kernel's union hold addresses.
    pub(super) align: [usize; 0],
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct v4l2_format {
    pub(super) r#type: u32,
    pub(super) fmt: format_union,
}

/// `v4l2_captureparm` and `v4l2_outputparm`, which are laid out alike.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct v4l2_captureparm {
    pub(super) capability: u32,
    pub(super) capturemode: u32,
    pub(super) timeperframe: v4l2_fract,
    pub(super) extendedmode: u32,
    pub(super) readbuffers: u32,
    pub(super) reserved: [u32; 4],
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct v4l2_streamparm {
    pub(super) r#type: u32,
    pub(super) parm: v4l2_captureparm,
    /// The rest of a union of 200 bytes.
    pub(super) rest: [u32; 40],
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct v4l2_requestbuffers {
    pub(super) count: u32,
    pub(super) r#type: u32,
    pub(super) memory: u32,
    pub(super) capabilities: u32,
    pub(super) flags: u8,
    pub(super) reserved: [u8; 3],
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) union plane_memory {
    pub(super) mem_offset: u32,
    pub(super) userptr: usize,
    pub(super) fd: i32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct v4l2_plane {
    pub(super) bytesused: u32,
    pub(super) length: u32,
    pub(super) m: plane_memory,
    pub(super) data_offset: u32,
    pub(super) reserved: [u32; 11],
}

/// `struct timeval` as the kernel takes it where times are 64 bits wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(super) struct timeval {
    pub(super) tv_sec: i64,
    pub(super) tv_usec: i64,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct v4l2_timecode {
    pub(super) r#type: u32,
    pub(super) flags: u32,
    pub(super) digits: [u8; 8],
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) union buffer_memory {
    pub(super) offset: u32,
    pub(super) userptr: usize,
    pub(super) planes: *mut v4l2_plane,
    pub(super) fd: i32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct v4l2_buffer {
    pub(super) index: u32,
    pub(super) r#type: u32,
    pub(super) bytesused: u32,
    pub(super) flags: u32,
    pub(super) field: u32,
    pub(super) timestamp: timeval,
    pub(super) timecode: v4l2_timecode,
    pub(super) sequence: u32,
    pub(super) memory: u32,
    pub(super) m: buffer_memory,
    pub(super) length: u32,
    pub(super) reserved2: u32,
    pub(super) request_fd: i32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct v4l2_exportbuffer {
    pub(super) r#type: u32,
    pub(super) index: u32,
    pub(super) plane: u32,
    pub(super) flags: u32,
    pub(super) fd: i32,
    pub(super) reserved: [u32; 11],
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct v4l2_query_ext_ctrl {
    pub(super) id: u32,
    pub(super) r#type: u32,
    pub(super) name: [u8; 32],
    pub(super) minimum: i64,
    pub(super) maximum: i64,
    pub(super) step: u64,
    pub(super) default_value: i64,
    pub(super) flags: u32,
    pub(super) elem_size: u32,
    pub(super) elems: u32,
    pub(super) nr_of_dims: u32,
    pub(super) dims: [u32; 4],
    pub(super) reserved: [u32; 32],
}

#[derive(Clone, Copy)]
#[repr(C, packed(4))]
pub(super) struct v4l2_querymenu {
    pub(super) id: u32,
    pub(super) index: u32,
    /// The entry's name; in an integer menu the first eight bytes are its number.
    pub(super) name: [u8; 32],
    pub(super) reserved: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) union control_value {
    pub(super) value: i32,
    pub(super) value64: i64,
    pub(super) string: *mut u8,
}

#[derive(Clone, Copy)]
#[repr(C, packed(4))]
pub(super) struct v4l2_ext_control {
    pub(super) id: u32,
    pub(super) size: u32,
    pub(super) reserved2: [u32; 1],
    pub(super) u: control_value,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct v4l2_ext_controls {
    pub(super) which: u32,
    pub(super) count: u32,
    pub(super) error_idx: u32,
    pub(super) request_fd: i32,
    pub(super) reserved: [u32; 1],
    pub(super) controls: *mut v4l2_ext_control,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct v4l2_encoder_cmd {
    pub(super) cmd: u32,
    pub(super) flags: u32,
    pub(super) raw: [u32; 8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(super) struct v4l2_rect {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) width: u32,
    pub(super) height: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct v4l2_selection {
    pub(super) r#type: u32,
    pub(super) target: u32,
    pub(super) flags: u32,
    pub(super) r: v4l2_rect,
    pub(super) reserved: [u32; 9],
}

#[cfg(test)]
#[path = "sys_tests.rs"]
mod tests;

//! The part of `libmultimedia.so.1` that an encoder uses, as `hb_media_codec.h` of the RDK X5
//! (release 1.2.3) lays it out.
//!
//! What is not used is kept as bytes, so that every structure has its true size: the library writes
//! whole ones.

use std::ffi::{c_int, c_void};
use std::mem::{align_of, offset_of, size_of};

/// `MEDIA_CODEC_ID_H264`.
pub(super) const H264: c_int = 0;
/// `hb_bool` for yes.
pub(super) const TRUE: c_int = 1;
/// `MC_PIXEL_FORMAT_NV12`.
pub(super) const NV12: c_int = 1;
/// `MC_AV_RC_MODE_H264CBR`.
pub(super) const H264_CBR: c_int = 0;
/// `MC_VIDEO_FRAME_BUFFER`.
pub(super) const FRAME_BUFFER: c_int = 0;
/// `MC_VIDEO_STREAM_BUFFER`.
pub(super) const STREAM_BUFFER: c_int = 1;
/// `MC_H264_PROFILE_BP`.
pub(super) const PROFILE_BASELINE: c_int = 1;
/// `MC_H264_PROFILE_MP`.
pub(super) const PROFILE_MAIN: c_int = 2;
/// `MC_H264_PROFILE_HP`.
pub(super) const PROFILE_HIGH: c_int = 4;
/// Group of pictures I P P P…, each predicted from the one before. The hardware has this one and
/// 1, nothing but intra pictures.
pub(super) const GOP_IPPP: u32 = 9;

/// `mc_h264_cbr_params_t`: constant bit rate.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Cbr {
    /// Pictures from one intra picture to the next, 0 to 2047.
    pub(super) intra_period: u32,
    /// Quantiser of intra pictures where there is no rate control.
    pub(super) intra_qp: u32,
    /// Kilobits a second, to 700,000.
    pub(super) bit_rate: u32,
    /// Frames a second, 1 to 240.
    pub(super) frame_rate: u32,
    /// Quantiser to begin with; 63 leaves it to the firmware.
    pub(super) initial_qp: u32,
    /// Size of the rate control's buffer in milliseconds, 10 to 3000.
    pub(super) vbv_ms: i32,
    /// Rate control within a picture.
    pub(super) macroblock_level: u32,
    /// Least and greatest quantiser of I, P and B pictures.
    pub(super) qp: [u32; 6],
    hvs_qp_enable: u32,
    hvs_qp_scale: i32,
    max_delta_qp: u32,
    qp_map_enable: c_int,
}

/// `mc_rate_control_params_t`. A member of the union that is not used here is one of pointers, and
/// aligns it to 8.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(super) struct RateControl {
    /// Which member of the union counts.
    pub(super) mode: c_int,
    /// The union begins where a pointer may.
    padding: c_int,
    /// Constant bit rate.
    pub(super) cbr: Cbr,
}

/// `mc_video_gop_params_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Gop {
    decoding_refresh_type: c_int,
    /// See [`GOP_IPPP`].
    pub(super) preset: u32,
    custom_size: c_int,
    custom_pictures: [[u32; 7]; 8],
}

/// `mc_h264_enc_config_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct H264Config {
    /// See [`PROFILE_BASELINE`].
    pub(super) profile: c_int,
    /// `level_idc`; 9 is level 1b.
    pub(super) level: c_int,
    ten_bit_layout: c_int,
}

/// `mc_video_codec_enc_params_t`.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(super) struct EncodeParams {
    /// Luma samples in a row.
    pub(super) width: c_int,
    /// Rows.
    pub(super) height: c_int,
    /// See [`NV12`].
    pub(super) pixel_format: c_int,
    /// Input buffers, 1 to 31.
    pub(super) frame_buffers: u32,
    /// Input buffers are brought by the caller.
    pub(super) external_frames: c_int,
    /// Output buffers.
    pub(super) stream_buffers: u32,
    /// Bytes of each, a multiple of 1024.
    pub(super) stream_buffer_size: u32,
    /// What the bit rate is.
    pub(super) rate: RateControl,
    /// How pictures follow from each other.
    pub(super) gop: Gop,
    rotation: c_int,
    mirror: c_int,
    crop: u32,
    crop_rectangle: [u32; 4],
    /// A packet has the time stamp of its frame.
    pub(super) user_pts: c_int,
    /// Profile and level.
    pub(super) h264: H264Config,
    /// The union's other members are larger.
    other_codecs: [u8; 1008 - 392],
}

/// `media_codec_context_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Context {
    /// See [`H264`].
    pub(super) codec: c_int,
    /// Encoder rather than decoder.
    pub(super) encoder: c_int,
    /// The library's number for it.
    pub(super) instance: c_int,
    /// What to encode, and how.
    pub(super) params: EncodeParams,
    vpf_context: *mut c_void,
    priority: c_int,
}

/// `mc_video_frame_buffer_info_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct FrameBuffer {
    /// Planes as this process sees them.
    pub(super) planes: [*mut u8; 3],
    physical: [u64; 3],
    /// Bytes of all planes.
    pub(super) size: u32,
    /// Bytes of each plane.
    pub(super) plane_sizes: [u32; 3],
    /// Luma samples in a row.
    pub(super) width: c_int,
    /// Rows.
    pub(super) height: c_int,
    /// See [`NV12`].
    pub(super) pixel_format: c_int,
    /// Bytes from one row of luma to the next.
    pub(super) stride: c_int,
    /// Bytes from one row of chroma to the next. The library leaves it 0 for NV12, where it is that
    /// of luma.
    pub(super) chroma_stride: c_int,
    /// Descriptors of the planes.
    pub(super) fds: [c_int; 3],
    /// Time stamp.
    pub(super) pts: u64,
    /// Number of the buffer.
    pub(super) index: c_int,
    /// No picture: the stream ends.
    pub(super) end: c_int,
    qp_map_valid: c_int,
    qp_map: *mut u8,
    qp_map_count: u32,
    flags: c_int,
}

/// `mc_video_stream_buffer_info_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct StreamBuffer {
    /// The bytes as this process sees them.
    pub(super) data: *mut u8,
    physical: u64,
    /// How many of them.
    pub(super) size: u32,
    /// Time stamp of the frame they belong to.
    pub(super) pts: u64,
    fd: c_int,
    /// Number of the buffer.
    pub(super) index: c_int,
    /// No packet: the stream has ended.
    pub(super) end: c_int,
}

/// The union in `media_codec_buffer_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) union BufferKind {
    /// For [`FRAME_BUFFER`].
    pub(super) frame: FrameBuffer,
    /// For [`STREAM_BUFFER`].
    pub(super) stream: StreamBuffer,
}

/// `media_codec_buffer_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Buffer {
    /// Which member of the union counts.
    pub(super) kind: c_int,
    /// The buffer.
    pub(super) of: BufferKind,
    user: *mut c_void,
}

/// `media_codec_output_buffer_info_t`: told of a packet, not needed here.
#[repr(C, align(8))]
pub(super) struct OutputInfo([u8; 136]);

/// `mc_av_codec_startup_params_t`.
#[repr(C)]
pub(super) struct Startup {
    /// Frames to take; 0 for no end.
    pub(super) frames: c_int,
}

// SAFETY of `zeroed` in these: integers, and pointers, which may be null.
impl Context {
    /// One to be filled by `hb_mm_mc_get_default_context`.
    pub(super) fn empty() -> Self {
        // SAFETY: all fields are integers or raw pointers, for which zero is a value.
        unsafe { std::mem::zeroed() }
    }
}

impl Buffer {
    /// One to be filled by the library.
    pub(super) fn empty() -> Self {
        // SAFETY: all fields are integers or raw pointers, for which zero is a value.
        unsafe { std::mem::zeroed() }
    }
}

impl OutputInfo {
    /// One to be filled by the library.
    pub(super) fn empty() -> Self {
        Self([0; 136])
    }
}

// Sizes by the header and by the library's own debug information; the same on every 64-bit
// machine.
#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<Context>() == 1040 && align_of::<Context>() == 8);
    assert!(size_of::<EncodeParams>() == 1008 && align_of::<EncodeParams>() == 8);
    assert!(size_of::<RateControl>() == 80 && size_of::<Cbr>() == 68);
    assert!(size_of::<Gop>() == 236 && size_of::<H264Config>() == 12);
    assert!(size_of::<Buffer>() == 152 && align_of::<Buffer>() == 8);
    assert!(size_of::<FrameBuffer>() == 136 && size_of::<StreamBuffer>() == 48);
    assert!(size_of::<OutputInfo>() == 136 && size_of::<Startup>() == 4);
    assert!(offset_of!(Context, params) == 16 && offset_of!(Context, vpf_context) == 1024);
    assert!(offset_of!(EncodeParams, rate) == 32 && offset_of!(EncodeParams, gop) == 112);
    assert!(offset_of!(EncodeParams, rotation) == 348 && offset_of!(EncodeParams, h264) == 380);
    assert!(offset_of!(Buffer, of) == 8 && offset_of!(Buffer, user) == 144);
    assert!(offset_of!(FrameBuffer, pts) == 96 && offset_of!(FrameBuffer, qp_map) == 120);
    assert!(offset_of!(StreamBuffer, pts) == 24 && offset_of!(StreamBuffer, end) == 40);
};

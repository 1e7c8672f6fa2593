//! C types shared by all releases.

pub(crate) use std::ffi::{c_char, c_int, c_uint, c_void};

/// Declares FFmpeg structures that are only ever pointed to.
macro_rules! opaque {
    ($($name:ident)*) => {$(
        #[repr(C)]
        pub(crate) struct $name {
            _opaque: [u8; 0],
            _not_send: std::marker::PhantomData<*mut u8>,
        }
    )*};
}

opaque! {
    AVCodec AVCodecContext AVCodecParameters AVDictionary AVFormatContext AVFrame AVInputFormat
    AVPacket AVStream
}

/// An enumeration without negative members.
pub(crate) type AVCodecID = c_uint;
/// An enumeration with a member of -1.
pub(crate) type AVMediaType = c_int;
/// An enumeration with a member of -1.
pub(crate) type AVPixelFormat = c_int;

/// Whom a decoder asks for the memory of a picture: the context, the frame to fill, flags.
pub(crate) type GetBuffer2 =
    unsafe extern "C" fn(*mut AVCodecContext, *mut AVFrame, c_int) -> c_int;

/// A fraction; passed by value.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct AVRational {
    pub(crate) num: c_int,
    pub(crate) den: c_int,
}

/// Something a container says about a stream.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct AVPacketSideData {
    pub(crate) data: *mut u8,
    pub(crate) size: usize,
    pub(crate) kind: c_uint,
}

// tools/ffmpeg-bindings/layout.c asserts all of the following against the headers.

/// `AVPacketSideData.kind`: nine integers that turn the picture the way it is to be shown.
pub(crate) const AV_PKT_DATA_DISPLAYMATRIX: c_uint = 5;
pub(crate) const AVMEDIA_TYPE_VIDEO: AVMediaType = 0;
pub(crate) const AVSEEK_FLAG_BACKWARD: c_int = 1;
pub(crate) const AV_LOG_QUIET: c_int = -8;
pub(crate) const AV_NOPTS_VALUE: i64 = i64::MIN;
/// `AVFrame.flags`: the frame may be damaged.
pub(crate) const AV_FRAME_FLAG_CORRUPT: c_int = 1;
/// `AVFrame.color_range`: 0 to 255 and not 16 to 235.
pub(crate) const AVCOL_RANGE_JPEG: c_uint = 2;
/// `AVERROR_EOF`: the tag `EOF ` negated.
pub(crate) const AVERROR_EOF: c_int = -0x2046_4f45;
/// `AVERROR(EAGAIN)` on Linux.
pub(crate) const AVERROR_EAGAIN: c_int = -11;
/// `AVERROR(ENOMEM)` on Linux.
pub(crate) const AVERROR_ENOMEM: c_int = -12;

//! Where a release keeps its fields.

use std::marker::PhantomData;

use super::types::*;

/// A field of type `T` in FFmpeg's structure `S`.
pub(crate) struct Field<S, T> {
    offset: usize,
    types: PhantomData<fn(*const S) -> T>,
}

impl<S, T: Copy> Field<S, T> {
    pub(crate) const fn at(offset: usize) -> Self {
        Self {
            offset,
            types: PhantomData,
        }
    }

    /// The field's value.
    ///
    /// # Safety
    /// `object` points to a live `S` of the release this field belongs to, which nobody writes now.
    pub(crate) unsafe fn get(&self, object: *const S) -> T {
        // SAFETY: the offset is that of a `T` inside an `S` of this release, by the headers it was
        // generated from; FFmpeg allocates its structures aligned.
        unsafe { object.cast::<u8>().add(self.offset).cast::<T>().read() }
    }

    /// Sets the field.
    ///
    /// # Safety
    /// As [`get`](Self::get), and nobody else reads it now; the value is one that FFmpeg allows.
    pub(crate) unsafe fn set(&self, object: *mut S, value: T) {
        // SAFETY: as in `get`.
        unsafe {
            object
                .cast::<u8>()
                .add(self.offset)
                .cast::<T>()
                .write(value)
        }
    }

    pub(crate) const fn offset(&self) -> usize {
        self.offset
    }
}

/// The fields of one release.
pub(crate) struct Layout {
    pub(crate) packet: PacketLayout,
    pub(crate) frame: FrameLayout,
    pub(crate) context: CodecContextLayout,
    pub(crate) stream: StreamLayout,
    pub(crate) parameters: CodecParametersLayout,
    pub(crate) format: FormatContextLayout,
    /// Bits of `frame.interlaced` that say so.
    pub(crate) interlaced_mask: c_int,
    pub(crate) side_data: SideData,
}

/// Who has the side data of a stream that its container carries.
pub(crate) enum SideData {
    Stream {
        list: Field<AVStream, *mut AVPacketSideData>,
        count: Field<AVStream, c_int>,
    },
    Parameters {
        list: Field<AVCodecParameters, *mut AVPacketSideData>,
        count: Field<AVCodecParameters, c_int>,
    },
}

pub(crate) struct PacketLayout {
    pub(crate) data: Field<AVPacket, *mut u8>,
    pub(crate) stream_index: Field<AVPacket, c_int>,
}

pub(crate) struct FrameLayout {
    pub(crate) data: Field<AVFrame, [*mut u8; 8]>,
    pub(crate) linesize: Field<AVFrame, [c_int; 8]>,
    pub(crate) width: Field<AVFrame, c_int>,
    pub(crate) height: Field<AVFrame, c_int>,
    pub(crate) format: Field<AVFrame, c_int>,
    pub(crate) flags: Field<AVFrame, c_int>,
    pub(crate) color_range: Field<AVFrame, c_uint>,
    pub(crate) colorspace: Field<AVFrame, c_uint>,
    pub(crate) color_trc: Field<AVFrame, c_uint>,
    pub(crate) interlaced: Field<AVFrame, c_int>,
    pub(crate) best_effort_timestamp: Field<AVFrame, i64>,
    pub(crate) duration: Field<AVFrame, i64>,
    pub(crate) decode_error_flags: Field<AVFrame, c_int>,
    pub(crate) crop_top: Field<AVFrame, usize>,
    pub(crate) crop_bottom: Field<AVFrame, usize>,
    pub(crate) crop_left: Field<AVFrame, usize>,
    pub(crate) crop_right: Field<AVFrame, usize>,
}

pub(crate) struct CodecContextLayout {
    pub(crate) opaque: Field<AVCodecContext, *mut c_void>,
    pub(crate) get_buffer2: Field<AVCodecContext, GetBuffer2>,
}

pub(crate) struct StreamLayout {
    pub(crate) time_base: Field<AVStream, AVRational>,
    pub(crate) start_time: Field<AVStream, i64>,
    pub(crate) avg_frame_rate: Field<AVStream, AVRational>,
    pub(crate) codecpar: Field<AVStream, *mut AVCodecParameters>,
}

pub(crate) struct CodecParametersLayout {
    pub(crate) codec_id: Field<AVCodecParameters, c_uint>,
    pub(crate) width: Field<AVCodecParameters, c_int>,
    pub(crate) height: Field<AVCodecParameters, c_int>,
}

pub(crate) struct FormatContextLayout {
    pub(crate) nb_streams: Field<AVFormatContext, c_uint>,
    pub(crate) streams: Field<AVFormatContext, *mut *mut AVStream>,
}

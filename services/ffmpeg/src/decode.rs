//! Decoding packets into frames.

use std::ffi::{CStr, c_int};
use std::num::NonZeroU16;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::api::Api;
use crate::demux::{Packet, VideoStream};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::sys::{AVCodecContext, AVCodecParameters, AVERROR_EAGAIN, AVERROR_EOF, AVRational};

/// How to decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecoderOptions {
    /// Threads to share the slices of a frame; they add no delay. A frame of VP9 has one.
    pub slice_threads: NonZeroU16,
    /// Cut each frame down to what is to be shown; otherwise [`Frame::crop`] says what that is.
    pub apply_cropping: bool,
}

impl Default for DecoderOptions {
    fn default() -> Self {
        Self {
            slice_threads: NonZeroU16::MIN,
            apply_cropping: true,
        }
    }
}

/// What a [`Decoder`] has to give.
#[derive(Debug)]
pub enum Received {
    /// A frame, in presentation order.
    Frame(Frame),
    /// Nothing before it is sent another packet.
    NeedsPacket,
    /// Nothing more: it was told of the end.
    End,
}

/// An open video decoder.
#[derive(Debug)]
pub struct Decoder {
    api: Arc<Api>,
    context: NonNull<AVCodecContext>,
}

// SAFETY: a codec context is bound to no thread; `&mut self` and ownership keep its calls apart.
unsafe impl Send for Decoder {}

impl Decoder {
    /// `parameters` belong to an open file.
    pub(crate) fn open(
        api: Arc<Api>,
        parameters: NonNull<AVCodecParameters>,
        stream: &VideoStream,
        options: DecoderOptions,
    ) -> Result<Self> {
        // SAFETY: the parameters are live; any codec id may be asked for; the context is null if
        // it cannot be allocated.
        let (codec, context) = unsafe {
            let id = api.layout.parameters.codec_id.get(parameters.as_ptr());
            let codec = api.codec.avcodec_find_decoder(id);
            if codec.is_null() {
                return Err(Error::NoDecoder {
                    codec: stream.codec.clone(),
                    versions: api.versions.to_string(),
                });
            }
            (codec, api.codec.avcodec_alloc_context3(codec))
        };
        let context =
            NonNull::new(context).ok_or_else(|| out_of_memory("avcodec_alloc_context3"))?;
        let decoder = Self { api, context };
        // SAFETY: a fresh context and live parameters.
        let code = unsafe {
            decoder
                .api
                .codec
                .avcodec_parameters_to_context(context.as_ptr(), parameters.as_ptr())
        };
        decoder.api.check("avcodec_parameters_to_context", code)?;
        decoder.configure(stream, options)?;
        // SAFETY: a configured context that is not open yet, and its codec; null is no options.
        let code = unsafe {
            decoder
                .api
                .codec
                .avcodec_open2(context.as_ptr(), codec, ptr::null_mut())
        };
        decoder.api.check("avcodec_open2", code)?;
        Ok(decoder)
    }

    fn configure(&self, stream: &VideoStream, options: DecoderOptions) -> Result<()> {
        // FFmpeg 5 to 9 write past their table of VP9's tile rows (`entries` in libavcodec/vp9.c) when
        // threads share a frame that is higher than those before, and no key frame.
        let threads = match stream.codec.as_str() {
            "vp9" => 1,
            _ => options.slice_threads.get(),
        };
        self.set(c"threads", threads.into())?;
        self.set(c"apply_cropping", options.apply_cropping.into())?;
        let base = AVRational {
            num: stream.time_base.num() as c_int,
            den: stream.time_base.den() as c_int,
        };
        // SAFETY: a codec context starts with the class that describes its options; the strings
        // are terminated.
        let (threads, base) = unsafe {
            let at = self.context.as_ptr().cast();
            let util = &self.api.util;
            (
                util.av_opt_set(at, c"thread_type".as_ptr(), c"slice".as_ptr(), 0),
                util.av_opt_set_q(at, c"pkt_timebase".as_ptr(), base, 0),
            )
        };
        self.api.check("av_opt_set thread_type", threads)?;
        self.api.check("av_opt_set_q pkt_timebase", base)?;
        Ok(())
    }

    fn set(&self, name: &CStr, value: i64) -> Result<()> {
        // SAFETY: as in `configure`.
        let code = unsafe {
            self.api
                .util
                .av_opt_set_int(self.context.as_ptr().cast(), name.as_ptr(), value, 0)
        };
        self.api.check("av_opt_set_int", code)?;
        Ok(())
    }

    /// Gives the decoder a packet, or tells it that there are no more. Take what it has by
    /// [`receive`](Self::receive) first, until it asks for a packet.
    ///
    /// # Errors
    /// [`Error::Call`] if the packet is damaged; the decoder takes the next one all the same.
    pub fn send(&mut self, packet: Option<&Packet>) -> Result<()> {
        let packet = packet.map_or(ptr::null(), Packet::as_ptr);
        // SAFETY: an open context; the packet is live or null, which means the end.
        let code = unsafe {
            self.api
                .codec
                .avcodec_send_packet(self.context.as_ptr(), packet)
        };
        self.api.check("avcodec_send_packet", code)?;
        Ok(())
    }

    /// The next frame, if there is one.
    ///
    /// # Errors
    /// [`Error::Call`] if a packet does not decode, [`Error::Frame`] for a picture that is not in
    /// plain memory; the decoder goes on after either.
    pub fn receive(&mut self) -> Result<Received> {
        let mut frame = Frame::empty(&self.api)?;
        // SAFETY: an open context and an empty frame, both owned here.
        let code = unsafe {
            self.api
                .codec
                .avcodec_receive_frame(self.context.as_ptr(), frame.as_ptr())
        };
        match code {
            AVERROR_EAGAIN => Ok(Received::NeedsPacket),
            AVERROR_EOF => Ok(Received::End),
            _ => {
                self.api.check("avcodec_receive_frame", code)?;
                frame.describe()?;
                Ok(Received::Frame(frame))
            }
        }
    }

    /// Forgets everything sent, also the end: to go on elsewhere in the stream.
    pub fn flush(&mut self) {
        // SAFETY: an open context.
        unsafe { self.api.codec.avcodec_flush_buffers(self.context.as_ptr()) };
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        let mut context = self.context.as_ptr();
        // SAFETY: allocated by `open`, freed once.
        unsafe { self.api.codec.avcodec_free_context(&mut context) };
    }
}

pub(crate) fn out_of_memory(call: &'static str) -> Error {
    Error::Call {
        call,
        reason: "out of memory".into(),
    }
}

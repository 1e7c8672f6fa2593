//! Decoding packets into frames.

use std::ffi::c_int;
use std::num::NonZeroU16;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::api::Api;
use crate::context::Context;
use crate::demux::VideoStream;
use crate::error::Result;
use crate::frame::Frame;
use crate::packet::Packet;
use crate::sys::{AVCodecParameters, AVRational};

/// How to decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecoderOptions {
    /// Threads to share the slices of a frame; they add no delay.
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
    context: Context,
}

impl Decoder {
    /// `parameters` belong to an open file.
    pub(crate) fn open(
        api: &Arc<Api>,
        parameters: NonNull<AVCodecParameters>,
        stream: &VideoStream,
        options: DecoderOptions,
    ) -> Result<Self> {
        // SAFETY: the parameters are live; any codec id may be asked for.
        let mut context = unsafe {
            let id = api.layout.parameters.codec_id.get(parameters.as_ptr());
            Context::alloc(api, api.codec.avcodec_find_decoder(id), &stream.codec)?
        };
        context.describe(parameters)?;
        context.set_slice_threads(options.slice_threads.get())?;
        context.set(c"apply_cropping", options.apply_cropping.into())?;
        context.set_time_base(AVRational {
            num: stream.time_base.num() as c_int,
            den: stream.time_base.den() as c_int,
        })?;
        context.open()?;
        Ok(Self { context })
    }

    /// Gives the decoder a packet, or tells it that there are no more. Take what it has by
    /// [`receive`](Self::receive) first, until it asks for a packet.
    ///
    /// # Errors
    /// [`Error::Call`](crate::Error::Call) if the packet is damaged; the decoder takes the next one
    /// all the same.
    pub fn send(&mut self, packet: Option<&Packet>) -> Result<()> {
        let packet = packet.map_or(ptr::null_mut(), Packet::as_ptr);
        // SAFETY: the packet is live or null.
        unsafe { self.context.send(packet) }
    }

    /// The next frame, if there is one.
    ///
    /// # Errors
    /// [`Error::Call`](crate::Error::Call) if a packet does not decode,
    /// [`Error::Frame`](crate::Error::Frame) for a picture that is not in plain memory; the decoder
    /// goes on after either.
    pub fn receive(&mut self) -> Result<Received> {
        self.context.receive()
    }

    /// Forgets everything sent, also the end: to go on elsewhere in the stream.
    pub fn flush(&mut self) {
        self.context.flush();
    }
}

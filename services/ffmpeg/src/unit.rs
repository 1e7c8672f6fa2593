//! Decoding access units one by one, in the order in which they are coded.

use std::ffi::{CStr, c_int};
use std::num::NonZeroU16;
use std::ptr;
use std::sync::Arc;

use crate::Library;
use crate::api::Api;
use crate::context::Context;
use crate::decode::Received;
use crate::error::Result;
use crate::frame::Frame;
use crate::packet::Packet;
use crate::sys::{AVCodecContext, AVERROR_ENOMEM, AVFrame, OPAQUE};

/// A codec whose access units can be decoded one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnitCodec {
    /// ITU-T H.264; a unit is Annex B NAL units of one picture or field.
    H264,
    /// RFC 6386; a unit is a frame.
    Vp8,
    /// A unit is a frame, or a superframe.
    Vp9,
}

impl UnitCodec {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::H264, Self::Vp8, Self::Vp9];

    /// FFmpeg's name of its own decoder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::Vp8 => "vp8",
            Self::Vp9 => "vp9",
        }
    }

    const fn c_name(self) -> &'static CStr {
        match self {
            Self::H264 => c"h264",
            Self::Vp8 => c"vp8",
            Self::Vp9 => c"vp9",
        }
    }
}

/// What became of one access unit.
#[derive(Debug)]
pub struct Unit {
    /// The picture that the unit was decoded into, whether and whenever it is shown. None if it
    /// has none of its own: the second field of a picture, a frame that shows an earlier one.
    /// Cropping is not applied to it.
    pub picture: Option<Frame>,
    /// What is now to be shown, in order of presentation.
    pub shown: Vec<Frame>,
}

/// A decoder that says of each access unit which picture it was decoded into.
///
/// A decoder of FFmpeg's gives pictures in the order of presentation. But it asks for the memory of
/// each when it begins to decode it; and without frame threads it has decoded the whole unit when
/// it has taken it. So the last memory it asked for while it took a unit is that unit's picture.
#[derive(Debug)]
pub struct UnitDecoder {
    // Dropped before what it points to.
    context: Context,
    given: Owned,
}

/// What the decoder was given memory for.
struct Given {
    api: Arc<Api>,
    /// Another reference to the last one.
    last: Option<Frame>,
}

/// A [`Given`] that the decoder has a pointer to: a box, which must not be moved from, would not do.
struct Owned(ptr::NonNull<Given>);

// SAFETY: what it points to is owned, and can be sent.
unsafe impl Send for Owned {}

impl Library {
    /// Whether the loaded release was built with this decoder.
    pub fn has_decoder(&self, codec: UnitCodec) -> bool {
        !self.api.decoder_named(codec.c_name()).is_null()
    }

    /// Opens a decoder for access units; `threads` share the slices of each; a picture of VP9
    /// has one thread.
    ///
    /// # Errors
    /// [`Error::NoDecoder`](crate::Error::NoDecoder), or [`Error::Call`](crate::Error::Call) if the codec does not open.
    pub fn unit_decoder(&self, codec: UnitCodec, threads: NonZeroU16) -> Result<UnitDecoder> {
        UnitDecoder::open(&self.api, codec, threads, false)
    }

    /// Opens one that passes over nothing: a unit with any fault that FFmpeg can find is an error,
    /// and a picture that it had to make up [is damaged](Frame::is_damaged). With threads it would
    /// not tell.
    ///
    /// # Errors
    /// As [`unit_decoder`](Self::unit_decoder).
    pub fn strict_unit_decoder(&self, codec: UnitCodec) -> Result<UnitDecoder> {
        UnitDecoder::open(&self.api, codec, NonZeroU16::MIN, true)
    }
}

impl UnitDecoder {
    fn open(api: &Arc<Api>, codec: UnitCodec, threads: NonZeroU16, strict: bool) -> Result<Self> {
        let decoder = api.decoder_named(codec.c_name());
        let mut this = Self {
            // SAFETY: a decoder of this release, or null.
            context: unsafe { Context::alloc(api, decoder, codec.name())? },
            given: Owned::new(Given {
                api: Arc::clone(api),
                last: None,
            }),
        };
        let at = this.context.as_ptr();
        // SAFETY: a context that is not open, owned here; what it gets lives longer.
        unsafe {
            OPAQUE.set(at, this.given.0.as_ptr().cast());
            api.layout.context.get_buffer2.set(at, get_buffer2);
        }
        this.context.set_slice_threads(threads.get())?;
        if strict {
            this.context.set_strict()?;
        }
        this.context.open()?;
        Ok(this)
    }

    /// Decodes one access unit.
    ///
    /// # Errors
    /// [`Error::Call`](crate::Error::Call) if it is damaged, or not of this codec,
    /// [`Error::Frame`](crate::Error::Frame) for a picture that
    /// is not in plain memory; the decoder takes the next one all the same.
    pub fn decode(&mut self, unit: &[u8]) -> Result<Unit> {
        let packet = Packet::copy_of(&self.context.api, unit)?;
        self.given.get().last = None;
        // SAFETY: a live packet.
        let sent = unsafe { self.context.send(packet.as_ptr()) };
        // Also after an error: what is ready must be out before the next unit.
        let shown = self.drain();
        sent?;
        let mut picture = self.given.get().last.take();
        if let Some(picture) = &mut picture {
            picture.describe()?;
        }
        Ok(Unit {
            picture,
            shown: shown?,
        })
    }

    /// What is still to be shown when there are no more units. After that comes
    /// [`flush`](Self::flush), or nothing.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn finish(&mut self) -> Result<Vec<Frame>> {
        // SAFETY: null means the end.
        unsafe { self.context.send(ptr::null()) }?;
        self.drain()
    }

    /// Forgets everything decoded, and also the end.
    pub fn flush(&mut self) {
        self.context.flush();
    }

    fn drain(&mut self) -> Result<Vec<Frame>> {
        let mut shown = Vec::new();
        while let Received::Frame(frame) = self.context.receive()? {
            shown.push(frame);
        }
        Ok(shown)
    }
}

/// Gives a decoder the memory that FFmpeg would, and keeps a reference to it.
///
/// # Safety
/// Called by FFmpeg only, for a context that [`UnitDecoder::open`] made: without frame threads that
/// is in the thread that called the decoder, while it waits.
unsafe extern "C" fn get_buffer2(
    context: *mut AVCodecContext,
    frame: *mut AVFrame,
    flags: c_int,
) -> c_int {
    // SAFETY: `open` set it, it lives as long as the context, and whoever called the decoder does
    // not touch it before that returns.
    let given = unsafe { &mut *OPAQUE.get(context).cast::<Given>() };
    // SAFETY: FFmpeg's own arguments, passed on.
    let code = unsafe {
        given
            .api
            .codec
            .avcodec_default_get_buffer2(context, frame, flags)
    };
    if code < 0 {
        return code;
    }
    // SAFETY: FFmpeg's frame, which has memory now.
    match unsafe { given.keep(frame) } {
        Ok(()) => code,
        Err(_) => AVERROR_ENOMEM,
    }
}

impl Given {
    /// # Safety
    /// `frame` is a live frame with memory.
    unsafe fn keep(&mut self, frame: *const AVFrame) -> Result<()> {
        let mut last = Frame::empty(&self.api)?;
        // SAFETY: by the caller's word.
        unsafe { last.refer(frame) }?;
        self.last = Some(last);
        Ok(())
    }
}

impl Owned {
    fn new(given: Given) -> Self {
        Self(ptr::NonNull::from(Box::leak(Box::new(given))))
    }

    fn get(&mut self) -> &mut Given {
        // SAFETY: owned, and the decoder, which alone has it besides, is not running.
        unsafe { self.0.as_mut() }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: from a box, freed once.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

impl std::fmt::Debug for Owned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Owned")
    }
}

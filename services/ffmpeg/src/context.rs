//! A decoder's context: opened, fed and freed.

use std::ffi::{CStr, c_int};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::api::Api;
use crate::decode::Received;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::sys::{
    AVCodec, AVCodecContext, AVCodecParameters, AVERROR_EAGAIN, AVERROR_EOF, AVPacket, AVRational,
};

/// A codec context and what it was allocated by.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) api: Arc<Api>,
    inner: NonNull<AVCodecContext>,
    /// Threads may share the work on a picture.
    shares: bool,
}

// SAFETY: a codec context is bound to no thread; `&mut self` and ownership keep its calls apart.
unsafe impl Send for Context {}

impl Context {
    /// Allocates a context for `codec`, which is not opened yet.
    ///
    /// # Safety
    /// `codec` is null or a decoder of this release.
    pub(crate) unsafe fn alloc(api: &Arc<Api>, codec: *const AVCodec, name: &str) -> Result<Self> {
        if codec.is_null() {
            return Err(Error::NoDecoder {
                codec: name.into(),
                versions: api.versions.to_string(),
            });
        }
        // SAFETY: a codec of this release; null if the memory cannot be had.
        let inner = unsafe { api.codec.avcodec_alloc_context3(codec) };
        Ok(Self {
            api: Arc::clone(api),
            inner: NonNull::new(inner).ok_or_else(|| out_of_memory("avcodec_alloc_context3"))?,
            // FFmpeg 5 to 9 write past their table of VP9's tile rows (`entries` in libavcodec/vp9.c) when
            // threads share a picture that is higher than those before, and no key frame.
            shares: name != "vp9",
        })
    }

    pub(crate) fn as_ptr(&self) -> *mut AVCodecContext {
        self.inner.as_ptr()
    }

    /// Takes over what a container says about the stream.
    pub(crate) fn describe(&mut self, parameters: NonNull<AVCodecParameters>) -> Result<()> {
        // SAFETY: a context that is not open, and live parameters.
        let code = unsafe {
            self.api
                .codec
                .avcodec_parameters_to_context(self.as_ptr(), parameters.as_ptr())
        };
        self.api.check("avcodec_parameters_to_context", code)?;
        Ok(())
    }

    /// Threads share the slices of a frame where that is safe, and add no delay.
    pub(crate) fn set_slice_threads(&mut self, threads: u16) -> Result<()> {
        let threads = if self.shares { threads } else { 1 };
        self.set(c"threads", i64::from(threads))?;
        self.set_text(c"thread_type", c"slice")
    }

    /// Takes every fault for an error, also what could be passed over or made up for.
    pub(crate) fn set_strict(&mut self) -> Result<()> {
        self.set_text(
            c"err_detect",
            c"crccheck+bitstream+buffer+explode+aggressive",
        )
    }

    fn set_text(&mut self, name: &CStr, value: &CStr) -> Result<()> {
        // SAFETY: a codec context starts with the class that describes its options; the strings
        // are terminated.
        let code = unsafe {
            self.api
                .util
                .av_opt_set(self.as_ptr().cast(), name.as_ptr(), value.as_ptr(), 0)
        };
        self.api.check("av_opt_set", code)?;
        Ok(())
    }

    pub(crate) fn set_time_base(&mut self, base: AVRational) -> Result<()> {
        // SAFETY: as in `set_text`.
        let code = unsafe {
            self.api
                .util
                .av_opt_set_q(self.as_ptr().cast(), c"pkt_timebase".as_ptr(), base, 0)
        };
        self.api.check("av_opt_set_q pkt_timebase", code)?;
        Ok(())
    }

    pub(crate) fn set(&mut self, name: &CStr, value: i64) -> Result<()> {
        // SAFETY: as in `set_text`.
        let code = unsafe {
            self.api
                .util
                .av_opt_set_int(self.as_ptr().cast(), name.as_ptr(), value, 0)
        };
        self.api.check("av_opt_set_int", code)?;
        Ok(())
    }

    /// Opens it, once, for the codec it was allocated for.
    pub(crate) fn open(&mut self) -> Result<()> {
        // SAFETY: a configured context that is not open yet; null is the codec it was allocated
        // for, and no options.
        let code = unsafe {
            self.api
                .codec
                .avcodec_open2(self.as_ptr(), ptr::null(), ptr::null_mut())
        };
        self.api.check("avcodec_open2", code)?;
        Ok(())
    }

    /// Gives the open decoder a packet; null means that there are no more.
    ///
    /// # Safety
    /// `packet` is null or live.
    pub(crate) unsafe fn send(&mut self, packet: *const AVPacket) -> Result<()> {
        // SAFETY: an open context; the packet by the caller's word.
        let code: c_int = unsafe { self.api.codec.avcodec_send_packet(self.as_ptr(), packet) };
        self.api.check("avcodec_send_packet", code)?;
        Ok(())
    }

    /// The open decoder's next frame.
    pub(crate) fn receive(&mut self) -> Result<Received> {
        let mut frame = Frame::empty(&self.api)?;
        // SAFETY: an open context and an empty frame, both owned here.
        let code = unsafe {
            self.api
                .codec
                .avcodec_receive_frame(self.as_ptr(), frame.as_ptr())
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

    /// Makes the open decoder forget all it was sent, also the end.
    pub(crate) fn flush(&mut self) {
        // SAFETY: an open context.
        unsafe { self.api.codec.avcodec_flush_buffers(self.as_ptr()) };
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let mut context = self.as_ptr();
        // SAFETY: allocated by `alloc`, freed once.
        unsafe { self.api.codec.avcodec_free_context(&mut context) };
    }
}

pub(crate) fn out_of_memory(call: &'static str) -> Error {
    Error::Call {
        call,
        reason: "out of memory".into(),
    }
}

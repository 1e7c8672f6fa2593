//! The loaded libraries, and the few calls every other module needs.

use std::ffi::{CStr, c_int};

use crate::error::Error;
use crate::release::Versions;
use crate::sys::{AV_LOG_QUIET, AVCodec, AVPixelFormat, AvCodec, AvFormat, AvUtil, Layout};

/// One loaded release.
pub(crate) struct Api {
    pub(crate) util: AvUtil,
    pub(crate) codec: AvCodec,
    pub(crate) format: AvFormat,
    pub(crate) layout: &'static Layout,
    pub(crate) versions: Versions,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Api").field(&self.versions).finish()
    }
}

impl Api {
    pub(crate) fn new(
        util: AvUtil,
        codec: AvCodec,
        format: AvFormat,
        layout: &'static Layout,
        versions: Versions,
    ) -> Self {
        // Left alone, FFmpeg writes to standard error; what matters comes back as an error code.
        // SAFETY: sets one integer.
        unsafe { util.av_log_set_level(AV_LOG_QUIET) };
        Self {
            util,
            codec,
            format,
            layout,
            versions,
        }
    }

    /// Turns a negative return value of `call` into an error.
    pub(crate) fn check(&self, call: &'static str, code: c_int) -> Result<c_int, Error> {
        if code >= 0 {
            return Ok(code);
        }
        Err(Error::Call {
            call,
            reason: self.reason(code),
        })
    }

    /// FFmpeg's words for an error code.
    pub(crate) fn reason(&self, code: c_int) -> String {
        let mut text = [0u8; 128];
        // SAFETY: the buffer and its size are given; the text is terminated within it.
        unsafe {
            self.util
                .av_strerror(code, text.as_mut_ptr().cast(), text.len());
        }
        CStr::from_bytes_until_nul(&text)
            .map_or_else(|_| code.to_string(), |s| s.to_string_lossy().into_owned())
    }

    /// The decoder of this name; null if there is none.
    pub(crate) fn decoder_named(&self, name: &CStr) -> *const AVCodec {
        // SAFETY: a terminated string; what is found is a constant of the library.
        unsafe { self.codec.avcodec_find_decoder_by_name(name.as_ptr()) }
    }

    /// FFmpeg's name of a pixel format.
    pub(crate) fn format_name(&self, format: AVPixelFormat) -> &'static str {
        // SAFETY: any integer is allowed; the name is a constant of the library, which stays loaded.
        unsafe {
            let name = self.util.av_get_pix_fmt_name(format);
            if name.is_null() {
                return "unknown";
            }
            CStr::from_ptr(name).to_str().unwrap_or("unknown")
        }
    }
}

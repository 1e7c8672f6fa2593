//! Encoder backends: raw pictures in, access units out.

#[cfg(feature = "encoder-software")]
pub(crate) mod software;
#[cfg(all(target_os = "linux", feature = "encoder-v4l2-m2m"))]
pub(crate) mod v4l2_m2m;

use std::sync::Arc;

use bytes::Bytes;

use crate::capture::{BackendError, RawFormat, RawFrame};
use crate::{EncoderParams, PipelineStats};

/// A video encoder. Driven by one thread, the encode thread of a pipeline.
pub(crate) trait EncoderBackend {
    /// Codes one frame and gives its access unit back before it returns.
    ///
    /// A device that works on its own is waited for here; its output is never left for the next
    /// call. With `key`, the result can be decoded from: in H.264 an IDR with its parameter sets.
    ///
    /// # Errors
    /// The encoder is unusable; the supervisor starts a new one.
    fn encode(&mut self, frame: &RawFrame, key: bool) -> Result<Encoded, BackendError>;

    /// Changes the target bit rate, in bit/s, from the next frame on.
    ///
    /// # Errors
    /// The encoder refuses it; it goes on at the old rate.
    fn set_bitrate(&mut self, bps: u32) -> Result<(), BackendError>;
}

/// What became of a frame.
#[allow(dead_code, reason = "not every build has an encoder")]
pub(crate) enum Encoded {
    /// An access unit.
    Unit {
        /// Its bytes; H.264 in Annex B form.
        data: Bytes,
        /// Decoding can start here.
        key: bool,
    },
    /// The rate control left the frame out.
    Skipped,
    /// The picture could not be read: a damaged JPEG, or one shorter than its format.
    Damaged(String),
}

/// Opens the backend that `params` names (`auto` already resolved) for frames of `format`.
///
/// It counts full-frame copies in `stats`.
///
/// # Errors
/// The encoder is missing, or refuses the format or parameters.
pub(crate) fn open(
    params: &EncoderParams,
    format: &RawFormat,
    stats: &Arc<PipelineStats>,
) -> Result<Box<dyn EncoderBackend>, BackendError> {
    // Not every build has an encoder that counts.
    let _ = stats;
    tracing::debug!(?format, "opening encoder {}", params.backend);
    match resolve(&params.backend) {
        #[cfg(feature = "encoder-software")]
        software::NAME => Ok(Box::new(software::SoftwareEncoder::open(
            params, format, stats,
        )?)),
        #[cfg(all(target_os = "linux", feature = "encoder-v4l2-m2m"))]
        v4l2_m2m::NAME => Ok(Box::new(v4l2_m2m::V4l2Encoder::open(
            params,
            v4l2_m2m::Coding::H264,
            format,
            stats,
        )?)),
        other => Err(BackendError::permanent(format!(
            "encoder.backend = {other}: not built into this program"
        ))),
    }
}

/// The backend that a name stands for: for `auto` the best there is.
pub(crate) fn resolve(backend: &str) -> &str {
    match backend {
        "auto" => "software",
        named => named,
    }
}

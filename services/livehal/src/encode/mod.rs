//! Encoder backends: raw pictures in, access units out.

mod auto;
#[cfg(encoder_rdk)]
pub(crate) mod rdk;
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

    /// What was chosen where the parameters leave it open; known once a frame was coded.
    fn choice(&self) -> Option<EncoderChoice> {
        None
    }
}

/// What `encoder.backend = "auto"` came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EncoderChoice {
    /// The backend's name.
    pub(crate) name: &'static str,
    /// Why this one, and why none of those before it.
    pub(crate) reason: String,
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

type Opened = Result<Box<dyn EncoderBackend>, BackendError>;

/// An encoder backend of this program.
struct Candidate {
    /// Its name in the configuration.
    name: &'static str,
    /// Opens it for frames of a format. It counts full-frame copies in the stats.
    open: fn(&EncoderParams, &RawFormat, &Arc<PipelineStats>) -> Opened,
}

/// Every encoder backend, in the order in which `auto` tries them: hardware first.
static CANDIDATES: &[Candidate] = &[
    #[cfg(all(target_os = "linux", feature = "encoder-v4l2-m2m"))]
    Candidate {
        name: v4l2_m2m::NAME,
        open: |params, format, stats| {
            let coding = v4l2_m2m::Coding::H264;
            let encoder = v4l2_m2m::V4l2Encoder::open(params, coding, format, stats)?;
            Ok(Box::new(encoder))
        },
    },
    #[cfg(encoder_rdk)]
    Candidate {
        name: rdk::NAME,
        open: |params, format, stats| Ok(Box::new(rdk::RdkEncoder::open(params, format, stats)?)),
    },
    #[cfg(feature = "encoder-software")]
    Candidate {
        name: software::NAME,
        open: |params, format, stats| {
            let encoder = software::SoftwareEncoder::open(params, format, stats)?;
            Ok(Box::new(encoder))
        },
    },
];

/// Opens the backend that `params` names for frames of `format`.
///
/// It counts full-frame copies in `stats`.
///
/// # Errors
/// The encoder is missing, or refuses the format or parameters. `auto` finds out with the first
/// frame.
pub(crate) fn open(
    params: &EncoderParams,
    format: &RawFormat,
    stats: &Arc<PipelineStats>,
) -> Opened {
    tracing::debug!(?format, "opening encoder {}", params.backend);
    if params.backend == auto::NAME {
        let encoder = auto::AutoEncoder::new(CANDIDATES, params, format, stats);
        return Ok(Box::new(encoder));
    }
    match CANDIDATES.iter().find(|c| c.name == params.backend) {
        Some(candidate) => (candidate.open)(params, format, stats),
        None => Err(BackendError::permanent(format!(
            "encoder.backend = {}: not built into this program",
            params.backend
        ))),
    }
}

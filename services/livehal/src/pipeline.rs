//! The supervised pipeline: capture, encode, deliver.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::{
    EncodedPacket, Error, NativeSourceParams, PipelineState, PipelineStats, StreamGeometry,
};

/// Where a pipeline's packets arrive, in decoding order; bounded.
pub type PacketReceiver = mpsc::Receiver<EncodedPacket>;

/// One running capture → encode chain. Dropping it stops the threads and waits for them.
#[derive(Debug)]
pub struct NativePipeline {
    stats: Arc<PipelineStats>,
    state: watch::Receiver<PipelineState>,
}

impl NativePipeline {
    /// Starts the chain. Devices are opened by its own threads: a device that is missing now is a
    /// state ([`PipelineState::Degraded`] and retries with back-off), not an error of this call.
    ///
    /// `name` is the stream's name, for logs and thread names.
    ///
    /// # Errors
    /// [`Error::Param`] where `params` cannot be honoured by this build.
    pub fn start(_name: &str, params: NativeSourceParams) -> Result<(Self, PacketReceiver), Error> {
        params.validate()?;
        Err(Error::Backend("not built yet".into()))
    }

    /// Asks the encoder for a key frame as soon as possible. Never blocks.
    pub fn request_keyframe(&self) {}

    /// Changes the target bit rate, in bit/s, while running. Never blocks.
    ///
    /// # Errors
    /// [`Error::Param`] outside the encoder's bounds; [`Error::Stopped`] after the end.
    pub fn set_bitrate(&self, _bps: u32) -> Result<(), Error> {
        Err(Error::Stopped)
    }

    /// Present state, and its changes.
    pub fn state(&self) -> watch::Receiver<PipelineState> {
        self.state.clone()
    }

    /// Counters and histograms.
    pub fn stats(&self) -> Arc<PipelineStats> {
        Arc::clone(&self.stats)
    }

    /// What is really captured; `None` before the device is open.
    pub fn geometry(&self) -> Option<StreamGeometry> {
        None
    }

    /// Name of the capture and encoder backends in use (`auto` resolved).
    pub fn backends(&self) -> (&'static str, &'static str) {
        ("", "")
    }

    /// The next captured picture as JPEG.
    ///
    /// # Errors
    /// [`Error::NoFrame`] when none arrives within two seconds.
    pub async fn snapshot(&self) -> Result<Bytes, Error> {
        Err(Error::NoFrame)
    }
}

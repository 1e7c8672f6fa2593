//! The supervised pipeline: capture, encode, deliver.

#[cfg(test)]
#[cfg(feature = "native-source")]
mod fakes;
#[cfg(feature = "native-source")]
pub(crate) mod native;
#[cfg(feature = "native-source")]
mod output;
#[cfg(feature = "native-source")]
mod session;
#[cfg(feature = "native-source")]
mod slot;
#[cfg(feature = "native-source")]
mod snapshot;
#[cfg(feature = "native-source")]
mod supervisor;
#[cfg(test)]
#[cfg(feature = "native-source")]
mod tests;

#[cfg(not(feature = "native-source"))]
mod absent;
#[cfg(not(feature = "native-source"))]
use absent as native;

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::{
    CameraControl, ControlError, ControlValue, EncodedPacket, Error, NativeSourceParams,
    PipelineState, PipelineStats, StreamGeometry,
};

/// Where a pipeline's packets arrive, in decoding order; bounded. It ends when the pipeline has
/// stopped or failed.
pub type PacketReceiver = mpsc::Receiver<EncodedPacket>;

/// One running capture → encode chain. Dropping it stops the threads and waits for them, half a
/// second at most.
pub struct NativePipeline(native::Pipeline);

impl NativePipeline {
    /// Starts the chain. Devices are opened by its own threads: a device that is missing now is a
    /// state ([`PipelineState::Degraded`] and retries with back-off), not an error of this call.
    ///
    /// `name` is the stream's name, for logs and thread names.
    ///
    /// # Errors
    /// [`Error::Param`] where `params` cannot be honoured by this build.
    pub fn start(name: &str, params: NativeSourceParams) -> Result<(Self, PacketReceiver), Error> {
        params.validate()?;
        params.check_available()?;
        let (pipeline, packets) =
            native::Pipeline::start(name, params, native::Backends::default())?;
        Ok((Self(pipeline), packets))
    }

    /// Asks the encoder for a key frame as soon as possible. Never blocks.
    pub fn request_keyframe(&self) {
        self.0.request_keyframe();
    }

    /// Changes the target bit rate, in bit/s, while running. Never blocks.
    ///
    /// # Errors
    /// [`Error::Param`] outside the encoder's bounds; [`Error::Stopped`] after the end.
    pub fn set_bitrate(&self, bps: u32) -> Result<(), Error> {
        self.0.set_bitrate(bps)
    }

    /// Present state, and its changes.
    pub fn state(&self) -> watch::Receiver<PipelineState> {
        self.0.state()
    }

    /// Counters and histograms.
    pub fn stats(&self) -> Arc<PipelineStats> {
        self.0.stats()
    }

    /// What is really captured; `None` before the device is open.
    pub fn geometry(&self) -> Option<StreamGeometry> {
        self.0.geometry()
    }

    /// Name of the capture and encoder backends in use; `auto` is resolved once a frame was coded.
    pub fn backends(&self) -> (&'static str, &'static str) {
        self.0.backends()
    }

    /// Why `encoder.backend = "auto"` came to the encoder in use; `None` before it did, and where
    /// the parameters name one.
    pub fn encoder_reason(&self) -> Option<String> {
        self.0.encoder_reason()
    }

    /// The camera's controls with their present values; none where the source has none, or is not
    /// open.
    pub fn controls(&self) -> Vec<CameraControl> {
        self.0.controls()
    }

    /// Sets a control until the device is opened anew, and gives the value that the camera took.
    ///
    /// # Errors
    /// See [`ControlError`].
    pub fn set_control(
        &self,
        name: &str,
        value: &ControlValue,
    ) -> Result<ControlValue, ControlError> {
        self.0.set_control(name, value)
    }

    /// The next captured picture as JPEG.
    ///
    /// # Errors
    /// [`Error::NoFrame`] when none arrives within two seconds; [`Error::Stopped`] after the end;
    /// [`Error::Backend`] when too many wait already, or the picture cannot be coded.
    pub async fn snapshot(&self) -> Result<Bytes, Error> {
        self.0.snapshot().await
    }
}

impl std::fmt::Debug for NativePipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NativePipeline")
            .field("backends", &self.backends())
            .field("state", &*self.state().borrow())
            .finish_non_exhaustive()
    }
}

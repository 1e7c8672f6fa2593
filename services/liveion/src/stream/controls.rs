//! A camera's controls. Setting one is a call into a driver, which may take its time: it never runs
//! on the executor.

use std::sync::Arc;

use livehal::{CameraControl, ControlError, ControlValue, NativePipeline};

use super::hub::lock;
use super::{SourceConfig, Stream};
use crate::Error;

impl Stream {
    /// The camera's controls with their present values; none where the source is no camera, or is
    /// not open.
    ///
    /// # Errors
    /// [`Error::Other`] when the camera's driver panics.
    pub async fn controls(&self) -> Result<Vec<CameraControl>, Error> {
        match self.pipeline() {
            Some(pipeline) => aside(move || pipeline.controls()).await,
            None => Ok(Vec::new()),
        }
    }

    /// Sets a control until the camera is opened anew, and gives the value that it took.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the source is no camera; [`Error::Control`] otherwise.
    pub async fn set_control(
        &self,
        name: &str,
        value: ControlValue,
    ) -> Result<ControlValue, Error> {
        match &self.config.source {
            SourceConfig::Native(params) if params.capture.is_camera() => {}
            SourceConfig::Native(params) => {
                let backend = &params.capture.backend;
                return Err(self.unsupported(&format!(
                    "capture.backend = {backend} is no camera: it has no controls"
                )));
            }
            SourceConfig::Whip => {
                return Err(self.unsupported("its camera is its publisher's"));
            }
        }
        let Some(pipeline) = self.pipeline() else {
            let stopped = format!("stream {} is stopped: no camera is open", self.name());
            return Err(ControlError::NoCamera(stopped).into());
        };
        let name = name.to_owned();
        Ok(aside(move || pipeline.set_control(&name, &value)).await??)
    }

    pub(super) fn pipeline(&self) -> Option<Arc<NativePipeline>> {
        let running = lock(&self.running);
        running
            .as_ref()
            .map(|running| Arc::clone(&running.pipeline))
    }
}

async fn aside<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(call).await;
    done.map_err(|e| Error::Other(format!("camera control: {e}")))
}

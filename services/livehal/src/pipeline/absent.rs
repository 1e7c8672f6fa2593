//! Stands in for the pipeline in a program built without any backend.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use super::PacketReceiver;
use crate::{
    CameraControl, ControlError, ControlValue, Error, NativeSourceParams, PipelineState,
    PipelineStats, StreamGeometry,
};

/// Never made: parameters are refused before, for no backend is there.
pub(super) enum Pipeline {}

#[derive(Default)]
pub(super) struct Backends {}

impl Pipeline {
    pub(super) fn start(
        _name: &str,
        params: NativeSourceParams,
        _backends: Backends,
    ) -> Result<(Self, PacketReceiver), Error> {
        params.check_available()?;
        Err(Error::Backend(
            "this program was built without any backend; it needs a cargo feature such as encoder-software".into(),
        ))
    }

    pub(super) fn request_keyframe(&self) {
        match *self {}
    }

    pub(super) fn set_bitrate(&self, _bps: u32) -> Result<(), Error> {
        match *self {}
    }

    pub(super) fn state(&self) -> watch::Receiver<PipelineState> {
        match *self {}
    }

    pub(super) fn stats(&self) -> Arc<PipelineStats> {
        match *self {}
    }

    pub(super) fn geometry(&self) -> Option<StreamGeometry> {
        match *self {}
    }

    pub(super) fn backends(&self) -> (&'static str, &'static str) {
        match *self {}
    }

    pub(super) fn encoder_reason(&self) -> Option<String> {
        match *self {}
    }

    pub(super) fn controls(&self) -> Vec<CameraControl> {
        match *self {}
    }

    pub(super) fn set_control(
        &self,
        _name: &str,
        _value: &ControlValue,
    ) -> Result<ControlValue, ControlError> {
        match *self {}
    }

    pub(super) async fn snapshot(&self) -> Result<Bytes, Error> {
        match *self {}
    }
}

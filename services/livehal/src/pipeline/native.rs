//! The pipeline's state and its owner's side.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::watch;

use super::output::{CAPACITY, Output};
use super::session::Event;
use super::snapshot::Snapshots;
use super::{PacketReceiver, supervisor};
use crate::capture::{self, BackendError, CameraControls, CaptureBackend, RawFormat};
use crate::encode::{self, EncoderBackend, EncoderChoice};
use crate::params::backends::{Backend, CAPTURE, ENCODE, named};
use crate::params::validate::level_allows;
use crate::{
    CameraControl, CaptureParams, ControlError, ControlValue, EncoderParams, Error,
    NativeSourceParams, ParamError, PipelineState, PipelineStats, StreamGeometry,
};

/// A function that opens a capture backend.
pub(crate) type OpenCapture =
    dyn Fn(&CaptureParams) -> Result<Box<dyn CaptureBackend>, BackendError> + Send + Sync;

/// A function that opens an encoder backend.
pub(crate) type OpenEncoder = dyn Fn(
        &EncoderParams,
        &RawFormat,
        &Arc<PipelineStats>,
    ) -> Result<Box<dyn EncoderBackend>, BackendError>
    + Send
    + Sync;

/// Where a pipeline's backends come from.
pub(crate) struct Backends {
    pub(crate) capture: Box<OpenCapture>,
    pub(crate) encode: Box<OpenEncoder>,
}

impl Default for Backends {
    fn default() -> Self {
        Self {
            capture: Box::new(capture::open),
            encode: Box::new(encode::open),
        }
    }
}

/// What the owner, the supervisor and the sessions share.
pub(super) struct Shared {
    pub(super) name: String,
    pub(super) params: NativeSourceParams,
    /// The encoder's name in the parameters.
    pub(super) encoder: &'static str,
    pub(super) capture: &'static str,
    pub(super) backends: Backends,
    pub(super) stats: Arc<PipelineStats>,
    pub(super) state: watch::Sender<PipelineState>,
    pub(super) output: Output,
    /// A key frame was asked for.
    pub(super) key_wanted: AtomicBool,
    /// Target bit rate, in bit/s.
    pub(super) bitrate: AtomicU32,
    pub(super) snapshots: Snapshots,
    geometry: Mutex<Option<StreamGeometry>>,
    controls: Mutex<Option<Arc<dyn CameraControls>>>,
    /// What `auto` came to.
    choice: Mutex<Option<EncoderChoice>>,
}

impl Shared {
    /// Changes the visible state. The owner logs it: it has the stream's whole state.
    pub(super) fn set_state(&self, state: PipelineState) {
        self.state.send_if_modified(|present| {
            let changed = *present != state;
            *present = state;
            changed
        });
    }

    pub(super) fn set_geometry(&self, geometry: StreamGeometry) {
        *self.lock_geometry() = Some(geometry);
    }

    /// Shows a camera's controls for as long as the result lives.
    pub(super) fn offer_controls(&self, controls: Option<Arc<dyn CameraControls>>) -> Offer<'_> {
        self.lock_controls().clone_from(&controls);
        Offer {
            shared: self,
            controls,
        }
    }

    fn lock_controls(&self) -> std::sync::MutexGuard<'_, Option<Arc<dyn CameraControls>>> {
        // A pointer: a panic cannot leave it half-written.
        self.controls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the encoder in use is, where the parameters leave it open.
    pub(super) fn set_choice(&self, choice: Option<EncoderChoice>) {
        *self.lock_choice() = choice;
    }

    fn lock_choice(&self) -> std::sync::MutexGuard<'_, Option<EncoderChoice>> {
        // Replaced as a whole: a panic cannot leave it half-written.
        self.choice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses what the capture backend turned out to deliver, if the encoder's parameters do not
    /// allow it.
    pub(super) fn check_format(&self, format: &RawFormat) -> Result<(), BackendError> {
        let size = (format.width, format.height);
        level_allows(&self.params.encoder, size, format.fps)
            .map_err(|e| BackendError::permanent(e.to_string()))
    }

    fn lock_geometry(&self) -> std::sync::MutexGuard<'_, Option<StreamGeometry>> {
        // Plain data: a panic cannot leave it half-written.
        self.geometry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Controls of an open camera. See [`Shared::offer_controls`].
pub(super) struct Offer<'a> {
    shared: &'a Shared,
    controls: Option<Arc<dyn CameraControls>>,
}

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        let mut present = self.shared.lock_controls();
        // A thread that hung ends late: the camera that is open then is another one.
        if let (Some(ours), Some(shown)) = (&self.controls, &*present)
            && Arc::ptr_eq(ours, shown)
        {
            *present = None;
        }
    }
}

/// The constant name of a backend; parameters with unknown ones are refused before.
fn name_of(backend: &str, all: &'static [Backend]) -> &'static str {
    named(backend, all).map_or("unknown", |backend| backend.name)
}

/// A running pipeline.
pub(crate) struct Pipeline {
    shared: Arc<Shared>,
    events: mpsc::Sender<Event>,
    supervisor: Option<JoinHandle<()>>,
}

impl Pipeline {
    pub(crate) fn start(
        name: &str,
        params: NativeSourceParams,
        backends: Backends,
    ) -> Result<(Self, PacketReceiver), Error> {
        let (sender, receiver) = tokio::sync::mpsc::channel(CAPACITY);
        let stats = Arc::new(PipelineStats::default());
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            encoder: name_of(&params.encoder.backend, &ENCODE),
            capture: name_of(&params.capture.backend, &CAPTURE),
            bitrate: AtomicU32::new(params.encoder.bitrate),
            params,
            backends,
            output: Output::new(sender, Arc::clone(&stats)),
            stats,
            state: watch::Sender::new(PipelineState::Starting),
            key_wanted: AtomicBool::new(false),
            snapshots: Snapshots::default(),
            geometry: Mutex::new(None),
            controls: Mutex::new(None),
            choice: Mutex::new(None),
        });
        let (events, inbox) = mpsc::channel();
        let supervisor = std::thread::Builder::new()
            .name(format!("sup:{name}"))
            .spawn({
                let (shared, events) = (Arc::clone(&shared), events.clone());
                move || supervisor::run(shared, events, inbox)
            })
            .map_err(|e| Error::Backend(format!("cannot start a thread: {e}")))?;
        let pipeline = Self {
            shared,
            events,
            supervisor: Some(supervisor),
        };
        Ok((pipeline, receiver))
    }

    pub(super) fn request_keyframe(&self) {
        self.shared
            .stats
            .keyframe_requests
            .fetch_add(1, Ordering::Relaxed);
        self.shared.key_wanted.store(true, Ordering::Relaxed);
    }

    pub(super) fn set_bitrate(&self, bps: u32) -> Result<(), Error> {
        if self.ended() {
            return Err(Error::Stopped);
        }
        let bounds = self.shared.params.encoder.bitrate_bounds();
        if !bounds.contains(&bps) {
            return Err(Error::Param(ParamError {
                key: "encoder.bitrate".into(),
                value: bps.to_string(),
                reason: format!(
                    "allowed are {} to {} bit/s (encoder.min_bitrate to encoder.max_bitrate)",
                    bounds.start(),
                    bounds.end()
                ),
            }));
        }
        self.shared.bitrate.store(bps, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn state(&self) -> watch::Receiver<PipelineState> {
        self.shared.state.subscribe()
    }

    pub(super) fn stats(&self) -> Arc<PipelineStats> {
        Arc::clone(&self.shared.stats)
    }

    pub(super) fn geometry(&self) -> Option<StreamGeometry> {
        *self.shared.lock_geometry()
    }

    pub(super) fn backends(&self) -> (&'static str, &'static str) {
        let chosen = self.shared.lock_choice().as_ref().map(|choice| choice.name);
        (self.shared.capture, chosen.unwrap_or(self.shared.encoder))
    }

    pub(super) fn encoder_reason(&self) -> Option<String> {
        let choice = self.shared.lock_choice();
        choice.as_ref().map(|choice| choice.reason.clone())
    }

    pub(super) fn controls(&self) -> Vec<CameraControl> {
        // The lock is not held while a driver is asked.
        let controls = self.shared.lock_controls().clone();
        controls.map(|camera| camera.list()).unwrap_or_default()
    }

    pub(super) fn set_control(
        &self,
        name: &str,
        value: &ControlValue,
    ) -> Result<ControlValue, ControlError> {
        let controls = self.shared.lock_controls().clone();
        let camera = controls.ok_or_else(|| {
            ControlError::NoCamera(format!(
                "capture.backend = {} has no controls now: no camera is open",
                self.shared.capture
            ))
        })?;
        camera.set(name, value)
    }

    pub(super) async fn snapshot(&self) -> Result<Bytes, Error> {
        if self.ended() {
            return Err(Error::Stopped);
        }
        self.shared.snapshots.next().await
    }

    fn ended(&self) -> bool {
        matches!(
            *self.shared.state.borrow(),
            PipelineState::Failed(_) | PipelineState::Stopped
        )
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // A supervisor that has ended reads no more events.
        let _ = self.events.send(Event::Stop);
        if let Some(supervisor) = self.supervisor.take()
            && supervisor.join().is_err()
        {
            tracing::error!(stream = %self.shared.name, "the supervisor thread panicked");
        }
    }
}

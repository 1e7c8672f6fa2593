//! One stream: its source, its state, and what may be asked of it.

mod bitrate;
mod controls;
mod hub;
mod native;
mod rate;
mod record;
mod sink;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use livehal::{DropReason, NativePipeline, NativeSourceParams, PipelineState, VideoCodec};
use tokio::runtime::Handle;
use tokio::sync::{broadcast, watch};

use crate::engine::{Command, EngineHandle};
use crate::rtc::{BitrateBounds, ProfileLevelId};
use crate::{DropCount, Error, Event, SessionError, SourceInfo, StreamInfo, ViewerInfo};
use bitrate::BitrateControl;
use hub::{Hub, lock};
use native::Running;

/// Where a stream comes from.
#[derive(Debug, Clone)]
pub enum SourceConfig {
    /// Capture and encoder of this machine.
    Native(Box<NativeSourceParams>),
    /// A WHIP publisher.
    Whip,
}

/// One stream of the configuration.
#[derive(Debug, Clone)]
pub struct StreamConfig {
    /// Name; one path segment.
    pub name: String,
    /// Source.
    pub source: SourceConfig,
    /// Start with the first viewer instead of at once.
    pub on_demand: bool,
    /// How long an on-demand stream goes on after its last viewer.
    pub grace: Duration,
}

/// Every reason that [`StreamInfo::drops`] lists.
const DROP_REASONS: [DropReason; 7] = [
    DropReason::EncoderBusy,
    DropReason::RateControl,
    DropReason::EncodeError,
    DropReason::OutputFull,
    DropReason::AwaitingKey,
    DropReason::CaptureError,
    DropReason::CaptureMissed,
];

/// One stream.
#[derive(Debug)]
pub struct Stream {
    hub: Arc<Hub>,
    config: StreamConfig,
    engine: EngineHandle,
    runtime: Handle,
    running: Mutex<Option<Running>>,
    bitrate: Mutex<BitrateControl>,
    /// Stopped by hand: viewers do not start it again.
    held: AtomicBool,
    /// Counts the times that viewers came or went, so that an old grace period ends nothing.
    idle_epoch: AtomicU64,
}

impl Stream {
    /// A stream that is not running yet, known to the engine.
    ///
    /// # Errors
    /// [`Error::Native`] for parameters that cannot be honoured; [`Error::Unsupported`] for a codec
    /// that is not delivered here.
    pub(crate) fn new(
        config: StreamConfig,
        engine: EngineHandle,
        events: broadcast::Sender<Event>,
    ) -> Result<Arc<Self>, Error> {
        let (profile, bitrate) = match &config.source {
            SourceConfig::Native(params) => native_settings(&config.name, params)?,
            SourceConfig::Whip => (
                ProfileLevelId::CONSTRAINED_BASELINE,
                BitrateControl::new(0, 0..=0),
            ),
        };
        let stream = Arc::new(Self {
            hub: Arc::new(Hub::new(&config.name, profile, events)),
            engine,
            runtime: Handle::current(),
            running: Mutex::new(None),
            bitrate: Mutex::new(bitrate),
            held: AtomicBool::new(false),
            idle_epoch: AtomicU64::new(0),
            config,
        });
        let added = stream.engine.send(Command::AddStream {
            name: stream.hub.name.to_string(),
            sink: Arc::new(sink::Sink(Arc::downgrade(&stream))),
            stats: Arc::clone(&stream.hub.delivery),
        });
        match added {
            Ok(()) => Ok(stream),
            Err(_) => Err(Error::Other("the engine takes no more streams".into())),
        }
    }

    /// Name.
    pub fn name(&self) -> &str {
        &self.hub.name
    }

    /// Everything there is to show.
    pub fn info(&self) -> StreamInfo {
        let hub = &self.hub;
        let running = lock(&self.running);
        let pipeline = running.as_ref().map(|r| &*r.pipeline);
        let geometry = pipeline.and_then(|p| p.geometry());
        let stats = pipeline.map(|p| p.stats());
        let (mut width, mut height) = *lock(&hub.size);
        let (fps_measured, bitrate_measured_bps) = hub.rates();
        let mut fps = fps_measured;
        if let Some(g) = geometry {
            (width, height, fps) = (g.width, g.height, g.fps);
        }
        let load = |c: &AtomicU64| c.load(Ordering::Relaxed);
        StreamInfo {
            name: hub.name.to_string(),
            state: hub.state().borrow().clone(),
            source: self.source_info(pipeline),
            codec: Some(VideoCodec::H264),
            width,
            height,
            fps,
            fps_measured,
            bitrate_bps: lock(&self.bitrate).applied(),
            bitrate_measured_bps,
            viewers: hub.viewers.load(Ordering::Relaxed),
            on_demand: self.config.on_demand,
            frames: load(&hub.frames),
            keyframes: load(&hub.keyframes),
            bytes: load(&hub.bytes),
            keyframe_requests: load(&hub.delivery.keyframe_requests),
            keyframe_requests_forwarded: load(&hub.delivery.keyframe_forwarded),
            restarts: stats.as_ref().map_or(0, |s| load(&s.restarts)),
            drops: DROP_REASONS
                .into_iter()
                .map(|reason| DropCount {
                    reason,
                    count: stats.as_ref().map_or(0, |s| s.drops(reason)),
                })
                .collect(),
            last_error: lock(&hub.last_error).clone(),
        }
    }

    fn source_info(&self, pipeline: Option<&NativePipeline>) -> SourceInfo {
        let SourceConfig::Native(params) = &self.config.source else {
            return SourceInfo::Whip;
        };
        let named = (&*params.capture.backend, &*params.encoder.backend);
        let (capture, encoder) = pipeline.map_or(named, |p| p.backends());
        SourceInfo::Native {
            capture: capture.into(),
            encoder: encoder.into(),
            encoder_reason: pipeline.and_then(NativePipeline::encoder_reason),
        }
    }

    /// Its viewers.
    pub fn viewers(&self) -> Vec<ViewerInfo> {
        self.engine
            .registry
            .lock()
            .values()
            .filter(|e| e.info.stream == *self.hub.name)
            .filter_map(|e| e.viewer.clone())
            .collect()
    }

    /// State and its changes.
    pub fn state(&self) -> watch::Receiver<PipelineState> {
        self.hub.state()
    }

    /// Whether it starts at once, without a viewer.
    pub fn starts_alone(&self) -> bool {
        !self.config.on_demand && matches!(self.config.source, SourceConfig::Native(_))
    }

    /// Starts the source; nothing if it runs. One that failed for good is started anew.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a WHIP stream; [`Error::Native`] when the pipeline refuses.
    pub fn start(self: &Arc<Self>) -> Result<(), Error> {
        let SourceConfig::Native(params) = &self.config.source else {
            return Err(self.unsupported("it starts when its publisher comes"));
        };
        self.held.store(false, Ordering::Relaxed);
        let mut running = lock(&self.running);
        if let Some(failed) = running.take_if(|r| r.has_failed()) {
            self.end_aside(failed);
        }
        if running.is_none() {
            let mut params = NativeSourceParams::clone(params);
            params.encoder.bitrate = lock(&self.bitrate).applied();
            *running = Some(Running::start(self, params)?);
        }
        Ok(())
    }

    /// Stops the source until [`start`](Self::start); viewers stay connected and see no frames.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a WHIP stream.
    pub fn stop(&self) -> Result<(), Error> {
        if let SourceConfig::Whip = self.config.source {
            return Err(self.unsupported("it stops when its publisher goes"));
        }
        self.held.store(true, Ordering::Relaxed);
        self.halt();
        Ok(())
    }

    /// Ends the source, if it runs.
    fn halt(&self) -> Option<std::thread::JoinHandle<()>> {
        let running = lock(&self.running).take()?;
        self.hub.set_state(PipelineState::Stopped);
        // Full means frames are waiting in front; the viewers' next key frame mends it as well.
        let name = Arc::clone(&self.hub.name);
        let _ = self.engine.send(Command::Discontinuity(name));
        self.end_aside(running)
    }

    /// Ends a source's threads on a thread of its own, for a camera may take its time.
    fn end_aside(&self, running: Running) -> Option<std::thread::JoinHandle<()>> {
        let name = &self.hub.name;
        std::thread::Builder::new()
            .name(format!("stop-{name}"))
            .spawn(move || running.end())
            .map_err(|e| tracing::error!(stream = %name, "no thread to stop the source: {e}"))
            .ok()
    }

    /// Ends the source and waits for its threads.
    pub(crate) async fn shutdown(&self) {
        self.held.store(true, Ordering::Relaxed);
        if let Some(thread) = self.halt() {
            let joined = tokio::task::spawn_blocking(move || thread.join());
            if tokio::time::timeout(Duration::from_secs(1), joined)
                .await
                .is_err()
            {
                tracing::warn!(stream = %self.hub.name, "the source did not end in time");
            }
        }
    }

    /// Asks for a key frame, coalesced with all others to one per 500 ms.
    pub fn request_keyframe(&self) {
        // A full queue has frames in it; whoever needs a key frame asks again.
        let _ = self
            .engine
            .send(Command::KeyFrame(Arc::clone(&self.hub.name)));
    }

    /// Sets the target bit rate in bit/s; congestion control works below it.
    ///
    /// # Errors
    /// [`Error::Native`] outside the bounds; [`Error::Unsupported`] without an encoder of ours.
    pub fn set_bitrate(&self, bps: u32) -> Result<(), Error> {
        if let SourceConfig::Whip = self.config.source {
            return Err(self.unsupported("its bit rate is its publisher's"));
        }
        let mut bitrate = lock(&self.bitrate);
        if !bitrate.bounds().contains(&bps) {
            let (least, most) = bitrate.bounds().clone().into_inner();
            return Err(Error::Native(livehal::Error::Param(livehal::ParamError {
                key: "encoder.bitrate".into(),
                value: bps.to_string(),
                reason: format!("allowed: {least} to {most} bit/s"),
            })));
        }
        let change = bitrate.set_wanted(bps);
        drop(bitrate);
        self.apply_bitrate(change);
        Ok(())
    }

    /// What the viewers' paths carry, in bit/s; `None` when nobody watches.
    fn set_carried(&self, bps: Option<u32>) {
        let change = lock(&self.bitrate).set_carried(bps);
        self.apply_bitrate(change);
    }

    fn apply_bitrate(&self, change: Option<u32>) {
        let Some(bps) = change else { return };
        if let Some(running) = lock(&self.running).as_ref()
            && let Err(e) = running.pipeline.set_bitrate(bps)
        {
            tracing::warn!(stream = %self.hub.name, "bit rate {bps}: {e}");
        }
        self.hub
            .emit(Event::BitrateChanged(self.hub.name.to_string(), bps));
    }

    /// A picture of now, as JPEG.
    ///
    /// # Errors
    /// [`Error::Native`] when there is no frame.
    pub async fn snapshot(&self) -> Result<Bytes, Error> {
        if let Some(pipeline) = self.pipeline() {
            return Ok(pipeline.snapshot().await?);
        }
        let key = match (&self.config.source, self.hub.key()) {
            (SourceConfig::Whip, Some(key)) if self.hub.published.load(Ordering::Relaxed) => key,
            _ => return Err(Error::Native(livehal::Error::NoFrame)),
        };
        let decode = move || livehal::jpeg_from_access_unit(VideoCodec::H264, &key);
        match tokio::task::spawn_blocking(decode).await {
            Ok(jpeg) => Ok(jpeg?),
            Err(e) => Err(Error::Other(format!("snapshot: {e}"))),
        }
    }

    fn unsupported(&self, reason: &str) -> Error {
        Error::Unsupported {
            stream: self.hub.name.to_string(),
            reason: reason.into(),
        }
    }

    /// Bounds of a viewer's estimate.
    pub(crate) fn bitrate_bounds(&self) -> BitrateBounds {
        let bitrate = lock(&self.bitrate);
        let (least, most) = bitrate.bounds().clone().into_inner();
        if most == 0 {
            // Somebody else's encoder: the estimate is shown, not used.
            return BitrateBounds {
                start: 2_000_000,
                min: 100_000,
                max: 50_000_000,
            };
        }
        BitrateBounds {
            start: bitrate.applied(),
            min: least,
            max: most,
        }
    }

    /// What its parameter sets say.
    pub(crate) fn profile(&self) -> ProfileLevelId {
        self.hub.profile()
    }

    /// Gets ready for a viewer; an on-demand stream starts.
    pub(crate) fn admit_viewer(self: &Arc<Self>) -> Result<(), SessionError> {
        let unavailable = |why: String| SessionError::Unavailable(why);
        if let SourceConfig::Whip = self.config.source {
            return if self.hub.published.load(Ordering::Relaxed) {
                Ok(())
            } else {
                Err(unavailable(format!(
                    "stream {} has no publisher",
                    self.name()
                )))
            };
        }
        if self.held.load(Ordering::Relaxed) {
            return Err(unavailable(format!("stream {} is stopped", self.name())));
        }
        // An on-demand stream tries again with every viewer.
        if let (false, PipelineState::Failed(why)) =
            (self.config.on_demand, &*self.hub.state().borrow())
        {
            return Err(unavailable(format!("stream {}: {why}", self.name())));
        }
        self.start().map_err(|e| unavailable(e.to_string()))?;
        self.arm_idle_timer();
        Ok(())
    }

    /// Whether a publisher may come.
    pub(crate) fn admit_publisher(&self) -> Result<(), SessionError> {
        match self.config.source {
            SourceConfig::Native(_) => Err(SessionError::Conflict(format!(
                "stream {} has a camera or file of its own",
                self.name()
            ))),
            SourceConfig::Whip if self.hub.published.load(Ordering::Relaxed) => Err(
                SessionError::Conflict(format!("stream {} has a publisher", self.name())),
            ),
            SourceConfig::Whip => Ok(()),
        }
    }

    /// Stops an on-demand source after the grace period, unless a viewer comes.
    fn arm_idle_timer(self: &Arc<Self>) {
        if !self.config.on_demand {
            return;
        }
        let epoch = self.idle_epoch.fetch_add(1, Ordering::Relaxed) + 1;
        let (stream, grace) = (Arc::downgrade(self), self.config.grace);
        self.runtime.spawn(async move {
            tokio::time::sleep(grace).await;
            if let Some(stream) = stream.upgrade()
                && stream.idle_epoch.load(Ordering::Relaxed) == epoch
                && stream.hub.viewers.load(Ordering::Relaxed) == 0
                && lock(&stream.hub.recorder).is_none()
            {
                stream.halt();
            }
        });
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Counters of the running pipeline.
    pub(crate) fn pipeline_stats(&self) -> Option<Arc<livehal::PipelineStats>> {
        lock(&self.running).as_ref().map(|r| r.pipeline.stats())
    }
}

fn native_settings(
    name: &str,
    params: &NativeSourceParams,
) -> Result<(ProfileLevelId, BitrateControl), Error> {
    let encoder = &params.encoder;
    if encoder.codec != VideoCodec::H264 {
        return Err(Error::Unsupported {
            stream: name.into(),
            reason: format!(
                "encoder.codec = {:?} cannot be delivered; allowed: h264",
                encoder.codec
            ),
        });
    }
    let profile = encoder
        .profile_level()
        .map_err(livehal::Error::from)?
        .to_hex();
    let profile = ProfileLevelId::parse(&profile).unwrap_or(ProfileLevelId::CONSTRAINED_BASELINE);
    let bitrate = BitrateControl::new(encoder.bitrate, encoder.bitrate_bounds());
    Ok((profile, bitrate))
}

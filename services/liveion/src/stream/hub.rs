//! What all parts of a stream share: counters, state, the newest key frame.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use h264_reader::nal::sps::SeqParameterSet;
use h264_reader::rbsp::{BitReader, decode_nal};
use livehal::{EncodedPacket, PipelineState};
use tokio::sync::{broadcast, watch};

use super::rate::RateWindow;
use super::record::Recorder;
use crate::Event;
use crate::engine::DeliveryStats;
use crate::rtc::ProfileLevelId;
use crate::rtp::{RtpFrame, nals, packetize};

/// Locks; a panic of another holder leaves plain values behind, which stay usable.
pub(super) fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shared by the façade, the source and the engine.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Stream name.
    pub name: Arc<str>,
    /// Counters of delivery.
    pub delivery: Arc<DeliveryStats>,
    /// Viewers, connected or about to be.
    pub viewers: AtomicUsize,
    /// A publisher is there.
    pub published: AtomicBool,
    /// Access units so far.
    pub frames: AtomicU64,
    /// Key frames among them.
    pub keyframes: AtomicU64,
    /// Bytes so far.
    pub bytes: AtomicU64,
    /// Width and height in the newest sequence parameter set.
    pub size: Mutex<(u32, u32)>,
    /// The last error of the source.
    pub last_error: Mutex<Option<String>>,
    /// Whoever records the stream.
    pub(super) recorder: Mutex<Option<Recorder>>,
    state: watch::Sender<PipelineState>,
    events: broadcast::Sender<Event>,
    rate: Mutex<RateWindow>,
    key: Mutex<Option<Bytes>>,
    profile: AtomicU32,
    awaiting_key: AtomicBool,
}

impl Hub {
    /// A stream that is stopped; `profile` is what its parameter sets are expected to say.
    pub fn new(name: &str, profile: ProfileLevelId, events: broadcast::Sender<Event>) -> Self {
        Self {
            name: name.into(),
            delivery: Arc::default(),
            viewers: AtomicUsize::new(0),
            published: AtomicBool::new(false),
            frames: AtomicU64::new(0),
            keyframes: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            size: Mutex::new((0, 0)),
            last_error: Mutex::new(None),
            recorder: Mutex::new(None),
            state: watch::Sender::new(PipelineState::Stopped),
            events,
            rate: Mutex::default(),
            key: Mutex::new(None),
            profile: AtomicU32::new(pack(profile)),
            awaiting_key: AtomicBool::new(false),
        }
    }

    /// State and its changes.
    pub fn state(&self) -> watch::Receiver<PipelineState> {
        self.state.subscribe()
    }

    /// Sets the state; told to everybody when it is another.
    pub fn set_state(&self, state: PipelineState) {
        if let PipelineState::Degraded(why) | PipelineState::Failed(why) = &state {
            *lock(&self.last_error) = Some(why.clone());
        }
        let changed = self.state.send_if_modified(|old| {
            let changed = *old != state;
            if changed {
                old.clone_from(&state);
            }
            changed
        });
        if changed {
            match &state {
                PipelineState::Degraded(why) | PipelineState::Failed(why) => {
                    tracing::warn!(stream = %self.name, state = state.name(), "{why}");
                }
                _ => tracing::info!(stream = %self.name, state = state.name(), "state changed"),
            }
            self.emit(Event::StateChanged(self.name.to_string(), state));
        }
    }

    /// Tells whoever listens; nobody need.
    pub fn emit(&self, event: Event) {
        let _ = self.events.send(event);
    }

    /// What the stream's parameter sets say, or are expected to.
    pub fn profile(&self) -> ProfileLevelId {
        let [_, a, b, c] = self.profile.load(Ordering::Relaxed).to_be_bytes();
        ProfileLevelId([a, b, c])
    }

    /// Frames per second and bits per second over the last second.
    pub fn rates(&self) -> (f64, u64) {
        lock(&self.rate).rates(Instant::now())
    }

    /// The newest key frame in Annex B form.
    pub fn key(&self) -> Option<Bytes> {
        lock(&self.key).clone()
    }

    /// Frames up to the next key frame are of no use.
    pub fn await_key(&self) {
        self.awaiting_key.store(true, Ordering::Relaxed);
    }

    /// Counts an access unit and packetises it; `None` when it cannot be decoded by anybody, or
    /// has nothing to send.
    pub fn accept(&self, packet: &EncodedPacket) -> Option<Arc<RtpFrame>> {
        self.frames.fetch_add(1, Ordering::Relaxed);
        self.bytes
            .fetch_add(packet.data.len() as u64, Ordering::Relaxed);
        lock(&self.rate).add(Instant::now(), packet.data.len());
        if let Some(recorder) = lock(&self.recorder).as_mut() {
            recorder.take(packet);
        }
        if packet.flags.key {
            self.keyframes.fetch_add(1, Ordering::Relaxed);
            self.awaiting_key.store(false, Ordering::Relaxed);
            self.read_parameters(&packet.data);
            *lock(&self.key) = Some(packet.data.clone());
        } else if packet.flags.discontinuity {
            self.await_key();
        }
        if self.awaiting_key.load(Ordering::Relaxed) {
            return None;
        }
        packetize(packet).map(Arc::new)
    }

    fn read_parameters(&self, unit: &[u8]) {
        let Some(sps) = nals(unit).find(|n| n.is_sps()) else {
            return;
        };
        if let Some(profile) = ProfileLevelId::from_sps(sps.bytes()) {
            self.profile.store(pack(profile), Ordering::Relaxed);
        }
        let size = decode_nal(sps.bytes())
            .ok()
            .and_then(|rbsp| SeqParameterSet::from_bits(BitReader::new(&*rbsp)).ok())
            .and_then(|s| s.pixel_dimensions().ok());
        if let Some(size) = size {
            *lock(&self.size) = size;
        }
    }
}

fn pack(ProfileLevelId([a, b, c]): ProfileLevelId) -> u32 {
    u32::from_be_bytes([0, a, b, c])
}

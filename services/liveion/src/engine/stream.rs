//! What the engine keeps of a stream.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::stats::DeliveryStats;
use crate::rtc::{GopCache, KeyframeGate, Unit};
use crate::rtp::RtpFrame;

/// Least time from one change of the congestion target to the next.
const TARGET_INTERVAL: Duration = Duration::from_millis(200);

/// The stream's side of the engine: what the engine tells it. Called on the engine's thread, so
/// nothing here may block.
pub(crate) trait StreamSink: Send + Sync {
    /// Asks the encoder for a key frame.
    fn request_keyframe(&self);
    /// The bit rate that every viewer's path carries, in bit/s.
    fn set_target(&self, bps: u32);
    /// The number of viewers changed.
    fn viewers_changed(&self, viewers: usize);
    /// A publisher came or went.
    fn publisher_changed(&self, present: bool);
    /// An access unit from the publisher; gives back the frame to deliver.
    fn unit(&self, unit: Unit) -> Option<Arc<RtpFrame>>;
}

/// One stream in the engine.
pub(crate) struct EngineStream {
    /// Where its news goes.
    pub sink: Arc<dyn StreamSink>,
    /// Counters.
    pub stats: Arc<DeliveryStats>,
    /// Frames since the last key frame.
    pub cache: GopCache,
    /// Sessions that view it.
    pub viewers: Vec<usize>,
    /// Session that publishes it.
    pub publisher: Option<usize>,
    gate: KeyframeGate,
    target_due: Option<Instant>,
    target: Option<u32>,
}

impl EngineStream {
    /// A stream without frames.
    pub fn new(sink: Arc<dyn StreamSink>, stats: Arc<DeliveryStats>) -> Self {
        Self {
            sink,
            stats,
            cache: GopCache::default(),
            viewers: Vec::new(),
            publisher: None,
            gate: KeyframeGate::default(),
            target_due: None,
            target: None,
        }
    }

    /// Notes a new frame.
    pub fn on_frame(&mut self, now: Instant, frame: &Arc<RtpFrame>) {
        self.stats.frames.fetch_add(1, Ordering::Relaxed);
        self.cache.push(frame);
        if frame.key {
            self.gate.on_keyframe(now);
        }
    }

    /// Somebody wants a key frame; true when the publisher is to be asked now.
    pub fn want_keyframe(&mut self, now: Instant) -> bool {
        self.stats.keyframe_requests.fetch_add(1, Ordering::Relaxed);
        let pass = self.gate.request(now);
        self.pass_on(pass)
    }

    /// Passes on a key-frame request that was kept; true when the publisher is to be asked.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        let pass = self.gate.poll(now);
        self.pass_on(pass)
    }

    fn pass_on(&self, pass: bool) -> bool {
        if !pass {
            return false;
        }
        self.stats
            .keyframe_forwarded
            .fetch_add(1, Ordering::Relaxed);
        self.sink.request_keyframe();
        self.publisher.is_some()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.gate.poll_timeout()
    }

    /// Whether the congestion target may change again.
    pub fn target_is_due(&self, now: Instant) -> bool {
        self.target_due.is_none_or(|t| now >= t)
    }

    /// Tells the encoder what the slowest viewer's path carries; one encoder serves them all.
    pub fn set_target(&mut self, now: Instant, slowest: Option<u32>) {
        self.target_due = Some(now + TARGET_INTERVAL);
        let Some(bps) = slowest else { return };
        if self.target != Some(bps) {
            self.target = Some(bps);
            self.sink.set_target(bps);
        }
    }
}

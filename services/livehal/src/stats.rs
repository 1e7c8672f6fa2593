//! What a pipeline tells about itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

/// The visible state of a pipeline or stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "state", content = "reason")]
pub enum PipelineState {
    /// Nobody asked for it (on-demand), or it was stopped.
    Stopped,
    /// Opening its device or waiting for the first frame.
    Starting,
    /// Frames flow.
    Running,
    /// Frames flow, or will again after a retry, but something is wrong.
    Degraded(String),
    /// Frames do not flow and no retry is under way.
    Failed(String),
}

impl PipelineState {
    /// The state's name, without its reason.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Degraded(_) => "degraded",
            Self::Failed(_) => "failed",
        }
    }
}

/// Why a frame or packet was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// The encoder was still busy when a newer frame came.
    EncoderBusy,
    /// The encoder's rate control skipped the frame.
    RateControl,
    /// The encoder refused the frame.
    EncodeError,
    /// Nobody took the packet in time.
    OutputFull,
    /// Waiting for a key frame after an earlier drop.
    AwaitingKey,
    /// The capture backend delivered a damaged frame.
    CaptureError,
    /// The device captured a frame and could not deliver it: it had no free buffer, or the bus
    /// lost it.
    CaptureMissed,
}

/// What is really being captured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Default)]
pub struct StreamGeometry {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Nominal frames per second.
    pub fps: f64,
}

/// A latency histogram with fixed bounds, updated without locks.
#[derive(Debug)]
pub struct Histogram {
    counts: [AtomicU64; Histogram::BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    /// Upper bounds of the buckets in microseconds; the last bucket has none.
    pub const BOUNDS_US: [u64; 16] = [
        50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 35_000, 50_000, 100_000, 200_000,
        500_000, 1_000_000, 5_000_000,
    ];

    /// Adds one observation.
    pub fn observe(&self, value: Duration) {
        let us = value.as_micros().min(u64::MAX as u128) as u64;
        let i = Self::BOUNDS_US.partition_point(|&b| b < us);
        if let Some(c) = self.counts.get(i) {
            c.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// Count of each bucket (not cumulative), the last one unbounded.
    pub fn counts(&self) -> Vec<u64> {
        self.counts
            .iter()
            .map(|c| c.load(Ordering::Relaxed))
            .collect()
    }

    /// Sum of all observations in microseconds.
    pub fn sum_us(&self) -> u64 {
        self.sum_us.load(Ordering::Relaxed)
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            sum_us: AtomicU64::new(0),
        }
    }
}

/// Counters of one pipeline; shared, updated without locks, never reset while it lives.
#[derive(Debug, Default)]
pub struct PipelineStats {
    /// Frames taken from the capture backend.
    pub frames_captured: AtomicU64,
    /// Packets produced by the encoder.
    pub frames_encoded: AtomicU64,
    /// Key frames among them.
    pub keyframes_encoded: AtomicU64,
    /// Bytes produced by the encoder.
    pub bytes_encoded: AtomicU64,
    /// Times the pipeline was started again after a failure.
    pub restarts: AtomicU64,
    /// Times that the pixels of a whole frame were copied or converted by the processor, on the
    /// way from the capture device's buffer into the encoder. Drawing and decompressing are none.
    pub frame_copies: AtomicU64,
    /// Key frames asked for.
    pub keyframe_requests: AtomicU64,
    /// Capture to encoder input.
    pub capture_to_encode: Histogram,
    /// Encoder input to packet.
    pub encode: Histogram,
    drops: [AtomicU64; 7],
}

impl PipelineStats {
    /// Counts one drop.
    pub fn dropped(&self, reason: DropReason) {
        self.dropped_many(reason, 1);
    }

    /// Counts drops.
    pub fn dropped_many(&self, reason: DropReason, count: u64) {
        if let Some(c) = self.drops.get(reason as usize) {
            c.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Drops so far for one reason.
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.drops
            .get(reason as usize)
            .map_or(0, |c| c.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_counts_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for us in [0, 50, 51, 5_000_000, 5_000_001] {
            histogram.observe(Duration::from_micros(us));
        }
        let counts = histogram.counts();
        assert_eq!(counts.len(), Histogram::BOUNDS_US.len() + 1);
        assert_eq!((counts[0], counts[1], counts[15], counts[16]), (2, 1, 1, 1));
        assert_eq!(histogram.sum_us(), 10_000_102);
    }

    #[test]
    fn drops_are_counted_by_reason() {
        let stats = PipelineStats::default();
        stats.dropped(DropReason::CaptureError);
        stats.dropped(DropReason::CaptureError);
        stats.dropped(DropReason::EncoderBusy);
        stats.dropped_many(DropReason::CaptureMissed, 5);
        let counts = [
            DropReason::EncoderBusy,
            DropReason::RateControl,
            DropReason::CaptureError,
            DropReason::CaptureMissed,
        ]
        .map(|reason| stats.drops(reason));
        assert_eq!(counts, [1, 0, 2, 5]);
    }
}

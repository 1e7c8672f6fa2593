//! Counters of the engine and of each stream's delivery.

use std::sync::atomic::{AtomicU64, Ordering};

use livehal::Histogram;

use crate::rtc::Refused;

/// Counters of the whole engine; shared, never reset.
#[derive(Debug, Default)]
pub(crate) struct EngineStats {
    /// Datagrams given to the kernel.
    pub datagrams_sent: AtomicU64,
    /// Datagrams lost because the socket's buffer was full.
    pub datagrams_dropped: AtomicU64,
    /// Datagrams that the kernel refused.
    pub datagrams_failed: AtomicU64,
    /// Datagrams received.
    pub datagrams_received: AtomicU64,
    /// Sessions made.
    pub sessions_total: AtomicU64,
    refused: [AtomicU64; 5],
}

impl EngineStats {
    /// Labels of [`refused`](Self::refused).
    pub const REFUSED: [&'static str; 5] = ["check", "dtls", "srtp", "unknown", "stranger"];

    /// Counts a datagram dropped by a session.
    pub fn refuse(&self, why: Refused) {
        let i = match why {
            Refused::Check => 0,
            Refused::Dtls => 1,
            Refused::Srtp => 2,
            Refused::Unknown => 3,
        };
        self.count(i);
    }

    /// Counts a datagram of no session.
    pub fn stranger(&self) {
        self.count(4);
    }

    fn count(&self, i: usize) {
        if let Some(c) = self.refused.get(i) {
            c.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts in the order of [`REFUSED`](Self::REFUSED).
    pub fn refused(&self) -> [u64; 5] {
        std::array::from_fn(|i| self.refused.get(i).map_or(0, |c| c.load(Ordering::Relaxed)))
    }
}

/// Counters of one stream's delivery; shared, never reset.
#[derive(Debug, Default)]
pub(crate) struct DeliveryStats {
    /// Packetised frames that reached the engine.
    pub frames: AtomicU64,
    /// Frames lost on the way to the engine because it was behind.
    pub frames_dropped: AtomicU64,
    /// Key-frame requests of viewers.
    pub keyframe_requests: AtomicU64,
    /// Key-frame requests passed on.
    pub keyframe_forwarded: AtomicU64,
    /// Encoder output to the last viewer's last packet in the kernel.
    pub encode_to_sent: Histogram,
    /// Capture to the last viewer's last packet in the kernel.
    pub capture_to_sent: Histogram,
}

//! Congestion control of one viewer: transport-wide feedback into Google's algorithm.

use std::time::{Duration, Instant};

use rtc_interceptor::{BandwidthEstimator, Gcc, PacketReport, convert_twcc};
use rtc_rtcp::transport_feedbacks::cc_feedback_report::Ecn;
use rtc_rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;

/// Packets remembered until the peer reports on them: two seconds at 8 Mbit/s.
const WINDOW: usize = 2_048;

#[derive(Debug, Clone, Copy)]
struct Departure {
    sequence: u16,
    size: u16,
    at: Instant,
}

/// Bounds of the estimate, in bit/s.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BitrateBounds {
    /// Where to start.
    pub start: u32,
    /// Never below.
    pub min: u32,
    /// Never above.
    pub max: u32,
}

/// Estimates what a path carries.
pub(crate) struct Congestion {
    departures: Vec<Option<Departure>>,
    gcc: Gcc,
    next_id: u64,
    /// Estimate of a peer that measures by itself (REMB), in bit/s.
    remb: Option<u64>,
    rtt: Option<Duration>,
    feedback_seen: bool,
    bounds: BitrateBounds,
}

impl std::fmt::Debug for Congestion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Congestion")
            .field("estimate", &self.estimate())
            .field("rtt", &self.rtt)
            .finish_non_exhaustive()
    }
}

impl Congestion {
    /// An estimator within `bounds`.
    pub fn new(bounds: BitrateBounds) -> Self {
        Self {
            departures: vec![None; WINDOW],
            gcc: Gcc::new(
                f64::from(bounds.start),
                f64::from(bounds.min),
                // Headroom over what the encoder may use: retransmissions and the cached pictures
                // of a late viewer are measured too.
                f64::from(bounds.max) * 2.0,
            ),
            next_id: 0,
            remb: None,
            rtt: None,
            feedback_seen: false,
            bounds,
        }
    }

    /// Remembers a packet that leaves.
    pub fn sent(&mut self, now: Instant, sequence: u16, bytes: usize) {
        if let Some(slot) = self.departures.get_mut(usize::from(sequence) % WINDOW) {
            *slot = Some(Departure {
                sequence,
                size: bytes.min(usize::from(u16::MAX)) as u16,
                at: now,
            });
        }
    }

    /// Takes the peer's report.
    pub fn on_transport_feedback(&mut self, now: Instant, feedback: &TransportLayerCc) {
        let mut reports = Vec::with_capacity(usize::from(feedback.packet_status_count));
        let mut newest = None;
        for ack in convert_twcc(feedback)
            .into_iter()
            .take(usize::from(feedback.packet_status_count))
        {
            let slot = self
                .departures
                .get_mut(usize::from(ack.sequence_number) % WINDOW);
            let Some(departure) =
                slot.and_then(|s| s.take_if(|d| d.sequence == ack.sequence_number))
            else {
                continue;
            };
            if ack.arrived {
                newest = Some(departure.at);
            }
            reports.push(PacketReport {
                ssrc: 0,
                id: self.next_id,
                rtp_sequence_number: 0,
                is_twcc: true,
                twcc_sequence_number: ack.sequence_number,
                size: usize::from(departure.size),
                arrived: ack.arrived,
                departure: departure.at,
                arrival: ack.arrival,
                ecn: Ecn::NotEct,
            });
            self.next_id += 1;
        }
        if let Some(at) = newest {
            self.on_rtt(now.saturating_duration_since(at));
        }
        self.feedback_seen |= !reports.is_empty();
        self.gcc.on_reports(now, &reports);
    }

    /// Takes the peer's own estimate.
    pub fn on_remb(&mut self, bps: f32) {
        if bps.is_finite() && bps >= 0.0 {
            self.remb = Some(bps as u64);
        }
    }

    /// Takes a measured round trip.
    pub fn on_rtt(&mut self, rtt: Duration) {
        self.rtt = Some(match self.rtt {
            Some(old) => (old * 7 + rtt) / 8,
            None => rtt,
        });
    }

    /// Smoothed round-trip time.
    pub fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// What the path carries, in bit/s; `None` before the peer said anything.
    pub fn estimate(&self) -> Option<u64> {
        let gcc = self.feedback_seen.then(|| self.gcc.target_bitrate() as u64);
        match (gcc, self.remb) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// What the encoder should use for this viewer, in bit/s, within the bounds.
    pub fn target(&self) -> Option<u32> {
        let estimate = self.estimate()?;
        Some(
            u32::try_from(estimate)
                .unwrap_or(u32::MAX)
                .clamp(self.bounds.min, self.bounds.max),
        )
    }
}

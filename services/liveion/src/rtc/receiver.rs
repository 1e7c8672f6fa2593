//! The receiving side of a publisher: order, retransmission requests, access units.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use livehal::CaptureTime;
use rtc_rtcp::reception_report::ReceptionReport;

use crate::rtp::{CLOCK_RATE, H264Depacketizer};

/// Packets held for order at most.
const MAX_HELD: u64 = 512;
/// A missing packet is waited for this long, then given up.
const GIVE_UP: Duration = Duration::from_millis(400);
/// Time from one NACK for a packet to the next.
const NACK_INTERVAL: Duration = Duration::from_millis(40);

/// One packet of the media, decrypted.
#[derive(Debug, Clone)]
pub(crate) struct MediaPacket {
    /// Sequence number.
    pub sequence: u16,
    /// RTP time.
    pub timestamp: u32,
    /// Marker bit.
    pub marker: bool,
    /// Payload.
    pub payload: Bytes,
}

/// A whole access unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    /// Annex B.
    pub data: Bytes,
    /// Has an IDR.
    pub key: bool,
    /// Something before it is missing.
    pub discontinuity: bool,
    /// Capture time on our clock.
    pub captured: CaptureTime,
}

#[derive(Debug, Clone, Copy)]
struct Missing {
    since: Instant,
    asked: Option<Instant>,
}

/// Puts a publisher's packets in order and together.
#[derive(Debug, Default)]
pub(crate) struct RtpReceiver {
    /// Extended sequence number that is delivered next.
    next: Option<u64>,
    highest: u64,
    held: BTreeMap<u64, MediaPacket>,
    missing: BTreeMap<u64, Missing>,
    depacketizer: H264Depacketizer,
    timestamp: Option<u32>,
    spoilt: bool,
    broken: bool,
    clock: MediaClock,
    units: Vec<Unit>,
    report: Reception,
}

impl RtpReceiver {
    /// Takes a packet, original or retransmitted.
    pub fn push(&mut self, now: Instant, arrival: CaptureTime, packet: MediaPacket) {
        let index = self.extend(packet.sequence);
        self.report.packet(index, packet.timestamp, arrival);
        self.missing.remove(&index);
        let Some(next) = self.next else {
            self.next = Some(index);
            self.highest = index;
            self.held.insert(index, packet);
            return self.deliver(arrival);
        };
        if index < next || index > next + MAX_HELD * 4 {
            if index > next {
                // A jump this large is a new start of the sender, not loss.
                self.restart(index);
                self.held.insert(index, packet);
                self.deliver(arrival);
            }
            return;
        }
        for gap in self.highest + 1..index {
            let entry = Missing {
                since: now,
                asked: None,
            };
            self.missing.insert(gap, entry);
        }
        self.highest = self.highest.max(index);
        self.held.insert(index, packet);
        self.deliver(arrival);
    }

    fn restart(&mut self, index: u64) {
        self.held.clear();
        self.missing.clear();
        self.next = Some(index);
        self.highest = index;
        self.spoil();
    }

    /// The 64-bit sequence number nearest to what is expected (RFC 3550 appendix A.1).
    fn extend(&self, sequence: u16) -> u64 {
        // The first is put at the second cycle, so that earlier ones are not below zero.
        let reference = match self.next {
            None => return 0x1_0000 + u64::from(sequence),
            Some(_) => self.highest,
        };
        let ahead = sequence.wrapping_sub(reference as u16);
        if ahead < 0x8000 {
            reference + u64::from(ahead)
        } else {
            reference.saturating_sub(u64::from(ahead.wrapping_neg()))
        }
    }

    fn deliver(&mut self, arrival: CaptureTime) {
        while let Some(next) = self.next
            && let Some(packet) = self.held.remove(&next)
        {
            self.next = Some(next + 1);
            self.accept(&packet, arrival);
        }
        if self.held.len() as u64 > MAX_HELD {
            self.skip(arrival);
        }
    }

    fn accept(&mut self, packet: &MediaPacket, arrival: CaptureTime) {
        if self.timestamp.is_some_and(|t| t != packet.timestamp) {
            self.finish_unit(arrival);
        }
        self.timestamp = Some(packet.timestamp);
        // A packet without payload is padding, as senders use to probe for bandwidth.
        if !packet.payload.is_empty() && self.depacketizer.push(&packet.payload).is_err() {
            self.spoil();
        }
        if packet.marker {
            self.finish_unit(arrival);
        }
    }

    fn finish_unit(&mut self, arrival: CaptureTime) {
        let key = self.depacketizer.is_key();
        let data = self.depacketizer.take();
        let spoilt = std::mem::take(&mut self.spoilt);
        let Some(timestamp) = self.timestamp.take() else {
            return;
        };
        let Some(data) = data.filter(|_| !spoilt) else {
            return;
        };
        let captured = self.clock.capture_time(timestamp, arrival);
        let discontinuity = std::mem::take(&mut self.broken);
        self.units.push(Unit {
            data,
            key,
            discontinuity,
            captured,
        });
    }

    fn spoil(&mut self) {
        self.spoilt = true;
        self.broken = true;
        self.depacketizer.take();
    }

    /// Goes on behind the oldest gap.
    fn skip(&mut self, arrival: CaptureTime) {
        let Some(&first) = self.held.keys().next() else {
            return;
        };
        self.missing.retain(|&m, _| m >= first);
        self.next = Some(first);
        self.spoil();
        self.deliver(arrival);
    }

    /// Gives up what is too late; returns true when the decoder's chain is broken by it.
    pub fn handle_timeout(&mut self, now: Instant, arrival: CaptureTime) -> bool {
        let late = self
            .missing
            .values()
            .next()
            .is_some_and(|m| now.saturating_duration_since(m.since) > GIVE_UP);
        if late {
            self.skip(arrival);
        }
        late
    }

    /// Sequence numbers to ask for now.
    pub fn nacks(&mut self, now: Instant) -> Vec<u16> {
        self.missing
            .iter_mut()
            .filter(|(_, m)| {
                m.asked
                    .is_none_or(|t| now.saturating_duration_since(t) >= NACK_INTERVAL)
            })
            .take(64)
            .map(|(&index, m)| {
                m.asked = Some(now);
                index as u16
            })
            .collect()
    }

    /// When something is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let first = self.missing.values().next()?;
        Some(match first.asked {
            None => first.since,
            Some(t) => (t + NACK_INTERVAL).min(first.since + GIVE_UP),
        })
    }

    /// Access units completed since the last call.
    pub fn take_units(&mut self) -> Vec<Unit> {
        std::mem::take(&mut self.units)
    }

    /// Notes a sender report for the next reception report.
    pub fn on_sender_report(&mut self, ntp: u64, now: Instant) {
        self.report.last_sr = Some(((ntp >> 16) as u32, now));
    }

    /// The reception report for `ssrc` (RFC 3550 section 6.4.1).
    pub fn report(&mut self, ssrc: u32, now: Instant) -> ReceptionReport {
        self.report.make(ssrc, now)
    }
}

/// Maps a publisher's RTP time to our capture clock: the packet with the shortest way sets the
/// offset, which creeps forward so that a slow clock is followed.
#[derive(Debug, Default)]
struct MediaClock {
    last: Option<(u32, i64)>,
    /// Nanoseconds from media time to our clock.
    offset: i64,
}

impl MediaClock {
    /// Forward creep per second of media: 0.1 ms, more than any quartz is off.
    const CREEP_PER_SECOND: i64 = 100_000;

    fn capture_time(&mut self, timestamp: u32, arrival: CaptureTime) -> CaptureTime {
        let arrival = arrival.as_nanos() as i64;
        let (media, step) = match self.last {
            None => {
                self.offset = arrival;
                (0, 0)
            }
            Some((t, media)) => {
                let ticks = i64::from(timestamp.wrapping_sub(t) as i32);
                let step = ticks * 1_000_000_000 / i64::from(CLOCK_RATE);
                (media + step, step)
            }
        };
        self.offset += step.max(0) / 1_000_000_000 * Self::CREEP_PER_SECOND
            + step.max(0) % 1_000_000_000 * Self::CREEP_PER_SECOND / 1_000_000_000;
        // More than two seconds apart is a new start of the media clock.
        if (arrival - media - self.offset).abs() > 2_000_000_000 {
            self.offset = arrival - media;
        }
        self.offset = self.offset.min(arrival - media);
        self.last = Some((timestamp, media));
        CaptureTime::from_nanos((media + self.offset).max(0) as u64)
    }
}

/// Counters for reception reports.
#[derive(Debug, Default)]
struct Reception {
    first: Option<u64>,
    highest: u64,
    received: u64,
    prior_expected: u64,
    prior_received: u64,
    transit: Option<i64>,
    jitter: f64,
    last_sr: Option<(u32, Instant)>,
}

impl Reception {
    fn packet(&mut self, index: u64, timestamp: u32, arrival: CaptureTime) {
        self.first.get_or_insert(index);
        self.highest = self.highest.max(index);
        self.received += 1;
        let arrival_ticks =
            (u128::from(arrival.as_nanos()) * u128::from(CLOCK_RATE) / 1_000_000_000) as u32;
        let transit = i64::from(arrival_ticks.wrapping_sub(timestamp) as i32);
        if let Some(last) = self.transit {
            let d = (transit - last).unsigned_abs().min(1 << 31) as f64;
            self.jitter += (d - self.jitter) / 16.0;
        }
        self.transit = Some(transit);
    }

    fn make(&mut self, ssrc: u32, now: Instant) -> ReceptionReport {
        let expected = self
            .first
            .map_or(0, |f| (self.highest + 1).saturating_sub(f));
        let expected_now = expected - self.prior_expected.min(expected);
        let received_now = self.received - self.prior_received;
        self.prior_expected = expected;
        self.prior_received = self.received;
        let lost_now = expected_now.saturating_sub(received_now);
        let fraction_lost = (lost_now * 256)
            .checked_div(expected_now)
            .unwrap_or(0)
            .min(255) as u8;
        let (last_sender_report, delay) = self.last_sr.map_or((0, 0), |(sr, at)| {
            let since = now.saturating_duration_since(at).as_micros();
            (sr, (since * 65_536 / 1_000_000) as u32)
        });
        ReceptionReport {
            ssrc,
            fraction_lost,
            total_lost: expected.saturating_sub(self.received).min(0x7f_ffff) as u32,
            last_sequence_number: self.highest.wrapping_sub(0x1_0000) as u32,
            jitter: self.jitter as u32,
            last_sender_report,
            delay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn packet(sequence: u16, frame: u32, marker: bool, payload: &[u8]) -> MediaPacket {
        MediaPacket {
            sequence,
            timestamp: 1_000 + frame * 3_000,
            marker,
            payload: Bytes::copy_from_slice(payload),
        }
    }

    fn at(ms: u64) -> CaptureTime {
        CaptureTime::from_nanos((5_000 + ms) * 1_000_000)
    }

    #[test]
    fn packets_out_of_order_across_a_wrap_make_units_in_order() {
        let mut r = RtpReceiver::default();
        let t = Instant::now();
        r.push(t, at(0), packet(65_534, 0, true, &[0x65, 1]));
        r.push(t, at(1), packet(1, 2, true, &[0x41, 3]));
        r.push(t, at(2), packet(0, 1, true, &[0x41, 2]));
        assert_eq!(r.take_units().len(), 1, "65535 is still missing");
        assert_eq!(r.nacks(t), [65_535]);
        assert!(r.nacks(t + 10 * MS).is_empty(), "asked a moment ago");
        assert_eq!(r.nacks(t + 50 * MS), [65_535]);
        r.push(t, at(3), packet(65_535, 1, false, &[0x41, 1]));
        let units = r.take_units();
        assert_eq!(units.len(), 2);
        assert!(units.iter().all(|u| !u.discontinuity && !u.key));
        assert_eq!(
            units[0].data.as_ref(),
            [0, 0, 0, 1, 0x41, 1, 0, 0, 0, 1, 0x41, 2]
        );
        assert!(r.poll_timeout().is_none());
    }

    #[test]
    fn what_never_comes_is_given_up_and_the_break_is_marked() {
        let mut r = RtpReceiver::default();
        let t = Instant::now();
        r.push(t, at(0), packet(10, 0, true, &[0x65, 1]));
        r.push(t, at(1), packet(12, 1, true, &[0x41, 1]));
        r.push(t, at(2), packet(13, 2, true, &[0x41, 2]));
        r.take_units();
        assert!(!r.handle_timeout(t + 100 * MS, at(100)));
        assert!(r.handle_timeout(t + 500 * MS, at(500)));
        let units = r.take_units();
        assert_eq!(units.len(), 1, "the unit with the hole is not delivered");
        assert!(units[0].discontinuity);
        assert!(r.nacks(t + 500 * MS).is_empty());
    }

    #[test]
    fn capture_times_follow_the_media_clock_and_not_the_jitter() {
        let mut r = RtpReceiver::default();
        let t = Instant::now();
        let jitter = [5, 0, 9, 2, 7, 0, 3];
        for (i, j) in jitter.iter().enumerate() {
            let i = i as u64;
            let arrival = CaptureTime::from_nanos((5_000 + j) * 1_000_000 + i * 33_333_333);
            r.push(t, arrival, packet(i as u16, i as u32, true, &[0x41, 1]));
        }
        let times: Vec<u64> = r
            .take_units()
            .iter()
            .map(|u| u.captured.as_nanos())
            .collect();
        for pair in times.windows(2).skip(1) {
            let step = pair[1] - pair[0];
            assert!(step.abs_diff(33_333_333) < 50_000, "{step}");
        }
    }

    #[test]
    fn a_report_counts_what_was_lost_since_the_last() {
        let mut r = RtpReceiver::default();
        let t = Instant::now();
        for s in [1u16, 2, 3, 5, 6, 7, 8, 10] {
            r.push(t, at(u64::from(s)), packet(s, u32::from(s), true, &[0x41]));
        }
        let report = r.report(9, t);
        assert_eq!((report.ssrc, report.total_lost), (9, 2));
        assert_eq!(report.fraction_lost, (2 * 256 / 10) as u8);
        assert_eq!(report.last_sequence_number, 10);
        assert_eq!(r.report(9, t).fraction_lost, 0, "nothing new, nothing lost");
    }

    #[test]
    fn a_sender_that_starts_anew_is_followed_and_memory_stays_bounded() {
        let mut r = RtpReceiver::default();
        let t = Instant::now();
        r.push(t, at(0), packet(1, 0, true, &[0x65]));
        r.push(t, at(1), packet(20_000, 1, true, &[0x65]));
        assert_eq!(
            r.take_units().len(),
            1,
            "the unit at the jump is not trusted"
        );
        r.push(t, at(2), packet(20_001, 2, true, &[0x65]));
        assert!(r.take_units()[0].discontinuity);
        for i in 0..5_000u16 {
            r.push(t, at(3), packet(20_003 + i, 3, false, &[0x41]));
        }
        assert!(r.held.len() as u64 <= MAX_HELD + 1);
        assert!(r.missing.len() as u64 <= MAX_HELD * 4);
    }
}

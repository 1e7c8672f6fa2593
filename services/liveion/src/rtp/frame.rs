//! One access unit in packets, shared by all viewers.

use bytes::Bytes;
use livehal::{CaptureTime, PacketTiming};

use super::CLOCK_RATE;

/// An access unit packetised for RTP. The payloads lie one after the other in one buffer; only
/// headers differ between viewers.
#[derive(Debug)]
pub(crate) struct RtpFrame {
    /// Payloads, back to back.
    data: Bytes,
    /// End of each payload in `data`.
    ends: Vec<u32>,
    /// Decoding can start here.
    pub key: bool,
    /// Capture time.
    pub captured: CaptureTime,
    /// Capture time as NTP (RFC 5905: 32.32 fixed point seconds since 1900).
    pub captured_ntp: u64,
    /// Capture time on the RTP clock, without a viewer's offset.
    pub rtp_time: u32,
    /// Passage through the earlier stages.
    pub timing: PacketTiming,
}

impl RtpFrame {
    /// A frame of `data` cut at `ends`.
    pub fn new(data: Bytes, ends: Vec<u32>, key: bool, timing: PacketTiming) -> Self {
        let captured = timing.captured;
        Self {
            data,
            ends,
            key,
            captured,
            captured_ntp: ntp(captured),
            rtp_time: rtp_time(captured),
            timing,
        }
    }

    /// Number of packets.
    pub fn packets(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all payloads.
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// Payload of packet `i`; empty out of range.
    pub fn payload(&self, i: usize) -> &[u8] {
        let start = match i.checked_sub(1) {
            None => 0,
            Some(p) => self.ends.get(p).copied().unwrap_or(u32::MAX) as usize,
        };
        let end = self.ends.get(i).copied().unwrap_or(0) as usize;
        self.data.get(start..end).unwrap_or_default()
    }
}

/// `t` on the 90 kHz clock, wrapped.
pub(crate) fn rtp_time(t: CaptureTime) -> u32 {
    (u128::from(t.as_nanos()) * u128::from(CLOCK_RATE) / 1_000_000_000) as u32
}

/// `t` as an NTP time stamp.
pub(crate) fn ntp(t: CaptureTime) -> u64 {
    const UNIX_TO_NTP: u64 = 2_208_988_800;
    let unix = t.to_unix();
    let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
    ((unix.as_secs() + UNIX_TO_NTP) << 32) | fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_cut_at_their_ends() {
        let f = RtpFrame::new(
            Bytes::from_static(b"aabbbc"),
            vec![2, 5, 6],
            true,
            PacketTiming::default(),
        );
        assert_eq!(f.packets(), 3);
        assert_eq!(f.payload(0), b"aa");
        assert_eq!(f.payload(1), b"bbb");
        assert_eq!(f.payload(2), b"c");
        assert_eq!(f.payload(3), b"");
        assert_eq!(f.payload(usize::MAX), b"");
    }

    #[test]
    fn rtp_time_advances_with_the_capture_clock_and_wraps() {
        let day = 86_400_000_000_000;
        let a = rtp_time(CaptureTime::from_nanos(day));
        let b = rtp_time(CaptureTime::from_nanos(day + 1_000_000_000 / 30));
        assert_eq!(
            b.wrapping_sub(a),
            2_999,
            "30 fps is 3,000 ticks, cut to whole ticks"
        );
        assert_eq!(
            a,
            ((86_400u64 * 90_000) % (1 << 32)) as u32,
            "a day is past the wrap of 13 hours"
        );
    }

    #[test]
    fn ntp_counts_from_1900() {
        let now = CaptureTime::now();
        let seconds = (ntp(now) >> 32) - 2_208_988_800;
        let unix = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        assert!(unix.abs_diff(seconds) <= 1);
    }
}

//! Incoming media: order, loss, retransmission, access units.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use bytes::{Buf, Bytes, BytesMut};
use rtc_rtp::header::Header;
use rtc_shared::marshal::Unmarshal;

use crate::depacketize::Assembler;
use crate::sdp::Answer;

/// A NACK goes out with the packet that shows the gap, and again after this.
const NACK_REPEAT: Duration = Duration::from_millis(40);
/// A packet missing for this long is given up.
const GIVE_UP: Duration = Duration::from_millis(500);
/// Seconds between the NTP epoch (1900) and the Unix epoch.
const NTP_OFFSET_S: u64 = 2_208_988_800;

/// One complete access unit.
#[derive(Debug, Clone)]
pub struct AccessUnit {
    /// Annex B.
    pub data: Vec<u8>,
    /// NAL unit types in order.
    pub nal_types: Vec<u8>,
    /// RTP time stamp.
    pub rtp_timestamp: u32,
    /// Capture time from `abs-capture-time`, nanoseconds since the epoch.
    pub capture_ns: Option<u64>,
    /// When its first packet arrived.
    pub first_ns: u64,
    /// When its last packet arrived.
    pub last_ns: u64,
    /// Packets it came in.
    pub packets: u32,
    /// Some of them came late, after a gap or by retransmission.
    pub repaired: bool,
    /// A packet before it was given up and no key frame came since.
    pub after_gap: bool,
}

impl AccessUnit {
    /// Whether it holds an IDR picture.
    pub fn is_key(&self) -> bool {
        self.nal_types.contains(&5)
    }

    /// An IDR picture with its parameter sets before it.
    pub fn is_complete_key(&self) -> bool {
        let at = |kind| self.nal_types.iter().position(|&t| t == kind);
        match (at(7), at(8), at(5)) {
            (Some(sps), Some(pps), Some(idr)) => sps < idr && pps < idr,
            _ => false,
        }
    }
}

/// What a receiver counted.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    /// Media packets, retransmissions not included.
    pub packets: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Packets that were missing at some time.
    pub gaps: u64,
    /// Packets that came by RTX.
    pub rtx: u64,
    /// Packets given up.
    pub lost: u64,
    /// Duplicates and packets too late to matter.
    pub late: u64,
    /// Access units with a packet missing or a payload error.
    pub broken: u64,
    /// RTX packets without media: padding or probes.
    pub padding: u64,
    /// Text of the last payload error.
    pub last_error: String,
}

struct Packet {
    header: Header,
    payload: Bytes,
    arrived_ns: u64,
    repaired: bool,
}

#[derive(Debug)]
struct Missing {
    since: Instant,
    nacked: Option<Instant>,
}

struct Unit {
    assembler: Result<Assembler>,
    timestamp: u32,
    capture_ns: Option<u64>,
    first_ns: u64,
    last_ns: u64,
    packets: u32,
    repaired: bool,
}

/// Reassembly of one video stream.
pub struct Receiver {
    pt: u8,
    rtx_pt: Option<u8>,
    capture_id: Option<u8>,
    twcc_id: Option<u8>,
    /// SSRC of the media, once a packet came.
    pub ssrc: Option<u32>,
    highest: u64,
    next: Option<u64>,
    buffer: BTreeMap<u64, Packet>,
    missing: BTreeMap<u64, Missing>,
    unit: Option<Unit>,
    gap: bool,
    /// A key frame is needed to go on.
    pub want_key: bool,
    /// What happened so far.
    pub counters: Counters,
    base: u64,
}

/// What one RTP packet was, for congestion feedback.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Transport-wide sequence number, if it had one.
    pub transport_seq: Option<u16>,
}

impl Receiver {
    /// A receiver of what `answer` agreed to.
    pub fn new(answer: &Answer) -> Self {
        Self {
            pt: answer.h264,
            rtx_pt: answer.rtx,
            capture_id: answer.extension("abs-capture-time"),
            twcc_id: answer.extension("transport-wide-cc-extensions-01"),
            ssrc: None,
            highest: 0,
            next: None,
            buffer: BTreeMap::new(),
            missing: BTreeMap::new(),
            unit: None,
            gap: false,
            want_key: false,
            counters: Counters::default(),
            base: 0,
        }
    }

    /// Takes one RTP packet and appends the access units it completes to `out`.
    ///
    /// # Errors
    /// When the packet is not RTP of this stream.
    pub fn push(
        &mut self,
        now: Instant,
        arrived_ns: u64,
        mut packet: BytesMut,
        out: &mut Vec<AccessUnit>,
    ) -> Result<Seen> {
        let header = Header::unmarshal(&mut packet).map_err(|e| anyhow!("RTP header: {e}"))?;
        let seen = Seen {
            transport_seq: self.twcc_id.and_then(|id| {
                let value = header.get_extension(id)?;
                Some(u16::from_be_bytes(value.get(..2)?.try_into().ok()?))
            }),
        };
        let mut payload = packet.freeze();
        strip_padding(&header, &mut payload)?;
        if Some(header.payload_type) == self.rtx_pt {
            self.push_rtx(arrived_ns, header, payload);
        } else if header.payload_type == self.pt {
            self.push_media(now, arrived_ns, header, payload);
        } else {
            return Err(anyhow!("payload type {}", header.payload_type));
        }
        self.release(out);
        Ok(seen)
    }

    fn push_media(&mut self, now: Instant, arrived_ns: u64, header: Header, payload: Bytes) {
        self.counters.packets += 1;
        self.counters.bytes += payload.len() as u64;
        self.ssrc.get_or_insert(header.ssrc);
        let seq = self.extend(header.sequence_number);
        if self.next.is_none() {
            self.next = Some(seq);
            self.base = seq;
            self.highest = seq;
        }
        for gap in self.highest + 1..seq {
            self.counters.gaps += 1;
            let fresh = Missing {
                since: now,
                nacked: None,
            };
            self.missing.insert(gap, fresh);
        }
        self.highest = self.highest.max(seq);
        self.store(seq, header, payload, arrived_ns);
    }

    /// RFC 4588 section 4: the payload begins with the original sequence number.
    fn push_rtx(&mut self, arrived_ns: u64, mut header: Header, mut payload: Bytes) {
        if payload.len() < 2 {
            self.counters.padding += 1;
            return;
        }
        self.counters.rtx += 1;
        let original = payload.get_u16();
        header.sequence_number = original;
        let seq = self.extend(original);
        self.store(seq, header, payload, arrived_ns);
    }

    fn store(&mut self, seq: u64, header: Header, payload: Bytes, arrived_ns: u64) {
        let repaired = self.missing.remove(&seq).is_some();
        if self.next.is_none_or(|n| seq < n) || self.buffer.contains_key(&seq) {
            self.counters.late += 1;
            return;
        }
        let packet = Packet {
            header,
            payload,
            arrived_ns,
            repaired,
        };
        self.buffer.insert(seq, packet);
    }

    /// RFC 3711 appendix A's guess, around the highest sequence number so far.
    fn extend(&self, seq: u16) -> u64 {
        if self.next.is_none() {
            return (1 << 16) + u64::from(seq);
        }
        let delta = seq.wrapping_sub(self.highest as u16) as i16;
        self.highest.saturating_add_signed(i64::from(delta))
    }

    fn release(&mut self, out: &mut Vec<AccessUnit>) {
        while let Some(next) = self.next {
            let Some(packet) = self.buffer.remove(&next) else {
                return;
            };
            self.next = Some(next + 1);
            self.assemble(packet, out);
        }
    }

    fn assemble(&mut self, packet: Packet, out: &mut Vec<AccessUnit>) {
        let timestamp = packet.header.timestamp;
        if self.unit.as_ref().is_some_and(|u| u.timestamp != timestamp) {
            self.broken("access unit without a marker".into());
        }
        let capture_id = self.capture_id;
        let unit = self.unit.get_or_insert_with(|| Unit {
            assembler: Ok(Assembler::default()),
            timestamp,
            capture_ns: None,
            first_ns: packet.arrived_ns,
            last_ns: 0,
            packets: 0,
            repaired: false,
        });
        unit.packets += 1;
        unit.repaired |= packet.repaired;
        unit.last_ns = unit.last_ns.max(packet.arrived_ns);
        unit.first_ns = unit.first_ns.min(packet.arrived_ns);
        if let Some(ntp) = capture_id.and_then(|id| packet.header.get_extension(id)) {
            unit.capture_ns = ntp_to_ns(&ntp).or(unit.capture_ns);
        }
        if let Ok(assembler) = &mut unit.assembler
            && let Err(e) = assembler.push(&packet.payload)
        {
            unit.assembler = Err(e);
        }
        if packet.header.marker {
            self.finish(out);
        }
    }

    fn finish(&mut self, out: &mut Vec<AccessUnit>) {
        let Some(unit) = self.unit.take() else {
            return;
        };
        match unit.assembler.and_then(Assembler::finish) {
            Ok((data, nal_types)) => {
                let mut au = AccessUnit {
                    data,
                    nal_types,
                    rtp_timestamp: unit.timestamp,
                    capture_ns: unit.capture_ns,
                    first_ns: unit.first_ns,
                    last_ns: unit.last_ns,
                    packets: unit.packets,
                    repaired: unit.repaired,
                    after_gap: false,
                };
                if au.is_complete_key() {
                    self.gap = false;
                    self.want_key = false;
                }
                au.after_gap = self.gap;
                out.push(au);
            }
            Err(e) => {
                self.broken(format!("{e:#}"));
            }
        }
    }

    fn broken(&mut self, why: String) {
        self.unit = None;
        self.counters.broken += 1;
        self.counters.last_error = why;
        self.gap = true;
        self.want_key = true;
    }

    /// Sequence numbers to ask for now; gives up what has been missing too long.
    pub fn nacks(&mut self, now: Instant, out: &mut Vec<AccessUnit>) -> Vec<u16> {
        let mut ask = Vec::new();
        let mut give_up = false;
        for (&seq, m) in &mut self.missing {
            if now - m.since > GIVE_UP {
                give_up = true;
            } else if m.nacked.is_none_or(|t| now - t >= NACK_REPEAT) {
                m.nacked = Some(now);
                ask.push(seq as u16);
            }
        }
        if give_up {
            self.give_up(now, out);
        }
        ask
    }

    fn give_up(&mut self, now: Instant, out: &mut Vec<AccessUnit>) {
        let before = self.missing.len();
        self.missing.retain(|_, m| now - m.since <= GIVE_UP);
        self.counters.lost += (before - self.missing.len()) as u64;
        let first_wanted = self.missing.keys().next().copied();
        let first_here = self.buffer.keys().next().copied();
        self.broken("packets given up".into());
        self.next = match (first_wanted, first_here) {
            (Some(w), Some(h)) => Some(w.min(h)),
            (one, other) => one.or(other).or(Some(self.highest + 1)),
        };
        self.release(out);
    }

    /// When [`Self::nacks`] has something to do, at the latest.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.missing
            .values()
            .map(|m| match m.nacked {
                None => m.since,
                Some(t) => (t + NACK_REPEAT).min(m.since + GIVE_UP),
            })
            .min()
    }

    /// (packets expected, extended highest sequence number), for a receiver report.
    pub fn expected(&self) -> (u64, u32) {
        match self.next {
            None => (0, 0),
            Some(_) => (self.highest - self.base + 1, self.highest as u32),
        }
    }
}

fn strip_padding(header: &Header, payload: &mut Bytes) -> Result<()> {
    if !header.padding {
        return Ok(());
    }
    let length = usize::from(*payload.last().unwrap_or(&0));
    if length == 0 || length > payload.len() {
        return Err(anyhow!("RTP padding of {length} bytes"));
    }
    payload.truncate(payload.len() - length);
    Ok(())
}

/// UQ32.32 NTP time to nanoseconds since the Unix epoch.
fn ntp_to_ns(value: &[u8]) -> Option<u64> {
    let ntp = u64::from_be_bytes(value.get(..8)?.try_into().ok()?);
    let seconds = (ntp >> 32).checked_sub(NTP_OFFSET_S)?;
    let fraction = ((ntp & 0xffff_ffff) * 1_000_000_000) >> 32;
    Some(seconds * 1_000_000_000 + fraction)
}

/// Nanoseconds since the Unix epoch to UQ32.32 NTP time.
pub fn ns_to_ntp(ns: u64) -> u64 {
    let seconds = ns / 1_000_000_000 + NTP_OFFSET_S;
    let fraction = ((ns % 1_000_000_000) << 32) / 1_000_000_000;
    (seconds << 32) | fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receiver() -> Receiver {
        let mut answer = Answer::parse(crate::sdp::test_answer()).unwrap();
        answer.rtx = Some(103);
        Receiver::new(&answer)
    }

    fn packet(pt: u8, seq: u16, ts: u32, marker: bool, payload: &[u8]) -> BytesMut {
        let mut p = vec![0x80, pt | if marker { 0x80 } else { 0 }];
        p.extend_from_slice(&seq.to_be_bytes());
        p.extend_from_slice(&ts.to_be_bytes());
        p.extend_from_slice(&7u32.to_be_bytes());
        p.extend_from_slice(payload);
        BytesMut::from(p.as_slice())
    }

    const KEY: [u8; 11] = [0x78, 0, 2, 0x67, 1, 0, 1, 0x68, 0, 1, 0x65];

    #[test]
    fn a_hole_is_asked_for_and_filled_by_rtx() {
        let (now, mut out) = (Instant::now(), Vec::new());
        let mut r = receiver();
        r.push(now, 1, packet(102, 65535, 10, true, &KEY), &mut out)
            .unwrap();
        r.push(now, 2, packet(102, 1, 30, true, &[0x41, 3]), &mut out)
            .unwrap();
        assert_eq!(out.len(), 1);
        assert!(out[0].is_complete_key());
        assert_eq!(r.nacks(now, &mut out), [0]);
        assert!(r.nacks(now, &mut out).is_empty());
        r.push(now, 3, packet(103, 9, 20, true, &[0, 0, 0x41, 2]), &mut out)
            .unwrap();
        let stamps: Vec<u32> = out.iter().map(|u| u.rtp_timestamp).collect();
        assert_eq!(stamps, [10, 20, 30]);
        assert!(out[1].repaired && !out[2].after_gap);
    }

    #[test]
    fn a_hole_never_filled_breaks_the_chain_until_the_next_key_frame() {
        let (now, mut out) = (Instant::now(), Vec::new());
        let mut r = receiver();
        r.push(now, 1, packet(102, 5, 10, true, &KEY), &mut out)
            .unwrap();
        r.push(now, 2, packet(102, 7, 30, true, &[0x41, 3]), &mut out)
            .unwrap();
        r.nacks(now + GIVE_UP + Duration::from_millis(1), &mut out);
        assert!(r.want_key && out[1].after_gap);
        r.push(now, 3, packet(102, 8, 40, true, &KEY), &mut out)
            .unwrap();
        assert!(!r.want_key && !out[2].after_gap);
        assert_eq!(r.counters.lost, 1);
    }

    #[test]
    fn ntp_time_goes_both_ways() {
        let ns = 1_700_000_000_123_456_789;
        let back = ntp_to_ns(&ns_to_ntp(ns).to_be_bytes()).unwrap();
        assert!(ns - back <= 1, "{back}");
    }
}

//! The sending side of a viewer: sequence numbers, retransmission, catching up from the cache.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::{Batch, Path};
use super::congestion::Congestion;
use super::srtp::{RtpProtector, SrtpError};
use crate::rtp::{HeaderTemplate, PacketFields, RtpFrame};

/// How long a packet can be retransmitted. Later than this its picture has been given up.
const HISTORY: Duration = Duration::from_secs(1);
/// A packet is not retransmitted again within this time: the first copy is still on its way.
const RESEND_INTERVAL: Duration = Duration::from_millis(20);
/// Retransmissions may use this share of what was sent lately, plus [`RESEND_FLOOR`].
const RESEND_SHARE: usize = 2;
/// Bytes of retransmission per second that are always allowed.
const RESEND_FLOOR: usize = 64 * 1024;

/// One frame that was sent.
#[derive(Debug)]
struct Sent {
    /// Packet index (roll-over counter and sequence number) of its first packet.
    first: u64,
    /// Transport-wide sequence number of its first packet.
    transport: u16,
    timestamp: u32,
    at: Instant,
    frame: Arc<RtpFrame>,
    /// When each packet was last retransmitted; empty until one is.
    resent: Vec<Option<Instant>>,
}

/// Counters of one sender.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SenderStats {
    /// Packets, retransmissions not included.
    pub packets: u64,
    /// Bytes of their payloads.
    pub octets: u64,
    /// Bytes on the wire, retransmissions included.
    pub wire_bytes: u64,
    /// Packets retransmitted.
    pub retransmitted: u64,
    /// Retransmissions refused, for age or budget.
    pub retransmit_refused: u64,
}

/// Sends frames to one viewer.
#[derive(Debug)]
pub(crate) struct RtpSender {
    media: HeaderTemplate,
    rtx: Option<HeaderTemplate>,
    next: u64,
    next_rtx: u64,
    next_transport: u16,
    sent: VecDeque<Sent>,
    resend_budget: usize,
    budget_at: Option<Instant>,
    recent_bytes: usize,
    /// Counters.
    pub stats: SenderStats,
}

impl RtpSender {
    /// Starts at the given random sequence numbers (RFC 3550 section 5.1). The first packet index
    /// has a roll-over counter of zero, so a random start below 2^15 keeps the peer's guess right
    /// even when the first packets are lost (RFC 3711 section 3.3.1).
    pub fn new(media: HeaderTemplate, rtx: Option<HeaderTemplate>, sequence: u16) -> Self {
        Self {
            media,
            rtx,
            next: u64::from(sequence & 0x7fff),
            next_rtx: u64::from(sequence.rotate_left(5) & 0x7fff),
            next_transport: 0,
            sent: VecDeque::new(),
            resend_budget: RESEND_FLOOR,
            budget_at: None,
            recent_bytes: 0,
            stats: SenderStats::default(),
        }
    }

    /// Synchronisation source of the media.
    pub fn ssrc(&self) -> u32 {
        self.media.ssrc
    }

    /// Sends one frame with the given RTP time.
    pub fn send(
        &mut self,
        now: Instant,
        frame: &Arc<RtpFrame>,
        timestamp: u32,
        io: &mut Outlet<'_>,
    ) -> Result<(), SrtpError> {
        let sent = Sent {
            first: self.next,
            transport: self.next_transport,
            timestamp,
            at: now,
            frame: Arc::clone(frame),
            resent: Vec::new(),
        };
        for i in 0..frame.packets() {
            let bytes = write_media(&self.media, &sent, i, io)?;
            let transport = sent.transport.wrapping_add(i as u16);
            io.congestion.sent(now, transport, bytes);
            self.stats.wire_bytes += bytes as u64;
            self.recent_bytes += bytes;
        }
        self.next += frame.packets() as u64;
        self.next_transport = self.next_transport.wrapping_add(frame.packets() as u16);
        self.stats.packets += frame.packets() as u64;
        self.stats.octets += frame.bytes() as u64;
        self.sent.push_back(sent);
        while self
            .sent
            .front()
            .is_some_and(|s| now.saturating_duration_since(s.at) > HISTORY)
        {
            self.sent.pop_front();
        }
        Ok(())
    }

    /// Sends again what a NACK names, within reason.
    pub fn retransmit(
        &mut self,
        now: Instant,
        sequence: u16,
        io: &mut Outlet<'_>,
    ) -> Result<(), SrtpError> {
        self.refill(now);
        let Some((slot, i)) = self.find(sequence) else {
            self.stats.retransmit_refused += 1;
            return Ok(());
        };
        let Some(sent) = self.sent.get_mut(slot) else {
            return Ok(());
        };
        let size = sent.frame.payload(i).len();
        if sent.resent.is_empty() {
            sent.resent = vec![None; sent.frame.packets()];
        }
        let Some(last) = sent.resent.get_mut(i) else {
            return Ok(());
        };
        let in_flight = last.is_some_and(|t| now.saturating_duration_since(t) < RESEND_INTERVAL);
        if in_flight || size > self.resend_budget {
            self.stats.retransmit_refused += 1;
            return Ok(());
        }
        *last = Some(now);
        self.resend_budget -= size;
        let bytes = match self.rtx {
            Some(rtx) => {
                let index = self.next_rtx;
                self.next_rtx += 1;
                let transport = self.next_transport;
                self.next_transport = self.next_transport.wrapping_add(1);
                let bytes = write_rtx(&rtx, sent, i, index, transport, io)?;
                io.congestion.sent(now, transport, bytes);
                bytes
            }
            // Without RTX the very same bytes go out again: another header under the same packet
            // index would be another message under the same nonce.
            None => write_media(&self.media, sent, i, io)?,
        };
        self.stats.retransmitted += 1;
        self.stats.wire_bytes += bytes as u64;
        Ok(())
    }

    fn find(&self, sequence: u16) -> Option<(usize, usize)> {
        let behind = (self.next as u16).wrapping_sub(sequence);
        let index = self.next.checked_sub(u64::from(behind))?;
        let slot = self
            .sent
            .partition_point(|s| s.first <= index)
            .checked_sub(1)?;
        let i = (index - self.sent.get(slot)?.first) as usize;
        (i < self.sent.get(slot)?.frame.packets()).then_some((slot, i))
    }

    /// Fills the budget at the rate that was sent lately, up to what [`HISTORY`] holds.
    fn refill(&mut self, now: Instant) {
        let elapsed = self
            .budget_at
            .map_or(Duration::ZERO, |t| now.saturating_duration_since(t));
        self.budget_at = Some(now);
        let floor = RESEND_FLOOR as f64 * elapsed.as_secs_f64().min(1.0);
        let share = std::mem::take(&mut self.recent_bytes) / RESEND_SHARE;
        let history: usize = self.sent.iter().map(|s| s.frame.bytes()).sum();
        let most = RESEND_FLOOR.max(history / RESEND_SHARE);
        self.resend_budget = (self.resend_budget + floor as usize + share).min(most);
    }
}

/// Where packets go and what guards them on the way.
pub(crate) struct Outlet<'a> {
    /// Collects the datagrams.
    pub batch: &'a mut Batch,
    /// Where they go.
    pub path: Path,
    /// SRTP.
    pub protector: &'a mut RtpProtector,
    /// Remembers when each left.
    pub congestion: &'a mut Congestion,
}

fn write_media(
    template: &HeaderTemplate,
    sent: &Sent,
    i: usize,
    io: &mut Outlet<'_>,
) -> Result<usize, SrtpError> {
    let index = sent.first + i as u64;
    let fields = PacketFields {
        marker: i + 1 == sent.frame.packets(),
        sequence: index as u16,
        timestamp: sent.timestamp,
        transport_sequence: sent.transport.wrapping_add(i as u16),
        captured_ntp: sent.frame.captured_ntp,
    };
    write(template, fields, index, &[], sent.frame.payload(i), io)
}

/// A retransmission: the original sequence number in front of the payload (RFC 4588 section 4).
fn write_rtx(
    template: &HeaderTemplate,
    sent: &Sent,
    i: usize,
    index: u64,
    transport: u16,
    io: &mut Outlet<'_>,
) -> Result<usize, SrtpError> {
    let original = (sent.first + i as u64) as u16;
    let fields = PacketFields {
        marker: i + 1 == sent.frame.packets(),
        sequence: index as u16,
        timestamp: sent.timestamp,
        transport_sequence: transport,
        captured_ntp: sent.frame.captured_ntp,
    };
    let prefix = original.to_be_bytes();
    write(template, fields, index, &prefix, sent.frame.payload(i), io)
}

fn write(
    template: &HeaderTemplate,
    fields: PacketFields,
    index: u64,
    prefix: &[u8],
    payload: &[u8],
    io: &mut Outlet<'_>,
) -> Result<usize, SrtpError> {
    let Outlet {
        batch,
        path,
        protector,
        ..
    } = io;
    batch.datagram(*path, |out| {
        let start = out.len();
        let header = template.write(out, fields);
        out.extend_from_slice(prefix);
        out.extend_from_slice(payload);
        protector.protect(out, start, header, template.ssrc, index)
    })
}

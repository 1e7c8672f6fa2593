//! A publisher: its packets become access units of a stream.

use std::time::{Duration, Instant};

use bytes::Bytes;
use livehal::CaptureTime;
use rtc_rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc_rtp::header::Header;
use rtc_shared::marshal::{MarshalSize, Unmarshal};

use super::batch::Batch;
use super::receiver::{MediaPacket, RtpReceiver, Unit};
use super::rtcp::{self, Feedback};
use super::sdp::Negotiated;
use super::transport::Transport;

/// Time from one receiver report to the next.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);

/// What a publisher may send at most, in bit/s; told to it by REMB.
const MAX_BITRATE: f32 = 20e6;

/// One publisher's stream.
#[derive(Debug)]
pub(crate) struct Publisher {
    payload_type: u8,
    rtx_payload_type: Option<u8>,
    /// Learnt from the first packet of the payload type: browsers that negotiate by MID announce
    /// no source.
    media_ssrc: Option<u32>,
    ssrc: u32,
    cname: String,
    receiver: RtpReceiver,
    report_due: Option<Instant>,
    want_key: bool,
    key_asked: Option<Instant>,
}

impl Publisher {
    /// A publisher that got the answer `negotiated`; `ssrc` is the source of our reports.
    pub fn new(negotiated: &Negotiated, ssrc: u32, cname: String) -> Self {
        Self {
            payload_type: negotiated.payload.number,
            rtx_payload_type: negotiated.rtx,
            media_ssrc: None,
            ssrc,
            cname,
            receiver: RtpReceiver::default(),
            report_due: None,
            want_key: false,
            key_asked: None,
        }
    }

    /// Takes an RTP packet, decrypted. Malformed ones are dropped.
    pub fn on_rtp(&mut self, now: Instant, packet: Bytes) {
        let Some((header, payload)) = split(&packet) else {
            return;
        };
        let arrival = CaptureTime::now();
        if header.payload_type == self.payload_type {
            let known = *self.media_ssrc.get_or_insert(header.ssrc);
            if known != header.ssrc {
                return;
            }
            self.report_due.get_or_insert(now);
            self.push(now, arrival, &header, header.sequence_number, payload);
        } else if Some(header.payload_type) == self.rtx_payload_type
            && let Some((original, rest)) = payload.split_first_chunk::<2>()
        {
            let sequence = u16::from_be_bytes(*original);
            let rest = payload.slice_ref(rest);
            self.push(now, arrival, &header, sequence, rest);
        }
    }

    fn push(
        &mut self,
        now: Instant,
        arrival: CaptureTime,
        header: &Header,
        sequence: u16,
        payload: Bytes,
    ) {
        let packet = MediaPacket {
            sequence,
            timestamp: header.timestamp,
            marker: header.marker,
            payload,
        };
        self.receiver.push(now, arrival, packet);
    }

    /// Takes RTCP; true when the publisher leaves.
    pub fn on_feedback(&mut self, now: Instant, feedback: &[Feedback]) -> bool {
        let mut bye = false;
        for f in feedback {
            match f {
                Feedback::Sender(report) => self.receiver.on_sender_report(report.ntp_time, now),
                Feedback::Bye => bye = true,
                _ => {}
            }
        }
        bye
    }

    /// Access units completed since the last call.
    pub fn take_units(&mut self) -> Vec<Unit> {
        let units = self.receiver.take_units();
        // What follows a break does not decode before a key frame.
        self.want_key |= units.iter().any(|u| u.discontinuity && !u.key);
        units
    }

    /// Asks the publisher for a key frame; the caller limits the rate.
    pub fn request_keyframe(&mut self, now: Instant, transport: &mut Transport, batch: &mut Batch) {
        if let Some(media) = self.media_ssrc {
            self.key_asked = Some(now);
            self.want_key = false;
            transport.send_rtcp(rtcp::picture_loss(self.ssrc, media), batch);
        }
    }

    /// Sends what is due.
    pub fn handle_timeout(&mut self, now: Instant, transport: &mut Transport, batch: &mut Batch) {
        let Some(media) = self.media_ssrc else {
            return;
        };
        self.want_key |= self.receiver.handle_timeout(now, CaptureTime::now());
        let lost = self.receiver.nacks(now);
        if !lost.is_empty() {
            transport.send_rtcp(rtcp::nack(self.ssrc, media, &lost), batch);
        }
        let asked_lately = self
            .key_asked
            .is_some_and(|t| now.saturating_duration_since(t) < super::gate::KEYFRAME_INTERVAL);
        if self.want_key && !asked_lately {
            self.request_keyframe(now, transport, batch);
        }
        if self.report_due.is_some_and(|t| now >= t) {
            self.report_due = Some(now + REPORT_INTERVAL);
            let report = self.receiver.report(media, now);
            let remb = ReceiverEstimatedMaximumBitrate {
                sender_ssrc: self.ssrc,
                bitrate: MAX_BITRATE,
                ssrcs: vec![media],
            };
            let report = rtcp::receiver_report(self.ssrc, vec![report], &self.cname, Some(remb));
            transport.send_rtcp(report, batch);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let missing = self.receiver.poll_timeout();
        match (missing, self.report_due) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

/// Header and payload, without padding.
fn split(packet: &Bytes) -> Option<(Header, Bytes)> {
    let header = Header::unmarshal(&mut packet.as_ref()).ok()?;
    let mut end = packet.len();
    if header.padding {
        let padding = usize::from(*packet.last()?);
        end = end.checked_sub(padding.max(1))?;
    }
    let start = header.marshal_size();
    (start <= end).then(|| (header, packet.slice(start..end)))
}

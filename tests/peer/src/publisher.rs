//! A WHIP publisher, and a small camera to feed it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bytes::{BufMut, Bytes, BytesMut};
use rtc_rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtc_rtp::codec::h264::H264Payloader;
use rtc_rtp::packetizer::Payloader;

use crate::feedback;
use crate::http::{Client, Resource};
use crate::receiver::ns_to_ntp;
use crate::sdp::{Answer, Direction, Offer};
use crate::session::{Event, Identity, Oddities, Protection, Session};
use crate::swarm::{Handle, Role};
use crate::wall_ns;

/// Payload bytes of a packet.
const MTU: usize = 1150;
/// Packets kept for retransmission.
const HISTORY: usize = 1024;
const REPORT: Duration = Duration::from_secs(1);

/// How a publisher behaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct PublisherOptions {
    /// SRTP protection offered.
    pub protection: Protection,
    /// Leave out one packet in so many; it is sent only when asked for. 0: none.
    pub drop_every: u64,
}

/// What the server asked of a publisher.
#[derive(Debug, Default)]
pub struct PublisherShared {
    /// DTLS done.
    pub secured: AtomicBool,
    /// The server closed the connection.
    pub closed: AtomicBool,
    /// Key-frame requests.
    pub keyframe_requests: AtomicU64,
    /// Packets asked for again.
    pub nacked: AtomicU64,
    /// Packets sent, retransmissions included.
    pub packets: AtomicU64,
    key_wanted: AtomicBool,
    failed: Mutex<Option<String>>,
    oddities: Mutex<Oddities>,
}

impl PublisherShared {
    /// Takes the request for a key frame, if there is one.
    pub fn take_key_wanted(&self) -> bool {
        self.key_wanted.swap(false, Ordering::Relaxed)
    }

    /// Things that should not happen.
    pub fn oddities(&self) -> Oddities {
        self.oddities
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Why the publisher gave up, if it did.
    pub fn failure(&self) -> Option<String> {
        self.failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

pub(crate) enum Command {
    Frame {
        data: Bytes,
        rtp_timestamp: u32,
        capture_ns: u64,
    },
    Raw(Vec<u8>),
    Rtp(Vec<u8>),
}

/// A publisher in a [`crate::Swarm`].
#[derive(Debug)]
pub struct Publisher {
    /// The session on the server.
    pub resource: Resource,
    /// The answer, read.
    pub answer: Answer,
    /// What the server asked for.
    pub shared: Arc<PublisherShared>,
    handle: Handle<Command>,
    client: Client,
}

pub(crate) struct Prepared {
    pub resource: Resource,
    pub answer: Answer,
    pub identity: Identity,
    shared: Arc<PublisherShared>,
    ssrc: u32,
    rtx_ssrc: u32,
    options: PublisherOptions,
}

pub(crate) fn prepare(
    client: &Client,
    stream: &str,
    options: &PublisherOptions,
) -> Result<Prepared> {
    let identity = Identity::new()?;
    let ssrc = fastrand::u32(2..u32::MAX - 1);
    let sdp = Offer {
        direction: Direction::Send,
        ufrag: identity.ice.0.clone(),
        pwd: identity.ice.1.clone(),
        fingerprint: identity.fingerprint.clone(),
        ssrc,
        rtx_ssrc: ssrc + 1,
        rtx: true,
        transport_cc: false,
        profile: "42e01f".to_owned(),
    }
    .to_sdp();
    let resource = client.offer(&format!("/whip/{stream}"), &sdp)?;
    let answer = Answer::parse(&resource.answer)?;
    Ok(Prepared {
        resource,
        answer,
        identity,
        shared: Arc::default(),
        ssrc,
        rtx_ssrc: ssrc + 1,
        options: *options,
    })
}

impl Publisher {
    pub(crate) fn new(prepared: Prepared, client: Client, handle: Handle<Command>) -> Self {
        Self {
            resource: prepared.resource,
            answer: prepared.answer,
            shared: prepared.shared,
            handle,
            client,
        }
    }

    /// Sends one access unit in Annex B form.
    pub fn send(&self, data: impl Into<Bytes>, rtp_timestamp: u32, capture_ns: u64) {
        self.handle.command(Command::Frame {
            data: data.into(),
            rtp_timestamp,
            capture_ns,
        });
    }

    /// Sends these bytes as they are.
    pub fn send_raw(&self, datagram: Vec<u8>) {
        self.handle.command(Command::Raw(datagram));
    }

    /// Sends these bytes as SRTP.
    pub fn send_rtp(&self, plain: Vec<u8>) {
        self.handle.command(Command::Rtp(plain));
    }

    /// Vanishes: no more sending, no more reading, no goodbye.
    pub fn vanish(&self) {
        self.handle.vanish();
    }

    /// Waits for DTLS.
    ///
    /// # Errors
    /// After `limit` or when the connection failed.
    pub fn wait_secured(&self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !self.shared.secured.load(Ordering::Relaxed) {
            if let Some(why) = self.shared.failure() {
                bail!("publisher failed: {why}");
            }
            if Instant::now() > deadline {
                bail!("publisher not connected within {limit:?}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Ends the session by DELETE.
    ///
    /// # Errors
    /// When the server does not answer 2xx.
    pub fn delete(&self) -> Result<()> {
        let reply = self
            .client
            .request("DELETE", &self.resource.url, None, b"")?;
        if reply.status / 100 != 2 {
            bail!("DELETE {}: {}", self.resource.url, reply.status);
        }
        Ok(())
    }
}

/// The part of a publisher that lives in the swarm's thread.
pub(crate) struct PublisherRole {
    shared: Arc<PublisherShared>,
    payloader: H264Payloader,
    pt: u8,
    rtx_pt: Option<u8>,
    capture_id: Option<u8>,
    ssrc: u32,
    rtx_ssrc: u32,
    seq: u16,
    rtx_seq: u16,
    history: VecDeque<(u16, Vec<u8>)>,
    resend: Vec<u16>,
    options: PublisherOptions,
    sent: (u32, u32),
    last_frame: Option<(u32, u64)>,
    next_report: Instant,
}

impl PublisherRole {
    pub(crate) fn new(prepared: &Prepared) -> Self {
        Self {
            shared: Arc::clone(&prepared.shared),
            payloader: H264Payloader::default(),
            pt: prepared.answer.h264,
            rtx_pt: prepared.answer.rtx,
            capture_id: prepared.answer.extension("abs-capture-time"),
            ssrc: prepared.ssrc,
            rtx_ssrc: prepared.rtx_ssrc,
            seq: fastrand::u16(..),
            rtx_seq: fastrand::u16(..),
            history: VecDeque::new(),
            resend: Vec::new(),
            options: prepared.options,
            sent: (0, 0),
            last_frame: None,
            next_report: Instant::now(),
        }
    }

    fn header(&self, marker: bool, timestamp: u32, capture_ns: Option<u64>) -> BytesMut {
        let extension = self.capture_id.zip(capture_ns);
        let mut p = BytesMut::with_capacity(MTU + 40);
        p.put_u8(0x80 | if extension.is_some() { 0x10 } else { 0 });
        p.put_u8(self.pt | if marker { 0x80 } else { 0 });
        p.put_u16(self.seq);
        p.put_u32(timestamp);
        p.put_u32(self.ssrc);
        if let Some((id, ns)) = extension {
            // One-byte form: id, length 8, padded to 12 bytes (RFC 8285 section 4.2).
            p.put_u16(0xbede);
            p.put_u16(3);
            p.put_u8(id << 4 | 7);
            p.put_u64(ns_to_ntp(ns));
            p.put_bytes(0, 3);
        }
        p
    }

    fn frame(&mut self, session: &mut Session, data: &Bytes, timestamp: u32, capture_ns: u64) {
        // The payloader holds SPS and PPS back and sends them with the next NAL unit.
        let Ok(payloads) = self.payloader.payload(MTU, data) else {
            return;
        };
        let count = payloads.len();
        for (i, payload) in payloads.into_iter().enumerate() {
            let last = i + 1 == count;
            let mut packet = self.header(last, timestamp, last.then_some(capture_ns));
            packet.extend_from_slice(&payload);
            self.sent.0 = self.sent.0.wrapping_add(1);
            self.sent.1 = self.sent.1.wrapping_add(payload.len() as u32);
            self.history.push_back((self.seq, packet.to_vec()));
            if self.history.len() > HISTORY {
                self.history.pop_front();
            }
            self.seq = self.seq.wrapping_add(1);
            let n = self.shared.packets.fetch_add(1, Ordering::Relaxed) + 1;
            if self.options.drop_every == 0 || !n.is_multiple_of(self.options.drop_every) {
                session.send_rtp(&packet);
            }
        }
        self.last_frame = Some((timestamp, capture_ns));
    }

    fn resend(&mut self, session: &mut Session) {
        for seq in std::mem::take(&mut self.resend) {
            let Some((_, packet)) = self.history.iter().find(|(s, _)| *s == seq) else {
                continue;
            };
            match self.rtx_pt {
                None => session.send_rtp(packet),
                Some(pt) => {
                    let again = rtx(packet, pt, self.rtx_ssrc, self.rtx_seq);
                    self.rtx_seq = self.rtx_seq.wrapping_add(1);
                    session.send_rtp(&again);
                }
            }
        }
    }

    fn report(&self) -> Result<Option<Vec<u8>>> {
        let Some((timestamp, capture_ns)) = self.last_frame else {
            return Ok(None);
        };
        let now_ns = wall_ns();
        let ahead = now_ns.saturating_sub(capture_ns) * 9 / 100_000;
        feedback::single(Box::new(SenderReport {
            ssrc: self.ssrc,
            ntp_time: ns_to_ntp(now_ns),
            rtp_time: timestamp.wrapping_add(ahead as u32),
            packet_count: self.sent.0,
            octet_count: self.sent.1,
            ..SenderReport::default()
        }))
        .map(Some)
    }

    fn rtcp(&mut self, packet: BytesMut) {
        let Ok(packets) = rtc_rtcp::packet::unmarshal(&mut packet.freeze()) else {
            return;
        };
        for p in packets {
            let any = p.as_any();
            if any.is::<PictureLossIndication>() || any.is::<FullIntraRequest>() {
                self.shared
                    .keyframe_requests
                    .fetch_add(1, Ordering::Relaxed);
                self.shared.key_wanted.store(true, Ordering::Relaxed);
            } else if let Some(nack) = any.downcast_ref::<TransportLayerNack>() {
                let asked: Vec<u16> = nack.nacks.iter().flat_map(|n| n.packet_list()).collect();
                self.shared
                    .nacked
                    .fetch_add(asked.len() as u64, Ordering::Relaxed);
                self.resend.extend(asked);
            }
        }
    }
}

/// RFC 4588 section 4: own SSRC, type and sequence; the original number leads the payload.
fn rtx(packet: &[u8], pt: u8, ssrc: u32, seq: u16) -> Vec<u8> {
    let mut again = packet.to_vec();
    let has_extension = again.first().is_some_and(|b| b & 0x10 != 0);
    let header = 12 + if has_extension { 16 } else { 0 };
    if again.len() < header {
        return again;
    }
    let original = [again[2], again[3]];
    again[1] = (again[1] & 0x80) | pt;
    again[2..4].copy_from_slice(&seq.to_be_bytes());
    again[8..12].copy_from_slice(&ssrc.to_be_bytes());
    again.splice(header..header, original);
    again
}

impl Role for PublisherRole {
    type Command = Command;

    fn event(&mut self, _now: Instant, _datagram_ns: u64, event: Event) {
        match event {
            Event::Secured(_) => self.shared.secured.store(true, Ordering::Relaxed),
            Event::Rtcp(packet) => self.rtcp(packet),
            Event::Closed => self.shared.closed.store(true, Ordering::Relaxed),
            Event::IceConnected | Event::Rtp(_) => {}
        }
    }

    fn command(&mut self, command: Command, session: &mut Session) -> Result<()> {
        match command {
            Command::Frame {
                data,
                rtp_timestamp,
                capture_ns,
            } => self.frame(session, &data, rtp_timestamp, capture_ns),
            Command::Raw(datagram) => session.send_raw(datagram),
            Command::Rtp(plain) => session.send_rtp(&plain),
        }
        Ok(())
    }

    fn tick(&mut self, now: Instant, session: &mut Session) -> Result<()> {
        self.resend(session);
        self.shared
            .oddities
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&session.oddities);
        if now >= self.next_report {
            self.next_report = now + REPORT;
            if let Some(report) = self.report()? {
                session.send_rtcp(&report);
            }
        }
        Ok(())
    }

    fn next_timeout(&self) -> Option<Instant> {
        Some(self.next_report)
    }

    fn failed(&mut self, why: String) {
        *self
            .shared
            .failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(why);
    }
}

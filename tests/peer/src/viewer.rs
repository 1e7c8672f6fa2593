//! A WHEP viewer.

use std::sync::mpsc::{Receiver as Units, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rtc_rtcp::reception_report::ReceptionReport;
use rtc_rtcp::sender_report::SenderReport;

use crate::feedback::{self, TransportFeedback};
use crate::http::{Client, Resource};
use crate::net::Impairment;
pub use crate::receiver::AccessUnit;
use crate::receiver::{Counters, Receiver};
use crate::sdp::{Answer, Direction, Offer};
use crate::session::{Event, Identity, Oddities, Protection, Session};
use crate::swarm::{Handle, Role};
use crate::wall_ns;

const REPORT: Duration = Duration::from_secs(1);
const TWCC: Duration = Duration::from_millis(100);
const PLI_REPEAT: Duration = Duration::from_millis(500);
/// Frame records kept.
const MAX_LOG: usize = 100_000;

/// How a viewer behaves.
#[derive(Debug, Clone)]
pub struct ViewerOptions {
    /// SRTP protection offered.
    pub protection: Protection,
    /// Offer RTX.
    pub rtx: bool,
    /// Offer transport-wide congestion control, and send its feedback.
    pub transport_cc: bool,
    /// Ask for missing packets.
    pub nack: bool,
    /// Ask for a key frame when the chain is broken.
    pub pli: bool,
    /// The network in front of it.
    pub impairment: Option<Impairment>,
    /// Do not decrypt media: as cheap as a viewer can be. Nothing is assembled then.
    pub skip_decryption: bool,
    /// Keep a [`FrameRecord`] of every access unit.
    pub log_frames: bool,
    /// Hand access units out through [`Viewer::units`].
    pub deliver: bool,
}

impl Default for ViewerOptions {
    fn default() -> Self {
        Self {
            protection: Protection::Any,
            rtx: true,
            transport_cc: true,
            nack: true,
            pli: true,
            impairment: None,
            skip_decryption: false,
            log_frames: false,
            deliver: false,
        }
    }
}

/// When one access unit arrived.
#[derive(Debug, Clone, Copy)]
pub struct FrameRecord {
    /// RTP time stamp.
    pub rtp_timestamp: u32,
    /// Capture time, if the stream tells.
    pub capture_ns: Option<u64>,
    /// First packet.
    pub first_ns: u64,
    /// Last packet.
    pub last_ns: u64,
    /// Packets.
    pub packets: u32,
    /// Bytes in Annex B form.
    pub bytes: usize,
    /// Holds an IDR picture.
    pub key: bool,
}

/// What a viewer saw so far.
#[derive(Debug, Clone, Default)]
pub struct ViewerStats {
    /// Start of the POST.
    pub posted_ns: u64,
    /// Answer read.
    pub answered_ns: u64,
    /// First ICE check answered.
    pub ice_ns: u64,
    /// DTLS done.
    pub secured_ns: u64,
    /// SRTP profile in use.
    pub profile: String,
    /// First media packet, 0 before.
    pub first_packet_ns: u64,
    /// Last packet of the first complete key frame, 0 before.
    pub first_key_ns: u64,
    /// Complete access units.
    pub frames: u64,
    /// IDR pictures among them.
    pub keys: u64,
    /// IDR pictures without parameter sets in front.
    pub bare_keys: u64,
    /// Access units after a gap, not decodable.
    pub after_gap: u64,
    /// Packets and losses.
    pub counters: Counters,
    /// Sequence numbers asked for.
    pub nacked: u64,
    /// Key frames asked for.
    pub plis: u64,
    /// Sender reports received.
    pub sender_reports: u64,
    /// Answered ICE checks.
    pub ice_responses: u64,
    /// Things that should not happen.
    pub oddities: Oddities,
    /// The server closed the connection.
    pub closed: bool,
    /// Why the viewer gave up, if it did.
    pub failed: Option<String>,
    /// Access units nobody took.
    pub untaken: u64,
    /// Log, if asked for.
    pub log: Vec<FrameRecord>,
}

/// What a test shares with its viewer's thread.
#[derive(Debug, Default)]
pub struct Shared {
    stats: Mutex<ViewerStats>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, ViewerStats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a test tells its viewer.
#[derive(Debug)]
pub(crate) enum Command {
    Pli,
    Fir(u8),
    Remb(u64),
    Rtcp(Vec<u8>),
    Raw(Vec<u8>),
}

/// A viewer in a [`crate::Swarm`].
#[derive(Debug)]
pub struct Viewer {
    /// The session on the server.
    pub resource: Resource,
    /// The answer, read.
    pub answer: Answer,
    /// Access units, with [`ViewerOptions::deliver`].
    pub units: Option<Units<AccessUnit>>,
    shared: Arc<Shared>,
    handle: Handle<Command>,
    client: Client,
}

/// A viewer between its POST and its first packet.
pub(crate) struct Prepared {
    pub resource: Resource,
    pub answer: Answer,
    pub identity: Identity,
    pub shared: Arc<Shared>,
}

pub(crate) fn offer(identity: &Identity, options: &ViewerOptions) -> String {
    Offer {
        direction: Direction::Receive,
        ufrag: identity.ice.0.clone(),
        pwd: identity.ice.1.clone(),
        fingerprint: identity.fingerprint.clone(),
        ssrc: 0,
        rtx_ssrc: 0,
        rtx: options.rtx,
        transport_cc: options.transport_cc,
        profile: "42e01f".to_owned(),
    }
    .to_sdp()
}

/// Posts the offer.
pub(crate) fn prepare(client: &Client, stream: &str, options: &ViewerOptions) -> Result<Prepared> {
    let identity = Identity::new()?;
    let sdp = offer(&identity, options);
    let posted_ns = wall_ns();
    let resource = client.offer(&format!("/whep/{stream}"), &sdp)?;
    let answer = Answer::parse(&resource.answer)?;
    let shared = Arc::new(Shared::default());
    {
        let mut stats = shared.lock();
        stats.posted_ns = posted_ns;
        stats.answered_ns = wall_ns();
    }
    Ok(Prepared {
        resource,
        answer,
        identity,
        shared,
    })
}

impl Viewer {
    pub(crate) fn new(
        prepared: Prepared,
        client: Client,
        handle: Handle<Command>,
        units: Option<Units<AccessUnit>>,
    ) -> Self {
        Self {
            resource: prepared.resource,
            answer: prepared.answer,
            units,
            shared: prepared.shared,
            handle,
            client,
        }
    }

    /// Everything seen so far.
    pub fn stats(&self) -> ViewerStats {
        self.shared.lock().clone()
    }

    /// Forgets the frame log.
    pub fn clear_log(&self) {
        self.shared.lock().log.clear();
    }

    /// Waits until `done` says so.
    ///
    /// # Errors
    /// After `limit`, or when the viewer failed, with what was seen.
    pub fn wait(
        &self,
        what: &str,
        limit: Duration,
        mut done: impl FnMut(&ViewerStats) -> bool,
    ) -> Result<ViewerStats> {
        let deadline = Instant::now() + limit;
        let mut stats = self.shared.lock();
        loop {
            if done(&stats) {
                return Ok(stats.clone());
            }
            if let Some(why) = &stats.failed {
                bail!("waiting for {what}: viewer failed: {why}");
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                let mut seen = stats.clone();
                seen.log.clear();
                bail!("no {what} within {limit:?}: {seen:?}");
            };
            stats = self
                .shared
                .changed
                .wait_timeout(stats, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Asks for a key frame.
    pub fn send_pli(&self) {
        self.handle.command(Command::Pli);
    }

    /// Asks for a key frame the other way.
    pub fn send_fir(&self, sequence_number: u8) {
        self.handle.command(Command::Fir(sequence_number));
    }

    /// Tells the server a bandwidth.
    pub fn send_remb(&self, bps: u64) {
        self.handle.command(Command::Remb(bps));
    }

    /// Sends these bytes as SRTCP.
    pub fn send_rtcp(&self, plain: Vec<u8>) {
        self.handle.command(Command::Rtcp(plain));
    }

    /// Sends these bytes as they are.
    pub fn send_raw(&self, datagram: Vec<u8>) {
        self.handle.command(Command::Raw(datagram));
    }

    /// Stops or resumes reading the socket; consent checks go on.
    pub fn set_reading(&self, reading: bool) {
        self.handle.set_reading(reading);
    }

    /// Vanishes: no more sending, no more reading, no goodbye.
    pub fn vanish(&self) {
        self.handle.vanish();
    }

    /// Changes the network in front of it.
    pub fn set_impairment(&self, impairment: Option<Impairment>) {
        self.handle.set_impairment(impairment);
    }

    /// Ends the session by DELETE.
    ///
    /// # Errors
    /// When the server does not answer 200.
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

/// The part of a viewer that lives in the swarm's thread.
pub(crate) struct ViewerRole {
    receiver: Receiver,
    options: ViewerOptions,
    twcc: Option<TransportFeedback>,
    shared: Arc<Shared>,
    units: Option<SyncSender<AccessUnit>>,
    secured: bool,
    next_report: Instant,
    next_twcc: Instant,
    last_pli: Option<Instant>,
    last_sr: Option<(u32, Instant)>,
    reported: (u64, u64),
    ready: Vec<AccessUnit>,
}

impl ViewerRole {
    pub(crate) fn new(
        prepared: &Prepared,
        options: &ViewerOptions,
        now: Instant,
    ) -> (Self, Option<Units<AccessUnit>>) {
        let (send, receive) = if options.deliver {
            let (s, r) = sync_channel(512);
            (Some(s), Some(r))
        } else {
            (None, None)
        };
        let agreed = prepared.answer.feedback.iter().any(|f| f == "transport-cc");
        let role = Self {
            receiver: Receiver::new(&prepared.answer),
            options: options.clone(),
            twcc: (options.transport_cc && agreed).then(TransportFeedback::default),
            shared: Arc::clone(&prepared.shared),
            units: send,
            secured: false,
            next_report: now,
            next_twcc: now,
            last_pli: None,
            last_sr: None,
            reported: (0, 0),
            ready: Vec::new(),
        };
        (role, receive)
    }

    fn media(&mut self, now: Instant, arrived_ns: u64, packet: bytes::BytesMut) {
        if self.options.skip_decryption {
            self.receiver.counters.packets += 1;
            self.receiver.counters.bytes += packet.len() as u64;
            self.receiver.ssrc = ssrc(&packet).or(self.receiver.ssrc);
            return;
        }
        match self.receiver.push(now, arrived_ns, packet, &mut self.ready) {
            Ok(seen) => {
                if let (Some(twcc), Some(seq)) = (&mut self.twcc, seen.transport_seq) {
                    twcc.arrived(seq, arrived_ns);
                }
            }
            Err(e) => {
                self.receiver.counters.broken += 1;
                self.receiver.counters.last_error = format!("{e:#}");
            }
        }
    }

    fn hand_out(&mut self) {
        let mut stats = self.shared.lock();
        for unit in self.ready.drain(..) {
            stats.frames += 1;
            stats.after_gap += u64::from(unit.after_gap);
            if unit.is_key() {
                stats.keys += 1;
                if unit.is_complete_key() {
                    if stats.first_key_ns == 0 {
                        stats.first_key_ns = unit.last_ns;
                    }
                } else {
                    stats.bare_keys += 1;
                }
            }
            if self.options.log_frames && stats.log.len() < MAX_LOG {
                stats.log.push(FrameRecord {
                    rtp_timestamp: unit.rtp_timestamp,
                    capture_ns: unit.capture_ns,
                    first_ns: unit.first_ns,
                    last_ns: unit.last_ns,
                    packets: unit.packets,
                    bytes: unit.data.len(),
                    key: unit.is_key(),
                });
            }
            if let Some(units) = &self.units
                && let Err(TrySendError::Full(_)) = units.try_send(unit)
            {
                stats.untaken += 1;
            }
        }
        stats.counters.clone_from(&self.receiver.counters);
        drop(stats);
        self.shared.changed.notify_all();
    }

    fn rtcp(&mut self, now: Instant, packet: bytes::BytesMut) {
        let Ok(packets) = rtc_rtcp::packet::unmarshal(&mut packet.freeze()) else {
            self.shared.lock().oddities.last = "RTCP does not parse".into();
            return;
        };
        for p in packets {
            if let Some(sr) = p.as_any().downcast_ref::<SenderReport>() {
                self.last_sr = Some(((sr.ntp_time >> 16) as u32, now));
                self.shared.lock().sender_reports += 1;
            }
        }
    }

    fn report(&mut self, now: Instant) -> Result<Option<Vec<u8>>> {
        let Some(ssrc) = self.receiver.ssrc else {
            return Ok(None);
        };
        let (expected, highest) = self.receiver.expected();
        let got = self.receiver.counters.packets + self.receiver.counters.rtx;
        let (expected_before, got_before) = self.reported;
        self.reported = (expected, got);
        let interval = (expected - expected_before).max(1);
        let lost = interval.saturating_sub(got - got_before);
        let (last_sender_report, delay) = match self.last_sr {
            None => (0, 0),
            Some((ntp, at)) => (ntp, ((now - at).as_secs_f64() * 65536.0) as u32),
        };
        feedback::receiver_report(ReceptionReport {
            ssrc,
            fraction_lost: (lost * 256 / interval).min(255) as u8,
            total_lost: expected.saturating_sub(got).min(0x7f_ffff) as u32,
            last_sequence_number: highest,
            jitter: 0,
            last_sender_report,
            delay,
        })
        .map(Some)
    }

    fn periodic(&mut self, now: Instant, session: &mut Session) -> Result<()> {
        let Some(ssrc) = self.receiver.ssrc else {
            return Ok(());
        };
        if self.options.nack {
            let missing = self.receiver.nacks(now, &mut self.ready);
            if !missing.is_empty() {
                self.shared.lock().nacked += missing.len() as u64;
                session.send_rtcp(&feedback::nack(ssrc, &missing)?);
            }
        }
        let may_ask = self.last_pli.is_none_or(|t| now - t >= PLI_REPEAT);
        if self.options.pli && self.receiver.want_key && may_ask {
            self.last_pli = Some(now);
            self.shared.lock().plis += 1;
            session.send_rtcp(&feedback::pli(ssrc)?);
        }
        if now >= self.next_twcc {
            self.next_twcc = now + TWCC;
            if let Some(report) = self
                .twcc
                .as_mut()
                .map(|t| t.report(ssrc))
                .transpose()?
                .flatten()
            {
                session.send_rtcp(&report);
            }
        }
        Ok(())
    }
}

impl Role for ViewerRole {
    type Command = Command;

    fn event(&mut self, now: Instant, datagram_ns: u64, event: Event) {
        match event {
            Event::IceConnected => self.shared.lock().ice_ns = datagram_ns,
            Event::Secured(profile) => {
                self.secured = true;
                let mut stats = self.shared.lock();
                stats.secured_ns = wall_ns();
                stats.profile = format!("{profile:?}");
            }
            Event::Rtp(packet) => {
                if self.receiver.counters.packets == 0 {
                    self.shared.lock().first_packet_ns = datagram_ns;
                }
                self.media(now, datagram_ns, packet);
            }
            Event::Rtcp(packet) => self.rtcp(now, packet),
            Event::Closed => self.shared.lock().closed = true,
        }
    }

    fn command(&mut self, command: Command, session: &mut Session) -> Result<()> {
        let ssrc = self.receiver.ssrc.unwrap_or(0);
        match command {
            Command::Pli => session.send_rtcp(&feedback::pli(ssrc)?),
            Command::Fir(n) => session.send_rtcp(&feedback::fir(ssrc, n)?),
            Command::Remb(bps) => session.send_rtcp(&feedback::remb(ssrc, bps)?),
            Command::Rtcp(plain) => session.send_rtcp(&plain),
            Command::Raw(datagram) => session.send_raw(datagram),
        }
        Ok(())
    }

    fn tick(&mut self, now: Instant, session: &mut Session) -> Result<()> {
        if self.secured && !self.options.skip_decryption {
            self.periodic(now, session)?;
        }
        if self.secured && now >= self.next_report {
            self.next_report = now + REPORT;
            if let Some(report) = self.report(now)? {
                session.send_rtcp(&report);
            }
        }
        {
            let mut stats = self.shared.lock();
            stats.ice_responses = session.ice_responses().0;
            stats.oddities.clone_from(&session.oddities);
        }
        self.hand_out();
        Ok(())
    }

    fn next_timeout(&self) -> Option<Instant> {
        let report = self.secured.then_some(self.next_report);
        let twcc = (self.secured && self.twcc.is_some()).then_some(self.next_twcc);
        let nack = self.receiver.next_timeout().filter(|_| self.options.nack);
        [report, twcc, nack].into_iter().flatten().min()
    }

    fn failed(&mut self, why: String) {
        self.shared.lock().failed = Some(why);
        self.shared.changed.notify_all();
    }
}

/// SSRC in an RTP header, which SRTP leaves in the clear.
fn ssrc(packet: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(packet.get(8..12)?.try_into().ok()?))
}

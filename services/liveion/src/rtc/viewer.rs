//! A viewer: gets the cached pictures first, then every frame as it comes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc_rtcp::reception_report::ReceptionReport;
use rtc_rtcp::sender_report::SenderReport;

use super::batch::Batch;
use super::cache::GopCache;
use super::congestion::{BitrateBounds, Congestion};
use super::rtcp::{self, Feedback};
use super::sdp::Negotiated;
use super::sender::{Outlet, RtpSender};
use super::transport::Transport;
use crate::rtp::{HeaderTemplate, RtpFrame, ntp};

/// Time from one sender report to the next.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Time from one portion of cached frames to the next.
pub(crate) const CATCH_UP_TICK: Duration = Duration::from_millis(4);
/// The whole cache is sent within this time, unless [`CATCH_UP_MIN_RATE`] is faster.
const CATCH_UP_TIME: f64 = 0.15;
/// Bytes per second that catching up uses at least (16 Mbit/s).
const CATCH_UP_MIN_RATE: f64 = 2e6;
/// RTP time from one cached frame to the next: 1 ms. Old frames get times just before the newest,
/// so that a player's clock is set by the present from the first packet on; with their true times
/// it would show everything late by the age of the key frame.
const CATCH_UP_STEP: u32 = 90;

/// Where a viewer is.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Waiting for SRTP, or for a key frame.
    Waiting,
    /// Getting the cache: number of the next frame, the newest when it began and its RTP time.
    CatchingUp {
        next: u64,
        newest: u64,
        newest_time: u32,
        rate: f64,
        due: Instant,
    },
    /// Getting frames as they come.
    Live,
}

/// One viewer's stream.
#[derive(Debug)]
pub(crate) struct Viewer {
    sender: RtpSender,
    congestion: Congestion,
    place: Place,
    rtx_ssrc: u32,
    cname: String,
    report_due: Option<Instant>,
    loss: f64,
    /// Key-frame requests received.
    pub keyframe_requests: u64,
    /// Sequence number of the last FIR.
    last_fir: Option<u8>,
}

/// What feedback asks of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wish {
    /// A key frame.
    pub keyframe: bool,
    /// The viewer leaves.
    pub bye: bool,
    /// The estimate may have changed.
    pub estimate: bool,
}

/// What identifies a viewer's RTP.
#[derive(Debug, Clone)]
pub(crate) struct ViewerParams {
    /// Source of the media.
    pub ssrc: u32,
    /// Source of retransmissions.
    pub rtx_ssrc: u32,
    /// First sequence number.
    pub sequence: u16,
    /// Canonical name.
    pub cname: String,
    /// Bounds of the encoder's bit rate.
    pub bounds: BitrateBounds,
}

impl Viewer {
    /// A viewer that got the answer `negotiated`.
    pub fn new(negotiated: &Negotiated, params: ViewerParams) -> Self {
        let template = |payload_type, ssrc| HeaderTemplate {
            payload_type,
            ssrc,
            extensions: negotiated.extensions,
        };
        let rtx = negotiated.rtx.map(|pt| template(pt, params.rtx_ssrc));
        Self {
            sender: RtpSender::new(
                template(negotiated.payload.number, params.ssrc),
                rtx,
                params.sequence,
            ),
            congestion: Congestion::new(params.bounds),
            place: Place::Waiting,
            rtx_ssrc: params.rtx_ssrc,
            cname: params.cname,
            report_due: None,
            loss: 0.0,
            keyframe_requests: 0,
            last_fir: None,
        }
    }

    /// Media can flow: starts with the cache. False when there is nothing to start with and a key
    /// frame is needed.
    pub fn start(
        &mut self,
        now: Instant,
        cache: &GopCache,
        transport: &mut Transport,
        batch: &mut Batch,
    ) -> bool {
        let (Some((first, newest)), Some(key)) = (cache.span(), cache.key().cloned()) else {
            return false;
        };
        let newest_time = cache.get(newest).map_or(key.rtp_time, |f| f.rtp_time);
        let rest = cache.bytes_from(first + 1) as f64;
        self.place = Place::CatchingUp {
            next: first,
            newest,
            newest_time,
            rate: (rest / CATCH_UP_TIME).max(CATCH_UP_MIN_RATE),
            due: now,
        };
        self.catch_up(now, cache, transport, batch);
        true
    }

    /// Sends what is due of the cache.
    pub fn catch_up(
        &mut self,
        now: Instant,
        cache: &GopCache,
        transport: &mut Transport,
        batch: &mut Batch,
    ) {
        let Place::CatchingUp {
            mut next,
            newest,
            newest_time,
            rate,
            due,
        } = self.place
        else {
            return;
        };
        if now < due {
            return;
        }
        // A key frame that came meanwhile makes the rest superfluous.
        let Some((first, last)) = cache.span() else {
            self.place = Place::Waiting;
            return;
        };
        next = next.max(first);
        let mut portion = rate * CATCH_UP_TICK.as_secs_f64();
        while portion > 0.0 && next <= last {
            let Some(frame) = cache.get(next).cloned() else {
                break;
            };
            let time = match newest.checked_sub(next) {
                Some(age) => newest_time.wrapping_sub(age as u32 * CATCH_UP_STEP),
                None => frame.rtp_time,
            };
            // The key frame is what everybody waits for: it does not count.
            portion -= if frame.key { 0.0 } else { frame.bytes() as f64 };
            if !self.send(now, &frame, time, transport, batch) {
                return;
            }
            next += 1;
            if frame.key {
                break;
            }
        }
        self.place = if next > last {
            Place::Live
        } else {
            Place::CatchingUp {
                next,
                newest,
                newest_time,
                rate,
                due: now + CATCH_UP_TICK,
            }
        };
    }

    /// A new frame, already in the cache. False when this viewer cannot use it.
    pub fn on_frame(
        &mut self,
        now: Instant,
        frame: &Arc<RtpFrame>,
        transport: &mut Transport,
        batch: &mut Batch,
    ) -> bool {
        match self.place {
            Place::Waiting if frame.key && transport.is_connected() => {
                self.place = Place::Live;
                self.send(now, frame, frame.rtp_time, transport, batch)
            }
            Place::Live => self.send(now, frame, frame.rtp_time, transport, batch),
            Place::Waiting | Place::CatchingUp { .. } => false,
        }
    }

    /// The stream lost frames: what comes before the next key frame is of no use.
    pub fn await_keyframe(&mut self) {
        self.place = Place::Waiting;
    }

    fn send(
        &mut self,
        now: Instant,
        frame: &Arc<RtpFrame>,
        timestamp: u32,
        transport: &mut Transport,
        batch: &mut Batch,
    ) -> bool {
        let first = self.sender.stats.packets == 0;
        let sent = with_outlet(&mut self.congestion, transport, batch, |io| {
            self.sender.send(now, frame, timestamp, io)
        });
        if first && sent {
            // The report maps RTP time to wall-clock time; players want it early.
            self.report_due = Some(now);
        }
        sent
    }

    /// Takes RTCP.
    pub fn on_feedback(
        &mut self,
        now: Instant,
        feedback: Vec<Feedback>,
        transport: &mut Transport,
        batch: &mut Batch,
    ) -> Wish {
        let mut wish = Wish::default();
        let ssrc = self.sender.ssrc();
        for f in feedback {
            match f {
                Feedback::KeyFrame(s) if s == ssrc || s == self.rtx_ssrc => {
                    self.keyframe_requests += 1;
                    wish.keyframe = true;
                }
                // RFC 5104 section 4.3.1.2: repeated until the picture comes.
                Feedback::Fir(s, n) if s == ssrc && self.last_fir.replace(n) != Some(n) => {
                    self.keyframe_requests += 1;
                    wish.keyframe = true;
                }
                Feedback::Nack(s, lost) if s == ssrc => {
                    for sequence in lost {
                        with_outlet(&mut self.congestion, transport, batch, |io| {
                            self.sender.retransmit(now, sequence, io)
                        });
                    }
                }
                Feedback::Transport(report) => {
                    self.congestion.on_transport_feedback(now, &report);
                    wish.estimate = true;
                }
                Feedback::Remb(bps) => {
                    self.congestion.on_remb(bps);
                    wish.estimate = true;
                }
                Feedback::Reception(report) if report.ssrc == ssrc => self.on_reception(&report),
                Feedback::Bye => wish.bye = true,
                Feedback::KeyFrame(_)
                | Feedback::Fir(..)
                | Feedback::Nack(..)
                | Feedback::Reception(_)
                | Feedback::Sender(_) => {}
            }
        }
        wish
    }

    fn on_reception(&mut self, report: &ReceptionReport) {
        self.loss = f64::from(report.fraction_lost) / 256.0;
        if report.last_sender_report != 0 {
            // Round trip in units of 1/65536 s (RFC 3550 section 6.4.1).
            let now = (ntp(livehal::CaptureTime::now()) >> 16) as u32;
            let rtt = now
                .wrapping_sub(report.last_sender_report)
                .wrapping_sub(report.delay);
            if rtt < 65_536 * 30 {
                self.congestion
                    .on_rtt(Duration::from_secs_f64(f64::from(rtt) / 65_536.0));
            }
        }
    }

    /// Sends what is due.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        cache: &GopCache,
        transport: &mut Transport,
        batch: &mut Batch,
    ) {
        self.catch_up(now, cache, transport, batch);
        if self.report_due.is_some_and(|t| now >= t) {
            self.report_due = Some(now + REPORT_INTERVAL);
            let report = SenderReport {
                ssrc: self.sender.ssrc(),
                ntp_time: ntp(livehal::CaptureTime::now()),
                rtp_time: crate::rtp::rtp_time(livehal::CaptureTime::now()),
                packet_count: self.sender.stats.packets as u32,
                octet_count: self.sender.stats.octets as u32,
                ..Default::default()
            };
            transport.send_rtcp(rtcp::sender_report(report, &self.cname), batch);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.place {
            Place::CatchingUp { due, .. } => Some(self.report_due.map_or(due, |r| r.min(due))),
            Place::Waiting | Place::Live => self.report_due,
        }
    }

    /// Good-bye of this viewer's source.
    pub fn goodbye(&self, transport: &mut Transport, batch: &mut Batch) {
        transport.send_rtcp(rtcp::goodbye(self.sender.ssrc()), batch);
    }

    /// What the encoder should use for this viewer, in bit/s.
    pub fn target(&self) -> Option<u32> {
        self.congestion.target()
    }

    /// Fills in what the API shows.
    pub fn describe(&self, info: &mut crate::ViewerInfo) {
        let s = &self.sender.stats;
        info.packets_sent = s.packets;
        info.bytes_sent = s.wire_bytes;
        info.retransmitted = s.retransmitted;
        info.loss = self.loss;
        info.rtt_ms = self.congestion.rtt().map(|d| d.as_secs_f64() * 1e3);
        info.estimate_bps = self.congestion.estimate();
    }
}

/// Calls `f` with somewhere to send to; false when there is none or it failed.
fn with_outlet<E>(
    congestion: &mut Congestion,
    transport: &mut Transport,
    batch: &mut Batch,
    f: impl FnOnce(&mut Outlet<'_>) -> Result<(), E>,
) -> bool {
    let Some(path) = transport.path() else {
        return false;
    };
    let Some(keys) = transport.keys() else {
        return false;
    };
    let mut io = Outlet {
        batch,
        path,
        protector: &mut keys.outbound,
        congestion,
    };
    f(&mut io).is_ok()
}

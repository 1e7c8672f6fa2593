//! One session: its transport and its role.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use super::batch::Batch;
use super::cache::GopCache;
use super::publisher::Publisher;
use super::receiver::Unit;
use super::rtcp;
use super::stun::{Check, CheckError};
use super::transport::{Transport, TransportEvent};
use super::viewer::{Viewer, Wish};
use crate::rtp::RtpFrame;

/// Which way media flows.
#[derive(Debug)]
pub(crate) enum Role {
    /// To the peer.
    Viewer(Box<Viewer>),
    /// From the peer.
    Publisher(Box<Publisher>),
}

/// What a session tells its owner.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SessionEvent {
    /// Datagrams from this address are this session's.
    Address(SocketAddr),
    /// Media flows from now on.
    Connected,
    /// The viewer needs a key frame.
    KeyFrame,
    /// The viewer's estimate may have changed.
    Estimate,
    /// Access units from a publisher.
    Units(Vec<Unit>),
    /// The session is over; the text says why.
    Closed(String),
}

/// Why a datagram was dropped; counted by the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Refused {
    /// A check that is not right.
    Check,
    /// DTLS that is not right.
    Dtls,
    /// RTP or RTCP that does not open.
    Srtp,
    /// None of these.
    Unknown,
}

/// One WebRTC session.
#[derive(Debug)]
pub(crate) struct Session {
    /// The way to the peer.
    pub transport: Transport,
    /// Viewer or publisher.
    pub role: Role,
}

impl Session {
    /// Takes a check that names this session.
    pub fn on_check(
        &mut self,
        now: Instant,
        from: SocketAddr,
        at: Option<IpAddr>,
        check: Check,
        batch: &mut Batch,
    ) -> Result<Option<SessionEvent>, CheckError> {
        let event = self.transport.on_check(now, from, at, check, batch)?;
        Ok(match event {
            TransportEvent::Address(a) => Some(SessionEvent::Address(a)),
            _ => None,
        })
    }

    /// Takes any other datagram from one of this session's addresses (RFC 7983).
    pub fn on_datagram(
        &mut self,
        now: Instant,
        datagram: &[u8],
        cache: &GopCache,
        batch: &mut Batch,
    ) -> Result<Option<SessionEvent>, Refused> {
        match datagram {
            [20..=63, ..] => self.on_dtls(now, datagram, cache, batch),
            [128..=191, 192..=223, ..] => self.on_rtcp(now, datagram, batch),
            [128..=191, ..] => self.on_rtp(now, datagram),
            _ => Err(Refused::Unknown),
        }
    }

    fn on_dtls(
        &mut self,
        now: Instant,
        datagram: &[u8],
        cache: &GopCache,
        batch: &mut Batch,
    ) -> Result<Option<SessionEvent>, Refused> {
        match self.transport.on_dtls(now, datagram, batch) {
            Ok(TransportEvent::Connected) => {
                if let Role::Viewer(v) = &mut self.role {
                    v.start(now, cache, &mut self.transport, batch);
                }
                Ok(Some(SessionEvent::Connected))
            }
            Ok(TransportEvent::Closed) => Ok(Some(SessionEvent::Closed("the peer closed".into()))),
            Ok(_) => Ok(None),
            // A forged datagram must not end a session; a handshake that cannot go on times out.
            Err(_) => Err(Refused::Dtls),
        }
    }

    fn on_rtcp(
        &mut self,
        now: Instant,
        datagram: &[u8],
        batch: &mut Batch,
    ) -> Result<Option<SessionEvent>, Refused> {
        let plain = self
            .transport
            .open_rtcp(now, datagram)
            .ok_or(Refused::Srtp)?;
        let feedback = rtcp::parse(&plain).map_err(|_| Refused::Srtp)?;
        Ok(match &mut self.role {
            Role::Viewer(v) => {
                let wish = v.on_feedback(now, feedback, &mut self.transport, batch);
                wish_event(wish)
            }
            Role::Publisher(p) => p
                .on_feedback(now, &feedback)
                .then(|| SessionEvent::Closed("the publisher said good-bye".into())),
        })
    }

    fn on_rtp(&mut self, now: Instant, datagram: &[u8]) -> Result<Option<SessionEvent>, Refused> {
        let Role::Publisher(p) = &mut self.role else {
            return Err(Refused::Unknown);
        };
        let plain = self
            .transport
            .open_rtp(now, datagram)
            .ok_or(Refused::Srtp)?;
        p.on_rtp(now, plain.freeze());
        let units = p.take_units();
        Ok((!units.is_empty()).then_some(SessionEvent::Units(units)))
    }

    /// A new frame for a viewer.
    pub fn on_frame(&mut self, now: Instant, frame: &Arc<RtpFrame>, batch: &mut Batch) -> bool {
        match &mut self.role {
            Role::Viewer(v) => v.on_frame(now, frame, &mut self.transport, batch),
            Role::Publisher(_) => false,
        }
    }

    /// Sends what is due; an error ends the session.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        cache: &GopCache,
        batch: &mut Batch,
    ) -> Result<Option<SessionEvent>, String> {
        self.transport.handle_timeout(now, batch)?;
        match &mut self.role {
            Role::Viewer(v) => {
                v.handle_timeout(now, cache, &mut self.transport, batch);
                Ok(None)
            }
            Role::Publisher(p) => {
                p.handle_timeout(now, &mut self.transport, batch);
                let units = p.take_units();
                Ok((!units.is_empty()).then_some(SessionEvent::Units(units)))
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Instant {
        let role = match &self.role {
            Role::Viewer(v) => v.poll_timeout(),
            Role::Publisher(p) => p.poll_timeout(),
        };
        let transport = self.transport.poll_timeout();
        role.map_or(transport, |r| r.min(transport))
    }

    /// Tells the peer that it is over.
    pub fn close(&mut self, now: Instant, batch: &mut Batch) {
        if let Role::Viewer(v) = &self.role {
            v.goodbye(&mut self.transport, batch);
        }
        self.transport.close(now, batch);
    }
}

fn wish_event(wish: Wish) -> Option<SessionEvent> {
    if wish.bye {
        Some(SessionEvent::Closed("the viewer said good-bye".into()))
    } else if wish.keyframe {
        Some(SessionEvent::KeyFrame)
    } else if wish.estimate {
        Some(SessionEvent::Estimate)
    } else {
        None
    }
}

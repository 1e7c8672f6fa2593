//! ICE, DTLS and SRTP of one session.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::batch::{Batch, Path};
use super::dtls::{Dtls, DtlsEvent, Identity};
use super::sdp::{Fingerprint, IceCredentials};
use super::srtp::SrtpKeys;
use super::stun::{Check, CheckError};

/// Addresses of one peer at most: every one costs an entry in the server's table.
const MAX_ADDRESSES: usize = 8;

/// A session that is not connected after this long is given up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// What a datagram led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransportEvent {
    /// Nothing to be told.
    None,
    /// A check from a new address was right: datagrams from there are this session's.
    Address(SocketAddr),
    /// Media can flow.
    Connected,
    /// The peer said good-bye.
    Closed,
}

/// The way to one peer.
pub(crate) struct Transport {
    identity: Identity,
    local: IceCredentials,
    remote_ufrag: String,
    dtls: Dtls,
    keys: Option<SrtpKeys>,
    path: Option<Path>,
    nominated: bool,
    addresses: Vec<SocketAddr>,
    created: Instant,
    last_heard: Instant,
    idle_timeout: Duration,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport")
            .field("ufrag", &self.local.ufrag)
            .field("path", &self.path)
            .field("connected", &self.keys.is_some())
            .finish_non_exhaustive()
    }
}

/// Random ICE credentials: 48 and 144 bits, more than RFC 8445 section 5.3 asks.
pub(crate) fn new_credentials(identity: &Identity) -> Result<IceCredentials, String> {
    Ok(IceCredentials {
        ufrag: random_text(identity, 6)?,
        pwd: random_text(identity, 18)?,
    })
}

/// `bytes` random bytes as hexadecimal digits.
pub(crate) fn random_text(identity: &Identity, bytes: usize) -> Result<String, String> {
    use std::fmt::Write;
    let mut raw = vec![0; bytes];
    identity
        .provider
        .random()
        .fill(&mut raw)
        .map_err(|e| e.to_string())?;
    let mut text = String::with_capacity(bytes * 2);
    for b in raw {
        // Writing to a String cannot fail.
        let _ = write!(text, "{b:02x}");
    }
    Ok(text)
}

impl Transport {
    /// Waits for the peer of an offer.
    pub fn new(
        identity: &Identity,
        local: IceCredentials,
        remote_ufrag: String,
        remote_certificate: Fingerprint,
        idle_timeout: Duration,
        now: Instant,
    ) -> Self {
        Self {
            dtls: Dtls::server(identity, remote_certificate),
            identity: identity.clone(),
            local,
            remote_ufrag,
            keys: None,
            path: None,
            nominated: false,
            addresses: Vec::new(),
            created: now,
            last_heard: now,
            idle_timeout,
        }
    }

    /// Our user name fragment, by which checks find this session.
    pub fn ufrag(&self) -> &str {
        &self.local.ufrag
    }

    /// The peer's user name fragment.
    pub fn remote_ufrag(&self) -> &str {
        &self.remote_ufrag
    }

    /// Replaces the credentials of both sides (ICE restart); media flows on meanwhile.
    pub fn restart(&mut self, local: IceCredentials, remote_ufrag: String) {
        self.local = local;
        self.remote_ufrag = remote_ufrag;
        self.nominated = false;
    }

    /// Where media goes; `None` before the first right check.
    pub fn path(&self) -> Option<Path> {
        self.path
    }

    /// SRTP, once connected.
    pub fn keys(&mut self) -> Option<&mut SrtpKeys> {
        self.keys.as_mut()
    }

    /// Whether media can flow.
    pub fn is_connected(&self) -> bool {
        self.keys.is_some()
    }

    /// When the offer came.
    pub fn created(&self) -> Instant {
        self.created
    }

    /// Every address whose checks were right.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The peer is there: something authenticated came from it.
    pub fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// Answers a check.
    pub fn on_check(
        &mut self,
        now: Instant,
        from: SocketAddr,
        at: Option<IpAddr>,
        check: Check,
        batch: &mut Batch,
    ) -> Result<TransportEvent, CheckError> {
        if check.remote_ufrag() != self.remote_ufrag {
            return Err(CheckError::Username);
        }
        let crypto = self.identity.provider.crypto();
        let answer = check.answer(&self.local.pwd, from, crypto)?;
        let path = Path { to: from, from: at };
        batch.copy(path, &answer.response);
        if !answer.valid {
            return Ok(TransportEvent::None);
        }
        self.heard(now);
        // The first right check will do: waiting for the nomination costs round trips, and DTLS
        // can begin on any valid pair (RFC 8445 section 12.1).
        if answer.nominated || self.path.is_none() || !self.nominated {
            self.path = Some(path);
        }
        self.nominated |= answer.nominated;
        if self.addresses.contains(&from) || self.addresses.len() >= MAX_ADDRESSES {
            return Ok(TransportEvent::None);
        }
        self.addresses.push(from);
        Ok(TransportEvent::Address(from))
    }

    /// Takes a DTLS datagram.
    pub fn on_dtls(
        &mut self,
        now: Instant,
        datagram: &[u8],
        batch: &mut Batch,
    ) -> Result<TransportEvent, String> {
        let result = self.dtls.read(now, datagram);
        self.flush_dtls(batch);
        let mut event = TransportEvent::None;
        for e in result? {
            match e {
                DtlsEvent::Connected => {
                    self.keys = Some(self.dtls.srtp_keys()?);
                    self.heard(now);
                    event = TransportEvent::Connected;
                }
                DtlsEvent::Closed => event = TransportEvent::Closed,
            }
        }
        Ok(event)
    }

    fn flush_dtls(&mut self, batch: &mut Batch) {
        while let Some(datagram) = self.dtls.poll_transmit() {
            if let Some(path) = self.path {
                batch.copy(path, &datagram);
            }
        }
    }

    /// Opens an RTCP datagram in place of its protection.
    pub fn open_rtcp(&mut self, now: Instant, datagram: &[u8]) -> Option<bytes::BytesMut> {
        let plain = self.keys.as_mut()?.inbound.decrypt_rtcp(datagram).ok()?;
        self.last_heard = now;
        Some(plain)
    }

    /// Opens an RTP datagram.
    pub fn open_rtp(&mut self, now: Instant, datagram: &[u8]) -> Option<bytes::BytesMut> {
        let plain = self.keys.as_mut()?.inbound.decrypt_rtp(datagram).ok()?;
        self.last_heard = now;
        Some(plain)
    }

    /// Protects and queues an RTCP packet.
    pub fn send_rtcp(&mut self, plain: Option<bytes::BytesMut>, batch: &mut Batch) {
        if let (Some(plain), Some(path), Some(keys)) = (plain, self.path, self.keys.as_mut())
            && let Ok(protected) = keys.outbound_rtcp.encrypt_rtcp(&plain)
        {
            batch.copy(path, &protected);
        }
    }

    /// Retransmits handshake flights. An error ends the session.
    pub fn handle_timeout(&mut self, now: Instant, batch: &mut Batch) -> Result<(), String> {
        self.dtls.handle_timeout(now)?;
        self.flush_dtls(batch);
        if self.keys.is_none() && now.saturating_duration_since(self.created) > CONNECT_TIMEOUT {
            return Err(format!(
                "not connected within {} s",
                CONNECT_TIMEOUT.as_secs()
            ));
        }
        if now.saturating_duration_since(self.last_heard) > self.idle_timeout {
            return Err(format!(
                "nothing heard for {} s",
                self.idle_timeout.as_secs_f32()
            ));
        }
        Ok(())
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Instant {
        let idle = self.last_heard + self.idle_timeout;
        let idle = match self.keys {
            Some(_) => idle,
            None => idle.min(self.created + CONNECT_TIMEOUT),
        };
        self.dtls.poll_timeout().map_or(idle, |t| t.min(idle))
    }

    /// Tells the peer that it is over.
    pub fn close(&mut self, now: Instant, batch: &mut Batch) {
        self.dtls.close(now);
        self.flush_dtls(batch);
    }
}

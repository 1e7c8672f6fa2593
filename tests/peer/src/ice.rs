//! The controlling side of ICE toward an ICE-lite server: checks, nomination, consent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rtc_crypto::RTCCryptoProvider;
use rtc_stun::attributes::{
    ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME,
};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    BINDING_REQUEST, BINDING_SUCCESS, CLASS_ERROR_RESPONSE, Message, Setter, TransactionId,
};
use rtc_stun::textattrs::TextAttribute;
use rtc_stun::xoraddr::XorMappedAddress;

/// First retransmission of an unanswered check; doubles up to [`CHECK_MAX`].
const CHECK_FIRST: Duration = Duration::from_millis(50);
/// Longest gap between unanswered checks.
const CHECK_MAX: Duration = Duration::from_millis(800);
/// Consent freshness (RFC 7675 section 5.1): one check every 4 to 6 seconds.
const CONSENT: Duration = Duration::from_secs(4);

/// Random printable characters, as ICE credentials are.
pub fn random_token(len: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric)
        .take(len)
        .collect()
}

/// The agent of one candidate pair.
pub struct Agent {
    crypto: Arc<dyn RTCCryptoProvider>,
    local: (String, String),
    remote: (String, String),
    tie_breaker: u64,
    pending: Option<TransactionId>,
    next: Instant,
    gap: Duration,
    connected: bool,
    /// Answered checks.
    pub responses: u64,
    /// When a check was last answered.
    pub last_response: Option<Instant>,
}

impl Agent {
    /// An agent with its own and the server's (fragment, password).
    pub fn new(
        crypto: Arc<dyn RTCCryptoProvider>,
        local: (String, String),
        remote: (String, String),
        now: Instant,
    ) -> Self {
        Self {
            crypto,
            local,
            remote,
            tie_breaker: fastrand::u64(..),
            pending: None,
            next: now,
            gap: CHECK_FIRST,
            connected: false,
            responses: 0,
            last_response: None,
        }
    }

    /// Whether the pair is nominated and has been answered.
    pub fn connected(&self) -> bool {
        self.connected
    }

    /// When [`Self::poll`] has something to do.
    pub fn next_timeout(&self) -> Instant {
        self.next
    }

    /// The check to send now, if one is due.
    ///
    /// # Errors
    /// When the message cannot be built.
    pub fn poll(&mut self, now: Instant) -> Result<Option<Vec<u8>>> {
        if now < self.next {
            return Ok(None);
        }
        if self.connected && self.pending.is_none() {
            self.gap = CHECK_FIRST;
        }
        // An unanswered check is repeated under its own transaction id (RFC 8489 section 6.2.1).
        let id = *self.pending.get_or_insert_with(TransactionId::new);
        self.next = now + self.gap;
        self.gap = (self.gap * 2).min(CHECK_MAX);
        Ok(Some(self.request(id)?))
    }

    fn request(&self, id: TransactionId) -> Result<Vec<u8>> {
        let username = format!("{}:{}", self.remote.0, self.local.0);
        let mut m = Message::new();
        build(&mut m, &[&BINDING_REQUEST, &id])?;
        m.write_header();
        build(&mut m, &[&TextAttribute::new(ATTR_USERNAME, username)])?;
        m.add(ATTR_PRIORITY, &0x6eff_ffff_u32.to_be_bytes());
        m.add(ATTR_ICE_CONTROLLING, &self.tie_breaker.to_be_bytes());
        m.add(ATTR_USE_CANDIDATE, &[]);
        self.seal(m, &self.remote.1)
    }

    fn seal(&self, mut m: Message, password: &str) -> Result<Vec<u8>> {
        let integrity =
            MessageIntegrity::new_raw_integrity_with_provider(password, self.crypto.crypto());
        build(&mut m, &[&integrity, &FINGERPRINT])?;
        Ok(m.raw)
    }

    /// Takes a STUN message from the server; a reply to send, if it was a request.
    ///
    /// # Errors
    /// When it does not parse, its integrity or fingerprint is wrong, or it reports an error.
    pub fn handle(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Result<Option<Vec<u8>>> {
        let mut m = Message::new();
        m.unmarshal_binary(datagram).map_err(stun)?;
        if m.typ == BINDING_REQUEST {
            MessageIntegrity::check(&mut m, self.local.1.as_bytes(), self.crypto.crypto())
                .map_err(stun)?;
            let mut reply = Message::new();
            build(&mut reply, &[&BINDING_SUCCESS, &m.transaction_id])?;
            reply.write_header();
            let mapped = XorMappedAddress {
                ip: from.ip(),
                port: from.port(),
            };
            build(&mut reply, &[&mapped])?;
            return Ok(Some(self.seal(reply, &self.local.1)?));
        }
        if m.typ.class == CLASS_ERROR_RESPONSE {
            bail!("STUN error response: {m}");
        }
        if m.typ != BINDING_SUCCESS {
            return Ok(None);
        }
        FINGERPRINT.check(&m).map_err(stun).context("fingerprint")?;
        MessageIntegrity::check(&mut m, self.remote.1.as_bytes(), self.crypto.crypto())
            .map_err(stun)
            .context("message integrity of a binding response")?;
        if self.pending == Some(m.transaction_id) {
            self.pending = None;
            self.connected = true;
            self.responses += 1;
            self.last_response = Some(now);
            self.next = now + CONSENT + Duration::from_millis(fastrand::u64(0..2000));
        }
        Ok(None)
    }
}

fn build(m: &mut Message, setters: &[&dyn Setter]) -> Result<()> {
    for s in setters {
        s.add_to(m).map_err(stun)?;
    }
    Ok(())
}

fn stun(e: rtc_shared::error::Error) -> anyhow::Error {
    anyhow!("STUN: {e}")
}

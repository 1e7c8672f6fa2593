//! One peer connection without its socket: ICE, DTLS and SRTP, datagrams in and out.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use bytes::BytesMut;
use rtc_crypto::RTCCryptoProvider;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_dtls::state::State;
use rtc_shared::TransportProtocol;
use rtc_srtp::config::LABEL_EXTRACTOR_DTLS_SRTP;
use rtc_srtp::context::Context;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;
use sha2::{Digest, Sha256};

use crate::ice::{Agent, random_token};
use crate::sdp::{Answer, Setup};

/// SRTP protection to offer in DTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protection {
    /// As browsers offer them: AES-GCM first, then AES-CM with SHA-1.
    #[default]
    Any,
    /// Only `AEAD_AES_128_GCM`.
    Gcm,
    /// Only `AES128_CM_SHA1_80`.
    Sha1,
}

impl Protection {
    fn profiles(self) -> Vec<SrtpProtectionProfile> {
        let gcm = SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm;
        let sha1 = SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80;
        match self {
            Self::Any => vec![gcm, sha1],
            Self::Gcm => vec![gcm],
            Self::Sha1 => vec![sha1],
        }
    }
}

/// What this side brings into an offer.
pub struct Identity {
    /// ICE user fragment and password.
    pub ice: (String, String),
    /// Certificate fingerprint as in SDP.
    pub fingerprint: String,
    certificate: Certificate,
    crypto: Arc<dyn RTCCryptoProvider>,
}

/// One certificate a process is enough: a load generator is not a key-generation benchmark.
fn shared_certificate(crypto: &dyn RTCCryptoProvider) -> Result<Certificate> {
    static ONE: OnceLock<Certificate> = OnceLock::new();
    if let Some(c) = ONE.get() {
        return Ok(c.clone());
    }
    let made = Certificate::generate_self_signed(vec!["peer".to_owned()], crypto.crypto())
        .map_err(|e| anyhow!("certificate: {e}"))?;
    Ok(ONE.get_or_init(|| made).clone())
}

fn fingerprint(der: &[u8]) -> String {
    let hex: Vec<String> = Sha256::digest(der)
        .iter()
        .map(|b| format!("{b:02X}"))
        .collect();
    hex.join(":")
}

impl Identity {
    /// Fresh ICE credentials under this process's certificate.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new() -> Result<Self> {
        let crypto: Arc<dyn RTCCryptoProvider> =
            Arc::new(rtc_crypto::providers::RingProvider::new());
        let certificate = shared_certificate(crypto.as_ref())?;
        let der = certificate
            .certificate
            .first()
            .ok_or_else(|| anyhow!("empty certificate"))?;
        Ok(Self {
            ice: (random_token(8), random_token(24)),
            fingerprint: fingerprint(der),
            certificate,
            crypto,
        })
    }
}

/// What came out of the connection.
#[derive(Debug)]
pub enum Event {
    /// The first check was answered.
    IceConnected,
    /// Keys are there; media may flow.
    Secured(SrtpProtectionProfile),
    /// A decrypted RTP packet.
    Rtp(BytesMut),
    /// A decrypted RTCP compound.
    Rtcp(BytesMut),
    /// The server closed the DTLS connection.
    Closed,
}

/// Counters of things that should not happen.
#[derive(Debug, Clone, Default)]
pub struct Oddities {
    /// SRTP packets whose authentication failed.
    pub srtp_bad: u64,
    /// SRTP packets that were replays.
    pub srtp_replayed: u64,
    /// STUN messages refused.
    pub stun_bad: u64,
    /// DTLS datagrams refused.
    pub dtls_bad: u64,
    /// Datagrams of no known kind.
    pub unknown: u64,
    /// Text of the last of them.
    pub last: String,
}

/// The connection.
pub struct Session {
    ice: Agent,
    dtls: Endpoint,
    dtls_client: Option<Arc<HandshakeConfig>>,
    expected_fingerprint: String,
    remote: SocketAddr,
    crypto: Arc<dyn RTCCryptoProvider>,
    inbound: Option<Context>,
    outbound: Option<Context>,
    out: VecDeque<Vec<u8>>,
    closed: bool,
    /// Take SRTP as it is, without decrypting: RTP headers only, for cheap load.
    pub skip_decryption: bool,
    /// What went wrong so far.
    pub oddities: Oddities,
}

impl Session {
    /// A connection toward the server of `answer`.
    ///
    /// # Errors
    /// When DTLS cannot be configured or the answer has no candidate.
    pub fn new(
        identity: &Identity,
        answer: &Answer,
        local: SocketAddr,
        protection: Protection,
        now: Instant,
    ) -> Result<Self> {
        let remote = answer.remote()?;
        let is_client = answer.setup == Setup::Passive;
        let config = ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(&identity.crypto))
            .with_certificates(vec![identity.certificate.clone()])
            .with_srtp_protection_profiles(protection.profiles())
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_insecure_skip_verify(true)
            .with_flight_interval(Duration::from_millis(200))
            .build(is_client, Some(remote))
            .map_err(|e| anyhow!("DTLS configuration: {e}"))?;
        let config = Arc::new(config);
        let server = (!is_client).then(|| Arc::clone(&config));
        Ok(Self {
            ice: Agent::new(
                Arc::clone(&identity.crypto),
                identity.ice.clone(),
                (answer.ufrag.clone(), answer.pwd.clone()),
                now,
            ),
            dtls: Endpoint::new(local, TransportProtocol::UDP, server),
            dtls_client: is_client.then_some(config),
            expected_fingerprint: answer.fingerprint.clone(),
            remote,
            crypto: Arc::clone(&identity.crypto),
            inbound: None,
            outbound: None,
            out: VecDeque::new(),
            closed: false,
            skip_decryption: false,
            oddities: Oddities::default(),
        })
    }

    /// Whether media keys are there.
    pub fn secured(&self) -> bool {
        self.inbound.is_some()
    }

    /// Answered ICE checks so far, and when the last one was.
    pub fn ice_responses(&self) -> (u64, Option<Instant>) {
        (self.ice.responses, self.ice.last_response)
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let ice = self.ice.next_timeout();
        let dtls = self.dtls.poll_timeout(&self.remote);
        Some(dtls.map_or(ice, |d| d.min(ice)))
    }

    /// Retransmissions and consent checks.
    ///
    /// # Errors
    /// When DTLS has given up.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<()> {
        if self.closed {
            return Ok(());
        }
        if let Some(check) = self.ice.poll(now)? {
            self.out.push_back(check);
        }
        if self
            .dtls
            .poll_timeout(&self.remote)
            .is_some_and(|t| t <= now)
        {
            self.dtls
                .handle_timeout(self.remote, now)
                .map_err(|e| anyhow!("DTLS: {e}"))?;
        }
        self.drain_dtls();
        Ok(())
    }

    /// Takes one datagram from the server.
    ///
    /// # Errors
    /// When the connection cannot go on: wrong fingerprint, no common SRTP profile.
    pub fn handle(&mut self, now: Instant, datagram: &[u8]) -> Result<Option<Event>> {
        // RFC 7983 section 7: the first byte tells the protocols apart.
        match datagram.first() {
            Some(0..=3) => self.handle_stun(now, datagram),
            Some(20..=63) => self.handle_dtls(now, datagram),
            Some(128..=191) => Ok(self.handle_srtp(datagram)),
            _ => {
                self.oddities.unknown += 1;
                Ok(None)
            }
        }
    }

    fn handle_stun(&mut self, now: Instant, datagram: &[u8]) -> Result<Option<Event>> {
        let before = self.ice.connected();
        match self.ice.handle(now, self.remote, datagram) {
            Ok(Some(reply)) => self.out.push_back(reply),
            Ok(None) => {}
            Err(e) => {
                self.oddities.stun_bad += 1;
                self.oddities.last = format!("{e:#}");
            }
        }
        if before || !self.ice.connected() {
            return Ok(None);
        }
        if let Some(config) = self.dtls_client.take() {
            self.dtls
                .connect(now, self.remote, config, None)
                .map_err(|e| anyhow!("DTLS: {e}"))?;
            self.drain_dtls();
        }
        Ok(Some(Event::IceConnected))
    }

    fn handle_dtls(&mut self, now: Instant, datagram: &[u8]) -> Result<Option<Event>> {
        let events = self
            .dtls
            .read(now, self.remote, None, BytesMut::from(datagram));
        let mut result = None;
        match events {
            Ok(events) => {
                for event in events {
                    match event {
                        EndpointEvent::HandshakeComplete => result = Some(self.install_keys()?),
                        EndpointEvent::PeerClosed => {
                            self.closed = true;
                            result = Some(Event::Closed);
                        }
                        _ => {}
                    }
                }
            }
            Err(e) => {
                self.oddities.dtls_bad += 1;
                self.oddities.last = format!("DTLS: {e}");
            }
        }
        self.drain_dtls();
        Ok(result)
    }

    fn install_keys(&mut self) -> Result<Event> {
        let Some(state) = self.dtls.get_connection_state(self.remote) else {
            bail!("DTLS connection gone");
        };
        let seen = state.peer_certificates.first().map(|c| fingerprint(c));
        if seen.as_deref() != Some(self.expected_fingerprint.as_str()) {
            bail!(
                "certificate fingerprint {seen:?}, answer says {}",
                self.expected_fingerprint
            );
        }
        let negotiated = state.srtp_protection_profile();
        let (outbound, inbound) = contexts(state, self.crypto.as_ref())?;
        self.outbound = Some(outbound);
        self.inbound = Some(inbound);
        Ok(Event::Secured(negotiated))
    }

    fn handle_srtp(&mut self, datagram: &[u8]) -> Option<Event> {
        // RFC 5761 section 4: RTCP types 192 to 223 where RTP has marker and type.
        let is_rtcp = datagram.get(1).is_some_and(|t| (192..=223).contains(t));
        let inbound = self.inbound.as_mut()?;
        if self.skip_decryption && !is_rtcp {
            return Some(Event::Rtp(BytesMut::from(datagram)));
        }
        let opened = if is_rtcp {
            inbound.decrypt_rtcp(datagram).map(Event::Rtcp)
        } else {
            inbound.decrypt_rtp(datagram).map(Event::Rtp)
        };
        match opened {
            Ok(event) => Some(event),
            Err(e) => {
                match e {
                    rtc_shared::error::Error::SrtpSsrcDuplicated(..)
                    | rtc_shared::error::Error::SrtcpSsrcDuplicated(..) => {
                        self.oddities.srtp_replayed += 1;
                    }
                    _ => self.oddities.srtp_bad += 1,
                }
                self.oddities.last = format!("SRTP: {e}");
                None
            }
        }
    }

    /// Encrypts and queues an RTCP compound; nothing before the keys are there.
    pub fn send_rtcp(&mut self, plain: &[u8]) {
        if let Some(Ok(sealed)) = self.outbound.as_mut().map(|c| c.encrypt_rtcp(plain)) {
            self.out.push_back(sealed.to_vec());
        }
    }

    /// Encrypts and queues an RTP packet; nothing before the keys are there.
    pub fn send_rtp(&mut self, plain: &[u8]) {
        if let Some(Ok(sealed)) = self.outbound.as_mut().map(|c| c.encrypt_rtp(plain)) {
            self.out.push_back(sealed.to_vec());
        }
    }

    /// Queues a datagram as it is, for what a peer should not send.
    pub fn send_raw(&mut self, datagram: Vec<u8>) {
        self.out.push_back(datagram);
    }

    /// Tells the server with a DTLS close_notify.
    pub fn close(&mut self, now: Instant) {
        self.closed = true;
        // Nothing to do about a failure: the connection is being given up.
        let _ = self.dtls.close(now);
        self.drain_dtls();
    }

    fn drain_dtls(&mut self) {
        while let Some(t) = self.dtls.poll_transmit() {
            self.out.push_back(t.message.to_vec());
        }
    }
}

/// (outbound, inbound) SRTP contexts of a finished handshake.
fn contexts(state: &State, crypto: &dyn RTCCryptoProvider) -> Result<(Context, Context)> {
    let profile = match state.srtp_protection_profile() {
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => ProtectionProfile::AeadAes128Gcm,
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => {
            ProtectionProfile::Aes128CmHmacSha1_80
        }
        other => bail!("SRTP profile {other:?}"),
    };
    let mut config = rtc_srtp::config::Config {
        profile,
        ..Default::default()
    };
    let length = config.keying_material_len();
    let failed = |e: rtc_shared::error::Error| anyhow!("SRTP keys: {e}");
    let material = state
        .export_keying_material(LABEL_EXTRACTOR_DTLS_SRTP, &[], length)
        .map_err(failed)?;
    config
        .set_session_keys_from_keying_material(material.as_ref(), state.is_client())
        .map_err(failed)?;
    let keys = &config.keys;
    let outbound = Context::new(
        &keys.local_master_key,
        &keys.local_master_salt,
        profile,
        None,
        None,
        crypto.crypto(),
    )
    .map_err(failed)?;
    let inbound = Context::new(
        &keys.remote_master_key,
        &keys.remote_master_salt,
        profile,
        Some(srtp_replay_protection(1024)),
        Some(srtcp_replay_protection(128)),
        crypto.crypto(),
    )
    .map_err(failed)?;
    Ok((outbound, inbound))
}

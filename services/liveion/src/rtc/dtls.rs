//! DTLS, server side, on the sans-IO endpoint of `rtc-dtls`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ring::digest;
use rtc_crypto::RTCCryptoProvider;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_shared::TransportProtocol;

use super::hello;
use super::sdp::Fingerprint;
use super::srtp::{self, SrtpKeys};

/// First retransmission; the library doubles nothing, so a lost flight costs this much.
const FLIGHT_INTERVAL: Duration = Duration::from_millis(250);

/// Our certificate, one for the life of the process: browsers compare its fingerprint with the
/// answer's, and nothing else.
#[derive(Clone)]
pub(crate) struct Identity {
    certificate: Certificate,
    /// For the answer.
    pub fingerprint: Fingerprint,
    /// Primitives for everything else.
    pub provider: Arc<dyn RTCCryptoProvider>,
}

impl Identity {
    /// Makes a key (ECDSA P-256) and a self-signed certificate.
    pub fn generate() -> Result<Self, String> {
        let provider = rtc_crypto::default_provider().map_err(|e| e.to_string())?;
        let certificate =
            Certificate::generate_self_signed(vec!["livehal".to_owned()], provider.crypto())
                .map_err(|e| e.to_string())?;
        let der = certificate
            .certificate
            .first()
            .ok_or("no certificate was made")?;
        let fingerprint = Fingerprint {
            algorithm: "sha-256".into(),
            digest: digest::digest(&digest::SHA256, der).as_ref().to_vec(),
        };
        Ok(Self {
            certificate,
            fingerprint,
            provider,
        })
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// What a datagram led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DtlsEvent {
    /// The handshake is complete: keys can be had.
    Connected,
    /// The peer closed (close_notify).
    Closed,
}

/// One association.
pub(crate) struct Dtls {
    identity: Identity,
    expected: Fingerprint,
    /// Made with the first datagram, which decides the SRTP profile.
    endpoint: Option<Endpoint>,
}

/// ICE may move a session to another address; the association does not care, so it is kept under
/// one name for all of them.
pub(super) const PEER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

impl Dtls {
    /// Waits for a ClientHello from the owner of `expected`.
    pub fn server(identity: &Identity, expected: Fingerprint) -> Self {
        Self {
            identity: identity.clone(),
            expected,
            endpoint: None,
        }
    }

    fn endpoint_for(&self, hello: &[u8]) -> Result<Endpoint, String> {
        let expected = self.expected.clone();
        let config = ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(&self.identity.provider))
            .with_certificates(vec![self.identity.certificate.clone()])
            .with_srtp_protection_profiles(hello::profiles(hello))
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .with_flight_interval(FLIGHT_INTERVAL)
            // The certificate is self-signed and known by its fingerprint (RFC 8827 section 5.6.4).
            .with_insecure_skip_verify(true)
            .with_verify_peer_certificate(Some(Arc::new(move |chain, _| match chain.first() {
                Some(der) if matches(&expected, der) => Ok(()),
                _ => Err(rtc_shared::error::Error::Other(
                    "the peer's certificate is not the one its SDP announced".into(),
                )),
            })))
            .build(false, None)
            .map_err(|e| e.to_string())?;
        Ok(Endpoint::new(
            PEER,
            TransportProtocol::UDP,
            Some(Arc::new(config)),
        ))
    }

    /// Takes a datagram. Application data (data channels) is not served and dropped.
    pub fn read(&mut self, now: Instant, datagram: &[u8]) -> Result<Vec<DtlsEvent>, String> {
        let endpoint = match &mut self.endpoint {
            Some(endpoint) => endpoint,
            None => {
                let made = self.endpoint_for(datagram)?;
                self.endpoint.insert(made)
            }
        };
        let events = endpoint
            .read(now, PEER, None, BytesMut::from(datagram))
            .map_err(|e| e.to_string())?;
        Ok(events
            .into_iter()
            .filter_map(|e| match e {
                EndpointEvent::HandshakeComplete => Some(DtlsEvent::Connected),
                EndpointEvent::PeerClosed => Some(DtlsEvent::Closed),
                _ => None,
            })
            .collect())
    }

    /// Next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<BytesMut> {
        self.endpoint.as_mut()?.poll_transmit().map(|t| t.message)
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.as_ref()?.poll_timeout(&PEER)
    }

    /// Retransmits a lost flight.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), String> {
        if self.poll_timeout().is_none_or(|t| now < t) {
            return Ok(());
        }
        match &mut self.endpoint {
            Some(endpoint) => endpoint
                .handle_timeout(PEER, now)
                .map_err(|e| e.to_string()),
            None => Ok(()),
        }
    }

    /// Queues a close_notify.
    pub fn close(&mut self, now: Instant) {
        if let Some(endpoint) = &mut self.endpoint {
            // Nothing is to be done if the alert cannot be written: the peer's consent runs out.
            let _ = endpoint.close(now);
        }
    }

    /// SRTP keys of a completed handshake.
    pub fn srtp_keys(&self) -> Result<SrtpKeys, String> {
        let state = self
            .endpoint
            .as_ref()
            .and_then(|e| e.get_connection_state(PEER))
            .ok_or("no association")?;
        let profile = srtp::profile(state.srtp_protection_profile()).map_err(|e| e.to_string())?;
        let length = 2 * (profile.key_len() + profile.salt_len());
        let material = state
            .export_keying_material(srtp::EXPORTER_LABEL, &[], length)
            .map_err(|e| e.to_string())?;
        SrtpKeys::from_exporter(profile, material.as_ref(), self.identity.provider.crypto())
            .map_err(|e| e.to_string())
    }
}

fn matches(expected: &Fingerprint, der: &[u8]) -> bool {
    let algorithm = match expected.algorithm.as_str() {
        "sha-256" => &digest::SHA256,
        "sha-384" => &digest::SHA384,
        "sha-512" => &digest::SHA512,
        _ => return false,
    };
    digest::digest(algorithm, der).as_ref() == expected.digest
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rtc_dtls::config::HandshakeConfig;

    /// A DTLS client, as a browser would be.
    pub(crate) struct Client {
        pub endpoint: Endpoint,
        pub done: bool,
    }

    pub(crate) fn client_config(identity: &Identity) -> Arc<HandshakeConfig> {
        Arc::new(
            ConfigBuilder::default()
                .with_crypto_provider(Arc::clone(&identity.provider))
                .with_certificates(vec![identity.certificate.clone()])
                .with_srtp_protection_profiles(srtp::PROFILES.to_vec())
                .with_insecure_skip_verify(true)
                .build(true, None)
                .unwrap(),
        )
    }

    impl Client {
        pub fn connect(identity: &Identity, now: Instant) -> Self {
            let mut endpoint = Endpoint::new(PEER, TransportProtocol::UDP, None);
            endpoint
                .connect(now, PEER, client_config(identity), None)
                .unwrap();
            Self {
                endpoint,
                done: false,
            }
        }

        pub fn read(&mut self, now: Instant, datagram: &[u8]) {
            let events = self
                .endpoint
                .read(now, PEER, None, BytesMut::from(datagram))
                .unwrap();
            self.done |= events
                .iter()
                .any(|e| matches!(e, EndpointEvent::HandshakeComplete));
        }

        pub fn transmit(&mut self) -> Option<BytesMut> {
            self.endpoint.poll_transmit().map(|t| t.message)
        }
    }

    fn handshake(expected: Fingerprint, client: &Identity) -> Result<Dtls, String> {
        let server = Identity::generate().unwrap();
        let now = Instant::now();
        let mut dtls = Dtls::server(&server, expected);
        let mut client = Client::connect(client, now);
        let mut connected = false;
        for _ in 0..20 {
            while let Some(d) = client.transmit() {
                connected |= dtls.read(now, &d)?.contains(&DtlsEvent::Connected);
            }
            while let Some(d) = dtls.poll_transmit() {
                client.read(now, &d);
            }
        }
        if connected && client.done {
            Ok(dtls)
        } else {
            Err("no handshake".into())
        }
    }

    #[test]
    fn a_peer_with_the_announced_certificate_gets_gcm_keys() {
        let client = Identity::generate().unwrap();
        let dtls = handshake(client.fingerprint.clone(), &client).unwrap();
        let keys = dtls.srtp_keys().unwrap();
        assert!(matches!(keys.outbound, srtp::RtpProtector::Gcm(_)));
    }

    #[test]
    fn a_peer_with_another_certificate_is_refused() {
        let client = Identity::generate().unwrap();
        let other = Identity::generate().unwrap();
        let e = handshake(other.fingerprint, &client).err().unwrap();
        assert!(e.contains("certificate"), "{e}");
    }

    #[test]
    fn garbage_is_an_error_and_not_the_end() {
        let server = Identity::generate().unwrap();
        let mut dtls = Dtls::server(&server, server.fingerprint.clone());
        let now = Instant::now();
        let mut state = 5u64;
        for len in 0..400 {
            let garbage: Vec<u8> = (0..len)
                .map(|i| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    if i == 0 {
                        20 + (state >> 60) as u8
                    } else {
                        (state >> 40) as u8
                    }
                })
                .collect();
            let _ = dtls.read(now, &garbage);
        }
    }
}

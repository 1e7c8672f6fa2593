//! The peer of the tests: a session and what answers it, joined by memory, with a clock that is moved.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use livehal::{CaptureTime, PacketTiming};
use rtc_rtp::header::Header;
use rtc_shared::marshal::{MarshalSize, Unmarshal};
use rtc_srtp::context::Context;
use rtc_stun::attributes::{ATTR_USE_CANDIDATE, ATTR_USERNAME, RawAttribute};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, Message, Setter, TransactionId};
use rtc_stun::textattrs::TextAttribute;

use super::super::dtls::tests::Client;
use super::super::rtcp::{self, Feedback};
use super::super::sdp::{IceCredentials, Payload};
use super::super::srtp;
use super::super::*;
use crate::rtp::{Extensions, RtpFrame};

pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const SSRC: u32 = 0x1111;
pub(super) const RTX_SSRC: u32 = 0x2222;
pub(super) const IDLE: Duration = Duration::from_secs(10);

pub(super) fn negotiated(rtx: bool) -> Negotiated {
    Negotiated {
        section: 0,
        payload: Payload {
            number: 96,
            name: "H264".into(),
            clock_rate: 90_000,
            fmtp: String::new(),
            feedback: vec![],
        },
        rtx: rtx.then_some(97),
        extensions: Extensions {
            transport_cc: 3,
            ..Default::default()
        },
    }
}

/// One packet as the peer sees it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Received {
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) payload: Bytes,
    pub(super) wire: Vec<u8>,
}

/// Server session and peer, joined by memory.
pub(super) struct Link {
    pub(super) server: Identity,
    pub(super) client: Identity,
    pub(super) session: Session,
    pub(super) cache: GopCache,
    pub(super) batch: Batch,
    pub(super) now: Instant,
    pub(super) dtls: Option<Client>,
    pub(super) srtp: Option<(Context, Context)>,
    pub(super) received: Vec<Received>,
    pub(super) feedback: Vec<Feedback>,
    pub(super) events: Vec<SessionEvent>,
}

pub(super) fn peer_address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4_000))
}

pub(super) fn credentials(ufrag: &str) -> IceCredentials {
    IceCredentials {
        ufrag: ufrag.into(),
        pwd: "password-of-the-server".into(),
    }
}

impl Link {
    pub(super) fn viewer(rtx: bool) -> Self {
        let params = ViewerParams {
            ssrc: SSRC,
            rtx_ssrc: RTX_SSRC,
            sequence: 100,
            cname: "demo".into(),
            bounds: BitrateBounds {
                start: 1_000_000,
                min: 100_000,
                max: 2_000_000,
            },
        };
        Self::new(Role::Viewer(Box::new(Viewer::new(
            &negotiated(rtx),
            params,
        ))))
    }

    pub(super) fn new(role: Role) -> Self {
        let server = Identity::generate().unwrap();
        let client = Identity::generate().unwrap();
        let now = Instant::now();
        let transport = Transport::new(
            &server,
            credentials("us"),
            "them".into(),
            client.fingerprint.clone(),
            IDLE,
            now,
        );
        Self {
            session: Session { transport, role },
            server,
            client,
            cache: GopCache::default(),
            batch: Batch::default(),
            now,
            dtls: None,
            srtp: None,
            received: Vec::new(),
            feedback: Vec::new(),
            events: Vec::new(),
        }
    }

    pub(super) fn check(&mut self, user: &str) -> Result<(), stun::CheckError> {
        let integrity = MessageIntegrity::new_short_term_integrity_with_provider(
            "password-of-the-server".into(),
            self.server.provider.crypto(),
        );
        let mut m = Message::new();
        let parts: [Box<dyn Setter + '_>; 6] = [
            Box::new(BINDING_REQUEST),
            Box::new(TransactionId([1; 12])),
            Box::new(TextAttribute::new(ATTR_USERNAME, user.into())),
            Box::new(RawAttribute {
                typ: ATTR_USE_CANDIDATE,
                length: 0,
                value: vec![],
            }),
            Box::new(integrity),
            Box::new(FINGERPRINT),
        ];
        m.build(&parts).unwrap();
        let check = Check::parse(&m.raw).unwrap();
        let event =
            self.session
                .on_check(self.now, peer_address(), None, check, &mut self.batch)?;
        self.events.extend(event);
        Ok(())
    }

    /// Checks, handshake and keys, as a browser does it.
    pub(super) fn connect(&mut self) {
        self.check("us:them").unwrap();
        self.batch.clear();
        self.dtls = Some(Client::connect(&self.client, self.now));
        for _ in 0..20 {
            while let Some(d) = self.dtls.as_mut().unwrap().transmit() {
                self.give(&d);
            }
            self.take();
        }
        assert!(self.dtls.as_ref().unwrap().done, "no handshake");
    }

    /// Hands the session a datagram of the peer.
    pub(super) fn give(&mut self, datagram: &[u8]) {
        match self
            .session
            .on_datagram(self.now, datagram, &self.cache, &mut self.batch)
        {
            Ok(event) => self.events.extend(event),
            Err(why) => panic!("refused: {why:?}"),
        }
    }

    pub(super) fn give_rtcp(&mut self, plain: Option<BytesMut>) {
        let protected = self.srtp.as_mut().unwrap().0.encrypt_rtcp(&plain.unwrap());
        self.give(&protected.unwrap());
    }

    /// What the session sent.
    pub(super) fn datagrams(&mut self) -> Vec<Vec<u8>> {
        let datagrams = self
            .batch
            .bursts()
            .flat_map(|(b, bytes)| bytes.chunks(b.segment).map(<[u8]>::to_vec))
            .collect();
        self.batch.clear();
        datagrams
    }

    /// Takes what the session sent, as the peer.
    pub(super) fn take(&mut self) {
        for d in self.datagrams() {
            match d.first() {
                Some(20..=63) => {
                    self.dtls.as_mut().unwrap().read(self.now, &d);
                    self.make_keys();
                }
                Some(128..=191) => self.take_media(d),
                _ => {}
            }
        }
    }

    pub(super) fn make_keys(&mut self) {
        let dtls = self.dtls.as_ref().unwrap();
        if !dtls.done || self.srtp.is_some() {
            return;
        }
        let state = dtls.endpoint.get_connection_state(dtls::PEER).unwrap();
        let profile = srtp::profile(state.srtp_protection_profile()).unwrap();
        let (k, s) = (profile.key_len(), profile.salt_len());
        let m = state
            .export_keying_material(srtp::EXPORTER_LABEL, &[], 2 * (k + s))
            .unwrap();
        let m: &[u8] = m.as_ref();
        let crypto = self.client.provider.crypto();
        let context =
            |key: &[u8], salt: &[u8]| Context::new(key, salt, profile, None, None, crypto);
        self.srtp = Some((
            context(&m[..k], &m[2 * k..2 * k + s]).unwrap(),
            context(&m[k..2 * k], &m[2 * k + s..]).unwrap(),
        ));
    }

    pub(super) fn take_media(&mut self, d: Vec<u8>) {
        let inbound = &mut self.srtp.as_mut().unwrap().1;
        if (192..=223).contains(&d[1]) {
            let plain = inbound.decrypt_rtcp(&d).unwrap();
            self.feedback.extend(rtcp::parse(&plain).unwrap());
            return;
        }
        let plain = inbound.decrypt_rtp(&d).unwrap().freeze();
        let h = Header::unmarshal(&mut plain.as_ref()).unwrap();
        self.received.push(Received {
            ssrc: h.ssrc,
            sequence: h.sequence_number,
            timestamp: h.timestamp,
            marker: h.marker,
            payload: plain.slice(h.marshal_size()..),
            wire: d,
        });
    }

    /// A frame captured now goes into the cache and to the viewer.
    pub(super) fn frame(&mut self, number: u64, key: bool, packets: usize) -> u32 {
        let f = frame(number, key, packets);
        self.cache.push(&f);
        self.session.on_frame(self.now, &f, &mut self.batch);
        f.rtp_time
    }

    pub(super) fn advance(&mut self, by: Duration) -> Result<(), String> {
        self.now += by;
        let event = self
            .session
            .handle_timeout(self.now, &self.cache, &mut self.batch)?;
        self.events.extend(event);
        self.take();
        Ok(())
    }
}

/// Frame `number` at 30 fps; every packet's payload is unlike all others.
pub(super) fn frame(number: u64, key: bool, packets: usize) -> Arc<RtpFrame> {
    let payload = |i: usize| {
        let mut p = vec![0x41; 1_000];
        p[1] = number as u8;
        p[2] = i as u8;
        p
    };
    let data: Vec<u8> = (0..packets).flat_map(payload).collect();
    let ends = (1..=packets as u32).map(|i| i * 1_000).collect();
    let timing = PacketTiming {
        captured: CaptureTime::from_nanos(1_000_000_000_000 + number * 33_333_333),
        ..Default::default()
    };
    Arc::new(RtpFrame::new(Bytes::from(data), ends, key, timing))
}

pub(super) fn numbers(received: &[Received]) -> Vec<u8> {
    received
        .iter()
        .filter(|r| r.marker)
        .map(|r| r.payload[1])
        .collect()
}

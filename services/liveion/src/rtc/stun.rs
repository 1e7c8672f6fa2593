//! ICE-lite: answering connectivity checks (RFC 8445, RFC 8489).

use std::net::SocketAddr;

use rtc_crypto::RTCCrypto;
use rtc_stun::attributes::{ATTR_ICE_CONTROLLED, ATTR_USE_CANDIDATE, ATTR_USERNAME};
use rtc_stun::error_code::{CODE_ROLE_CONFLICT, ErrorCodeAttribute};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Message, MessageType, Setter,
};
use rtc_stun::xoraddr::XorMappedAddress;

/// Longest check taken, in bytes.
const MAX_CHECK: usize = 1_024;

/// A connectivity check whose credentials have not been verified yet.
#[derive(Debug)]
pub(crate) struct Check {
    message: Message,
    local_ufrag: String,
    remote_ufrag: String,
}

/// The answer to a check.
#[derive(Debug)]
pub(crate) struct CheckAnswer {
    /// What to send back.
    pub response: Vec<u8>,
    /// The check was right and its address works.
    pub valid: bool,
    /// The peer chose this address.
    pub nominated: bool,
}

/// Why a check is not answered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum CheckError {
    /// Not a well-formed binding request.
    #[error("not a binding request")]
    NotARequest,
    /// No user name, or one without a colon.
    #[error("no usable USERNAME")]
    Username,
    /// The message integrity is wrong.
    #[error("wrong MESSAGE-INTEGRITY")]
    Integrity,
    /// The answer could not be written.
    #[error("answer: {0}")]
    Answer(String),
}

impl Check {
    /// Parses a datagram that begins like STUN.
    pub fn parse(datagram: &[u8]) -> Result<Self, CheckError> {
        if datagram.len() > MAX_CHECK {
            return Err(CheckError::NotARequest);
        }
        let mut message = Message::new();
        message
            .unmarshal_binary(datagram)
            .map_err(|_| CheckError::NotARequest)?;
        if message.typ != BINDING_REQUEST {
            return Err(CheckError::NotARequest);
        }
        // The library keeps trailing bytes; a fingerprint over them would not match.
        if message.contains(rtc_stun::attributes::ATTR_FINGERPRINT) {
            FINGERPRINT
                .check(&message)
                .map_err(|_| CheckError::NotARequest)?;
        }
        let name = message
            .get(ATTR_USERNAME)
            .ok()
            .and_then(|v| String::from_utf8(v).ok())
            .ok_or(CheckError::Username)?;
        let (local, remote) = name.split_once(':').ok_or(CheckError::Username)?;
        Ok(Self {
            local_ufrag: local.to_owned(),
            remote_ufrag: remote.to_owned(),
            message,
        })
    }

    /// Our user name fragment, as the peer wrote it.
    pub fn local_ufrag(&self) -> &str {
        &self.local_ufrag
    }

    /// The peer's user name fragment.
    pub fn remote_ufrag(&self) -> &str {
        &self.remote_ufrag
    }

    /// Verifies the check with our password and writes the answer to `from`.
    pub fn answer(
        mut self,
        pwd: &str,
        from: SocketAddr,
        crypto: &dyn RTCCrypto,
    ) -> Result<CheckAnswer, CheckError> {
        MessageIntegrity::check(&mut self.message, pwd.as_bytes(), crypto)
            .map_err(|_| CheckError::Integrity)?;
        let conflict = self.message.contains(ATTR_ICE_CONTROLLED);
        let response = if conflict {
            // An ICE-lite agent is never controlling (RFC 8445 section 6.1.1).
            let error = ErrorCodeAttribute {
                code: CODE_ROLE_CONFLICT,
                reason: b"Role Conflict".to_vec(),
            };
            self.respond(BINDING_ERROR, Box::new(error), pwd, crypto)?
        } else {
            let mapped = XorMappedAddress {
                ip: from.ip(),
                port: from.port(),
            };
            self.respond(BINDING_SUCCESS, Box::new(mapped), pwd, crypto)?
        };
        Ok(CheckAnswer {
            response,
            valid: !conflict,
            nominated: !conflict && self.message.contains(ATTR_USE_CANDIDATE),
        })
    }

    fn respond(
        &self,
        kind: MessageType,
        body: Box<dyn Setter>,
        pwd: &str,
        crypto: &dyn RTCCrypto,
    ) -> Result<Vec<u8>, CheckError> {
        let mut m = Message::new();
        let integrity =
            MessageIntegrity::new_short_term_integrity_with_provider(pwd.to_owned(), crypto);
        m.build(&[
            Box::new(kind),
            Box::new(self.message.transaction_id),
            body,
            Box::new(integrity),
            Box::new(FINGERPRINT),
        ])
        .map_err(|e| CheckError::Answer(e.to_string()))?;
        Ok(m.raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtc_stun::message::TransactionId;
    use rtc_stun::textattrs::TextAttribute;

    fn check(name: &str, pwd: &str, extra: &[rtc_stun::attributes::AttrType]) -> Vec<u8> {
        let provider = rtc_crypto::default_provider().unwrap();
        let mut m = Message::new();
        let mut parts: Vec<Box<dyn Setter + '_>> = vec![
            Box::new(BINDING_REQUEST),
            Box::new(TransactionId([7; 12])),
            Box::new(TextAttribute::new(ATTR_USERNAME, name.to_owned())),
        ];
        for a in extra {
            parts.push(Box::new(rtc_stun::attributes::RawAttribute {
                typ: *a,
                length: 0,
                value: vec![],
            }));
        }
        parts.push(Box::new(
            MessageIntegrity::new_short_term_integrity_with_provider(pwd.into(), provider.crypto()),
        ));
        parts.push(Box::new(FINGERPRINT));
        m.build(&parts).unwrap();
        m.raw.clone()
    }

    fn from() -> SocketAddr {
        "192.0.2.7:4242".parse().unwrap()
    }

    #[test]
    fn a_right_check_is_answered_with_its_own_address() {
        let provider = rtc_crypto::default_provider().unwrap();
        let c = Check::parse(&check("us:them", "pw", &[ATTR_USE_CANDIDATE])).unwrap();
        assert_eq!((c.local_ufrag(), c.remote_ufrag()), ("us", "them"));
        let a = c.answer("pw", from(), provider.crypto()).unwrap();
        assert!(a.valid && a.nominated);
        let mut m = Message::new();
        m.unmarshal_binary(&a.response).unwrap();
        assert_eq!(m.typ, BINDING_SUCCESS);
        assert_eq!(m.transaction_id, TransactionId([7; 12]));
        MessageIntegrity::check(&mut m, b"pw", provider.crypto()).unwrap();
        FINGERPRINT.check(&m).unwrap();
        let mut x = XorMappedAddress::default();
        x.get_from_as(&m, rtc_stun::attributes::ATTR_XORMAPPED_ADDRESS)
            .unwrap();
        assert_eq!(SocketAddr::new(x.ip, x.port), from());
    }

    #[test]
    fn wrong_passwords_and_users_are_not_answered() {
        let provider = rtc_crypto::default_provider().unwrap();
        let c = Check::parse(&check("us:them", "other", &[])).unwrap();
        let e = c.answer("pw", from(), provider.crypto()).unwrap_err();
        assert_eq!(e, CheckError::Integrity);
        let e = Check::parse(&check("nocolon", "pw", &[])).unwrap_err();
        assert_eq!(e, CheckError::Username);
    }

    #[test]
    fn a_peer_that_says_controlled_gets_a_role_conflict() {
        let provider = rtc_crypto::default_provider().unwrap();
        let c = Check::parse(&check("us:them", "pw", &[ATTR_ICE_CONTROLLED])).unwrap();
        let a = c.answer("pw", from(), provider.crypto()).unwrap();
        assert!(!a.valid && !a.nominated);
        let mut m = Message::new();
        m.unmarshal_binary(&a.response).unwrap();
        assert_eq!(m.typ, BINDING_ERROR);
    }

    #[test]
    fn mutated_checks_never_panic() {
        let provider = rtc_crypto::default_provider().unwrap();
        let good = check("us:them", "pw", &[ATTR_USE_CANDIDATE]);
        let mut state = 3u64;
        let mut next = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize
        };
        for _ in 0..20_000 {
            let mut b = good.clone();
            for _ in 0..1 + next() % 6 {
                let at = next() % b.len();
                if next() % 4 == 0 {
                    b.truncate(at.max(1));
                } else {
                    b[at] = (next() % 256) as u8;
                }
            }
            if let Ok(c) = Check::parse(&b) {
                let _ = c.answer("pw", from(), provider.crypto());
            }
        }
    }
}

//! A look into a ClientHello before the handshake: which SRTP profile to answer with.
//!
//! The library takes the first profile of the client's list that the server has too, and
//! Chromium's list begins with AES-CM and HMAC-SHA1, which costs several times what AES-GCM costs.
//! So the server is given one profile only: our best that the client offers.

use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;

use super::srtp::PROFILES;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const USE_SRTP: u16 = 14;

/// Our best profile that this ClientHello offers, or all of ours where it cannot be told: the
/// datagram may be a fragment in which the extension is missing.
pub(crate) fn profiles(datagram: &[u8]) -> Vec<SrtpProtectionProfile> {
    let offered = use_srtp(datagram).unwrap_or_default();
    let best = PROFILES
        .into_iter()
        .find(|p| offered.contains(&(*p as u16)));
    match best {
        Some(best) => vec![best],
        None => PROFILES.to_vec(),
    }
}

/// The profiles in the `use_srtp` extension (RFC 5764 section 4.1.1), if it is in this datagram.
fn use_srtp(datagram: &[u8]) -> Option<Vec<u16>> {
    let mut r = Reader(datagram);
    // DTLS record header (RFC 6347 section 4.1), then the handshake header (section 4.2.2).
    let record = r.take(13)?;
    let handshake = r.take(12)?;
    let first_fragment = handshake.get(6..9)? == [0, 0, 0];
    if record.first()? != &HANDSHAKE || handshake.first()? != &CLIENT_HELLO || !first_fragment {
        return None;
    }
    r.take(2 + 32)?;
    r.vector8()?; // session id
    r.vector8()?; // cookie
    r.vector16()?; // cipher suites
    r.vector8()?; // compression methods
    r.u16()?; // length of the extensions: this fragment may hold fewer
    loop {
        let kind = r.u16()?;
        let body = r.vector16()?;
        if kind == USE_SRTP {
            let list = Reader(body).vector16()?;
            return Some(
                list.chunks_exact(2)
                    .filter_map(|c| c.try_into().ok())
                    .map(u16::from_be_bytes)
                    .collect(),
            );
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn vector8(&mut self) -> Option<&'a [u8]> {
        let n = *self.take(1)?.first()?;
        self.take(usize::from(n))
    }

    fn vector16(&mut self) -> Option<&'a [u8]> {
        let n = self.u16()?;
        self.take(usize::from(n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let mut d = vec![HANDSHAKE, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        d.extend_from_slice(&[CLIENT_HELLO, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        d.extend_from_slice(&[0xfe, 0xfd]);
        d.extend_from_slice(&[7; 32]);
        d.extend_from_slice(&[0, 1, 0xaa, 0, 2, 0xc0, 0x2b, 1, 0, 0, 0]);
        for (kind, body) in extensions {
            d.extend_from_slice(&kind.to_be_bytes());
            d.extend_from_slice(&(body.len() as u16).to_be_bytes());
            d.extend_from_slice(body);
        }
        d
    }

    #[test]
    fn gcm_is_taken_wherever_the_client_lists_it() {
        // What Chromium 156 sends: AES-CM first, then AES-256-GCM and AES-128-GCM.
        let d = hello(&[(10, &[0, 2, 0, 29]), (14, &[0, 6, 0, 1, 0, 8, 0, 7, 0])]);
        assert_eq!(profiles(&d), [SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm]);
        let d = hello(&[(14, &[0, 4, 0, 1, 0, 2, 0])]);
        assert_eq!(
            profiles(&d),
            [SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80]
        );
    }

    #[test]
    fn what_cannot_be_told_leaves_the_choice_to_the_handshake() {
        let whole = hello(&[(10, &[0; 40]), (14, &[0, 2, 0, 7, 0])]);
        for len in 0..whole.len() - 1 {
            assert_eq!(profiles(&whole[..len]), PROFILES, "cut at {len}");
        }
        assert_eq!(profiles(&hello(&[(14, &[0, 2, 0x12, 0x34, 0])])), PROFILES);
        assert_eq!(profiles(&[0xff; 1_500]), PROFILES);
    }
}

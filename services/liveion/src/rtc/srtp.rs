//! SRTP (RFC 3711) with AES-GCM (RFC 7714): keys from DTLS, protection of what is sent, and the
//! library's contexts for everything that is not the hot path.

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rtc_crypto::{BlockCipherAlgorithm, RTCCrypto};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_srtp::context::Context;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;

/// Profiles offered, best first. AES-GCM is both the fastest and the strongest with hardware AES.
pub(crate) const PROFILES: [SrtpProtectionProfile; 3] = [
    SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
    SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
];

/// Label of the DTLS exporter (RFC 5764 section 4.2).
pub(crate) const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";

/// Packets a receiver may see late before they count as replayed.
const REPLAY_WINDOW: usize = 1024;

/// Why keys could not be made or a packet protected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SrtpError {
    /// The peer chose nothing we offered.
    #[error("SRTP protection profile {0:?} is not one of those offered")]
    Profile(SrtpProtectionProfile),
    /// The exporter gave fewer bytes than the profile needs.
    #[error("DTLS gave {0} bytes of keying material")]
    Keys(usize),
    /// The cipher refused.
    #[error("SRTP: {0}")]
    Cipher(String),
}

fn cipher(e: impl std::fmt::Display) -> SrtpError {
    SrtpError::Cipher(e.to_string())
}

/// The profile as the SRTP library names it.
pub(crate) fn profile(p: SrtpProtectionProfile) -> Result<ProtectionProfile, SrtpError> {
    match p {
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Ok(ProtectionProfile::AeadAes128Gcm),
        SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm => Ok(ProtectionProfile::AeadAes256Gcm),
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => {
            Ok(ProtectionProfile::Aes128CmHmacSha1_80)
        }
        other => Err(SrtpError::Profile(other)),
    }
}

/// Both directions of one association.
pub(crate) struct SrtpKeys {
    /// Protects the RTP that we send.
    pub outbound: RtpProtector,
    /// Protects the RTCP that we send.
    pub outbound_rtcp: Context,
    /// Opens what the peer sends.
    pub inbound: Context,
}

impl SrtpKeys {
    /// Keys of the DTLS server (us) from the exporter's `material`: client key, server key, client
    /// salt, server salt (RFC 5764 section 4.2).
    pub fn from_exporter(
        profile: ProtectionProfile,
        material: &[u8],
        crypto: &dyn RTCCrypto,
    ) -> Result<Self, SrtpError> {
        let short = || SrtpError::Keys(material.len());
        let (key, salt) = (profile.key_len(), profile.salt_len());
        let part = |from: usize, len: usize| material.get(from..from + len).ok_or_else(short);
        let client = (part(0, key)?, part(2 * key, salt)?);
        let server = (part(key, key)?, part(2 * key + salt, salt)?);
        Ok(Self {
            outbound: RtpProtector::new(profile, server.0, server.1, crypto)?,
            outbound_rtcp: Context::new(server.0, server.1, profile, None, None, crypto)
                .map_err(cipher)?,
            inbound: Context::new(
                client.0,
                client.1,
                profile,
                Some(srtp_replay_protection(REPLAY_WINDOW)),
                Some(srtcp_replay_protection(REPLAY_WINDOW)),
                crypto,
            )
            .map_err(cipher)?,
        })
    }
}

/// Protects outgoing RTP, in place where the profile is AES-GCM.
pub(crate) enum RtpProtector {
    /// AES-GCM: one pass over the packet where it lies.
    Gcm(Box<Gcm>),
    /// Any other profile, by the library: one allocation a packet.
    Library(Box<Context>),
}

impl RtpProtector {
    fn new(
        profile: ProtectionProfile,
        key: &[u8],
        salt: &[u8],
        crypto: &dyn RTCCrypto,
    ) -> Result<Self, SrtpError> {
        Ok(match profile {
            ProtectionProfile::AeadAes128Gcm | ProtectionProfile::AeadAes256Gcm => {
                Self::Gcm(Box::new(Gcm::new(key, salt, crypto)?))
            }
            _ => Self::Library(Box::new(
                Context::new(key, salt, profile, None, None, crypto).map_err(cipher)?,
            )),
        })
    }

    /// Protects the packet that is `out[start..]`, whose header is `header` bytes long, and appends
    /// the tag. `index` is the 48-bit packet index (roll-over counter and sequence number), which
    /// must never be used for two different packets of one `ssrc`.
    pub fn protect(
        &mut self,
        out: &mut Vec<u8>,
        start: usize,
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<(), SrtpError> {
        match self {
            Self::Gcm(gcm) => gcm.protect(out, start, header, ssrc, index),
            Self::Library(context) => {
                let plain = out.get(start..).unwrap_or_default();
                let protected = context.encrypt_rtp(plain).map_err(cipher)?;
                out.truncate(start);
                out.extend_from_slice(&protected);
                Ok(())
            }
        }
    }
}

/// AES-GCM keyed for RTP.
pub(crate) struct Gcm {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Gcm {
    fn new(
        master_key: &[u8],
        master_salt: &[u8],
        crypto: &dyn RTCCrypto,
    ) -> Result<Self, SrtpError> {
        const LABEL_RTP_KEY: u8 = 0;
        const LABEL_RTP_SALT: u8 = 2;
        let mut session_key = vec![0; master_key.len()];
        derive(
            crypto,
            master_key,
            master_salt,
            LABEL_RTP_KEY,
            &mut session_key,
        )?;
        let mut salt = [0; 12];
        derive(crypto, master_key, master_salt, LABEL_RTP_SALT, &mut salt)?;
        let algorithm = if master_key.len() == 32 {
            &AES_256_GCM
        } else {
            &AES_128_GCM
        };
        let key = UnboundKey::new(algorithm, &session_key).map_err(cipher)?;
        Ok(Self {
            key: LessSafeKey::new(key),
            salt,
        })
    }

    /// The nonce of RFC 7714 section 8.1: the salt XOR 00 00 | SSRC | ROC | SEQ.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut iv = self.salt;
        let tail = (u128::from(ssrc) << 48) | u128::from(index & 0xffff_ffff_ffff);
        for (b, x) in iv.iter_mut().zip(tail.to_be_bytes().iter().skip(4)) {
            *b ^= x;
        }
        Nonce::assume_unique_for_key(iv)
    }

    fn protect(
        &self,
        out: &mut Vec<u8>,
        start: usize,
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<(), SrtpError> {
        let packet = out.get_mut(start..).unwrap_or_default();
        let (aad, body) = packet
            .split_at_mut_checked(header)
            .ok_or_else(|| cipher("packet shorter than its header"))?;
        let tag = self
            .key
            .seal_in_place_separate_tag(self.nonce(ssrc, index), Aad::from(&*aad), body)
            .map_err(cipher)?;
        out.extend_from_slice(tag.as_ref());
        Ok(())
    }
}

/// AES-CM key derivation (RFC 3711 section 4.3.3, RFC 6188 for 256 bits), key derivation rate 0.
fn derive(
    crypto: &dyn RTCCrypto,
    master_key: &[u8],
    master_salt: &[u8],
    label: u8,
    out: &mut [u8],
) -> Result<(), SrtpError> {
    let algorithm = if master_key.len() == 32 {
        BlockCipherAlgorithm::Aes256
    } else {
        BlockCipherAlgorithm::Aes128
    };
    let mut counter = [0u8; 16];
    for (b, s) in counter.iter_mut().zip(master_salt) {
        *b = *s;
    }
    counter[7] ^= label;
    for (i, chunk) in out.chunks_mut(16).enumerate() {
        let mut block = counter;
        block[15] = i as u8;
        crypto
            .block_encrypt(algorithm, master_key, &mut block)
            .map_err(cipher)?;
        for (o, b) in chunk.iter_mut().zip(block) {
            *o = b;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn material(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 7 + 3) as u8).collect()
    }

    /// What we protect, the library's own context (made of the same bytes) must open.
    #[test]
    fn the_library_opens_what_we_protect_across_a_sequence_wrap() {
        let provider = rtc_crypto::default_provider().unwrap();
        for p in [
            ProtectionProfile::AeadAes128Gcm,
            ProtectionProfile::AeadAes256Gcm,
            ProtectionProfile::Aes128CmHmacSha1_80,
        ] {
            let (k, s) = (p.key_len(), p.salt_len());
            let m = material(2 * (k + s));
            let mut ours = SrtpKeys::from_exporter(p, &m, provider.crypto()).unwrap();
            let mut peer = Context::new(
                &m[k..2 * k],
                &m[2 * k + s..],
                p,
                Some(srtp_replay_protection(64)),
                None,
                provider.crypto(),
            )
            .unwrap();
            for index in 65_530..65_545u64 {
                let mut out = vec![0xff; 3];
                let header = [
                    0x80,
                    96,
                    (index >> 8) as u8,
                    index as u8,
                    0,
                    0,
                    0,
                    1,
                    0,
                    0,
                    0,
                    9,
                ];
                out.extend_from_slice(&header);
                out.extend_from_slice(b"payload");
                ours.outbound.protect(&mut out, 3, 12, 9, index).unwrap();
                assert_eq!(&out[..3], [0xff; 3], "what stands before is not touched");
                assert_ne!(&out[15..22], b"payload");
                let plain = peer.decrypt_rtp(&out[3..]).unwrap();
                assert_eq!(&plain[12..], b"payload", "{p:?} index {index}");
            }
        }
    }

    #[test]
    fn short_keying_material_is_an_error() {
        let provider = rtc_crypto::default_provider().unwrap();
        let e = SrtpKeys::from_exporter(
            ProtectionProfile::AeadAes128Gcm,
            &material(10),
            provider.crypto(),
        );
        assert!(matches!(e.err(), Some(SrtpError::Keys(10))));
    }
}

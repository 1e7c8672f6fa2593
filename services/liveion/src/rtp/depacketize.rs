//! H.264 over RTP, receiving side (RFC 6184, packetization modes 0 and 1).

use bytes::{BufMut, Bytes, BytesMut};

/// Largest access unit taken from a peer; more is refused rather than stored.
const MAX_ACCESS_UNIT: usize = 8 * 1024 * 1024;

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Why a payload was refused; the access unit it belonged to is spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DepacketizeError {
    /// Shorter than its own headers say.
    #[error("payload truncated")]
    Truncated,
    /// A type that packetization mode 1 does not have.
    #[error("NAL unit type {0} is not one of packetization mode 1")]
    Type(u8),
    /// A fragment whose start was not seen.
    #[error("fragment without a start")]
    NoStart,
    /// The access unit grew past [`MAX_ACCESS_UNIT`].
    #[error("access unit too large")]
    TooLarge,
}

/// Collects payloads, in sequence order, into one access unit in Annex B form.
#[derive(Debug, Default)]
pub(crate) struct H264Depacketizer {
    unit: BytesMut,
    in_fragment: bool,
    key: bool,
}

impl H264Depacketizer {
    /// Adds one RTP payload.
    pub fn push(&mut self, payload: &[u8]) -> Result<(), DepacketizeError> {
        use DepacketizeError::{NoStart, Truncated, Type};
        let (&header, body) = payload.split_first().ok_or(Truncated)?;
        if self.unit.len() + payload.len() > MAX_ACCESS_UNIT {
            return Err(DepacketizeError::TooLarge);
        }
        match header & 0x1f {
            1..=23 => self.start_nal(header, body)?,
            24 => return self.push_aggregate(body),
            28 => {
                let (&fu, fragment) = body.split_first().ok_or(Truncated)?;
                if fu & 0x80 != 0 {
                    self.start_nal((header & 0xe0) | (fu & 0x1f), fragment)?;
                    self.in_fragment = true;
                } else if self.in_fragment {
                    self.unit.put_slice(fragment);
                } else {
                    return Err(NoStart);
                }
                if fu & 0x40 != 0 {
                    self.in_fragment = false;
                }
            }
            other => return Err(Type(other)),
        }
        Ok(())
    }

    fn push_aggregate(&mut self, mut body: &[u8]) -> Result<(), DepacketizeError> {
        use DepacketizeError::Truncated;
        while let Some((len, rest)) = body.split_first_chunk::<2>() {
            let len = usize::from(u16::from_be_bytes(*len));
            let nal = rest.get(..len).ok_or(Truncated)?;
            let (&header, payload) = nal.split_first().ok_or(Truncated)?;
            self.start_nal(header, payload)?;
            body = rest.get(len..).unwrap_or_default();
        }
        if body.is_empty() {
            Ok(())
        } else {
            Err(Truncated)
        }
    }

    fn start_nal(&mut self, header: u8, body: &[u8]) -> Result<(), DepacketizeError> {
        // The other types are RTP's own: inside a unit they would go out as packets of that kind.
        let kind = header & 0x1f;
        if !(1..=23).contains(&kind) {
            return Err(DepacketizeError::Type(kind));
        }
        self.key |= header & 0x1f == 5;
        self.in_fragment = false;
        self.unit.put_slice(&START_CODE);
        self.unit.put_u8(header);
        self.unit.put_slice(body);
        Ok(())
    }

    /// Whether the unit collected so far holds an IDR slice.
    pub fn is_key(&self) -> bool {
        self.key
    }

    /// The access unit collected, leaving nothing behind; `None` if there is none.
    pub fn take(&mut self) -> Option<Bytes> {
        self.in_fragment = false;
        self.key = false;
        let unit = self.unit.split().freeze();
        (!unit.is_empty()).then_some(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_payloads_are_refused_by_name() {
        let mut d = H264Depacketizer::default();
        assert_eq!(d.push(&[]), Err(DepacketizeError::Truncated));
        assert_eq!(d.push(&[28]), Err(DepacketizeError::Truncated));
        assert_eq!(d.push(&[28, 0x05, 1]), Err(DepacketizeError::NoStart));
        assert_eq!(d.push(&[24, 0, 9, 1]), Err(DepacketizeError::Truncated));
        assert_eq!(d.push(&[24, 0, 0]), Err(DepacketizeError::Truncated));
        assert_eq!(d.push(&[24, 0]), Err(DepacketizeError::Truncated));
        assert_eq!(d.push(&[29, 0]), Err(DepacketizeError::Type(29)));
        assert_eq!(d.push(&[0, 0]), Err(DepacketizeError::Type(0)));
        // RTP's own types within a fragment or an aggregate.
        assert_eq!(d.push(&[28, 0xff]), Err(DepacketizeError::Type(31)));
        assert_eq!(d.push(&[24, 0, 1, 28]), Err(DepacketizeError::Type(28)));
    }

    #[test]
    fn an_idr_in_any_packing_makes_the_unit_a_key() {
        for payload in [&[0x65, 1][..], &[0x78, 0, 2, 0x65, 1], &[0x7c, 0x85, 1]] {
            let mut d = H264Depacketizer::default();
            d.push(payload).unwrap();
            assert!(d.is_key());
            d.take();
            assert!(!d.is_key(), "taking the unit forgets it");
        }
    }

    #[test]
    fn a_peer_cannot_make_it_grow_without_limit() {
        let mut d = H264Depacketizer::default();
        let payload = vec![0x41; 60_000];
        let mut refused = false;
        for _ in 0..200 {
            refused |= d.push(&payload) == Err(DepacketizeError::TooLarge);
        }
        assert!(refused && d.take().unwrap().len() <= MAX_ACCESS_UNIT + 60_000);
    }
}

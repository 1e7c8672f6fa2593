//! RTP headers (RFC 3550 section 5.1) with one-byte extensions (RFC 8285).

/// Fixed part, extension word, and the three extensions below, padded to words.
pub(crate) const MAX_HEADER: usize = 12 + 4 + 16;

/// Identifiers of the header extensions that the peer accepted; 0 is "not negotiated".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    /// `transport-wide-cc-extensions-01`.
    pub transport_cc: u8,
    /// `abs-capture-time`.
    pub abs_capture_time: u8,
    /// `playout-delay`.
    pub playout_delay: u8,
}

/// What stays the same in every header a viewer gets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeaderTemplate {
    /// Payload type.
    pub payload_type: u8,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Extensions to write.
    pub extensions: Extensions,
}

/// What differs from packet to packet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PacketFields {
    /// Last packet of its access unit.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// RTP time.
    pub timestamp: u32,
    /// Transport-wide sequence number.
    pub transport_sequence: u16,
    /// Capture time as NTP.
    pub captured_ntp: u64,
}

impl HeaderTemplate {
    /// Appends the header of one packet to `out`; returns its length.
    pub fn write(&self, out: &mut Vec<u8>, p: PacketFields) -> usize {
        let start = out.len();
        let e = self.extensions;
        let extended = e != Extensions::default();
        out.push(if extended { 0x90 } else { 0x80 });
        out.push((u8::from(p.marker) << 7) | (self.payload_type & 0x7f));
        out.extend_from_slice(&p.sequence.to_be_bytes());
        out.extend_from_slice(&p.timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        if extended {
            out.extend_from_slice(&[0xbe, 0xde, 0, 0]);
            let body = out.len();
            if e.transport_cc != 0 {
                out.push((e.transport_cc << 4) | 1);
                out.extend_from_slice(&p.transport_sequence.to_be_bytes());
            }
            if e.abs_capture_time != 0 {
                out.push((e.abs_capture_time << 4) | 7);
                out.extend_from_slice(&p.captured_ntp.to_be_bytes());
            }
            if e.playout_delay != 0 {
                // Minimum and maximum 0 (12 bits each): show every picture as soon as it is decoded.
                out.extend_from_slice(&[(e.playout_delay << 4) | 2, 0, 0, 0]);
            }
            while !(out.len() - body).is_multiple_of(4) {
                out.push(0);
            }
            let words = ((out.len() - body) / 4) as u8;
            if let Some(b) = out.get_mut(body - 1) {
                *b = words;
            }
        }
        out.len() - start
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtc_rtp::header::Header;
    use rtc_shared::marshal::Unmarshal;

    const FIELDS: PacketFields = PacketFields {
        marker: true,
        sequence: 0xfffe,
        timestamp: 0x0102_0304,
        transport_sequence: 0x0506,
        captured_ntp: 0x1112_1314_1516_1718,
    };

    #[test]
    fn an_independent_parser_reads_what_is_written() {
        let t = HeaderTemplate {
            payload_type: 109,
            ssrc: 0xdead_beef,
            extensions: Extensions {
                transport_cc: 3,
                abs_capture_time: 7,
                playout_delay: 14,
            },
        };
        let mut out = vec![0xaa];
        let len = t.write(&mut out, FIELDS);
        assert_eq!(len, MAX_HEADER);
        let h = Header::unmarshal(&mut &out[1..]).unwrap();
        assert!(h.marker && h.extension);
        assert_eq!((h.payload_type, h.ssrc), (109, 0xdead_beef));
        assert_eq!((h.sequence_number, h.timestamp), (0xfffe, 0x0102_0304));
        assert_eq!(h.get_extension(3).unwrap().as_ref(), [5, 6]);
        assert_eq!(
            h.get_extension(7).unwrap().as_ref(),
            0x1112_1314_1516_1718u64.to_be_bytes()
        );
        assert_eq!(h.get_extension(14).unwrap().as_ref(), [0, 0, 0]);
    }

    #[test]
    fn no_extension_negotiated_is_a_plain_header() {
        let t = HeaderTemplate {
            payload_type: 96,
            ssrc: 1,
            extensions: Extensions::default(),
        };
        let mut out = Vec::new();
        assert_eq!(t.write(&mut out, FIELDS), 12);
        assert!(!Header::unmarshal(&mut out.as_slice()).unwrap().extension);
    }
}

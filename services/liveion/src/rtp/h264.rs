//! H.264 over RTP, sending side (RFC 6184, packetization mode 1).

use bytes::{BufMut, BytesMut};
use livehal::EncodedPacket;

use super::{MAX_PAYLOAD, RtpFrame};

const NAL_SPS: u8 = 7;
const NAL_PPS: u8 = 8;
const NAL_AUD: u8 = 9;
const NAL_FILLER: u8 = 12;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// One NAL unit without its start code; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nal<'a>(&'a [u8]);

impl<'a> Nal<'a> {
    /// Header and payload.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    fn header(self) -> u8 {
        self.0.first().copied().unwrap_or(0)
    }

    /// `nal_unit_type` (H.264 table 7-1).
    pub fn kind(self) -> u8 {
        self.header() & 0x1f
    }

    /// A sequence parameter set.
    pub fn is_sps(self) -> bool {
        self.kind() == NAL_SPS
    }
}

/// The NAL units of an Annex B byte stream; bytes before the first start code are skipped.
pub(crate) fn nals(stream: &[u8]) -> impl Iterator<Item = Nal<'_>> {
    let mut rest = after_start_code(stream);
    std::iter::from_fn(move || {
        loop {
            let current = rest?;
            let (nal, next) = match find_start_code(current) {
                Some(at) => (current.get(..at).unwrap_or_default(), current.get(at + 3..)),
                None => (current, None),
            };
            rest = next;
            // trailing_zero_8bits belong to the byte stream, not to the NAL unit.
            let end = nal.iter().rposition(|&b| b != 0).map_or(0, |i| i + 1);
            if end > 0 {
                return nal.get(..end).map(Nal);
            }
        }
    })
}

fn after_start_code(stream: &[u8]) -> Option<&[u8]> {
    stream.get(find_start_code(stream)? + 3..)
}

/// Position of the next 00 00 01. Looks at every third byte: a byte above 1 rules out that it, or
/// the two before it, begin a start code.
fn find_start_code(b: &[u8]) -> Option<usize> {
    let mut i = 2;
    while let Some(&c) = b.get(i) {
        match c {
            0 => i += 1,
            1 if b.get(i - 2) == Some(&0) && b.get(i - 1) == Some(&0) => return Some(i - 2),
            _ => i += 3,
        }
    }
    None
}

/// Cuts an access unit into RTP payloads: small NAL units that follow each other share a STAP-A,
/// large ones become FU-A fragments of equal size (the last may be smaller, so that a frame goes to
/// the kernel in one segmented send). Access unit delimiters and filler are left out.
///
/// `None` when there is nothing to send.
pub(crate) fn packetize(packet: &EncodedPacket) -> Option<RtpFrame> {
    let mut out = Payloads::new(packet.data.len());
    let mut small: Vec<Nal<'_>> = Vec::new();
    let mut small_len = 1;
    for nal in nals(&packet.data) {
        // Types above 23 are RTP's own; a stream has them only to confuse.
        if matches!(nal.kind(), NAL_AUD | NAL_FILLER | 0 | 24..) {
            continue;
        }
        let len = nal.bytes().len();
        let aggregates = small_len + 2 + len <= MAX_PAYLOAD;
        // Only what introduces a picture is worth aggregating: slices are their own packets, so
        // that one lost packet costs one slice.
        if matches!(nal.kind(), 6 | NAL_SPS | NAL_PPS) && aggregates {
            small.push(nal);
            small_len += 2 + len;
            continue;
        }
        out.aggregate(&small);
        small.clear();
        small_len = 1;
        out.single_or_fragments(nal);
    }
    out.aggregate(&small);
    out.finish(packet)
}

struct Payloads {
    data: BytesMut,
    ends: Vec<u32>,
}

impl Payloads {
    fn new(bytes: usize) -> Self {
        let packets = bytes / MAX_PAYLOAD + 4;
        Self {
            data: BytesMut::with_capacity(bytes + packets * 4),
            ends: Vec::with_capacity(packets),
        }
    }

    fn end_packet(&mut self) {
        self.ends.push(self.data.len() as u32);
    }

    /// STAP-A of several, or the single NAL unit itself.
    fn aggregate(&mut self, nals: &[Nal<'_>]) {
        match nals {
            [] => {}
            [one] => self.single_or_fragments(*one),
            many => {
                let nri = many.iter().map(|n| n.header() & 0x60).max().unwrap_or(0);
                self.data.put_u8(nri | STAP_A);
                for nal in many {
                    self.data.put_u16(nal.bytes().len() as u16);
                    self.data.put_slice(nal.bytes());
                }
                self.end_packet();
            }
        }
    }

    fn single_or_fragments(&mut self, nal: Nal<'_>) {
        let bytes = nal.bytes();
        if bytes.len() <= MAX_PAYLOAD {
            self.data.put_slice(bytes);
            self.end_packet();
            return;
        }
        let (header, body) = (nal.header(), bytes.get(1..).unwrap_or_default());
        let fragments = body.len().div_ceil(MAX_PAYLOAD - 2);
        let size = body.len().div_ceil(fragments);
        for (i, chunk) in body.chunks(size).enumerate() {
            let start = if i == 0 { 0x80 } else { 0 };
            let end = if i + 1 == fragments { 0x40 } else { 0 };
            self.data.put_u8((header & 0xe0) | FU_A);
            self.data.put_u8(start | end | (header & 0x1f));
            self.data.put_slice(chunk);
            self.end_packet();
        }
    }

    fn finish(self, packet: &EncodedPacket) -> Option<RtpFrame> {
        if self.ends.is_empty() {
            return None;
        }
        let mut timing = packet.timing;
        timing.captured = packet.pts;
        Some(RtpFrame::new(
            self.data.freeze(),
            self.ends,
            packet.flags.key,
            timing,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::H264Depacketizer;
    use bytes::Bytes;
    use livehal::{CaptureTime, PacketFlags, PacketTiming, VideoCodec};

    fn packet(nals: &[Vec<u8>]) -> EncodedPacket {
        let mut data = Vec::new();
        for n in nals {
            data.extend_from_slice(&[0, 0, 0, 1]);
            data.extend_from_slice(n);
        }
        EncodedPacket {
            codec: VideoCodec::H264,
            data: Bytes::from(data),
            pts: CaptureTime::from_nanos(1),
            dts: CaptureTime::from_nanos(1),
            flags: PacketFlags {
                key: true,
                discontinuity: false,
            },
            timing: PacketTiming::default(),
        }
    }

    fn nal(kind: u8, len: usize) -> Vec<u8> {
        let mut v = vec![0x60 | kind];
        v.extend((1..len).map(|i| (i % 251) as u8 | 1));
        v
    }

    #[test]
    fn splits_three_and_four_byte_start_codes_and_drops_trailing_zeros() {
        let s = [
            9, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 0, 1, 0x65, 3, 4,
        ];
        let got: Vec<&[u8]> = nals(&s).map(Nal::bytes).collect();
        assert_eq!(got, [&[0x67, 1][..], &[0x68, 2], &[0x65, 3, 4]]);
        assert_eq!(nals(&[0, 0, 1]).count(), 0);
        assert_eq!(nals(&[0, 0, 1, 0, 0, 1, 5]).count(), 1);
        assert_eq!(nals(&[]).count(), 0);
    }

    #[test]
    fn parameter_sets_share_a_packet_and_slices_become_equal_fragments() {
        let big = nal(5, 10_000);
        let f = packetize(&packet(&[nal(7, 12), nal(8, 5), big])).unwrap();
        assert_eq!(f.payload(0).first().unwrap() & 0x1f, STAP_A);
        let sizes: Vec<usize> = (1..f.packets()).map(|i| f.payload(i).len()).collect();
        let (last, others) = sizes.split_last().unwrap();
        assert!(others.iter().all(|s| s == others.first().unwrap()));
        assert!(last <= others.first().unwrap());
        assert!(sizes.iter().all(|&s| s <= MAX_PAYLOAD));
        let flags: Vec<u8> = (1..f.packets()).map(|i| f.payload(i)[1] & 0xc0).collect();
        assert_eq!(flags.first(), Some(&0x80), "first fragment has S");
        assert_eq!(flags.last(), Some(&0x40), "last fragment has E");
        assert!(flags[1..flags.len() - 1].iter().all(|f| *f == 0));
    }

    #[test]
    fn what_is_packetised_comes_back_from_the_depacketiser() {
        for len in [
            2,
            1_000,
            MAX_PAYLOAD,
            MAX_PAYLOAD + 1,
            2 * MAX_PAYLOAD - 3,
            70_000,
        ] {
            let au = [nal(9, 2), nal(7, 12), nal(8, 5), nal(5, len), nal(5, 40)];
            let f = packetize(&packet(&au)).unwrap();
            let mut d = H264Depacketizer::default();
            for i in 0..f.packets() {
                d.push(f.payload(i)).unwrap();
            }
            let got = d.take().unwrap();
            let got: Vec<Vec<u8>> = nals(&got).map(|n| n.bytes().to_vec()).collect();
            assert_eq!(got, au[1..], "everything but the delimiter, length {len}");
        }
    }

    #[test]
    fn nothing_to_send_is_no_frame() {
        assert!(packetize(&packet(&[])).is_none());
        assert!(packetize(&packet(&[nal(9, 2)])).is_none());
    }
}

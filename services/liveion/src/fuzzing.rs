//! Entry points for the fuzz targets. Each feeds one parser what a stranger may send and checks
//! what must hold whatever comes: refusals have a reason, and what is accepted makes sense.

use bytes::Bytes;
use livehal::{CaptureTime, EncodedPacket, PacketFlags, PacketTiming, VideoCodec};

use crate::rtc::{IceFragment, Negotiated, Offer, ProfileLevelId};
use crate::rtp::{H264Depacketizer, MAX_PAYLOAD, nals, packetize};

/// An offer, and what is negotiated from it.
pub fn sdp_offer(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Offer::parse(text) {
        Err(e) => assert!(!e.to_string().is_empty()),
        Ok(offer) => {
            let chosen = [
                Negotiated::for_viewer(&offer, ProfileLevelId::CONSTRAINED_BASELINE),
                Negotiated::for_publisher(&offer),
            ];
            for result in chosen.into_iter().flatten() {
                assert!(result.section < offer.media.len());
                assert_ne!(result.rtx, Some(result.payload.number));
            }
        }
    }
}

/// A trickle-ICE fragment.
pub fn ice_fragment(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Err(e) = IceFragment::parse(text)
    {
        assert!(!e.to_string().is_empty());
    }
}

/// A connectivity check.
pub fn stun(data: &[u8]) {
    if let Ok(check) = crate::rtc::Check::parse(data) {
        assert!(!check.local_ufrag().contains(':'));
    }
}

/// A decrypted RTCP compound.
pub fn rtcp(data: &[u8]) {
    if let Err(e) = crate::rtc::rtcp::parse(data) {
        assert!(!e.is_empty());
    }
}

/// RTP payloads as a publisher sends them, cut at every 0xff 0x00; then what they make as an
/// access unit on its way out, and back.
pub fn h264_rtp(data: &[u8]) {
    let mut collector = H264Depacketizer::default();
    for payload in split(data) {
        // A refused payload leaves the rest of the unit to be collected.
        let _ = collector.push(payload);
    }
    let Some(unit) = collector.take() else {
        return;
    };
    let Some(frame) = packetize(&packet(unit.clone())) else {
        return;
    };
    let mut back = H264Depacketizer::default();
    for i in 0..frame.packets() {
        let payload = frame.payload(i);
        assert!(!payload.is_empty() && payload.len() <= MAX_PAYLOAD);
        if let Err(e) = back.push(payload) {
            panic!("own payload {i} refused: {e}");
        }
    }
    let again = back.take().unwrap_or_default();
    let kept = |stream: &'_ [u8]| -> Vec<Vec<u8>> {
        nals(stream)
            .filter(|n| !matches!(n.kind(), 9 | 12 | 0 | 24..))
            .map(|n| n.bytes().to_vec())
            .collect()
    };
    assert_eq!(kept(&unit), kept(&again), "NAL units changed on the way");
}

fn split(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(data);
    std::iter::from_fn(move || {
        let here = rest?;
        match here.windows(2).position(|w| w == [0xff, 0x00]) {
            Some(at) => {
                rest = here.get(at + 2..);
                here.get(..at)
            }
            None => {
                rest = None;
                Some(here)
            }
        }
    })
}

fn packet(data: Bytes) -> EncodedPacket {
    EncodedPacket {
        codec: VideoCodec::H264,
        data,
        pts: CaptureTime::default(),
        dts: CaptureTime::default(),
        flags: PacketFlags::default(),
        timing: PacketTiming::default(),
    }
}

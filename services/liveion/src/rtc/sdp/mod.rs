//! SDP offers and answers (RFC 8866, RFC 8829) as WHEP and WHIP use them.

mod answer;
mod fragment;
mod h264;
mod offer;

pub(crate) use answer::{Direction, LocalDescription, answer};
pub(crate) use fragment::{IceFragment, answer_fragment};
pub(crate) use h264::ProfileLevelId;
pub(crate) use offer::{Fingerprint, IceCredentials, Offer, Payload};

use crate::SessionError;
use crate::rtp::Extensions;

const URI_TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const URI_ABS_CAPTURE_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";
const URI_PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";

/// What both sides agreed on for the one video section of a session.
#[derive(Debug, Clone)]
pub(crate) struct Negotiated {
    /// Index of the section in the offer.
    pub section: usize,
    /// The chosen payload type as offered.
    pub payload: Payload,
    /// Payload type of its retransmissions (RFC 4588).
    pub rtx: Option<u8>,
    /// Accepted header extensions.
    pub extensions: Extensions,
}

impl Negotiated {
    /// Chooses how a viewer gets a stream coded with `profile`.
    ///
    /// # Errors
    /// [`SessionError::NotAcceptable`] saying what the offer lacks.
    pub fn for_viewer(offer: &Offer, profile: ProfileLevelId) -> Result<Self, SessionError> {
        Self::choose(offer, "receive", |p| {
            h264::ProfileLevelId::from_fmtp(&p.fmtp).preference_for(profile)
        })
    }

    /// Chooses how a publisher sends.
    ///
    /// # Errors
    /// [`SessionError::NotAcceptable`] saying what the offer lacks.
    pub fn for_publisher(offer: &Offer) -> Result<Self, SessionError> {
        // Constrained baseline first: every viewer decodes it.
        Self::choose(offer, "send", |p| {
            h264::ProfileLevelId::from_fmtp(&p.fmtp)
                .preference_for(ProfileLevelId::CONSTRAINED_BASELINE)
                .or(Some(u8::MAX))
        })
    }

    /// The usable video section's H.264 payload with the lowest `preference`.
    fn choose(
        offer: &Offer,
        wish: &str,
        preference: impl Fn(&Payload) -> Option<u8>,
    ) -> Result<Self, SessionError> {
        let refuse = |why: String| SessionError::NotAcceptable(why);
        let (section, media) = offer
            .media
            .iter()
            .enumerate()
            .find(|(_, m)| m.kind == "video" && m.allows(wish))
            .ok_or_else(|| refuse(format!("no video section that wants to {wish}")))?;
        if !media.rtcp_mux {
            return Err(refuse("rtcp-mux is required: there is one port".into()));
        }
        let h264 = media.payloads.iter().filter(|p| {
            p.name.eq_ignore_ascii_case("H264") && p.clock_rate == crate::rtp::CLOCK_RATE
        });
        let payload = h264
            .clone()
            .filter(|p| h264::packetization_mode(&p.fmtp) == 1)
            .filter_map(|p| preference(p).map(|rank| (rank, p)))
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, p)| p.clone())
            .ok_or_else(|| {
                let seen: Vec<_> = media.payloads.iter().map(Payload::describe).collect();
                refuse(format!(
                    "video needs H264/90000 with packetization-mode=1 in a profile that fits; offered: {}",
                    seen.join(", ")
                ))
            })?;
        let rtx = media
            .payloads
            .iter()
            .find(|p| p.name.eq_ignore_ascii_case("rtx") && p.apt() == Some(payload.number))
            .map(|p| p.number);
        let transport_cc = if payload.has_feedback("transport-cc") {
            media.extension(URI_TRANSPORT_CC)
        } else {
            0
        };
        Ok(Self {
            section,
            rtx,
            extensions: Extensions {
                transport_cc,
                abs_capture_time: media.extension(URI_ABS_CAPTURE_TIME),
                playout_delay: media.extension(URI_PLAYOUT_DELAY),
            },
            payload,
        })
    }
}

#[cfg(test)]
mod tests;

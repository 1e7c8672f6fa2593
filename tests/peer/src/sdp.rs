//! Offers a browser-like peer makes, and what matters of an answer.

use std::io::Cursor;
use std::net::SocketAddr;

use anyhow::{Context, Result, anyhow, bail};
use rtc_sdp::description::media::MediaDescription;
use rtc_sdp::description::session::SessionDescription;

/// Which way media flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// A WHEP viewer.
    Receive,
    /// A WHIP publisher.
    Send,
}

/// Header extensions of the offer, by the id the offer gives them.
pub mod ext {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`
    pub const MID: u8 = 1;
    /// `abs-send-time`
    pub const ABS_SEND_TIME: u8 = 3;
    /// `transport-wide-cc-extensions-01`
    pub const TRANSPORT_CC: u8 = 4;
    /// `abs-capture-time`
    pub const ABS_CAPTURE_TIME: u8 = 5;
    /// `playout-delay`
    pub const PLAYOUT_DELAY: u8 = 6;
}

/// Payload type of H.264 in the offer.
pub const H264_PT: u8 = 102;
/// Payload type of its RTX in the offer.
pub const RTX_PT: u8 = 103;

/// What goes into an offer.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Direction of the one video section.
    pub direction: Direction,
    /// ICE user fragment.
    pub ufrag: String,
    /// ICE password.
    pub pwd: String,
    /// SHA-256 of the certificate, colon-separated upper-case hex.
    pub fingerprint: String,
    /// SSRC of the media, for a publisher.
    pub ssrc: u32,
    /// SSRC of its retransmissions, for a publisher.
    pub rtx_ssrc: u32,
    /// Offer retransmission by RTX.
    pub rtx: bool,
    /// Offer transport-wide congestion control.
    pub transport_cc: bool,
    /// `profile-level-id`.
    pub profile: String,
}

impl Offer {
    /// The SDP text.
    pub fn to_sdp(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        let mut add = |s: String| lines.push(s);
        add("v=0".into());
        add(format!("o=- {} 2 IN IP4 127.0.0.1", fastrand::u32(1..)));
        add(
            "s=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS"
                .into(),
        );
        let formats = if self.rtx { "102 103" } else { "102" };
        add(format!("m=video 9 UDP/TLS/RTP/SAVPF {formats}"));
        add("c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0".into());
        add(format!("a=ice-ufrag:{}", self.ufrag));
        add(format!("a=ice-pwd:{}", self.pwd));
        add("a=ice-options:trickle".into());
        add(format!("a=fingerprint:sha-256 {}", self.fingerprint));
        add("a=setup:actpass\r\na=mid:0".into());
        for (id, uri) in self.extensions() {
            add(format!("a=extmap:{id} {uri}"));
        }
        add(match self.direction {
            Direction::Receive => "a=recvonly".into(),
            Direction::Send => "a=sendonly\r\na=msid:- video".into(),
        });
        add("a=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:102 H264/90000".into());
        for fb in ["goog-remb", "ccm fir", "nack", "nack pli"] {
            add(format!("a=rtcp-fb:102 {fb}"));
        }
        if self.transport_cc {
            add("a=rtcp-fb:102 transport-cc".into());
        }
        add(format!(
            "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={}",
            self.profile
        ));
        if self.rtx {
            add("a=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102".into());
        }
        if self.direction == Direction::Send {
            let (media, rtx) = (self.ssrc, self.rtx_ssrc);
            if self.rtx {
                add(format!("a=ssrc-group:FID {media} {rtx}"));
                add(format!("a=ssrc:{rtx} cname:peer"));
            }
            add(format!("a=ssrc:{media} cname:peer"));
        }
        lines.join("\r\n") + "\r\n"
    }

    fn extensions(&self) -> Vec<(u8, &'static str)> {
        let mut all = vec![
            (ext::MID, "urn:ietf:params:rtp-hdrext:sdes:mid"),
            (
                ext::ABS_SEND_TIME,
                "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            ),
            (
                ext::ABS_CAPTURE_TIME,
                "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
            ),
            (
                ext::PLAYOUT_DELAY,
                "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
            ),
        ];
        if self.transport_cc {
            all.push((
                ext::TRANSPORT_CC,
                "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
            ));
        }
        all
    }
}

/// The DTLS role the answerer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    /// The answerer is the DTLS client.
    Active,
    /// The answerer is the DTLS server.
    Passive,
}

/// What matters of an answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// ICE user fragment.
    pub ufrag: String,
    /// ICE password.
    pub pwd: String,
    /// `a=ice-lite`.
    pub ice_lite: bool,
    /// SHA-256 fingerprint, upper-case hex with colons.
    pub fingerprint: String,
    /// DTLS role of the answerer.
    pub setup: Setup,
    /// UDP host candidates, in order.
    pub candidates: Vec<SocketAddr>,
    /// Payload type of H.264.
    pub h264: u8,
    /// Payload type of RTX for it.
    pub rtx: Option<u8>,
    /// `a=fmtp` of H.264.
    pub fmtp: String,
    /// Accepted feedback, e.g. `nack pli`.
    pub feedback: Vec<String>,
    /// Accepted header extensions: id and URI.
    pub extensions: Vec<(u8, String)>,
    /// Direction attribute as written.
    pub direction: String,
}

impl Answer {
    /// Reads an answer and checks what RFC 8829 and RFC 9725 demand of it.
    ///
    /// # Errors
    /// Naming the missing or wrong attribute.
    pub fn parse(text: &str) -> Result<Self> {
        let sdp = SessionDescription::unmarshal(&mut Cursor::new(text))
            .map_err(|e| anyhow!("answer does not parse: {e}\n{text}"))?;
        let [media] = sdp.media_descriptions.as_slice() else {
            bail!("answer has {} media sections", sdp.media_descriptions.len());
        };
        if media.media_name.port.value == 0 {
            bail!("answer rejects the video section\n{text}");
        }
        let find = |key: &str| -> Option<String> {
            media
                .attribute(key)
                .flatten()
                .map(str::to_owned)
                .or_else(|| sdp.attribute(key).cloned())
        };
        let need = |key: &str| find(key).with_context(|| format!("answer without a={key}\n{text}"));
        let fingerprint = need("fingerprint")?;
        let (hash, value) = fingerprint.split_once(' ').context("a=fingerprint")?;
        if !hash.eq_ignore_ascii_case("sha-256") {
            bail!("a=fingerprint hash {hash}");
        }
        let h264 = codec(media, "H264/90000", None).context("answer without H264")?;
        Ok(Self {
            ufrag: need("ice-ufrag")?,
            pwd: need("ice-pwd")?,
            ice_lite: sdp.has_attribute("ice-lite"),
            fingerprint: value.trim().to_ascii_uppercase(),
            setup: match need("setup")?.as_str() {
                "active" => Setup::Active,
                "passive" => Setup::Passive,
                other => bail!("a=setup:{other} in an answer"),
            },
            candidates: candidates(media)?,
            h264,
            rtx: codec(media, "rtx/90000", Some(h264)),
            fmtp: value_for(media, "fmtp", h264).unwrap_or_default(),
            feedback: feedback(media, h264),
            extensions: extensions(media),
            direction: ["sendonly", "recvonly", "sendrecv", "inactive"]
                .iter()
                .find(|d| media.has_attribute(d))
                .map_or_else(|| "sendrecv".to_owned(), |d| (*d).to_owned()),
        })
    }

    /// Id of the extension whose URI ends in `suffix`.
    pub fn extension(&self, suffix: &str) -> Option<u8> {
        self.extensions
            .iter()
            .find(|(_, uri)| uri.ends_with(suffix))
            .map(|(id, _)| *id)
    }

    /// The candidate to use: loopback if offered, else the first.
    ///
    /// # Errors
    /// When there is none.
    pub fn remote(&self) -> Result<SocketAddr> {
        let loopback = self
            .candidates
            .iter()
            .find(|c| c.is_ipv4() && c.ip().is_loopback());
        loopback
            .or_else(|| self.candidates.first())
            .copied()
            .context("answer without a UDP host candidate")
    }
}

fn values<'a>(media: &'a MediaDescription, key: &'a str) -> impl Iterator<Item = &'a str> {
    media
        .attributes
        .iter()
        .filter(move |a| a.key == key)
        .filter_map(|a| a.value.as_deref())
}

fn value_for(media: &MediaDescription, key: &str, pt: u8) -> Option<String> {
    values(media, key)
        .filter_map(|v| v.split_once(' '))
        .find(|(n, _)| n.parse() == Ok(pt))
        .map(|(_, rest)| rest.to_owned())
}

fn codec(media: &MediaDescription, name: &str, apt: Option<u8>) -> Option<u8> {
    values(media, "rtpmap")
        .filter_map(|v| v.split_once(' '))
        .filter(|(_, n)| n.eq_ignore_ascii_case(name))
        .filter_map(|(pt, _)| pt.parse().ok())
        .find(|&pt| match apt {
            None => true,
            Some(apt) => value_for(media, "fmtp", pt).as_deref() == Some(&format!("apt={apt}")),
        })
}

fn feedback(media: &MediaDescription, pt: u8) -> Vec<String> {
    values(media, "rtcp-fb")
        .filter_map(|v| v.split_once(' '))
        .filter(|(n, _)| *n == "*" || n.parse() == Ok(pt))
        .map(|(_, f)| f.to_owned())
        .collect()
}

fn extensions(media: &MediaDescription) -> Vec<(u8, String)> {
    values(media, "extmap")
        .filter_map(|v| v.split_once(' '))
        .filter_map(|(id, uri)| Some((id.split('/').next()?.parse().ok()?, uri.to_owned())))
        .collect()
}

fn candidates(media: &MediaDescription) -> Result<Vec<SocketAddr>> {
    values(media, "candidate")
        .map(|v| v.split_whitespace().collect::<Vec<_>>())
        .filter(|f| f.get(2).is_some_and(|t| t.eq_ignore_ascii_case("udp")))
        .map(|f| match (f.get(4), f.get(5)) {
            (Some(ip), Some(port)) => Ok(SocketAddr::new(ip.parse()?, port.parse()?)),
            _ => bail!("a=candidate:{}", f.join(" ")),
        })
        .collect()
}

#[cfg(test)]
pub(crate) fn test_answer() -> &'static str {
    tests::ANSWER
}

#[cfg(test)]
mod tests {
    use super::*;

    pub const ANSWER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-lite\r\n\
        a=group:BUNDLE 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 102 103\r\nc=IN IP4 0.0.0.0\r\n\
        a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=mid:0\r\n\
        a=fingerprint:sha-256 ab:CD\r\na=setup:passive\r\na=sendonly\r\na=rtcp-mux\r\n\
        a=rtpmap:102 H264/90000\r\na=fmtp:102 packetization-mode=1\r\na=rtcp-fb:102 nack pli\r\n\
        a=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\na=extmap:4 http://x/transport-cc\r\n\
        a=candidate:1 1 udp 2130706431 192.0.2.1 7777 typ host\r\n\
        a=candidate:2 1 UDP 2130706430 127.0.0.1 7777 typ host\r\n";

    #[test]
    fn an_answer_is_read() {
        let a = Answer::parse(ANSWER).unwrap();
        assert!(a.ice_lite);
        assert_eq!((a.h264, a.rtx), (102, Some(103)));
        assert_eq!(a.feedback, ["nack pli"]);
        assert_eq!(a.fingerprint, "AB:CD");
        assert_eq!(a.extension("transport-cc"), Some(4));
        assert_eq!(a.remote().unwrap().to_string(), "127.0.0.1:7777");
    }

    #[test]
    fn a_missing_attribute_is_named() {
        let text = ANSWER.replace("a=ice-pwd:0123456789012345678901\r\n", "");
        let error = Answer::parse(&text).unwrap_err().to_string();
        assert!(error.contains("ice-pwd"), "{error}");
    }

    #[test]
    fn an_offer_parses_and_names_its_codecs() {
        let offer = Offer {
            direction: Direction::Receive,
            ufrag: "abcd".into(),
            pwd: "p".repeat(24),
            fingerprint: "AB".into(),
            ssrc: 1,
            rtx_ssrc: 2,
            rtx: true,
            transport_cc: true,
            profile: "42e01f".into(),
        };
        let text = offer.to_sdp();
        let sdp = SessionDescription::unmarshal(&mut Cursor::new(&text)).unwrap();
        let media = &sdp.media_descriptions[0];
        assert_eq!(codec(media, "H264/90000", None), Some(H264_PT));
        assert_eq!(codec(media, "rtx/90000", Some(H264_PT)), Some(RTX_PT));
    }
}

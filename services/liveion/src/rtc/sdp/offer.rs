//! Parsing an offer.

use std::io::Cursor;

use rtc_sdp::SessionDescription;
use rtc_sdp::description::common::Attribute;
use rtc_sdp::description::media::MediaDescription;

use crate::SessionError;

/// Longest offer taken, in bytes. A browser's with every codec is about 8 KiB.
const MAX_SDP: usize = 64 * 1024;
/// Most sections taken.
const MAX_SECTIONS: usize = 16;

/// ICE user name fragment and password (RFC 8445 section 5.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IceCredentials {
    /// User name fragment.
    pub ufrag: String,
    /// Password.
    pub pwd: String,
}

/// A certificate fingerprint (RFC 8122).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// Hash function, lower case.
    pub algorithm: String,
    /// Digest.
    pub digest: Vec<u8>,
}

/// One payload type of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payload {
    /// RTP payload type.
    pub number: u8,
    /// Encoding name as offered.
    pub name: String,
    /// Clock rate in Hz.
    pub clock_rate: u32,
    /// Format parameters, without the payload type.
    pub fmtp: String,
    /// RTCP feedback messages offered.
    pub feedback: Vec<String>,
}

impl Payload {
    /// The associated payload type of a retransmission format.
    pub fn apt(&self) -> Option<u8> {
        self.fmtp
            .split(';')
            .find_map(|p| p.trim().strip_prefix("apt="))
            .and_then(|v| v.trim().parse().ok())
    }

    /// Whether feedback of this kind was offered.
    pub fn has_feedback(&self, kind: &str) -> bool {
        self.feedback.iter().any(|f| f == kind)
    }

    /// For error messages.
    pub fn describe(&self) -> String {
        let mut s = format!("{} {}/{}", self.number, self.name, self.clock_rate);
        if !self.fmtp.is_empty() {
            s.push(' ');
            s.push_str(&self.fmtp);
        }
        s
    }
}

/// One `m=` section.
#[derive(Debug, Clone)]
pub(crate) struct OfferedMedia {
    /// `audio`, `video` or `application`.
    pub kind: String,
    /// Transport protocol, to be echoed.
    pub protocol: String,
    /// Formats, to be echoed where the section is refused.
    pub formats: Vec<String>,
    /// Media identification.
    pub mid: Option<String>,
    /// `sendrecv`, `sendonly`, `recvonly` or `inactive`.
    pub direction: &'static str,
    /// RTP and RTCP share a port.
    pub rtcp_mux: bool,
    /// Reduced-size RTCP was offered.
    pub rtcp_rsize: bool,
    /// Payload types.
    pub payloads: Vec<Payload>,
    /// Header extensions: identifier and URI.
    pub extensions: Vec<(u8, String)>,
}

impl OfferedMedia {
    /// Whether the peer wants to `send` or `receive` in this section.
    pub fn allows(&self, wish: &str) -> bool {
        match self.direction {
            "sendrecv" => true,
            "sendonly" => wish == "send",
            "recvonly" => wish == "receive",
            _ => false,
        }
    }

    /// Identifier of an extension that fits a one-byte header, 0 if there is none.
    pub fn extension(&self, uri: &str) -> u8 {
        self.extensions
            .iter()
            .find(|(id, u)| u == uri && (1..=14).contains(id))
            .map_or(0, |(id, _)| *id)
    }
}

/// An offer, reduced to what an answer needs.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    /// The peer's ICE credentials.
    pub ice: IceCredentials,
    /// The peer's certificate.
    pub fingerprint: Fingerprint,
    /// `a=group:BUNDLE` was there.
    pub bundle: bool,
    /// Sections in order.
    pub media: Vec<OfferedMedia>,
}

fn bad(what: impl Into<String>) -> SessionError {
    SessionError::BadSdp(what.into())
}

impl Offer {
    /// Parses an offer.
    ///
    /// # Errors
    /// [`SessionError::BadSdp`] naming the attribute or line; [`SessionError::NotAcceptable`] for
    /// a peer that insists on being the DTLS server.
    pub fn parse(text: &str) -> Result<Self, SessionError> {
        if text.len() > MAX_SDP {
            return Err(bad(format!("{} bytes; at most {MAX_SDP}", text.len())));
        }
        let sdp = SessionDescription::unmarshal(&mut Cursor::new(text.as_bytes()))
            .map_err(|e| bad(e.to_string()))?;
        if sdp.media_descriptions.is_empty() {
            return Err(bad("no m= section"));
        }
        if sdp.media_descriptions.len() > MAX_SECTIONS {
            return Err(bad(format!("more than {MAX_SECTIONS} m= sections")));
        }
        let media = sdp
            .media_descriptions
            .iter()
            .map(|m| section(m, &sdp.attributes))
            .collect::<Result<Vec<_>, _>>()?;
        // Transport attributes may stand at session level or in any bundled section.
        let any = |key: &str| {
            value(&sdp.attributes, key).or_else(|| {
                sdp.media_descriptions
                    .iter()
                    .find_map(|m| value(&m.attributes, key))
            })
        };
        if let Some(setup) = any("setup")
            && setup == "passive"
        {
            return Err(SessionError::NotAcceptable(
                "a=setup:passive; this server is the DTLS server, offer actpass or active".into(),
            ));
        }
        Ok(Self {
            ice: IceCredentials {
                ufrag: any("ice-ufrag")
                    .ok_or_else(|| bad("no a=ice-ufrag"))?
                    .to_owned(),
                pwd: any("ice-pwd")
                    .ok_or_else(|| bad("no a=ice-pwd"))?
                    .to_owned(),
            },
            fingerprint: fingerprint(any("fingerprint").ok_or_else(|| bad("no a=fingerprint"))?)?,
            bundle: sdp.attributes.iter().any(|a| {
                a.key == "group" && a.value.as_deref().is_some_and(|v| v.starts_with("BUNDLE"))
            }),
            media,
        })
    }
}

fn value<'a>(attributes: &'a [Attribute], key: &str) -> Option<&'a str> {
    attributes
        .iter()
        .find(|a| a.key == key)
        .and_then(|a| a.value.as_deref())
        .map(str::trim)
}

fn values<'a>(attributes: &'a [Attribute], key: &'a str) -> impl Iterator<Item = &'a str> {
    attributes
        .iter()
        .filter(move |a| a.key == key)
        .filter_map(|a| a.value.as_deref())
}

fn has(attributes: &[Attribute], key: &str) -> bool {
    attributes.iter().any(|a| a.key == key)
}

fn section(m: &MediaDescription, session: &[Attribute]) -> Result<OfferedMedia, SessionError> {
    let direction = ["sendrecv", "sendonly", "recvonly", "inactive"]
        .into_iter()
        .find(|d| has(&m.attributes, d))
        .or_else(|| {
            ["sendonly", "recvonly", "inactive"]
                .into_iter()
                .find(|d| has(session, d))
        })
        .unwrap_or("sendrecv");
    let payloads = m
        .media_name
        .formats
        .iter()
        .filter_map(|f| f.parse::<u8>().ok())
        .filter_map(|n| payload(m, n))
        .collect();
    let extensions = values(&m.attributes, "extmap")
        .map(extension)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(OfferedMedia {
        kind: m.media_name.media.clone(),
        protocol: m.media_name.protos.join("/"),
        formats: m.media_name.formats.clone(),
        mid: value(&m.attributes, "mid").map(str::to_owned),
        direction,
        rtcp_mux: has(&m.attributes, "rtcp-mux"),
        rtcp_rsize: has(&m.attributes, "rtcp-rsize"),
        payloads,
        extensions,
    })
}

fn payload(m: &MediaDescription, number: u8) -> Option<Payload> {
    let prefix = format!("{number} ");
    let of = |key| values(&m.attributes, key).find_map(|v| v.strip_prefix(&prefix));
    let mut encoding = of("rtpmap")?.trim().split('/');
    let name = encoding.next()?.to_owned();
    let clock_rate = encoding.next()?.parse().ok()?;
    let feedback = values(&m.attributes, "rtcp-fb")
        .filter_map(|v| v.strip_prefix(&prefix).or_else(|| v.strip_prefix("* ")))
        .map(|v| v.trim().to_owned())
        .collect();
    Some(Payload {
        number,
        name,
        clock_rate,
        fmtp: of("fmtp").unwrap_or_default().trim().to_owned(),
        feedback,
    })
}

/// `<id>[/<direction>] <uri> [<attributes>]` (RFC 8285 section 5).
fn extension(value: &str) -> Result<(u8, String), SessionError> {
    let wrong = || {
        bad(format!(
            "a=extmap:{value}: expected <id>[/<direction>] <uri>"
        ))
    };
    let mut words = value.split_whitespace();
    let id = words.next().ok_or_else(wrong)?;
    let uri = words.next().ok_or_else(wrong)?;
    let id = id.split('/').next().unwrap_or(id);
    Ok((id.parse().map_err(|_| wrong())?, uri.to_owned()))
}

fn fingerprint(value: &str) -> Result<Fingerprint, SessionError> {
    let wrong = |why: &str| bad(format!("a=fingerprint:{value}: {why}"));
    let (algorithm, hex) = value
        .split_once(' ')
        .ok_or_else(|| wrong("expected <hash> <hex bytes>"))?;
    let algorithm = algorithm.to_ascii_lowercase();
    let expected = match algorithm.as_str() {
        "sha-256" => 32,
        "sha-384" => 48,
        "sha-512" => 64,
        _ => return Err(wrong("hash must be sha-256, sha-384 or sha-512")),
    };
    let digest = hex
        .trim()
        .split(':')
        .map(|b| u8::from_str_radix(b, 16))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| wrong("expected hex bytes separated by colons"))?;
    if digest.len() != expected {
        return Err(wrong("wrong number of bytes for its hash"));
    }
    Ok(Fingerprint { algorithm, digest })
}

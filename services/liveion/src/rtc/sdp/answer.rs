//! Writing an answer.

use std::fmt::Write;
use std::net::SocketAddr;

use super::{
    Fingerprint, IceCredentials, Negotiated, Offer, URI_ABS_CAPTURE_TIME, URI_PLAYOUT_DELAY,
    URI_TRANSPORT_CC,
};

/// Which way media flows, seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To a viewer, with these synchronisation sources.
    Send {
        /// Media.
        ssrc: u32,
        /// Retransmissions.
        rtx_ssrc: u32,
    },
    /// From a publisher.
    Receive,
}

/// Our side of a session.
#[derive(Debug, Clone)]
pub(crate) struct LocalDescription<'a> {
    /// Session number for the `o=` line.
    pub session: u64,
    /// Our ICE credentials.
    pub ice: &'a IceCredentials,
    /// Our certificate.
    pub fingerprint: &'a Fingerprint,
    /// Our host candidates.
    pub candidates: &'a [SocketAddr],
    /// Stream name, for the media stream's identification.
    pub stream: &'a str,
    /// Direction of the video section.
    pub direction: Direction,
}

/// The answer to `offer` with the one video section that was negotiated; every other section is
/// refused (port 0).
pub(crate) fn answer(offer: &Offer, chosen: &Negotiated, local: &LocalDescription<'_>) -> String {
    let mut s = String::with_capacity(2048);
    // Writing to a String cannot fail.
    let _ = write_answer(&mut s, offer, chosen, local);
    s
}

fn write_answer(
    s: &mut String,
    offer: &Offer,
    chosen: &Negotiated,
    local: &LocalDescription<'_>,
) -> std::fmt::Result {
    write!(
        s,
        "v=0\r\no=- {} 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-lite\r\n",
        local.session
    )?;
    let mid = offer
        .media
        .get(chosen.section)
        .and_then(|m| m.mid.as_deref());
    if let (true, Some(mid)) = (offer.bundle, mid) {
        write!(s, "a=group:BUNDLE {mid}\r\n")?;
    }
    write!(s, "a=msid-semantic: WMS {}\r\n", local.stream)?;
    for (i, media) in offer.media.iter().enumerate() {
        if i == chosen.section {
            write_video(s, offer, chosen, local)?;
        } else {
            write!(
                s,
                "m={} 0 {} {}\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\n",
                media.kind,
                media.protocol,
                media.formats.join(" ")
            )?;
            if let Some(mid) = &media.mid {
                write!(s, "a=mid:{mid}\r\n")?;
            }
        }
    }
    Ok(())
}

fn write_video(
    s: &mut String,
    offer: &Offer,
    chosen: &Negotiated,
    local: &LocalDescription<'_>,
) -> std::fmt::Result {
    let Some(media) = offer.media.get(chosen.section) else {
        return Ok(());
    };
    let p = &chosen.payload;
    let port = local.candidates.first().map_or(9, SocketAddr::port);
    write!(s, "m=video {port} {} {}", media.protocol, p.number)?;
    if let Some(rtx) = chosen.rtx {
        write!(s, " {rtx}")?;
    }
    s.push_str("\r\nc=IN IP4 0.0.0.0\r\na=rtcp-mux\r\n");
    if media.rtcp_rsize {
        s.push_str("a=rtcp-rsize\r\n");
    }
    if let Some(mid) = &media.mid {
        write!(s, "a=mid:{mid}\r\n")?;
    }
    write_transport(s, local)?;
    write!(s, "a=rtpmap:{} {}/{}\r\n", p.number, p.name, p.clock_rate)?;
    if !p.fmtp.is_empty() {
        write!(s, "a=fmtp:{} {}\r\n", p.number, p.fmtp)?;
    }
    for feedback in ["nack", "nack pli", "ccm fir", "transport-cc", "goog-remb"] {
        let served = feedback != "transport-cc" || chosen.extensions.transport_cc != 0;
        if served && p.has_feedback(feedback) {
            write!(s, "a=rtcp-fb:{} {feedback}\r\n", p.number)?;
        }
    }
    if let Some(rtx) = chosen.rtx {
        write!(
            s,
            "a=rtpmap:{rtx} rtx/{}\r\na=fmtp:{rtx} apt={}\r\n",
            p.clock_rate, p.number
        )?;
    }
    write_extensions(s, chosen)?;
    write_direction(s, chosen, local)
}

fn write_transport(s: &mut String, local: &LocalDescription<'_>) -> std::fmt::Result {
    write!(
        s,
        "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=setup:passive\r\na=fingerprint:{} ",
        local.ice.ufrag, local.ice.pwd, local.fingerprint.algorithm
    )?;
    for (i, b) in local.fingerprint.digest.iter().enumerate() {
        let colon = if i == 0 { "" } else { ":" };
        write!(s, "{colon}{b:02X}")?;
    }
    s.push_str("\r\n");
    write_candidates(s, local.candidates)
}

/// Host candidates, the first preferred (RFC 8445 section 5.1.2.1).
pub(super) fn write_candidates(s: &mut String, candidates: &[SocketAddr]) -> std::fmt::Result {
    for (i, c) in candidates.iter().enumerate() {
        let local_preference = 65_535u32.saturating_sub(i as u32);
        let priority = (126 << 24) | (local_preference << 8) | 255;
        write!(
            s,
            "a=candidate:{} 1 udp {priority} {} {} typ host\r\n",
            i + 1,
            c.ip(),
            c.port()
        )?;
    }
    s.push_str("a=end-of-candidates\r\n");
    Ok(())
}

fn write_extensions(s: &mut String, chosen: &Negotiated) -> std::fmt::Result {
    let e = chosen.extensions;
    for (id, uri) in [
        (e.transport_cc, URI_TRANSPORT_CC),
        (e.abs_capture_time, URI_ABS_CAPTURE_TIME),
        (e.playout_delay, URI_PLAYOUT_DELAY),
    ] {
        if id != 0 {
            write!(s, "a=extmap:{id} {uri}\r\n")?;
        }
    }
    Ok(())
}

fn write_direction(
    s: &mut String,
    chosen: &Negotiated,
    local: &LocalDescription<'_>,
) -> std::fmt::Result {
    let Direction::Send { ssrc, rtx_ssrc } = local.direction else {
        s.push_str("a=recvonly\r\n");
        return Ok(());
    };
    write!(s, "a=sendonly\r\na=msid:{} video\r\n", local.stream)?;
    if chosen.rtx.is_some() {
        write!(s, "a=ssrc-group:FID {ssrc} {rtx_ssrc}\r\n")?;
    }
    // Chromium takes the first a=ssrc for the media, whatever the group says.
    write!(s, "a=ssrc:{ssrc} cname:{}\r\n", local.stream)?;
    if chosen.rtx.is_some() {
        write!(s, "a=ssrc:{rtx_ssrc} cname:{}\r\n", local.stream)?;
    }
    Ok(())
}

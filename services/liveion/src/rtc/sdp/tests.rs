use super::*;

/// Reduced from what Chromium 156 offers for a recvonly transceiver with audio beside it.
const CHROMIUM: &str = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
a=group:BUNDLE 0 1\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
a=ice-ufrag:EsAw\r\na=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y\r\na=ice-options:trickle\r\n\
a=fingerprint:sha-256 49:66:12:17:0D:1C:91:AE:57:4C:C6:36:DD:D5:97:D2:7D:62:C9:9A:7F:B9:A3:F4:70:03:E7:43:91:73:23:5E\r\n\
a=setup:actpass\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n\
m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 106 107\r\nc=IN IP4 0.0.0.0\r\n\
a=ice-ufrag:EsAw\r\na=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y\r\n\
a=fingerprint:sha-256 49:66:12:17:0D:1C:91:AE:57:4C:C6:36:DD:D5:97:D2:7D:62:C9:9A:7F:B9:A3:F4:70:03:E7:43:91:73:23:5E\r\n\
a=setup:actpass\r\na=mid:1\r\n\
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
a=extmap:4/recvonly http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n\
a=extmap:15 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time\r\n\
a=recvonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
a=rtpmap:102 H264/90000\r\na=rtcp-fb:102 goog-remb\r\na=rtcp-fb:102 transport-cc\r\na=rtcp-fb:102 ccm fir\r\n\
a=rtcp-fb:102 nack\r\na=rtcp-fb:102 nack pli\r\n\
a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f\r\n\
a=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\n\
a=rtpmap:106 H264/90000\r\na=rtcp-fb:106 goog-remb\r\na=rtcp-fb:106 transport-cc\r\na=rtcp-fb:106 nack\r\n\
a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
a=rtpmap:107 rtx/90000\r\na=fmtp:107 apt=106\r\n";

fn local<'a>(
    ice: &'a IceCredentials,
    fingerprint: &'a Fingerprint,
    candidates: &'a [std::net::SocketAddr],
) -> LocalDescription<'a> {
    LocalDescription {
        session: 7,
        ice,
        fingerprint,
        candidates,
        stream: "demo",
        direction: Direction::Send {
            ssrc: 11,
            rtx_ssrc: 12,
        },
    }
}

#[test]
fn a_viewer_gets_h264_in_mode_1_with_rtx_and_the_extensions_that_fit() {
    let offer = Offer::parse(CHROMIUM).unwrap();
    assert_eq!(offer.ice.ufrag, "EsAw");
    let n = Negotiated::for_viewer(&offer, ProfileLevelId::CONSTRAINED_BASELINE).unwrap();
    assert_eq!((n.section, n.payload.number, n.rtx), (1, 106, Some(107)));
    assert_eq!(n.extensions.transport_cc, 3);
    assert_eq!(n.extensions.playout_delay, 4);
    assert_eq!(n.extensions.abs_capture_time, 0, "15 does not fit one byte");
}

#[test]
fn the_answer_is_read_by_an_independent_parser_and_refuses_the_audio() {
    let offer = Offer::parse(CHROMIUM).unwrap();
    let n = Negotiated::for_viewer(&offer, ProfileLevelId::CONSTRAINED_BASELINE).unwrap();
    let ice = IceCredentials {
        ufrag: "us".into(),
        pwd: "secret".into(),
    };
    let candidates = [
        "127.0.0.1:7777".parse().unwrap(),
        "[::1]:7777".parse().unwrap(),
    ];
    let text = answer(&offer, &n, &local(&ice, &offer.fingerprint, &candidates));
    let sdp =
        rtc_sdp::SessionDescription::unmarshal(&mut std::io::Cursor::new(text.as_bytes())).unwrap();
    assert_eq!(sdp.media_descriptions.len(), 2);
    assert_eq!(sdp.media_descriptions[0].media_name.port.value, 0);
    let video = &sdp.media_descriptions[1];
    assert_eq!(video.media_name.formats, ["106", "107"]);
    assert!(video.has_attribute("sendonly"));
    for line in [
        "a=group:BUNDLE 1\r\n",
        "a=ice-lite\r\n",
        "a=setup:passive\r\n",
        "a=ssrc-group:FID 11 12\r\na=ssrc:11 cname:demo\r\na=ssrc:12 cname:demo\r\n",
        "a=rtcp-fb:106 nack\r\n",
        "a=extmap:4 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n",
        "a=candidate:1 1 udp 2130706431 127.0.0.1 7777 typ host\r\n",
        "a=candidate:2 1 udp 2130706175 ::1 7777 typ host\r\n",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert!(!text.contains("nack pli"), "not offered, so not answered");
}

#[test]
fn offers_that_cannot_be_served_say_what_is_missing() {
    let viewer = |text: &str| {
        Offer::parse(text)
            .and_then(|o| Negotiated::for_viewer(&o, ProfileLevelId::CONSTRAINED_BASELINE))
            .unwrap_err()
    };
    let no_mode_1 = CHROMIUM.replace("packetization-mode=1", "packetization-mode=0");
    let e = viewer(&no_mode_1);
    assert!(matches!(e, SessionError::NotAcceptable(_)));
    assert!(e.to_string().contains("102 H264/90000"), "{e}");
    let send = CHROMIUM.replace("a=recvonly", "a=sendonly");
    assert!(viewer(&send).to_string().contains("wants to receive"));
    let no_mux = CHROMIUM.replace("a=rtcp-mux\r\n", "");
    assert!(viewer(&no_mux).to_string().contains("rtcp-mux"));
    let server = CHROMIUM.replace("setup:actpass", "setup:passive");
    assert!(viewer(&server).to_string().contains("setup"));
    for (from, to, want) in [
        (
            "a=fingerprint:sha-256 49",
            "a=fingerprint:sha-256 4",
            "wrong number",
        ),
        (
            "a=fingerprint:sha-256 49",
            "a=fingerprint:md5 49",
            "sha-256",
        ),
        ("a=fingerprint:", "a=nothing:", "no a=fingerprint"),
        ("a=ice-ufrag", "a=x", "ice-ufrag"),
        ("a=extmap:3 ", "a=extmap:x ", "extmap"),
    ] {
        let text = CHROMIUM.replace(from, to);
        // The short digest above still parses as one byte; make it short in earnest.
        let text = if want == "wrong number" {
            text.replace(":5E", "")
        } else {
            text
        };
        let e = viewer(&text);
        assert!(matches!(e, SessionError::BadSdp(_)), "{e}");
        assert!(e.to_string().contains(want), "{want}: {e}");
    }
}

#[test]
fn an_answer_to_a_high_profile_stream_needs_a_high_profile_decoder() {
    let offer = Offer::parse(CHROMIUM).unwrap();
    let high = ProfileLevelId::parse("64001f").unwrap();
    assert!(Negotiated::for_viewer(&offer, high).is_err());
    let text = CHROMIUM.replace(
        "packetization-mode=1;profile-level-id=42e01f",
        "packetization-mode=1;profile-level-id=640c1f",
    );
    let offer = Offer::parse(&text).unwrap();
    assert!(Negotiated::for_viewer(&offer, ProfileLevelId::parse("640c1f").unwrap()).is_ok());
}

#[test]
fn a_publisher_needs_a_section_that_sends() {
    let offer = Offer::parse(CHROMIUM).unwrap();
    assert!(Negotiated::for_publisher(&offer).is_err());
    let offer = Offer::parse(&CHROMIUM.replace("a=recvonly", "a=sendonly")).unwrap();
    assert_eq!(
        Negotiated::for_publisher(&offer).unwrap().payload.number,
        106
    );
}

#[test]
fn mutated_offers_never_panic() {
    let bytes = CHROMIUM.as_bytes();
    let mut state = 1u64;
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize
    };
    for _ in 0..2_000 {
        let mut b = bytes.to_vec();
        for _ in 0..1 + next() % 8 {
            let at = next() % b.len().max(1);
            match next() % 3 {
                0 if at < b.len() => b[at] = (next() % 256) as u8,
                1 if at < b.len() => drop(b.remove(at)),
                _ => b.truncate(at.max(1)),
            }
        }
        let text = String::from_utf8_lossy(&b);
        if let Ok(o) = Offer::parse(&text) {
            let _ = Negotiated::for_viewer(&o, ProfileLevelId::CONSTRAINED_BASELINE);
        }
        let _ = IceFragment::parse(&text);
    }
}

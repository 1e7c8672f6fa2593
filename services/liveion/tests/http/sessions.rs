//! Sessions: made by POST, kept up by PATCH, ended by DELETE.

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};

use crate::support::{Server, guarded, open, options, request, server_for};

/// A publisher's offer, as a browser makes it.
const OFFER: &str = "v=0\r
o=- 4611731400430051336 2 IN IP4 127.0.0.1\r
s=-\r
t=0 0\r
a=group:BUNDLE 0\r
a=extmap-allow-mixed\r
a=msid-semantic: WMS\r
m=video 9 UDP/TLS/RTP/SAVPF 102 103\r
c=IN IP4 0.0.0.0\r
a=rtcp:9 IN IP4 0.0.0.0\r
a=ice-ufrag:9uvj\r
a=ice-pwd:d2dWvIH8tXm6zJSZ6ncAkRc4\r
a=ice-options:trickle\r
a=fingerprint:sha-256 1C:2D:3E:4F:50:61:72:83:94:A5:B6:C7:D8:E9:FA:0B:1C:2D:3E:4F:50:61:72:83:94:A5:B6:C7:D8:E9:FA:0B\r
a=setup:actpass\r
a=mid:0\r
a=sendonly\r
a=rtcp-mux\r
a=rtcp-rsize\r
a=rtpmap:102 H264/90000\r
a=rtcp-fb:102 nack\r
a=rtcp-fb:102 nack pli\r
a=rtcp-fb:102 ccm fir\r
a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r
a=rtpmap:103 rtx/90000\r
a=fmtp:103 apt=102\r
a=ssrc-group:FID 1001 1002\r
a=ssrc:1001 cname:x\r
a=ssrc:1002 cname:x\r
";

const CANDIDATE: &str = "a=ice-ufrag:9uvj\r
a=ice-pwd:d2dWvIH8tXm6zJSZ6ncAkRc4\r
m=video 9 UDP/TLS/RTP/SAVPF 102\r
a=mid:0\r
a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host generation 0\r
a=end-of-candidates\r
";

const RESTARTS: [&str; 2] = [
    "a=ice-ufrag:Xkq2\r\na=ice-pwd:h0kKzB0CzKJ9vDDJ8vEJHqeM\r\n",
    "a=ice-ufrag:Ylr3\r\na=ice-pwd:i1lLaC1DaLK0wEEK9wFKIrfN\r\n",
];

fn offer(path: &str, token: Option<&str>) -> Request<Body> {
    let mut request = request("POST", path, token);
    request
        .headers_mut()
        .insert("content-type", "application/sdp".parse().unwrap());
    *request.body_mut() = OFFER.into();
    request
}

fn patch(
    session: &str,
    token: Option<&str>,
    if_match: Option<&str>,
    body: &'static str,
) -> Request<Body> {
    let mut request = request("PATCH", session, token);
    let headers = request.headers_mut();
    headers.insert(
        "content-type",
        "application/trickle-ice-sdpfrag".parse().unwrap(),
    );
    if let Some(tag) = if_match {
        headers.insert("if-match", tag.parse().unwrap());
    }
    *request.body_mut() = body.into();
    request
}

/// Publishes to `a`; returns the session's address and its entity tag.
async fn publish(server: &Server, token: Option<&str>) -> (String, String) {
    let (status, headers, text) = server.ask(offer("/whip/a", token)).await;
    assert_eq!(status, StatusCode::CREATED, "{text}");
    assert!(text.starts_with("v=0\r\n"), "{text}");
    (header(&headers, "location"), header(&headers, "etag"))
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers[name].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_offer_makes_a_session_with_its_headers() {
    let server = open();
    let (status, headers, _) = server.ask(offer("/whip/a", None)).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(headers["content-type"], "application/sdp");
    assert_eq!(headers["accept-patch"], "application/trickle-ice-sdpfrag");
    let location = header(&headers, "location");
    let id = location.strip_prefix("/session/").unwrap();
    assert!(server.live.session(id).is_some());
    let etag = header(&headers, "etag");
    assert!(
        etag.len() > 2 && etag.starts_with('"') && etag.ends_with('"'),
        "{etag}"
    );
}

#[tokio::test]
async fn refusals_have_their_status() {
    let server = open();
    server.refused(offer("/whip/zzz", None), 404).await;
    server.refused(offer("/whep/zzz", None), 404).await;
    let mut garbage = offer("/whip/a", None);
    *garbage.body_mut() = "hello".into();
    server.refused(garbage, 400).await;
    let mut audio = offer("/whip/a", None);
    *audio.body_mut() = OFFER.replace("H264", "VP9").into();
    server.refused(audio, 406).await;
}

#[tokio::test]
async fn a_full_server_says_when_to_come_back() {
    let server = server_for(1, options());
    publish(&server, None).await;
    let (headers, detail) = server.refused(offer("/whip/b", None), 503).await;
    assert_eq!(headers["retry-after"], "1");
    assert!(detail.contains("webrtc.max_sessions"), "{detail}");
}

#[tokio::test]
async fn a_patch_must_name_the_present_ice_session() {
    let server = open();
    let (session, etag) = publish(&server, None).await;
    server
        .refused(patch(&session, None, None, CANDIDATE), 428)
        .await;
    for wrong in ["\"other\"", "other", "W/\"x\"", ""] {
        server
            .refused(patch(&session, None, Some(wrong), CANDIDATE), 412)
            .await;
    }
    let weak = format!("W/{etag}");
    server
        .refused(patch(&session, None, Some(&weak), CANDIDATE), 412)
        .await;
    let list = format!("\"other\", {etag}");
    for right in [&etag, &list] {
        assert_eq!(
            server
                .status(patch(&session, None, Some(right), CANDIDATE))
                .await,
            204
        );
    }
    server
        .refused(patch(&session, None, Some(&etag), "m=\r\nnonsense"), 400)
        .await;
}

#[tokio::test]
async fn an_ice_restart_gets_new_credentials_and_a_new_tag() {
    let server = open();
    let (session, mut etag) = publish(&server, None).await;
    for restart in RESTARTS {
        let (status, headers, text) = server.ask(patch(&session, None, Some("*"), restart)).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        assert_eq!(headers["content-type"], "application/trickle-ice-sdpfrag");
        assert!(
            text.contains("a=ice-ufrag:") && text.contains("a=ice-pwd:"),
            "{text}"
        );
        let new = header(&headers, "etag");
        assert_ne!(new, etag);
        server
            .refused(patch(&session, None, Some(&etag), CANDIDATE), 412)
            .await;
        etag = new;
    }
}

#[tokio::test]
async fn a_session_ends_once() {
    let server = open();
    let (session, etag) = publish(&server, None).await;
    assert_eq!(server.status(request("DELETE", &session, None)).await, 200);
    server.refused(request("DELETE", &session, None), 404).await;
    server
        .refused(patch(&session, None, Some(&etag), CANDIDATE), 404)
        .await;
}

#[tokio::test]
async fn a_session_is_its_tokens_own() {
    let server = guarded();
    let (session, etag) = publish(&server, Some("publish")).await;
    for stranger in ["view-a", "view"] {
        server
            .refused(request("DELETE", &session, Some(stranger)), 403)
            .await;
        server
            .refused(patch(&session, Some(stranger), Some(&etag), CANDIDATE), 403)
            .await;
    }
    server.refused(request("DELETE", &session, None), 401).await;
    let own = patch(&session, Some("publish"), Some(&etag), CANDIDATE);
    assert_eq!(server.status(own).await, 204);
    assert_eq!(
        server
            .status(request("DELETE", &session, Some("publish")))
            .await,
        200
    );
    let (session, _) = publish(&server, Some("publish")).await;
    assert_eq!(
        server
            .status(request("DELETE", &session, Some("admin")))
            .await,
        200
    );
}

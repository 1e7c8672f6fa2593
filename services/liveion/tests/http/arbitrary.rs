//! Any request at all: an answer, never a panic, and no 5xx but 503.

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, Uri};
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::{guarded, open};

fn method() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(vec!["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]).prop_map(str::to_owned),
        1 => "[A-Z]{1,12}",
    ]
}

fn path() -> impl Strategy<Value = String> {
    let known = select(vec![
        "/",
        "/api/streams",
        "/api/streams/a",
        "/api/streams/a/snapshot.jpg",
        "/api/streams/a/keyframe",
        "/api/streams/a/start",
        "/api/streams/b/stop",
        "/api/streams/a/bitrate",
        "/api/streams/a/controls",
        "/api/streams/a/controls/x",
        "/whep/a",
        "/whip/b",
        "/whep/zzz",
        "/session/0",
        "/session/",
        "/healthz",
        "/metrics",
        "/api/streams/%2e%2e/x",
    ]);
    prop_oneof![
        6 => known.prop_map(str::to_owned),
        2 => "/(whep|whip|session|api/streams)/[!-~&&[^#?<>\"\\\\^`{}|]]{0,40}(\\?[a-z=&%0-9]{0,20})?",
        1 => "/(%[0-9a-f]{2}){0,20}",
        1 => "/[a-z/]{0,40}",
    ]
}

fn header() -> impl Strategy<Value = (String, Vec<u8>)> {
    let names = select(vec![
        "content-type",
        "if-match",
        "authorization",
        "origin",
        "host",
        "accept",
        "content-length",
        "transfer-encoding",
        "sec-fetch-site",
        "access-control-request-method",
        "expect",
        "x-any",
    ]);
    let values = prop_oneof![
        3 => select(vec![
            "application/sdp", "application/json", "application/trickle-ice-sdpfrag", "*", "\"x\"", "W/\"x\", \"y\"",
            "Bearer view", "Bearer admin", "Basic x", "127.0.0.1", "null", "cross-site", "100-continue", "0", "chunked",
        ]).prop_map(|v| v.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ];
    (names.prop_map(str::to_owned), values)
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        2 => Just(Vec::new()),
        1 => Just(b"{\"bps\": 500000}".to_vec()),
        1 => Just(b"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..300),
        1 => Just(vec![b'a'; 70_000]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn is_answered(requests in prop::collection::vec((method(), path(), prop::collection::vec(header(), 0..5), body()), 1..4), needs_token in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = if needs_token { guarded() } else { open() };
            for (method, path, headers, body) in requests {
                let Ok(uri) = path.parse::<Uri>() else { continue };
                let mut request = Request::new(Body::from(body));
                *request.method_mut() = method.parse::<Method>().unwrap();
                *request.uri_mut() = uri;
                for (name, value) in headers {
                    let name = name.parse::<axum::http::HeaderName>().unwrap();
                    if let Ok(value) = HeaderValue::from_bytes(&value) {
                        request.headers_mut().append(name, value);
                    }
                }
                let status = server.status(request).await;
                assert!(status < 500 || status == 503, "{method} {path}: {status}");
            }
            server.live.shutdown().await;
        });
    }
}

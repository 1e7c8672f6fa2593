//! Who may do what.

use axum::http::Request;

use crate::support::{guarded, open, request};

const TOKENS: [&str; 5] = ["view-a", "view-b", "view", "publish", "admin"];

/// Every address that needs a token, and the tokens that suffice.
const ROUTES: [(&str, &str, &[&str]); 15] = [
    ("GET", "/api/streams", &TOKENS),
    ("GET", "/api/events", &TOKENS),
    ("GET", "/api/streams/a", &["view-a", "view", "admin"]),
    (
        "GET",
        "/api/streams/a/snapshot.jpg",
        &["view-a", "view", "admin"],
    ),
    (
        "POST",
        "/api/streams/a/keyframe",
        &["view-a", "view", "admin"],
    ),
    ("POST", "/api/streams/a/start", &["admin"]),
    ("POST", "/api/streams/a/stop", &["admin"]),
    ("PUT", "/api/streams/a/bitrate", &["admin"]),
    (
        "GET",
        "/api/streams/a/controls",
        &["view-a", "view", "admin"],
    ),
    ("PUT", "/api/streams/a/controls/exposure", &["admin"]),
    ("GET", "/metrics", &["view", "admin"]),
    ("POST", "/whep/a", &["view-a", "view", "admin"]),
    ("POST", "/whip/a", &["publish", "admin"]),
    ("PATCH", "/session/0", &TOKENS),
    ("DELETE", "/session/0", &TOKENS),
];

/// The request as far as it matters here: right type, body of no use.
fn body_of(path: &str, request: &mut Request<axum::body::Body>) {
    let (kind, body) = match path {
        p if p.ends_with("/bitrate") => ("application/json", "{\"bps\": 1000000}"),
        p if p.contains("/controls/") => ("application/json", "{\"value\": 1}"),
        p if p.starts_with("/session/") => ("application/trickle-ice-sdpfrag", "a=x"),
        p if p.starts_with("/wh") => ("application/sdp", "v=0\r\n"),
        _ => return,
    };
    request
        .headers_mut()
        .insert("content-type", kind.parse().unwrap());
    *request.body_mut() = body.into();
}

#[tokio::test]
async fn every_route_needs_a_token_and_the_right_one() {
    let server = guarded();
    for (method, path, enough) in ROUTES {
        for (token, error) in [(None, None), (Some("wrong"), Some("invalid_token"))] {
            let mut request = request(method, path, token);
            body_of(path, &mut request);
            let (headers, _) = server.refused(request, 401).await;
            let challenge = headers["www-authenticate"].to_str().unwrap();
            assert!(challenge.starts_with("Bearer realm="), "{challenge}");
            assert_eq!(
                error.is_some(),
                challenge.contains("error=\"invalid_token\"")
            );
        }
        for token in TOKENS {
            let mut request = request(method, path, Some(token));
            body_of(path, &mut request);
            if enough.contains(&token) {
                let status = server.status(request).await;
                assert!(
                    status != 401 && status != 403,
                    "{token}: {method} {path}: {status}"
                );
            } else {
                let (headers, _) = server.refused(request, 403).await;
                let challenge = headers["www-authenticate"].to_str().unwrap();
                assert!(challenge.contains("insufficient_scope"), "{challenge}");
            }
        }
    }
}

#[tokio::test]
async fn the_page_and_health_need_none() {
    let server = guarded();
    assert_eq!(server.status(request("GET", "/", None)).await, 200);
    assert_eq!(server.status(request("GET", "/healthz", None)).await, 200);
    assert_eq!(
        server.status(request("OPTIONS", "/whep/a", None)).await,
        204
    );
}

#[tokio::test]
async fn a_token_for_one_stream_cannot_tell_which_others_there_are() {
    let server = guarded();
    let there = server
        .ask(request("GET", "/api/streams/b", Some("view-a")))
        .await;
    let not_there = server
        .ask(request("GET", "/api/streams/c", Some("view-a")))
        .await;
    assert_eq!(there.0, 403);
    assert_eq!(not_there.0, 403);
    assert_eq!(
        there.2.replace("view:b", ""),
        not_there.2.replace("view:c", "")
    );
}

#[tokio::test]
async fn the_list_shows_what_the_token_may_see() {
    let server = guarded();
    for (token, seen) in [
        ("view-a", vec!["a"]),
        ("view-b", vec!["b"]),
        ("view", vec!["a", "b"]),
        ("admin", vec!["a", "b"]),
        ("publish", vec![]),
    ] {
        let (_, _, text) = server
            .ask(request("GET", "/api/streams", Some(token)))
            .await;
        let list: serde_json::Value = serde_json::from_str(&text).unwrap();
        let names: Vec<_> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|s| &s["name"])
            .collect();
        assert_eq!(names, seen, "{token}");
    }
}

#[tokio::test]
async fn only_the_authorization_header_counts() {
    let server = guarded();
    assert_eq!(
        server
            .status(request("GET", "/api/streams?token=view", None))
            .await,
        401
    );
    assert_eq!(
        server
            .status(request("GET", "/api/streams?access_token=view", None))
            .await,
        401
    );
    for (value, status) in [
        ("Bearer view", 200),
        ("bearer view", 200),
        ("BEARER   view ", 200),
        ("Basic dmlldw==", 401),
        ("Bearer", 401),
        ("Bearer ", 401),
        ("view", 401),
        ("Bearer view admin", 401),
    ] {
        let mut request = request("GET", "/api/streams", None);
        request
            .headers_mut()
            .insert("authorization", value.parse().unwrap());
        assert_eq!(server.status(request).await, status, "{value}");
    }
    let mut two = request("GET", "/api/streams", Some("view"));
    two.headers_mut()
        .append("authorization", "Bearer admin".parse().unwrap());
    assert_eq!(server.status(two).await, 401);
}

#[tokio::test]
async fn an_open_server_asks_for_nothing() {
    let server = open();
    assert_eq!(
        server.status(request("GET", "/api/streams", None)).await,
        200
    );
    assert_eq!(server.status(request("GET", "/metrics", None)).await, 200);
}

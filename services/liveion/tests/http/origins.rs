//! Pages of other sites.

use axum::body::Body;
use axum::http::Request;
use liveion::http::{Cors, HttpOptions, Origin};

use crate::support::{Server, open, options, server};

const FRIEND: &str = "https://friend.example";
const STRANGER: &str = "https://stranger.example";

fn with_cors(cors: Cors) -> Server {
    server(HttpOptions { cors, ..options() })
}

fn friends() -> Server {
    with_cors(Cors::Origins(vec![Origin::new(FRIEND).unwrap()]))
}

fn from(origin: &str, method: &str, path: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1:7777")
        .header("origin", origin)
        .body(Body::empty())
        .unwrap()
}

fn preflight(origin: &str) -> Request<Body> {
    let mut request = from(origin, "OPTIONS", "/whep/a");
    let headers = request.headers_mut();
    headers.insert("access-control-request-method", "POST".parse().unwrap());
    headers.insert(
        "access-control-request-headers",
        "authorization,content-type".parse().unwrap(),
    );
    request
}

#[tokio::test]
async fn without_cors_no_other_page_gets_leave() {
    let (_, headers, _) = open().ask(preflight(STRANGER)).await;
    assert!(
        headers.get("access-control-allow-origin").is_none(),
        "{headers:?}"
    );
}

#[tokio::test]
async fn a_listed_origin_gets_leave_and_reads_the_headers() {
    let server = friends();
    let (status, headers, _) = server.ask(preflight(FRIEND)).await;
    assert!(status.is_success());
    assert_eq!(headers["access-control-allow-origin"], FRIEND);
    assert_eq!(headers["accept-post"], "application/sdp");
    let allowed = headers["access-control-allow-headers"].to_str().unwrap();
    for header in ["authorization", "content-type", "if-match"] {
        assert!(allowed.contains(header), "{allowed}");
    }
    let (_, headers, _) = server.ask(from(FRIEND, "GET", "/api/streams")).await;
    let exposed = headers["access-control-expose-headers"].to_str().unwrap();
    for header in ["location", "etag", "accept-patch"] {
        assert!(exposed.contains(header), "{exposed}");
    }
    let (_, headers, _) = server.ask(preflight(STRANGER)).await;
    assert!(
        headers.get("access-control-allow-origin").is_none(),
        "{headers:?}"
    );
}

#[tokio::test]
async fn everybody_gets_leave_by_a_star() {
    let server = with_cors(Cors::Any);
    let (_, headers, _) = server.ask(preflight(STRANGER)).await;
    assert_eq!(headers["access-control-allow-origin"], "*");
    assert_ne!(
        server
            .status(from(STRANGER, "POST", "/api/streams/a/keyframe"))
            .await,
        403
    );
}

/// A form or a `fetch` without preflight reaches the server whatever CORS says.
#[tokio::test]
async fn a_foreign_page_cannot_change_anything() {
    for server in [open(), friends()] {
        for path in ["/api/streams/a/keyframe", "/api/streams/a/stop", "/whep/a"] {
            let (_, detail) = server.refused(from(STRANGER, "POST", path), 403).await;
            assert!(detail.contains("http.cors"), "{detail}");
            let own = server
                .status(from("http://127.0.0.1:7777", "POST", path))
                .await;
            assert_ne!(own, 403, "{path}");
        }
    }
    let friend = friends()
        .status(from(FRIEND, "POST", "/api/streams/a/keyframe"))
        .await;
    assert_ne!(friend, 403);
}

#[tokio::test]
async fn only_known_host_names_are_answered_where_that_matters() {
    let server = server(HttpOptions {
        hosts: Some(vec!["camera.local".to_owned()]),
        ..options()
    });
    let get = |host: &str| {
        let builder = Request::get("/api/streams").header("host", host);
        builder.body(Body::empty()).unwrap()
    };
    for host in [
        "127.0.0.1",
        "127.0.0.1:7777",
        "192.0.2.1:80",
        "[::1]:7777",
        "localhost",
        "LocalHost:1",
        "camera.local",
        "Camera.Local:7777",
        "camera.local.",
    ] {
        assert_eq!(server.status(get(host)).await, 200, "{host}");
    }
    for host in [
        "evil.example",
        "evil.example:7777",
        "camera.local.evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
        "a b",
    ] {
        let (_, detail) = server.refused(get(host), 421).await;
        assert!(detail.contains("http.hosts"), "{detail}");
    }
    let nameless = Request::get("/api/streams").body(Body::empty()).unwrap();
    assert_eq!(server.status(nameless).await, 200);
}

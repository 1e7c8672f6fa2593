//! A server with two WHIP streams, `a` and `b`, and tokens by name.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::Response;
use http_body_util::BodyExt;
use liveion::http::{Access, Authorizer, Cors, HttpOptions, Open, View, router};
use liveion::{Live, LiveConfig, SourceConfig, StreamConfig};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Tokens that are the names of their rights.
#[derive(Debug)]
pub struct Named;

impl Authorizer for Named {
    fn authorize(&self, token: Option<&str>) -> Option<Arc<Access>> {
        let token = token?;
        let streams =
            |names: &[&str]| View::Streams(names.iter().map(|n| (*n).to_owned()).collect());
        let none = View::Streams(BTreeSet::new());
        let (view, publish, admin) = match token {
            "view-a" => (streams(&["a"]), false, false),
            "view-b" => (streams(&["b"]), false, false),
            "view" => (View::All, false, false),
            "publish" => (none, true, false),
            "admin" => (none, false, true),
            _ => return None,
        };
        let name = token.to_owned();
        Some(Arc::new(Access {
            name,
            view,
            publish,
            admin,
        }))
    }
}

/// A server and its router.
pub struct Server {
    pub live: Live,
    pub router: Router,
    pub shutdown: CancellationToken,
}

pub fn options() -> HttpOptions {
    HttpOptions {
        authorizer: Arc::new(Open::default()),
        cors: Cors::Origins(Vec::new()),
        hosts: None,
        request_timeout: Duration::from_secs(5),
        shutdown: CancellationToken::new(),
    }
}

/// Everybody may do everything.
pub fn open() -> Server {
    server(options())
}

/// Every request needs one of the tokens of [`Named`].
pub fn guarded() -> Server {
    server(HttpOptions {
        authorizer: Arc::new(Named),
        ..options()
    })
}

pub fn server(options: HttpOptions) -> Server {
    server_for(16, options)
}

/// With room for so many sessions.
pub fn server_for(max_sessions: usize, options: HttpOptions) -> Server {
    let config = LiveConfig {
        udp_listen: ([127, 0, 0, 1], 0).into(),
        candidates: Vec::new(),
        idle_timeout: Duration::from_secs(30),
        max_sessions,
    };
    let whip = |name: &str| StreamConfig {
        name: name.to_owned(),
        source: SourceConfig::Whip,
        on_demand: false,
        grace: Duration::ZERO,
    };
    let live = Live::start(config, vec![whip("a"), whip("b")]).unwrap();
    let shutdown = options.shutdown.clone();
    let page = Router::new().route("/", axum::routing::get(|| async { "the page" }));
    Server {
        router: router(live.clone(), page, options),
        live,
        shutdown,
    }
}

/// A request; `token` as its bearer token.
pub fn request(method: &str, path: &str, token: Option<&str>) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        builder = builder.header("authorization", format!("Bearer {token}"));
    }
    builder.body(Body::empty()).unwrap()
}

/// A request with a body of type `content_type`.
pub fn with_body(
    method: &str,
    path: &str,
    content_type: &str,
    body: impl Into<Body>,
) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", content_type)
        .body(body.into())
        .unwrap()
}

impl Server {
    pub async fn send(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Status, headers and text of the answer.
    pub async fn ask(&self, request: Request<Body>) -> (StatusCode, HeaderMap, String) {
        let (parts, body) = self.send(request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        (parts.status, parts.headers, text)
    }

    pub async fn status(&self, request: Request<Body>) -> u16 {
        self.send(request).await.status().as_u16()
    }

    /// Sends a request that must be refused with `status`; returns headers and detail.
    pub async fn refused(&self, request: Request<Body>, status: u16) -> (HeaderMap, String) {
        let what = format!("{} {}", request.method(), request.uri());
        let (got, headers, text) = self.ask(request).await;
        assert_eq!(got.as_u16(), status, "{what}: {text}");
        assert_eq!(
            headers["content-type"], "application/problem+json",
            "{what}"
        );
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(problem["status"], status, "{what}");
        assert!(
            problem["title"].as_str().is_some_and(|t| !t.is_empty()),
            "{what}: {text}"
        );
        let detail = problem["detail"].as_str().unwrap().to_owned();
        assert!(!detail.is_empty(), "{what}");
        (headers, detail)
    }
}

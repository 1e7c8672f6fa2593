//! The web page: a list of the streams and a player. Its files are part of the binary.
//!
//! The page is served without a token: there is no secret in it. It asks the HTTP API for
//! everything, and for a token when the API wants one.
//!
//! All files but the page itself live under a path that holds a hash of them all. A browser may
//! therefore keep them for ever, and an update of the server changes every address at once, so that
//! no page is ever made of files of two versions.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

const PAGE: &str = include_str!("assets/index.html");

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! files {
    ($($name:literal: $kind:expr),* $(,)?) => {
        &[$(File { name: $name, kind: $kind, content: include_str!(concat!("assets/", $name)) }),*]
    };
}

/// Everything the page loads.
static FILES: &[File] = files! {
    "api.js": JAVASCRIPT,
    "backoff.js": JAVASCRIPT,
    "camera.js": JAVASCRIPT,
    "clock.js": JAVASCRIPT,
    "controls.js": JAVASCRIPT,
    "feed.js": JAVASCRIPT,
    "figures.js": JAVASCRIPT,
    "format.js": JAVASCRIPT,
    "graph.js": JAVASCRIPT,
    "icon.svg": SVG,
    "main.js": JAVASCRIPT,
    "meter.js": JAVASCRIPT,
    "netstats.js": JAVASCRIPT,
    "player.js": JAVASCRIPT,
    "stage.js": JAVASCRIPT,
    "streams.js": JAVASCRIPT,
    "strip.js": JAVASCRIPT,
    "style.css": CSS,
    "token.js": JAVASCRIPT,
    "whep.js": JAVASCRIPT,
};

/// What the page may do. Nothing from elsewhere, nothing inline, no markup made from strings; a
/// foreign page may not frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; media-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Headers of every answer here.
const SECURITY: [(HeaderName, HeaderValue); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), microphone=(), geolocation=(), display-capture=()"),
    ),
];

/// One embedded file.
struct File {
    name: &'static str,
    kind: &'static str,
    content: &'static str,
}

/// The page with its addresses filled in.
struct Page {
    html: String,
    etag: String,
    version: String,
}

impl Page {
    fn new() -> Self {
        let version = version();
        let base = format!("/assets/{version}");
        let mut preload = String::new();
        for file in FILES.iter().filter(|f| f.kind == JAVASCRIPT) {
            // The browser would find the modules one after the other, a round trip each.
            let _ = writeln!(
                preload,
                r#"<link rel="modulepreload" href="{base}/{}">"#,
                file.name
            );
        }
        Self {
            html: PAGE
                .replace("{preload}\n", &preload)
                .replace("{assets}", &base),
            etag: format!("\"{version}\""),
            version,
        }
    }
}

/// The routes of the page: `/` and `/assets/<version>/<file>`.
pub fn router() -> Router {
    Router::new()
        .route("/", get(page))
        .route("/assets/{version}/{file}", get(asset))
        .with_state(Arc::new(Page::new()))
}

async fn page(State(page): State<Arc<Page>>, headers: HeaderMap) -> Response {
    if matches(&headers, &page.etag) {
        return answer(
            StatusCode::NOT_MODIFIED,
            HTML,
            "no-cache",
            &page.etag,
            String::new(),
        );
    }
    answer(
        StatusCode::OK,
        HTML,
        "no-cache",
        &page.etag,
        page.html.clone(),
    )
}

async fn asset(
    State(page): State<Arc<Page>>,
    Path((version, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    // The files of another version are not here: answering with ours would mix the two.
    let file = FILES
        .iter()
        .find(|f| version == page.version && f.name == name);
    let Some(file) = file else {
        return (StatusCode::NOT_FOUND, SECURITY, "there is no such file\n").into_response();
    };
    const FOREVER: &str = "public, max-age=31536000, immutable";
    if matches(&headers, &page.etag) {
        return answer(StatusCode::NOT_MODIFIED, file.kind, FOREVER, &page.etag, "");
    }
    answer(StatusCode::OK, file.kind, FOREVER, &page.etag, file.content)
}

fn answer(
    status: StatusCode,
    kind: &'static str,
    caching: &'static str,
    etag: &str,
    body: impl IntoResponse,
) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, caching),
        (header::ETAG, etag),
    ];
    (status, SECURITY, headers, body).into_response()
}

/// Whether the client has this version already (RFC 9110 section 13.1.2; weak comparison).
fn matches(headers: &HeaderMap, etag: &str) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH);
    let mut tags = tags
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','));
    tags.any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
    })
}

/// A name for the content of all files; equal for equal content within one build.
fn version() -> String {
    let mut hash = DefaultHasher::new();
    hash.write(PAGE.as_bytes());
    for file in FILES {
        hash.write(file.name.as_bytes());
        hash.write(file.content.as_bytes());
    }
    format!("{:016x}", hash.finish())
}

#[cfg(test)]
mod tests;

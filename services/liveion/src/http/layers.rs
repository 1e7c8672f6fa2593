//! What stands around every route: counting, host names, origins, time and size limits.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ETAG, HOST, IF_MATCH, LOCATION, RETRY_AFTER,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::csrf::{CsrfLayer, ProtectionError};

use crate::http::extract::{ACCEPT_PATCH, ACCEPT_POST, SDP};
use crate::http::problem::Problem;
use crate::http::{App, Cors, MAX_BODY, Origin};
use crate::metrics::{Kind, PromText};

const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// Answered requests by method, route and status: as many as there are routes, whatever is asked.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<BTreeMap<(&'static str, String, u16), u64>>);

impl Counters {
    fn count(&self, method: &Method, route: Option<&MatchedPath>, status: StatusCode) {
        let known = METHODS.iter().find(|m| *m == method);
        let method = match known {
            Some(&Method::GET) => "GET",
            Some(&Method::HEAD) => "HEAD",
            Some(&Method::POST) => "POST",
            Some(&Method::PUT) => "PUT",
            Some(&Method::PATCH) => "PATCH",
            Some(&Method::DELETE) => "DELETE",
            Some(&Method::OPTIONS) => "OPTIONS",
            _ => "other",
        };
        let route = route.map_or("none", MatchedPath::as_str).to_owned();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((method, route, status.as_u16())).or_default() += 1;
    }

    pub(crate) fn write(&self, text: &mut PromText) {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut family = text.family(
            "livehal_http_requests_total",
            Kind::Counter,
            "HTTP requests answered.",
        );
        for ((method, route, status), count) in counts.iter() {
            let status = status.to_string();
            let labels = [("method", *method), ("route", route), ("status", &status)];
            family.sample(&labels, *count as f64);
        }
    }
}

/// Puts the layers around `routes`, the outermost last.
pub(crate) fn wrap(
    routes: Router,
    app: App,
    cors: Cors,
    hosts: Option<Vec<String>>,
    timeout: Duration,
) -> Router {
    let mut routes = routes
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(timeout, in_time));
    if let Cors::Origins(origins) = &cors {
        routes = routes.layer(csrf(origins).with_rejection_response(foreign));
    }
    if cors != Cors::Origins(Vec::new()) {
        routes = routes.layer(cors_layer(cors));
    }
    if let Some(names) = hosts {
        routes = routes.layer(from_fn_with_state(Arc::new(names), known_host));
    }
    routes
        .layer(from_fn(common_headers))
        .layer(from_fn_with_state(app, counted))
}

/// A request that changes something is refused when a page of another origin sent it.
fn csrf(trusted: &[Origin]) -> CsrfLayer {
    trusted.iter().fold(CsrfLayer::new(), |layer, origin| {
        // An `Origin` has passed this check when it was made.
        layer
            .clone()
            .add_trusted_origin(origin.as_str())
            .unwrap_or(layer)
    })
}

fn foreign(error: ProtectionError) -> Response {
    Problem::forbidden_origin(&error.to_string()).into_response()
}

fn cors_layer(cors: Cors) -> CorsLayer {
    let origins = match cors {
        Cors::Any => AllowOrigin::any(),
        Cors::Origins(list) => AllowOrigin::list(list.iter().map(Origin::header)),
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods(METHODS)
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, IF_MATCH])
        .expose_headers([
            LOCATION,
            ETAG,
            ACCEPT_PATCH,
            ACCEPT_POST,
            RETRY_AFTER,
            WWW_AUTHENTICATE,
        ])
        .max_age(Duration::from_secs(600))
}

async fn in_time(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("no whole request within {limit:?}"),
        )
        .into_response(),
    }
}

/// Refuses a `Host` that is a name not known to be ours (DNS rebinding).
async fn known_host(
    State(names): State<Arc<Vec<String>>>,
    request: Request,
    next: Next,
) -> Response {
    let header = request.headers().get(HOST);
    // A request without Host is no browser's.
    let known = header.is_none_or(|v| v.to_str().is_ok_and(|host| is_known(host, &names)));
    if known {
        return next.run(request).await;
    }
    Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        "this server does not answer to that host name; list it in http.hosts",
    )
    .into_response()
}

fn is_known(host: &str, names: &[String]) -> bool {
    let Ok(authority) = host.parse::<axum::http::uri::Authority>() else {
        return false;
    };
    let name = authority.host().trim_end_matches('.');
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Headers of every answer. `OPTIONS` on an endpoint says what it takes, even where CORS answers
/// it (RFC 9725 section 4.2); nothing but the page is for a cache.
async fn common_headers(request: Request, next: Next) -> Response {
    let path = request
        .extensions()
        .get::<MatchedPath>()
        .map(MatchedPath::as_str);
    let endpoint = matches!(path, Some("/whep/{stream}" | "/whip/{stream}"));
    let asked = endpoint && request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    // A page of another site may not even show a snapshot; CORS, where allowed, is not bound by it.
    headers
        .entry(HeaderName::from_static("cross-origin-resource-policy"))
        .or_insert(HeaderValue::from_static("same-origin"));
    if asked {
        headers.insert(ACCEPT_POST, HeaderValue::from_static(SDP));
    }
    response
}

/// Counts and logs. The query is not logged: somebody may have put a token there.
async fn counted(State(app): State<App>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let status = response.status();
    app.counters.count(&method, route.as_ref(), status);
    tracing::debug!(%method, path, status = status.as_u16(), elapsed = ?start.elapsed(), "http");
    response
}

//! The HTTP face of [`Live`]: WHEP (draft-ietf-wish-whep), WHIP (RFC 9725), the API, `/healthz`
//! and `/metrics`.
//!
//! It knows no configuration: who may do what is the [`Authorizer`]'s answer, and limits come in
//! [`HttpOptions`]. Every error is `application/problem+json` (RFC 9457). The only 5xx it answers
//! is 503: a stream has nothing to send, the server is full or going down, or `/healthz` says so.

mod access;
mod events;
mod extract;
mod health;
mod layers;
mod problem;
mod process;
mod sessions;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderValue;
use axum::routing::{get, patch, post, put};
use tokio_util::sync::CancellationToken;
use tower_http::csrf::CsrfLayer;

use crate::Live;
use crate::http::layers::Counters;
use crate::http::problem::Problem;
use crate::http::sessions::Registry;

pub use access::{Access, Authorizer, Open, View};

/// Largest request body taken, in bytes. An offer of a browser is about 6 kB.
pub const MAX_BODY: usize = 64 * 1024;

/// What the HTTP layer is told from outside.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Says who a token belongs to.
    pub authorizer: Arc<dyn Authorizer>,
    /// Which other origins' pages may use the API.
    pub cors: Cors,
    /// Which `Host` headers are answered; `None` for all. A server that asks for no token needs
    /// this against DNS rebinding: a foreign page whose name is made to point here.
    pub hosts: Option<Vec<String>>,
    /// A request that is not answered by then gets 408. Event streams are not bound by it.
    pub request_timeout: Duration,
    /// Cancelled at shutdown: event streams end.
    pub shutdown: CancellationToken,
}

/// Origins besides the server's own whose pages may use the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cors {
    /// Every origin.
    Any,
    /// These. Empty: none.
    Origins(Vec<Origin>),
}

/// An origin as a browser sends it, such as `https://example.org`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    text: String,
    header: HeaderValue,
}

impl Origin {
    /// Takes `scheme://host[:port]`, lower case, without a default port or a slash at the end.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn new(text: &str) -> Result<Self, String> {
        if let Err(e) = CsrfLayer::new().add_trusted_origin(text) {
            return Err(e.to_string());
        }
        let header = HeaderValue::from_str(text).map_err(|e| e.to_string())?;
        Ok(Self {
            text: text.to_owned(),
            header,
        })
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

/// Shared by all handlers.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) live: Live,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) sessions: Registry,
    pub(crate) counters: Counters,
    pub(crate) shutdown: CancellationToken,
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// The API over `live`, with `page` (a router of static files, or an empty one) beside it.
///
/// The page is served without a token; everything else but `/healthz` asks the authorizer.
pub fn router(live: Live, page: Router, options: HttpOptions) -> Router {
    let app = App(Arc::new(Inner {
        live,
        authorizer: options.authorizer,
        sessions: Registry::default(),
        counters: Counters::default(),
        shutdown: options.shutdown,
    }));
    let api = Router::new()
        .route("/api/streams", get(streams::list))
        .route("/api/streams/{stream}", get(streams::detail))
        .route("/api/streams/{stream}/snapshot.jpg", get(streams::snapshot))
        .route("/api/streams/{stream}/keyframe", post(streams::keyframe))
        .route("/api/streams/{stream}/start", post(streams::start))
        .route("/api/streams/{stream}/stop", post(streams::stop))
        .route("/api/streams/{stream}/bitrate", put(streams::bitrate))
        .route("/api/streams/{stream}/controls", get(streams::controls))
        .route(
            "/api/streams/{stream}/controls/{control}",
            put(streams::set_control),
        )
        .route("/api/events", get(events::events))
        .route(
            "/session/{id}",
            patch(sessions::patch).delete(sessions::delete),
        )
        .route("/healthz", get(health::healthz))
        .route("/metrics", get(health::metrics));
    let endpoints = Router::new()
        .route(
            "/whep/{stream}",
            post(sessions::whep).options(sessions::options),
        )
        .route(
            "/whip/{stream}",
            post(sessions::whip).options(sessions::options),
        );
    let routes = api
        .merge(endpoints)
        .with_state(app.clone())
        .merge(page)
        .fallback(|| async { Problem::not_found("there is nothing at this address") })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() });
    layers::wrap(
        routes,
        app,
        options.cors,
        options.hosts,
        options.request_timeout,
    )
}

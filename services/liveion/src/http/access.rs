//! Who may do what.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use crate::http::App;
use crate::http::problem::Problem;

/// Tells who a bearer token belongs to.
pub trait Authorizer: fmt::Debug + Send + Sync + 'static {
    /// What the holder of `token` may do; `None` when the token (or its absence) is not accepted.
    fn authorize(&self, token: Option<&str>) -> Option<Arc<Access>>;
}

/// The rights of one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Name of the token; sessions belong to it.
    pub name: String,
    /// Which streams it may watch.
    pub view: View,
    /// May publish to every WHIP stream.
    pub publish: bool,
    /// May do everything.
    pub admin: bool,
}

/// Which streams may be watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// Every stream, and the metrics of the server.
    All,
    /// These; an empty set for none.
    Streams(BTreeSet<String>),
}

/// The authorizer of a server without tokens: everybody may do everything.
#[derive(Debug)]
pub struct Open(Arc<Access>);

impl Default for Open {
    fn default() -> Self {
        Self(Arc::new(Access {
            name: String::new(),
            view: View::All,
            publish: true,
            admin: true,
        }))
    }
}

impl Authorizer for Open {
    fn authorize(&self, _token: Option<&str>) -> Option<Arc<Access>> {
        Some(Arc::clone(&self.0))
    }
}

/// The caller of a request, known by its token.
#[derive(Debug, Clone)]
pub(crate) struct Caller(Arc<Access>);

impl Caller {
    /// Name of the token.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// May it watch `stream`?
    pub(crate) fn sees(&self, stream: &str) -> bool {
        self.0.admin
            || match &self.0.view {
                View::All => true,
                View::Streams(names) => names.contains(stream),
            }
    }

    /// Refuses a caller that may not watch `stream`, whether the stream exists or not.
    pub(crate) fn view(&self, stream: &str) -> Result<(), Problem> {
        self.need(self.sees(stream), format_args!("view or view:{stream}"))
    }

    /// Refuses a caller that may not watch all streams.
    pub(crate) fn view_all(&self) -> Result<(), Problem> {
        let allowed = self.0.admin || self.0.view == View::All;
        self.need(allowed, format_args!("view"))
    }

    /// Refuses a caller that may not publish.
    pub(crate) fn publish(&self) -> Result<(), Problem> {
        self.need(self.0.admin || self.0.publish, format_args!("publish"))
    }

    /// Refuses a caller that may not control the server.
    pub(crate) fn admin(&self) -> Result<(), Problem> {
        self.need(self.0.admin, format_args!("admin"))
    }

    /// Refuses a caller that neither made the session nor is admin.
    pub(crate) fn owns(&self, owner: &str) -> Result<(), Problem> {
        if self.0.admin || owner == self.0.name {
            return Ok(());
        }
        Err(Problem::forbidden(
            "this session was made with another token",
        ))
    }

    fn need(&self, allowed: bool, scope: fmt::Arguments<'_>) -> Result<(), Problem> {
        if allowed {
            return Ok(());
        }
        Err(Problem::forbidden(&format!(
            "token {} lacks the scope {scope}",
            self.0.name
        )))
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let token = bearer(parts)?;
        match app.authorizer.authorize(token) {
            Some(access) => Ok(Self(access)),
            None => Err(Problem::unauthorized(token.is_some())),
        }
    }
}

impl OptionalFromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>, Problem> {
        let caller = <Self as FromRequestParts<App>>::from_request_parts(parts, app).await;
        Ok(caller.ok())
    }
}

/// The token of the one `Authorization: Bearer` header; nothing without such a header.
fn bearer(parts: &Parts) -> Result<Option<&str>, Problem> {
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::unauthorized(true));
    }
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
    });
    token.map(Some).ok_or_else(|| Problem::unauthorized(true))
}

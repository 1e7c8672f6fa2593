//! Parts of a request, refused as [`Problem`]s.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use serde::de::DeserializeOwned;

use crate::http::problem::Problem;
use crate::http::{App, MAX_BODY};

/// Media type of offers and answers.
pub(crate) const SDP: &str = "application/sdp";
/// Media type of trickle-ICE fragments (RFC 8840).
pub(crate) const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const JSON: &str = "application/json";

pub(crate) const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
pub(crate) const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// The one variable segment of a path.
pub(crate) struct Segment(pub(crate) String);

impl FromRequestParts<App> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, app).await {
            Ok(Path(segment)) => Ok(Self(segment)),
            Err(e) => Err(Problem::bad_request(e.body_text())),
        }
    }
}

/// The two variable segments of a path.
pub(crate) struct Segments(pub(crate) String, pub(crate) String);

impl FromRequestParts<App> for Segments {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match Path::<(String, String)>::from_request_parts(parts, app).await {
            Ok(Path((first, second))) => Ok(Self(first, second)),
            Err(e) => Err(Problem::bad_request(e.body_text())),
        }
    }
}

/// An offer, of type `application/sdp`.
pub(crate) struct Offer(pub(crate) String);

impl FromRequest<App> for Offer {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        need_type(request.headers(), SDP, Some(ACCEPT_POST))?;
        text(request, app).await.map(Self)
    }
}

/// A trickle-ICE fragment.
pub(crate) struct Fragment(pub(crate) String);

impl FromRequest<App> for Fragment {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        need_type(request.headers(), FRAGMENT, Some(ACCEPT_PATCH))?;
        text(request, app).await.map(Self)
    }
}

/// A JSON body.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        need_type(request.headers(), JSON, None)?;
        let body = body(request, app).await?;
        serde_json::from_slice(&body)
            .map(Self)
            .map_err(|e| Problem::bad_request(format!("the body: {e}")))
    }
}

/// Refuses a media type other than `wanted`; parameters such as a charset do not matter.
fn need_type(
    headers: &HeaderMap,
    wanted: &'static str,
    answer: Option<HeaderName>,
) -> Result<(), Problem> {
    let given = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let essence = given.map(|v| v.split(';').next().unwrap_or_default().trim());
    match essence {
        Some(essence) if essence.eq_ignore_ascii_case(wanted) => Ok(()),
        _ => Err(Problem::unsupported(wanted, answer)),
    }
}

async fn text(request: Request, app: &App) -> Result<String, Problem> {
    let body = body(request, app).await?;
    if body.is_empty() {
        return Err(Problem::bad_request("the body is empty"));
    }
    String::from_utf8(body.into()).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Problem::bad_request(format!("the body is not UTF-8 (byte {at})"))
    })
}

async fn body(request: Request, app: &App) -> Result<Bytes, Problem> {
    Bytes::from_request(request, app)
        .await
        .map_err(body_problem)
}

fn body_problem(rejection: BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body has more than {MAX_BODY} bytes"),
        ),
        _ => Problem::bad_request(rejection.body_text()),
    }
}

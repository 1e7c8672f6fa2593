//! Errors as `application/problem+json` (RFC 9457).

use axum::http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use livehal::ControlError;
use serde::Serialize;

use crate::{Error, SessionError};

/// One refused request.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    header: Option<(HeaderName, HeaderValue)>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
}

impl Problem {
    /// A problem with a detail for the caller.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            header: None,
        }
    }

    fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, HeaderValue::from_static(value)));
        self
    }

    /// 400.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 401, telling apart a wrong token from none (RFC 6750 section 3).
    pub(crate) fn unauthorized(token_given: bool) -> Self {
        if token_given {
            Self::new(StatusCode::UNAUTHORIZED, "the token is not accepted").with(
                WWW_AUTHENTICATE,
                r#"Bearer realm="live777", error="invalid_token""#,
            )
        } else {
            Self::new(StatusCode::UNAUTHORIZED, "a bearer token is needed")
                .with(WWW_AUTHENTICATE, r#"Bearer realm="live777""#)
        }
    }

    /// 403: the token is good, but not for this.
    pub(crate) fn forbidden(detail: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail).with(
            WWW_AUTHENTICATE,
            r#"Bearer realm="live777", error="insufficient_scope""#,
        )
    }

    /// 403: a page of another origin sent it.
    pub(crate) fn forbidden_origin(why: &str) -> Self {
        let detail = format!("{why}; list the page's origin in http.cors to allow it");
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// 404.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 405; the router adds `Allow`.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "this address does not take that method; see Allow",
        )
    }

    /// 415, with the header that says what is taken.
    pub(crate) fn unsupported(accepts: &'static str, header: Option<HeaderName>) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("Content-Type must be {accepts}"),
        )
        .with(header.unwrap_or(ACCEPT), accepts)
    }

    /// 503, worth another try in a second.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(RETRY_AFTER, "1")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: &self.detail,
        };
        let json = axum::Json(body);
        let mut response = (self.status, json).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some((name, value)) = self.header {
            headers.insert(name, value);
        }
        response
    }
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        let detail = error.to_string();
        match error {
            SessionError::NotFound(_) => Self::not_found(detail),
            SessionError::BadSdp(_) => Self::bad_request(detail),
            SessionError::NotAcceptable(_) => Self::new(StatusCode::NOT_ACCEPTABLE, detail),
            SessionError::Conflict(_) => Self::new(StatusCode::CONFLICT, detail),
            SessionError::Unavailable(_) => Self::unavailable(detail),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::Unsupported { .. } => Self::new(StatusCode::CONFLICT, detail),
            Error::Native(livehal::Error::Param(_))
            | Error::Control(ControlError::Refused { .. }) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
            }
            Error::Control(ControlError::Unknown { .. }) => Self::not_found(detail),
            _ => Self::unavailable(detail),
        }
    }
}

//! WHEP and WHIP endpoints and the sessions they make.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, ETAG, IF_MATCH, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::http::App;
use crate::http::access::Caller;
use crate::http::extract::{ACCEPT_PATCH, FRAGMENT, Fragment, Offer, SDP, Segment};
use crate::http::problem::Problem;
use crate::{Live, SessionAnswer};

/// What the HTTP layer keeps about a session.
#[derive(Debug, Clone)]
struct Entry {
    /// Name of the token it was made with.
    owner: String,
    /// Entity tag of its present ICE session, without quotes.
    etag: String,
    /// ICE restarts so far.
    restarts: u32,
}

/// Sessions made over HTTP; as large as the engine's own table at most.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<HashMap<String, Entry>>);

impl Registry {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a session, and forgets those that ended by themselves.
    fn add(&self, live: &Live, owner: &str, answer: &SessionAnswer) {
        let mut sessions = self.lock();
        sessions.retain(|id, _| live.session(id).is_some());
        let entry = Entry {
            owner: owner.to_owned(),
            etag: answer.etag.clone(),
            restarts: 0,
        };
        sessions.insert(answer.id.clone(), entry);
    }

    /// The session `id` of `caller`.
    fn of(&self, caller: &Caller, live: &Live, id: &str) -> Result<Entry, Problem> {
        let entry = self.lock().get(id).cloned();
        match entry {
            Some(entry) if live.session(id).is_some() => {
                caller.owns(&entry.owner)?;
                Ok(entry)
            }
            _ => Err(Problem::not_found("there is no such session")),
        }
    }

    /// A new entity tag for a session whose ICE has restarted.
    fn restarted(&self, id: &str) -> Option<String> {
        let mut sessions = self.lock();
        let entry = sessions.get_mut(id)?;
        entry.restarts = entry.restarts.wrapping_add(1);
        let base = entry.etag.split('.').next().unwrap_or_default();
        entry.etag = format!("{base}.{}", entry.restarts);
        Some(entry.etag.clone())
    }
}

/// `POST /whep/{stream}`: a viewer's offer.
pub(crate) async fn whep(
    State(app): State<App>,
    caller: Caller,
    Segment(stream): Segment,
    Offer(offer): Offer,
) -> Result<Response, Problem> {
    caller.view(&stream)?;
    let answer = app.live.whep(&stream, &offer).await?;
    created(&app, &caller, answer)
}

/// `POST /whip/{stream}`: a publisher's offer.
pub(crate) async fn whip(
    State(app): State<App>,
    caller: Caller,
    Segment(stream): Segment,
    Offer(offer): Offer,
) -> Result<Response, Problem> {
    caller.publish()?;
    let answer = app.live.whip(&stream, &offer).await?;
    created(&app, &caller, answer)
}

/// `OPTIONS` on an endpoint; the layer around it adds `Accept-Post`.
pub(crate) async fn options() -> StatusCode {
    StatusCode::NO_CONTENT
}

fn created(app: &App, caller: &Caller, answer: SessionAnswer) -> Result<Response, Problem> {
    app.sessions.add(&app.live, caller.name(), &answer);
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(SDP)),
        (LOCATION, value(format!("/session/{}", answer.id))?),
        (ETAG, value(format!("\"{}\"", answer.etag))?),
        (ACCEPT_PATCH, HeaderValue::from_static(FRAGMENT)),
    ];
    Ok((StatusCode::CREATED, headers, answer.sdp).into_response())
}

/// `PATCH /session/{id}`: candidates, or an ICE restart (RFC 9725 section 4.3).
pub(crate) async fn patch(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    headers: HeaderMap,
    Fragment(fragment): Fragment,
) -> Result<Response, Problem> {
    let entry = app.sessions.of(&caller, &app.live, &id)?;
    if_match(&headers, &entry.etag)?;
    let Some(answer) = app.live.patch(&id, &fragment).await? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let etag = app.sessions.restarted(&id).unwrap_or(entry.etag);
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(FRAGMENT)),
        (ETAG, value(format!("\"{etag}\""))?),
    ];
    Ok((headers, answer).into_response())
}

/// `DELETE /session/{id}`.
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
) -> Result<StatusCode, Problem> {
    app.sessions.of(&caller, &app.live, &id)?;
    app.live.close(&id).await?;
    app.sessions.lock().remove(&id);
    Ok(StatusCode::OK)
}

/// A `PATCH` must name the ICE session it is about, or `*` to restart it.
fn if_match(headers: &HeaderMap, etag: &str) -> Result<(), Problem> {
    let mut given = headers.get_all(IF_MATCH).iter().peekable();
    if given.peek().is_none() {
        return Err(Problem::new(
            StatusCode::PRECONDITION_REQUIRED,
            "If-Match is needed: the ETag of the session, or * for an ICE restart",
        ));
    }
    let wanted = format!("\"{etag}\"");
    let matches = given
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .any(|tag| matches!(tag.trim(), tag if tag == "*" || tag == wanted));
    if matches {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "If-Match names an ICE session that is not the present one",
    ))
}

fn value(text: String) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(text)
        .map_err(|_| Problem::unavailable("the session has no printable name"))
}

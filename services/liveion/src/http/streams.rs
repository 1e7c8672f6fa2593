//! `/api/streams`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use livehal::{CameraControl, ControlValue};
use serde::{Deserialize, Serialize};

use crate::http::App;
use crate::http::access::Caller;
use crate::http::extract::{Json, Segment, Segments};
use crate::http::problem::Problem;
use crate::{Stream, StreamInfo, ViewerInfo};

/// One stream with its viewers.
#[derive(Serialize)]
pub(crate) struct Detail {
    #[serde(flatten)]
    info: StreamInfo,
    sessions: Vec<ViewerInfo>,
}

/// Body of `PUT /api/streams/{stream}/bitrate`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bitrate {
    bps: u32,
}

/// Body of `PUT /api/streams/{stream}/controls/{control}`, and of its answer.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Control {
    value: ControlValue,
}

/// The streams `caller` may see, by name.
pub(crate) fn visible(app: &App, caller: &Caller) -> Vec<StreamInfo> {
    let streams = app.live.streams();
    let seen = streams.iter().filter(|s| caller.sees(s.name()));
    seen.map(|s| s.info()).collect()
}

/// `GET /api/streams`: those the token may watch.
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> axum::Json<Vec<StreamInfo>> {
    axum::Json(visible(&app, &caller))
}

/// `GET /api/streams/{stream}`.
pub(crate) async fn detail(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment,
) -> Result<axum::Json<Detail>, Problem> {
    caller.view(&name)?;
    let stream = find(&app, &name)?;
    Ok(axum::Json(Detail {
        info: stream.info(),
        sessions: stream.viewers(),
    }))
}

/// `GET /api/streams/{stream}/snapshot.jpg`.
pub(crate) async fn snapshot(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment,
) -> Result<Response, Problem> {
    caller.view(&name)?;
    let jpeg = find(&app, &name)?.snapshot().await?;
    Ok(([(CONTENT_TYPE, "image/jpeg")], jpeg).into_response())
}

/// `POST /api/streams/{stream}/keyframe`: a viewer may ask for one by RTCP as well.
pub(crate) async fn keyframe(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment,
) -> Result<StatusCode, Problem> {
    caller.view(&name)?;
    find(&app, &name)?.request_keyframe();
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/streams/{stream}/start`.
pub(crate) async fn start(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment,
) -> Result<StatusCode, Problem> {
    caller.admin()?;
    find(&app, &name)?.start()?;
    tracing::info!(stream = name, token = caller.name(), "started by request");
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/streams/{stream}/stop`.
pub(crate) async fn stop(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment,
) -> Result<StatusCode, Problem> {
    caller.admin()?;
    find(&app, &name)?.stop()?;
    tracing::info!(stream = name, token = caller.name(), "stopped by request");
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /api/streams/{stream}/bitrate` with `{"bps": N}`.
pub(crate) async fn bitrate(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment,
    Json(body): Json<Bitrate>,
) -> Result<StatusCode, Problem> {
    caller.admin()?;
    find(&app, &name)?.set_bitrate(body.bps)?;
    let (token, bps) = (caller.name(), body.bps);
    tracing::info!(stream = name, token, bps, "bit rate set by request");
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/streams/{stream}/controls`: those of the camera that is open.
pub(crate) async fn controls(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment,
) -> Result<axum::Json<Vec<CameraControl>>, Problem> {
    caller.view(&name)?;
    Ok(axum::Json(find(&app, &name)?.controls().await?))
}

/// `PUT /api/streams/{stream}/controls/{control}` with `{"value": V}`; answers with the value that
/// the camera took.
pub(crate) async fn set_control(
    State(app): State<App>,
    caller: Caller,
    Segments(name, control): Segments,
    Json(body): Json<Control>,
) -> Result<axum::Json<Control>, Problem> {
    caller.admin()?;
    let value = find(&app, &name)?.set_control(&control, body.value).await?;
    tracing::info!(stream = name, token = caller.name(), control, %value, "control set by request");
    Ok(axum::Json(Control { value }))
}

fn find(app: &App, name: &str) -> Result<Arc<Stream>, Problem> {
    app.live
        .stream(name)
        .ok_or_else(|| Problem::not_found(format!("there is no stream {name}")))
}

//! `/healthz` and `/metrics`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use livehal::PipelineState;
use serde::Serialize;

use crate::http::App;
use crate::http::access::Caller;
use crate::http::problem::Problem;
use crate::http::process;
use crate::metrics::PromText;
use crate::{SourceInfo, StreamInfo};

#[derive(Serialize)]
struct Health {
    status: &'static str,
    /// What is wrong, for those who may see the streams.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    streams: Vec<Sick>,
}

#[derive(Serialize)]
struct Sick {
    name: String,
    #[serde(flatten)]
    state: PipelineState,
}

/// `GET /healthz`: 200 when every stream that starts by itself is running, else 503. Asks for no
/// token; the reasons are told to whoever may watch the stream.
pub(crate) async fn healthz(State(app): State<App>, caller: Option<Caller>) -> Response {
    let streams = app.live.streams();
    let sick: Vec<Sick> = streams.iter().filter_map(|s| sick(s.info())).collect();
    if sick.is_empty() {
        let body = Health {
            status: "ok",
            streams: Vec::new(),
        };
        return axum::Json(body).into_response();
    }
    let told = |s: &Sick| caller.as_ref().is_some_and(|c| c.sees(&s.name));
    let body = Health {
        status: "unhealthy",
        streams: sick.into_iter().filter(told).collect(),
    };
    (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
}

/// A stream that should run and does not.
fn sick(info: StreamInfo) -> Option<Sick> {
    let autostart = !info.on_demand && !matches!(info.source, SourceInfo::Whip);
    if !autostart || info.state == PipelineState::Running {
        return None;
    }
    Some(Sick {
        name: info.name,
        state: info.state,
    })
}

/// `GET /metrics`: Prometheus text format 0.0.4.
pub(crate) async fn metrics(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    caller.view_all()?;
    let mut text = PromText::default();
    app.counters.write(&mut text);
    process::write(&mut text);
    let body = app.live.metrics() + &text.finish();
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(CONTENT_TYPE, content_type)], body).into_response())
}

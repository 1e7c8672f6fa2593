//! `GET /api/events`: changes of the streams and their figures, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::Event as Sse;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use livehal::PipelineState;
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::Event;
use crate::http::App;
use crate::http::access::Caller;
use crate::http::streams::visible;

/// Data of a `state` event.
#[derive(Serialize)]
struct StateChange<'a> {
    name: &'a str,
    #[serde(flatten)]
    state: &'a PipelineState,
}

/// One listener.
struct Listener {
    app: App,
    caller: Caller,
    changes: Receiver<Event>,
    second: Interval,
}

/// Answers with an endless stream: `streams` (all figures) at once, every second and after a lag;
/// `added`, `removed`, `state`, `viewers` and `bitrate` when they happen.
pub(crate) async fn events(State(app): State<App>, caller: Caller) -> Response {
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let listener = Listener {
        changes: app.live.events(),
        app,
        caller,
        second,
    };
    let events = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    // An event a second: the connection needs no other sign of life.
    axum::response::Sse::new(events).into_response()
}

impl Listener {
    /// The next event; nothing when the server goes down.
    async fn next(&mut self) -> Option<Sse> {
        loop {
            let shutdown = self.app.shutdown.clone();
            let change = tokio::select! {
                () = shutdown.cancelled() => return None,
                _ = self.second.tick() => return Some(self.figures()),
                change = self.changes.recv() => change,
            };
            match change {
                Ok(change) => {
                    if let Some(event) = self.change(&change) {
                        return Some(event);
                    }
                }
                Err(RecvError::Lagged(_)) => return Some(self.figures()),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn figures(&self) -> Sse {
        sse("streams", &visible(&self.app, &self.caller))
    }

    /// A change as its event; nothing for a stream the caller may not see.
    fn change(&self, change: &Event) -> Option<Sse> {
        let (stream, kind, data) = match change {
            Event::StreamAdded(name) => (name, "added", json!({ "name": name })),
            Event::StreamRemoved(name) => (name, "removed", json!({ "name": name })),
            Event::StateChanged(name, state) => (name, "state", json!(StateChange { name, state })),
            Event::ViewersChanged(name, n) => {
                (name, "viewers", json!({ "name": name, "viewers": n }))
            }
            Event::BitrateChanged(name, bps) => {
                (name, "bitrate", json!({ "name": name, "bitrate_bps": bps }))
            }
        };
        self.caller.sees(stream).then(|| sse(kind, &data))
    }
}

fn sse(kind: &str, data: &impl Serialize) -> Sse {
    // The types are ours: nothing in them fails to become JSON or contains a line break.
    let data = serde_json::to_string(data).unwrap_or_default();
    Sse::default().event(kind).data(data)
}

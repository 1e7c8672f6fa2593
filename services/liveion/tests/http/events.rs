//! `GET /api/events`.

use std::time::Duration;

use axum::body::BodyDataStream;
use futures_util::StreamExt;
use serde_json::Value;
use tokio::time::timeout;

use crate::support::{Server, guarded, open, request};

/// Reads events of a running answer.
struct Events {
    body: BodyDataStream,
    text: String,
}

impl Events {
    async fn of(server: &Server, token: Option<&str>) -> Self {
        let response = server.send(request("GET", "/api/events", token)).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            body: response.into_body().into_data_stream(),
            text: String::new(),
        }
    }

    /// The next event and its data; nothing at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let mut lines = event.lines();
                    lines.find_map(|l| l.strip_prefix(name)?.strip_prefix(": "))
                };
                let kind = field("event").unwrap().to_owned();
                let data = serde_json::from_str(field("data").unwrap()).unwrap();
                self.text = rest.to_owned();
                return Some((kind, data));
            }
            let chunk = timeout(Duration::from_secs(5), self.body.next());
            let chunk = chunk.await.expect("an event within five seconds")?.unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

fn names(data: &Value) -> Vec<&str> {
    let streams = data.as_array().unwrap().iter();
    streams.map(|s| s["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn figures_come_at_once_and_again() {
    let server = open();
    let mut events = Events::of(&server, None).await;
    for _ in 0..2 {
        let (kind, data) = events.next().await.unwrap();
        assert_eq!(kind, "streams");
        assert_eq!(names(&data), ["a", "b"]);
    }
}

#[tokio::test]
async fn a_token_hears_of_its_streams_only() {
    let server = guarded();
    let mut events = Events::of(&server, Some("view-b")).await;
    let (_, data) = events.next().await.unwrap();
    assert_eq!(names(&data), ["b"]);
}

#[tokio::test]
async fn the_end_of_the_server_ends_the_events() {
    let server = open();
    let mut events = Events::of(&server, None).await;
    events.next().await.unwrap();
    server.shutdown.cancel();
    while let Some((kind, _)) = events.next().await {
        assert_eq!(kind, "streams");
    }
}

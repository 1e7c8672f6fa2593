//! What is answered to whom who asks in which way.

use axum::body::Body;
use axum::http::Request;
use futures_util::stream;
use liveion::http::{HttpOptions, MAX_BODY};
use std::convert::Infallible;
use std::time::Duration;

use crate::support::{open, options, request, server, with_body};

const SDP: &str = "application/sdp";

#[tokio::test]
async fn unknown_addresses_and_methods_are_problems() {
    let server = open();
    server.refused(request("GET", "/nothing", None), 404).await;
    server
        .refused(request("GET", "/api/streams/zzz", None), 404)
        .await;
    server
        .refused(request("DELETE", "/session/zzz", None), 404)
        .await;
    for (method, path, allow) in [
        ("GET", "/whep/a", "POST"),
        ("GET", "/whip/a", "POST"),
        ("PUT", "/whep/a", "POST"),
        ("POST", "/session/x", "PATCH"),
        ("GET", "/session/x", "PATCH"),
        ("DELETE", "/api/streams", "GET"),
    ] {
        let (headers, _) = server.refused(request(method, path, None), 405).await;
        let allowed = headers["allow"].to_str().unwrap();
        assert!(allowed.contains(allow), "{method} {path}: {allowed}");
    }
}

#[tokio::test]
async fn endpoints_say_what_they_take() {
    let server = open();
    for path in ["/whep/a", "/whip/a"] {
        let (status, headers, _) = server.ask(request("OPTIONS", path, None)).await;
        assert_eq!(status, 204);
        assert_eq!(headers["accept-post"], SDP);
        for kind in [
            "text/plain",
            "application/sdpx",
            "application/json; x=application/sdp",
        ] {
            let (headers, _) = server
                .refused(with_body("POST", path, kind, "v=0\r\n"), 415)
                .await;
            assert_eq!(headers["accept-post"], SDP);
        }
        let untyped = Request::post(path).body(Body::from("v=0\r\n")).unwrap();
        server.refused(untyped, 415).await;
    }
    let (headers, _) = server
        .refused(with_body("PATCH", "/session/x", SDP, "a=x"), 415)
        .await;
    assert_eq!(headers["accept-patch"], "application/trickle-ice-sdpfrag");
    let text = with_body("PUT", "/api/streams/a/bitrate", "text/plain", "{\"bps\":1}");
    let (headers, _) = server.refused(text, 415).await;
    assert_eq!(headers["accept"], "application/json");
}

#[tokio::test]
async fn types_may_have_parameters_and_any_case() {
    let server = open();
    for kind in [
        "application/sdp; charset=utf-8",
        "Application/SDP",
        " application/sdp ;x",
    ] {
        let status = server
            .status(with_body("POST", "/whep/zzz", kind, "v=0\r\n"))
            .await;
        assert_eq!(status, 404, "{kind}");
    }
}

#[tokio::test]
async fn bodies_have_limits() {
    let server = open();
    server
        .refused(with_body("POST", "/whep/a", SDP, ""), 400)
        .await;
    server
        .refused(with_body("POST", "/whep/a", SDP, vec![0xff, 0xfe]), 400)
        .await;
    let large = vec![b'x'; MAX_BODY + 1];
    server
        .refused(with_body("POST", "/whep/a", SDP, large.clone()), 413)
        .await;
    server
        .refused(
            with_body(
                "PATCH",
                "/session/x",
                "application/trickle-ice-sdpfrag",
                large.clone(),
            ),
            413,
        )
        .await;
    server
        .refused(
            with_body(
                "PUT",
                "/api/streams/a/bitrate",
                "application/json",
                large.clone(),
            ),
            413,
        )
        .await;
    // Without a length, too.
    let parts = large
        .chunks(1000)
        .map(|c| Ok::<_, Infallible>(c.to_vec()))
        .collect::<Vec<_>>();
    let endless = Body::from_stream(stream::iter(parts));
    server
        .refused(with_body("POST", "/whep/a", SDP, endless), 413)
        .await;
}

#[tokio::test]
async fn a_body_that_never_comes_is_given_up() {
    let server = server(HttpOptions {
        request_timeout: Duration::from_millis(50),
        ..options()
    });
    let never = Body::from_stream(stream::pending::<Result<Vec<u8>, Infallible>>());
    server
        .refused(with_body("POST", "/whep/a", SDP, never), 408)
        .await;
}

#[tokio::test]
async fn a_bit_rate_is_a_number_and_nothing_else() {
    let server = open();
    for body in [
        "",
        "{",
        "{}",
        "1",
        "{\"bps\": -1}",
        "{\"bps\": 1.5}",
        "{\"bps\": \"1\"}",
        "{\"bps\": 1, \"x\": 2}",
        "{\"bps\": 99999999999}",
    ] {
        let request = with_body("PUT", "/api/streams/a/bitrate", "application/json", body);
        server.refused(request, 400).await;
    }
}

#[tokio::test]
async fn a_control_takes_a_value_and_nothing_else() {
    const EXPOSURE: &str = "/api/streams/a/controls/exposure";
    let server = open();
    for body in [
        "",
        "{}",
        "1",
        "{\"value\": null}",
        "{\"value\": {}}",
        "{\"value\": 1, \"x\": 2}",
    ] {
        let request = with_body("PUT", EXPOSURE, "application/json", body);
        server.refused(request, 400).await;
    }
    for body in [
        "{\"value\": true}",
        "{\"value\": 5}",
        "{\"value\": -0.5}",
        "{\"value\": \"auto\"}",
        "{\"value\": [1, 2.5]}",
    ] {
        let request = with_body("PUT", EXPOSURE, "application/json", body);
        let (_, detail) = server.refused(request, 409).await;
        assert!(detail.contains("publisher"), "{detail}");
    }
    let (missing, body) = ("/api/streams/zzz/controls/exposure", "{\"value\": 1}");
    let of_nobody = with_body("PUT", missing, "application/json", body);
    server.refused(of_nobody, 404).await;
    let list = request("GET", "/api/streams/a/controls", None);
    let (status, _, text) = server.ask(list).await;
    assert_eq!((status.as_u16(), text.as_str()), (200, "[]"));
}

#[tokio::test]
async fn a_stream_without_an_encoder_of_ours_conflicts() {
    let server = open();
    let bitrate = with_body(
        "PUT",
        "/api/streams/a/bitrate",
        "application/json",
        "{\"bps\": 1000000}",
    );
    server.refused(bitrate, 409).await;
    server
        .refused(request("POST", "/api/streams/a/start", None), 409)
        .await;
    server
        .refused(request("POST", "/api/streams/a/stop", None), 409)
        .await;
}

#[tokio::test]
async fn a_segment_that_is_no_text_is_refused() {
    open()
        .refused(request("GET", "/api/streams/%ff%fe", None), 400)
        .await;
}

#[tokio::test]
async fn streams_are_listed_and_detailed() {
    let server = open();
    let (status, headers, text) = server.ask(request("GET", "/api/streams", None)).await;
    assert_eq!(status, 200);
    assert_eq!(headers["content-type"], "application/json");
    let list: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(list[0]["name"], "a");
    assert_eq!(list[0]["source"]["kind"], "whip");
    assert_eq!(list[0]["viewers"], 0);
    let (_, _, text) = server.ask(request("GET", "/api/streams/b", None)).await;
    let detail: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(detail["name"], "b");
    assert_eq!(detail["sessions"], serde_json::json!([]));
}

#[tokio::test]
async fn metrics_are_prometheus_text_and_count_requests() {
    let server = open();
    server.status(request("GET", "/api/streams/b", None)).await;
    server.status(request("GET", "/elsewhere", None)).await;
    server.status(request("BREW", "/elsewhere", None)).await;
    let (status, headers, text) = server.ask(request("GET", "/metrics", None)).await;
    assert_eq!(status, 200);
    assert_eq!(
        headers["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    for line in [
        "livehal_http_requests_total{method=\"GET\",route=\"/api/streams/{stream}\",status=\"200\"} 1",
        "livehal_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 1",
        "livehal_http_requests_total{method=\"other\",route=\"none\",status=\"404\"} 1",
        "# TYPE process_resident_memory_bytes gauge",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} not in\n{text}");
    }
    let families: Vec<_> = text.lines().filter(|l| l.starts_with("# TYPE ")).collect();
    let mut unique = families.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), families.len(), "a family twice: {families:?}");
}

#[tokio::test]
async fn nothing_of_the_api_is_kept_by_a_cache() {
    let server = open();
    for path in [
        "/api/streams",
        "/api/streams/a",
        "/healthz",
        "/metrics",
        "/nothing",
    ] {
        let (_, headers, _) = server.ask(request("GET", path, None)).await;
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(
            headers["cross-origin-resource-policy"], "same-origin",
            "{path}"
        );
    }
}

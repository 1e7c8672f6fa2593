//! Plain HTTP.

use std::time::{Duration, Instant};

use live777::server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::support::{SOON, http, limits, rest, start};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const GET_CLOSE: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn requests_are_answered() {
    let server = start(&http(8, None), limits(2000));
    let text = server.tell(GET_CLOSE).await;
    assert!(
        text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("hello"),
        "{text}"
    );
}

#[tokio::test]
async fn malformed_heads_are_refused() {
    let server = start(&http(8, None), limits(2000));
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(40_000));
    let fields: String = (0..200).map(|i| format!("x{i}: y\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{fields}\r\n");
    for (bytes, status) in [
        (b"GET / HTTP/9.9\r\n\r\n".as_slice(), "400"),
        (b"G\x00T / HTTP/1.1\r\n\r\n", "400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400"),
        (b"GET / HTTP/1.1\r\nhost x\r\n\r\n", "400"),
        (
            b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
            "400",
        ),
        (
            b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            "400",
        ),
        (long.as_bytes(), "431"),
        (many.as_bytes(), "431"),
    ] {
        let answer = server.tell(bytes).await;
        let what = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{what:?}: {answer:?}"
        );
    }
    assert!(server.tell(GET_CLOSE).await.ends_with("hello"));
}

#[tokio::test]
async fn a_head_sent_drop_by_drop_is_cut_off() {
    let server = start(&http(8, None), limits(300));
    let begun = Instant::now();
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let drip = async {
        while stream.write_all(b"x: y\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, drip).await.expect("the server cuts it off");
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn an_idle_connection_is_cut_off() {
    let server = start(&http(8, None), limits(300));
    let mut silent = server.connect().await;
    assert_eq!(rest(&mut silent).await, "");
    let mut once = server.connect().await;
    once.write_all(GET).await.unwrap();
    assert!(rest(&mut once).await.ends_with("hello"));
}

#[tokio::test]
async fn a_connection_beyond_the_limit_waits_for_room() {
    let server = start(&http(2, None), limits(60_000));
    let mut first = server.connect().await;
    let second = server.connect().await;
    for stream in [&mut first] {
        stream.write_all(GET).await.unwrap();
        let mut byte = [0];
        timeout(SOON, stream.read_exact(&mut byte))
            .await
            .unwrap()
            .unwrap();
    }
    let mut third = server.connect().await;
    third.write_all(GET_CLOSE).await.unwrap();
    let mut byte = [0];
    let early = timeout(Duration::from_millis(200), third.read_exact(&mut byte)).await;
    assert!(early.is_err(), "answered although there was no room");
    drop(second);
    assert!(rest(&mut third).await.ends_with("hello"));
}

#[tokio::test]
async fn a_request_under_way_is_answered_at_the_end() {
    let server = start(&http(8, None), limits(2000));
    let mut slow = server.connect().await;
    slow.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut idle = server.connect().await;
    idle.write_all(GET).await.unwrap();
    // Both are being served before the end comes.
    let mut byte = [0];
    timeout(SOON, idle.read_exact(&mut byte))
        .await
        .unwrap()
        .unwrap();
    server.stop.cancel();
    assert!(rest(&mut slow).await.ends_with("slept"));
    timeout(SOON, server.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let server = start(&http(8, None), limits(2000));
    let mut again = http(8, None);
    again.listen = server.address;
    let error = Server::bind(&again, limits(2000)).unwrap_err();
    let start = format!("http.listen = \"{}\": ", server.address);
    assert!(error.starts_with(&start), "{error}");
}

//! A listener on a free port with short limits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use live777::config::{Http, Tls};
use live777::server::{Limits, Server};
use live777::tls::Acceptor;
use liveion::http::Cors;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Longest wait for something that must happen.
pub const SOON: Duration = Duration::from_secs(5);

pub struct Running {
    pub address: SocketAddr,
    pub stop: CancellationToken,
    pub tls: Option<Arc<Acceptor>>,
    pub task: JoinHandle<()>,
}

pub fn http(max_connections: usize, tls: Option<Tls>) -> Http {
    Http {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        cors: Cors::Origins(Vec::new()),
        hosts: None,
        max_connections,
        tls,
    }
}

pub fn limits(head_ms: u64) -> Limits {
    Limits {
        handshake: Duration::from_millis(300),
        head: Duration::from_millis(head_ms),
        unacknowledged: Duration::from_secs(5),
    }
}

pub fn start(http: &Http, limits: Limits) -> Running {
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/echo", post(|body: String| async { body }))
        .route(
            "/slow",
            get(|| async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                "slept"
            }),
        );
    let server = Server::bind(http, limits).unwrap();
    let stop = CancellationToken::new();
    Running {
        address: server.local_addr().unwrap(),
        tls: server.tls(),
        task: tokio::spawn(server.run(router, stop.clone())),
        stop,
    }
}

impl Running {
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes on a new connection and returns all that comes back until it is closed.
    pub async fn tell(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The server may close before all is sent.
        let _ = stream.write_all(bytes).await;
        rest(&mut stream).await
    }
}

/// Everything until the connection is closed.
pub async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    let read = timeout(SOON, stream.read_to_end(&mut text)).await;
    // A reset is an end as well.
    let _ = read.expect("the server closes the connection");
    String::from_utf8_lossy(&text).into_owned()
}

//! The HTTP listener: TCP, TLS and HTTP/1.1 under limits. hyper refuses malformed HTTP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::config::Http;
use crate::tls::Acceptor;

/// Time limits of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For the head of a request, and between two requests.
    pub head: Duration,
    /// For data sent to be acknowledged; a peer that stops reading is cut off.
    pub unacknowledged: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(15),
            unacknowledged: Duration::from_secs(30),
        }
    }
}

/// Most bytes of a request's head.
const MAX_HEAD: usize = 16 * 1024;
/// Most header fields of a request.
const MAX_HEADERS: usize = 64;
/// Connections waiting to be accepted.
const BACKLOG: i32 = 256;
/// Pause after a failure to accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// A bound listener.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    tls: Option<Arc<Acceptor>>,
    room: Arc<Semaphore>,
    /// There was none for the last connection, and the log says so.
    full: bool,
    limits: Limits,
}

impl Server {
    /// Binds. Call within a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be had, or the TLS files cannot be used; the text names the key.
    pub fn bind(http: &Http, limits: Limits) -> Result<Self, String> {
        let listener =
            listen(http.listen).map_err(|e| format!("http.listen = \"{}\": {e}", http.listen))?;
        let tls = http.tls.clone().map(Acceptor::new).transpose()?;
        Ok(Self {
            listener,
            tls: tls.map(Arc::new),
            room: Arc::new(Semaphore::new(http.max_connections)),
            full: false,
            limits,
        })
    }

    /// The address it really has.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The certificate, where there is one.
    pub fn tls(&self) -> Option<Arc<Acceptor>> {
        self.tls.clone()
    }

    /// Serves until `stop`; then lets requests under way end and returns.
    pub async fn run(mut self, router: Router, stop: CancellationToken) {
        let connections = TaskTracker::new();
        while let Some((tcp, permit)) = self.accept(&stop).await {
            let connection = Connection {
                router: router.clone(),
                tls: self.tls.clone(),
                limits: self.limits,
                stop: stop.clone(),
                _permit: permit,
            };
            connections.spawn(connection.serve(tcp));
        }
        connections.close();
        connections.wait().await;
    }

    /// The next connection, when there is room for it; nothing after `stop`.
    async fn accept(
        &mut self,
        stop: &CancellationToken,
    ) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        let next = async {
            let permit = self.place().await?;
            loop {
                match self.listener.accept().await {
                    Ok((tcp, _)) => return Some((tcp, permit)),
                    Err(e) => {
                        warn!("cannot accept a connection: {e}");
                        sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => None,
            next = next => next,
        }
    }

    /// A place among the connections, when there is one.
    async fn place(&mut self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() {
            self.full = false;
            return Some(permit);
        }
        if !self.full {
            self.full = true;
            warn!("as many connections as http.max_connections allows; further ones wait");
        }
        // The semaphore is never closed.
        Arc::clone(&self.room).acquire_owned().await.ok()
    }
}

/// One accepted connection.
struct Connection {
    router: Router,
    tls: Option<Arc<Acceptor>>,
    limits: Limits,
    stop: CancellationToken,
    /// Its place among the connections.
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn serve(self, tcp: TcpStream) {
        if let Err(e) = self.prepare(&tcp) {
            debug!("connection lost at once: {e}");
            return;
        }
        let Some(tls) = &self.tls else {
            return self.http(TokioIo::new(tcp)).await;
        };
        match timeout(self.limits.handshake, tls.present().accept(tcp)).await {
            Ok(Ok(stream)) => self.http(TokioIo::new(stream)).await,
            Ok(Err(e)) => debug!("TLS handshake failed: {e}"),
            Err(_) => debug!("TLS handshake timed out"),
        }
    }

    fn prepare(&self, tcp: &TcpStream) -> io::Result<()> {
        tcp.set_nodelay(true)?;
        #[cfg(target_os = "linux")]
        socket2::SockRef::from(tcp).set_tcp_user_timeout(Some(self.limits.unacknowledged))?;
        Ok(())
    }

    async fn http(&self, io: impl Read + Write + Unpin + 'static) {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_HEADERS)
            .serve_connection(io, TowerToHyperService::new(self.router.clone()));
        tokio::pin!(connection);
        let result = tokio::select! {
            result = &mut connection => result,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(e) = result {
            debug!("connection ended: {e}");
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        // [::] takes IPv4 too, whatever the system's default.
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for connections of the last run to be forgotten.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

//! The server's façade.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use livehal::PipelineState;
use tokio::sync::{broadcast, oneshot};

use crate::engine::{Command, Engine, EngineHandle, NewSession};
use crate::rtc::{
    Direction, IceFragment, Identity, LocalDescription, Negotiated, Offer, Publisher, Role,
    Session, Transport, Viewer, ViewerParams, answer, answer_fragment, new_credentials,
    random_text,
};
use crate::stream::{Stream, StreamConfig};
use crate::{Error, SessionError, SessionInfo, SessionKind};

/// Events kept for a slow listener.
const EVENTS: usize = 256;
/// Host candidates of one answer at most.
const MAX_CANDIDATES: usize = 16;

/// Settings of the WebRTC engine.
#[derive(Debug, Clone)]
pub struct LiveConfig {
    /// The one UDP address of all sessions.
    pub udp_listen: SocketAddr,
    /// Addresses offered as host candidates besides those of this machine's interfaces (with a
    /// wildcard `udp_listen`) or `udp_listen` itself.
    pub candidates: Vec<IpAddr>,
    /// A session without any sign of its peer for this long is removed.
    pub idle_timeout: Duration,
    /// Sessions at most; a further offer is refused with 503.
    pub max_sessions: usize,
}

/// The answer to a WHEP or WHIP offer.
#[derive(Debug, Clone)]
pub struct SessionAnswer {
    /// Session id; the HTTP layer makes the Location of it.
    pub id: String,
    /// Answer SDP.
    pub sdp: String,
    /// Entity tag of the ICE session (RFC 9725 section 4.3), without quotes.
    pub etag: String,
}

/// Something that changed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A stream came into being.
    StreamAdded(String),
    /// A stream is gone.
    StreamRemoved(String),
    /// A stream's state changed.
    StateChanged(String, PipelineState),
    /// A stream's number of viewers changed.
    ViewersChanged(String, usize),
    /// A stream's target bit rate changed, in bit/s.
    BitrateChanged(String, u32),
}

/// The server: streams and sessions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Live(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: LiveConfig,
    engine: EngineHandle,
    identity: Identity,
    streams: BTreeMap<String, Arc<Stream>>,
    events: broadcast::Sender<Event>,
    stopping: AtomicBool,
}

impl Live {
    /// Opens the UDP socket, starts the engine's thread and the streams that are not on demand.
    /// Call within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Bind`] when the socket cannot be had; [`Error::Native`] naming the stream's
    /// parameter when a pipeline refuses its configuration.
    pub fn start(config: LiveConfig, streams: Vec<StreamConfig>) -> Result<Self, Error> {
        let identity = Identity::generate().map_err(Error::Other)?;
        let bind = |source| Error::Bind {
            addr: config.udp_listen,
            source,
        };
        let engine = Engine::spawn(config.udp_listen, identity.clone()).map_err(bind)?;
        let (events, _) = broadcast::channel(EVENTS);
        let streams = streams
            .into_iter()
            .map(|s| {
                let name = s.name.clone();
                Stream::new(s, engine.clone(), events.clone()).map(|s| (name, s))
            })
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        for (name, stream) in &streams {
            if stream.starts_alone() {
                stream.start().map_err(|e| in_stream(name, e))?;
            }
        }
        Ok(Self(Arc::new(Inner {
            config,
            engine,
            identity,
            streams,
            events,
            stopping: AtomicBool::new(false),
        })))
    }

    /// The address the UDP socket really has.
    pub fn udp_addr(&self) -> SocketAddr {
        self.0.engine.addr
    }

    /// All streams, by name.
    pub fn streams(&self) -> Vec<Arc<Stream>> {
        self.0.streams.values().cloned().collect()
    }

    /// One stream.
    pub fn stream(&self, name: &str) -> Option<Arc<Stream>> {
        self.0.streams.get(name).cloned()
    }

    fn find(&self, name: &str) -> Result<Arc<Stream>, SessionError> {
        self.stream(name)
            .ok_or_else(|| SessionError::NotFound(format!("stream {name}")))
    }

    /// Answers a WHEP offer (a viewer). An on-demand stream is started.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub async fn whep(&self, stream: &str, offer: &str) -> Result<SessionAnswer, SessionError> {
        let stream = self.find(stream)?;
        self.has_room()?;
        let offer = Offer::parse(offer)?;
        stream.admit_viewer()?;
        let negotiated = Negotiated::for_viewer(&offer, stream.profile())?;
        let params = ViewerParams {
            ssrc: self.random_u32()?,
            rtx_ssrc: self.random_u32()?,
            sequence: self.random_u32()? as u16,
            cname: stream.name().to_owned(),
            bounds: stream.bitrate_bounds(),
        };
        let direction = Direction::Send {
            ssrc: params.ssrc,
            rtx_ssrc: params.rtx_ssrc,
        };
        let role = Role::Viewer(Box::new(Viewer::new(&negotiated, params)));
        self.open(stream.name(), &offer, &negotiated, direction, role)
    }

    /// Answers a WHIP offer (a publisher).
    ///
    /// # Errors
    /// See [`SessionError`].
    pub async fn whip(&self, stream: &str, offer: &str) -> Result<SessionAnswer, SessionError> {
        let stream = self.find(stream)?;
        self.has_room()?;
        let offer = Offer::parse(offer)?;
        stream.admit_publisher()?;
        let negotiated = Negotiated::for_publisher(&offer)?;
        let cname = stream.name().to_owned();
        let role = Role::Publisher(Box::new(Publisher::new(
            &negotiated,
            self.random_u32()?,
            cname,
        )));
        self.open(stream.name(), &offer, &negotiated, Direction::Receive, role)
    }

    fn open(
        &self,
        stream: &str,
        offer: &Offer,
        negotiated: &Negotiated,
        direction: Direction,
        role: Role,
    ) -> Result<SessionAnswer, SessionError> {
        let inner = &self.0;
        let kind = match direction {
            Direction::Send { .. } => SessionKind::Viewer,
            Direction::Receive => SessionKind::Publisher,
        };
        let local = new_credentials(&inner.identity).map_err(SessionError::Unavailable)?;
        let sdp = answer(
            offer,
            negotiated,
            &LocalDescription {
                session: u64::from(self.random_u32()?),
                ice: &local,
                fingerprint: &inner.identity.fingerprint,
                candidates: &self.candidates(),
                stream,
                direction,
            },
        );
        let etag = local.ufrag.clone();
        let transport = Transport::new(
            &inner.identity,
            local,
            offer.ice.ufrag.clone(),
            offer.fingerprint.clone(),
            inner.config.idle_timeout,
            Instant::now(),
        );
        let id = random_text(&inner.identity, 16).map_err(SessionError::Unavailable)?;
        let info = SessionInfo {
            id: id.clone(),
            stream: stream.to_owned(),
            kind,
        };
        let limit = inner.config.max_sessions;
        if !inner.engine.registry.reserve(info, limit) {
            return Err(full(limit));
        }
        let new = NewSession {
            id: id.clone(),
            stream: stream.to_owned(),
            session: Session { transport, role },
        };
        if inner
            .engine
            .send(Command::AddSession(Box::new(new)))
            .is_err()
        {
            inner.engine.registry.lock().remove(&id);
            return Err(SessionError::Unavailable("the server is busy".into()));
        }
        tracing::info!(session = %id, stream, "session opened");
        Ok(SessionAnswer { id, sdp, etag })
    }

    fn has_room(&self) -> Result<(), SessionError> {
        let inner = &self.0;
        if inner.stopping.load(Ordering::Relaxed) {
            return Err(SessionError::Unavailable("the server stops".into()));
        }
        let limit = inner.config.max_sessions;
        if inner.engine.registry.lock().len() >= limit {
            return Err(full(limit));
        }
        Ok(())
    }

    fn random_u32(&self) -> Result<u32, SessionError> {
        let mut b = [0; 4];
        match self.0.identity.provider.random().fill(&mut b) {
            Ok(()) => Ok(u32::from_be_bytes(b).max(1)),
            Err(e) => Err(SessionError::Unavailable(e.to_string())),
        }
    }

    /// Our host candidates. Interfaces come and go (DHCP, Wi-Fi), so they are read every time.
    fn candidates(&self) -> Vec<SocketAddr> {
        let addr = self.0.engine.addr;
        let mut ips = self.0.config.candidates.clone();
        if addr.ip().is_unspecified() {
            let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
            let usable = |ip: &IpAddr| match ip {
                IpAddr::V4(v4) => !v4.is_link_local(),
                IpAddr::V6(v6) => addr.is_ipv6() && !v6.is_unicast_link_local(),
            };
            let (loopback, others): (Vec<_>, Vec<_>) = interfaces
                .iter()
                .map(if_addrs::Interface::ip)
                .filter(usable)
                .partition(IpAddr::is_loopback);
            ips.extend(others);
            ips.extend(loopback);
        } else {
            ips.push(addr.ip());
        }
        let mut seen = Vec::new();
        ips.retain(|ip| {
            let new = !seen.contains(ip);
            seen.push(*ip);
            new
        });
        ips.truncate(MAX_CANDIDATES);
        ips.into_iter()
            .map(|ip| SocketAddr::new(ip, addr.port()))
            .collect()
    }

    /// A session, if it is alive.
    pub fn session(&self, id: &str) -> Option<SessionInfo> {
        let registry = self.0.engine.registry.lock();
        registry.get(id).map(|e| e.info.clone())
    }

    /// Takes a trickle-ICE fragment (RFC 8840). Candidates are not needed by an ICE-lite server
    /// (it learns them from the checks), so they are validated and dropped; an ICE restart is
    /// answered with new credentials, `None` when there was nothing to answer (204).
    ///
    /// # Errors
    /// See [`SessionError`].
    pub async fn patch(&self, id: &str, fragment: &str) -> Result<Option<String>, SessionError> {
        let missing = || SessionError::NotFound(format!("session {id}"));
        self.session(id).ok_or_else(missing)?;
        let fragment = IceFragment::parse(fragment)?;
        let Some(ice) = fragment.ice else {
            return Ok(None);
        };
        let (tx, rx) = oneshot::channel();
        self.0
            .engine
            .send(Command::Restart(id.to_owned(), ice.ufrag, tx))
            .map_err(|_| SessionError::Unavailable("the server is busy".into()))?;
        match rx.await {
            Ok(Some(Some(local))) => Ok(Some(answer_fragment(&local, &self.candidates()))),
            Ok(Some(None)) => Ok(None),
            Ok(None) | Err(_) => Err(missing()),
        }
    }

    /// Ends a session; the peer is told.
    ///
    /// # Errors
    /// [`SessionError::NotFound`].
    pub async fn close(&self, id: &str) -> Result<(), SessionError> {
        let (tx, rx) = oneshot::channel();
        self.0
            .engine
            .send(Command::Close(id.to_owned(), tx))
            .map_err(|_| SessionError::Unavailable("the server is busy".into()))?;
        match rx.await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(SessionError::NotFound(format!("session {id}"))),
        }
    }

    /// Changes from now on. A receiver that lags is told so and reads the present state instead.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    /// The engine's and the streams' metrics in Prometheus text format 0.0.4.
    pub fn metrics(&self) -> String {
        crate::metrics::page(&self.0.engine, &self.streams())
    }

    /// Tells every peer, stops every stream, ends the threads; at most about one second.
    pub async fn shutdown(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
        let (tx, rx) = oneshot::channel();
        if self.0.engine.send(Command::Shutdown(tx)).is_ok()
            && tokio::time::timeout(Duration::from_millis(500), rx)
                .await
                .is_err()
        {
            tracing::warn!("webrtc: the engine did not end in time");
        }
        for stream in self.0.streams.values() {
            stream.shutdown().await;
        }
    }
}

fn full(limit: usize) -> SessionError {
    SessionError::Unavailable(format!(
        "{limit} sessions, the most that webrtc.max_sessions allows"
    ))
}

fn in_stream(name: &str, e: Error) -> Error {
    match e {
        Error::Native(livehal::Error::Param(mut p)) => {
            p.key = format!("stream.{name}.sources[0].{}", p.key);
            Error::Native(livehal::Error::Param(p))
        }
        other => Error::Other(format!("stream {name}: {other}")),
    }
}

//! The server's façade.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use livehal::{NativeSourceParams, PipelineState};
use tokio::sync::{broadcast, watch};

use crate::{Error, SessionError, SessionInfo, StreamInfo, ViewerInfo};

/// Settings of the WebRTC engine.
#[derive(Debug, Clone)]
pub struct LiveConfig {
    /// The one UDP address of all sessions.
    pub udp_listen: SocketAddr,
    /// Addresses offered as host candidates besides (or, with a wildcard `udp_listen`, instead of)
    /// those of this machine's interfaces.
    pub candidates: Vec<IpAddr>,
    /// A session without any sign of its peer for this long is removed.
    pub idle_timeout: Duration,
    /// Sessions at most; a further offer is refused with 503.
    pub max_sessions: usize,
}

/// One stream of the configuration.
#[derive(Debug, Clone)]
pub struct StreamConfig {
    /// Name; one path segment.
    pub name: String,
    /// Source.
    pub source: SourceConfig,
    /// Start with the first viewer instead of at once.
    pub on_demand: bool,
    /// How long an on-demand stream goes on after its last viewer.
    pub grace: Duration,
}

/// Where a stream comes from.
#[derive(Debug, Clone)]
pub enum SourceConfig {
    /// Capture and encoder of this machine.
    Native(NativeSourceParams),
    /// A WHIP publisher.
    Whip,
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
pub struct Live {
    events: broadcast::Sender<Event>,
}

impl Live {
    /// Opens the UDP socket, starts the engine's thread and the streams that are not on demand.
    /// Call within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Bind`] when the socket cannot be had; [`Error::Native`] naming the stream's
    /// parameter when a pipeline refuses its configuration.
    pub fn start(_config: LiveConfig, _streams: Vec<StreamConfig>) -> Result<Self, Error> {
        let (events, _) = broadcast::channel(256);
        Ok(Self { events })
    }

    /// The address the UDP socket really has.
    pub fn udp_addr(&self) -> SocketAddr {
        SocketAddr::from(([0, 0, 0, 0], 0))
    }

    /// All streams, by name.
    pub fn streams(&self) -> Vec<Arc<Stream>> {
        Vec::new()
    }

    /// One stream.
    pub fn stream(&self, _name: &str) -> Option<Arc<Stream>> {
        None
    }

    /// Answers a WHEP offer (a viewer). An on-demand stream is started.
    ///
    /// # Errors
    /// See [`SessionError`].
    pub async fn whep(&self, stream: &str, _offer: &str) -> Result<SessionAnswer, SessionError> {
        Err(SessionError::NotFound(format!("stream {stream}")))
    }

    /// Answers a WHIP offer (a publisher).
    ///
    /// # Errors
    /// See [`SessionError`].
    pub async fn whip(&self, stream: &str, _offer: &str) -> Result<SessionAnswer, SessionError> {
        Err(SessionError::NotFound(format!("stream {stream}")))
    }

    /// A session, if it is alive.
    pub fn session(&self, _id: &str) -> Option<SessionInfo> {
        None
    }

    /// Takes a trickle-ICE fragment (RFC 8840). Candidates are not needed by an ICE-lite server
    /// (it learns them from the checks), so they are validated and dropped; an ICE restart is
    /// answered with new credentials, `None` when there was nothing to answer (204).
    ///
    /// # Errors
    /// See [`SessionError`].
    pub async fn patch(&self, id: &str, _fragment: &str) -> Result<Option<String>, SessionError> {
        Err(SessionError::NotFound(format!("session {id}")))
    }

    /// Ends a session; the peer is told.
    ///
    /// # Errors
    /// [`SessionError::NotFound`].
    pub async fn close(&self, id: &str) -> Result<(), SessionError> {
        Err(SessionError::NotFound(format!("session {id}")))
    }

    /// Changes from now on. A receiver that lags is told so and reads the present state instead.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// The engine's and the streams' metrics in Prometheus text format 0.0.4.
    pub fn metrics(&self) -> String {
        String::new()
    }

    /// Tells every peer, stops every stream, ends the threads; at most one second.
    pub async fn shutdown(&self) {}
}

/// One stream.
#[derive(Debug)]
pub struct Stream {
    state: watch::Receiver<PipelineState>,
}

impl Stream {
    /// Name.
    pub fn name(&self) -> &str {
        ""
    }

    /// Everything there is to show.
    pub fn info(&self) -> StreamInfo {
        StreamInfo {
            name: String::new(),
            state: PipelineState::Stopped,
            source: crate::SourceInfo::Whip,
            codec: None,
            width: 0,
            height: 0,
            fps: 0.0,
            fps_measured: 0.0,
            bitrate_bps: 0,
            bitrate_measured_bps: 0,
            viewers: 0,
            on_demand: false,
            frames: 0,
            keyframes: 0,
            bytes: 0,
            keyframe_requests: 0,
            keyframe_requests_forwarded: 0,
            restarts: 0,
            drops: Vec::new(),
            last_error: None,
        }
    }

    /// Its viewers.
    pub fn viewers(&self) -> Vec<ViewerInfo> {
        Vec::new()
    }

    /// State and its changes.
    pub fn state(&self) -> watch::Receiver<PipelineState> {
        self.state.clone()
    }

    /// Starts the source; nothing if it runs.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a WHIP stream.
    pub fn start(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Stops the source until [`start`](Self::start); viewers stay connected and see no frames.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a WHIP stream.
    pub fn stop(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Asks for a key frame, coalesced with all others to one per 500 ms.
    pub fn request_keyframe(&self) {}

    /// Sets the target bit rate in bit/s; congestion control works below it.
    ///
    /// # Errors
    /// [`Error::Native`] outside the bounds; [`Error::Unsupported`] without an encoder of ours.
    pub fn set_bitrate(&self, _bps: u32) -> Result<(), Error> {
        Ok(())
    }

    /// A picture of now, as JPEG.
    ///
    /// # Errors
    /// [`Error::Native`] when there is no frame.
    pub async fn snapshot(&self) -> Result<Bytes, Error> {
        Err(Error::Other("no frame".into()))
    }
}

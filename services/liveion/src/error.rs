//! Errors.

/// Why the server or a stream could not be made or told to do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The UDP socket could not be opened.
    #[error("webrtc.listen = {addr}: {source}")]
    Bind {
        /// The address asked for.
        addr: std::net::SocketAddr,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A native pipeline refused.
    #[error(transparent)]
    Native(#[from] livehal::Error),
    /// The stream has no source that can do this.
    #[error("stream {stream}: {reason}")]
    Unsupported {
        /// Stream name.
        stream: String,
        /// What cannot be done and why.
        reason: String,
    },
    /// It could be done, but not now.
    #[error("{0}")]
    Unavailable(String),
    /// A camera's control was not set.
    #[error(transparent)]
    Control(#[from] livehal::ControlError),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// Why a WHEP or WHIP request was refused; each maps to one HTTP status.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// 404: no such stream or session.
    #[error("{0} not found")]
    NotFound(String),
    /// 400: the SDP or fragment cannot be parsed; the text names the line.
    #[error("bad SDP: {0}")]
    BadSdp(String),
    /// 406: parsed, but nothing in it can be served; the text says what is offered here.
    #[error("not acceptable: {0}")]
    NotAcceptable(String),
    /// 409: the stream already has a publisher or is a native source.
    #[error("conflict: {0}")]
    Conflict(String),
    /// 503: the stream has no packets to send, or the server is full or shutting down.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

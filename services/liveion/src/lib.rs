//! Streams and their delivery: native pipelines and WHIP publishers in, WHEP viewers out.
//!
//! [`Live`] is the server without its HTTP face: streams, their sources, and the WebRTC engine
//! (one UDP port, ICE-lite). `http` puts the HTTP API on it.

mod error;
pub mod http;
mod rtc;
mod rtp;
mod info;
mod live;
mod metrics;

pub use error::{Error, SessionError};
pub use info::{DropCount, SessionInfo, SessionKind, SourceInfo, StreamInfo, ViewerInfo};
pub use live::{Event, Live, LiveConfig, SessionAnswer, SourceConfig, Stream, StreamConfig};

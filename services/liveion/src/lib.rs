//! Streams and their delivery: native pipelines and WHIP publishers in, WHEP viewers out.
//!
//! [`Live`] is the server without its HTTP face: streams, their sources, and the WebRTC engine
//! (one UDP port, ICE-lite). `http` puts the HTTP API on it.

mod engine;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod http;
mod info;
mod live;
mod metrics;
mod rtc;
mod rtp;
mod stream;

pub use error::{Error, SessionError};
pub use info::{DropCount, SessionInfo, SessionKind, SourceInfo, StreamInfo, ViewerInfo};
pub use live::{Event, Live, LiveConfig, SessionAnswer};
pub use stream::{SourceConfig, Stream, StreamConfig};

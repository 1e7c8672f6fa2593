//! What the API, the page and D-Bus show. All types serialise to the JSON of `GET /api/streams`.

use livehal::{DropReason, PipelineState, VideoCodec};
use serde::Serialize;

/// One stream, as `GET /api/streams` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct StreamInfo {
    /// Name, the key under `[stream]`.
    pub name: String,
    /// State, with its reason where it has one.
    #[serde(flatten)]
    pub state: PipelineState,
    /// Where it comes from.
    pub source: SourceInfo,
    /// Codec, once known.
    pub codec: Option<VideoCodec>,
    /// Width in pixels; 0 before the first frame.
    pub width: u32,
    /// Height in pixels; 0 before the first frame.
    pub height: u32,
    /// Nominal frames per second.
    pub fps: f64,
    /// Frames per second over the last second.
    pub fps_measured: f64,
    /// Target bit rate of the encoder in bit/s; 0 if the source has no encoder of ours.
    pub bitrate_bps: u32,
    /// Bits per second over the last second.
    pub bitrate_measured_bps: u64,
    /// Connected viewers.
    pub viewers: usize,
    /// Starts with the first viewer and stops after the last.
    pub on_demand: bool,
    /// Access units so far.
    pub frames: u64,
    /// Key frames among them.
    pub keyframes: u64,
    /// Bytes of coded video so far.
    pub bytes: u64,
    /// Key-frame requests from viewers (before coalescing).
    pub keyframe_requests: u64,
    /// Key-frame requests passed on to the encoder (after coalescing).
    pub keyframe_requests_forwarded: u64,
    /// Restarts of the source.
    pub restarts: u64,
    /// Drops, by reason.
    pub drops: Vec<DropCount>,
    /// The last error, if any.
    pub last_error: Option<String>,
}

/// Drops for one reason.
#[derive(Debug, Clone, Serialize)]
pub struct DropCount {
    /// Why.
    pub reason: DropReason,
    /// How many.
    pub count: u64,
}

/// The kind of a stream's source.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum SourceInfo {
    /// A capture and an encoder of livehal.
    Native {
        /// Capture backend in use.
        capture: String,
        /// Encoder backend in use; `auto` until a frame was coded.
        encoder: String,
        /// Why `auto` came to this encoder, once it did.
        #[serde(skip_serializing_if = "Option::is_none")]
        encoder_reason: Option<String>,
    },
    /// A WHIP publisher (or waiting for one).
    Whip,
    /// A URL: RTSP, SDP or RTP.
    Url {
        /// The URL, without credentials.
        url: String,
    },
}

/// One WebRTC session.
#[derive(Debug, Clone, Serialize)]
pub struct SessionInfo {
    /// Id, the last part of the session's URL.
    pub id: String,
    /// Stream it belongs to.
    pub stream: String,
    /// Viewer or publisher.
    pub kind: SessionKind,
}

/// Direction of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionKind {
    /// WHEP: receives from us.
    Viewer,
    /// WHIP: sends to us.
    Publisher,
}

/// One viewer, as a stream's detail shows it.
#[derive(Debug, Clone, Serialize)]
pub struct ViewerInfo {
    /// Session id.
    pub id: String,
    /// Remote address, once connected.
    pub remote: Option<String>,
    /// Seconds since the POST.
    pub age_s: f64,
    /// Packets sent, retransmissions not included.
    pub packets_sent: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Packets retransmitted.
    pub retransmitted: u64,
    /// Fraction lost, from the last receiver report (0 to 1).
    pub loss: f64,
    /// Round-trip time in milliseconds, once known.
    pub rtt_ms: Option<f64>,
    /// Congestion control's estimate in bit/s, once known.
    pub estimate_bps: Option<u64>,
}

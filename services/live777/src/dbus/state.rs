//! A stream's properties as the bus sees them, and what changed between two looks.

use std::collections::HashMap;

use livehal::PipelineState;
use liveion::{SourceInfo, StreamInfo};
use zbus::Variant;

/// Every property of a stream that can change.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shown {
    pub(crate) state: &'static str,
    pub(crate) reason: String,
    pub(crate) capture: String,
    pub(crate) encoder: String,
    pub(crate) codec: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) frame_rate: f64,
    pub(crate) bitrate_bps: u32,
    pub(crate) viewers: u32,
    pub(crate) last_error: String,
}

impl Shown {
    /// The present properties of a stream.
    pub(crate) fn of(info: StreamInfo) -> Self {
        let (state, reason) = words(&info.state);
        let (capture, encoder) = match info.source {
            SourceInfo::Native {
                capture, encoder, ..
            } => (capture, encoder),
            SourceInfo::Whip | SourceInfo::Url { .. } => (String::new(), String::new()),
        };
        Self {
            state,
            reason: reason.to_owned(),
            capture,
            encoder,
            codec: info.codec.map_or("", codec_name),
            width: info.width,
            height: info.height,
            frame_rate: info.fps,
            bitrate_bps: info.bitrate_bps,
            viewers: u32::try_from(info.viewers).unwrap_or(u32::MAX),
            last_error: info.last_error.unwrap_or_default(),
        }
    }

    /// The properties that differ from `old`, with their new values.
    pub(crate) fn since(&self, old: &Self) -> HashMap<&'static str, Variant<'_>> {
        let all = self.values();
        let before = old.values();
        let changed = all.into_iter().zip(before).filter(|(new, old)| new != old);
        changed.map(|(new, _)| new).collect()
    }

    fn values(&self) -> [(&'static str, Variant<'_>); 11] {
        [
            ("State", self.state.into()),
            ("StateReason", self.reason.as_str().into()),
            ("CaptureBackend", self.capture.as_str().into()),
            ("EncoderBackend", self.encoder.as_str().into()),
            ("Codec", self.codec.into()),
            ("Width", self.width.into()),
            ("Height", self.height.into()),
            ("FrameRate", self.frame_rate.into()),
            ("BitrateBps", self.bitrate_bps.into()),
            ("Viewers", self.viewers.into()),
            ("LastError", self.last_error.as_str().into()),
        ]
    }
}

/// A state's name and reason.
pub(crate) fn words(state: &PipelineState) -> (&'static str, &str) {
    match state {
        PipelineState::Stopped => ("stopped", ""),
        PipelineState::Starting => ("starting", ""),
        PipelineState::Running => ("running", ""),
        PipelineState::Degraded(reason) => ("degraded", reason),
        PipelineState::Failed(reason) => ("failed", reason),
    }
}

/// The name of a source's kind.
pub(crate) fn kind(source: &SourceInfo) -> &'static str {
    match source {
        SourceInfo::Native { .. } => "native",
        SourceInfo::Whip => "whip",
        SourceInfo::Url { .. } => "url",
    }
}

fn codec_name(codec: livehal::VideoCodec) -> &'static str {
    use livehal::VideoCodec as Codec;
    match codec {
        Codec::H264 => "h264",
        Codec::H265 => "h265",
        Codec::Av1 => "av1",
        Codec::Vp8 => "vp8",
        Codec::Vp9 => "vp9",
    }
}

//! What the engine tells a stream.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use livehal::{CaptureTime, EncodedPacket, PacketFlags, PacketTiming, PipelineState, VideoCodec};

use super::hub::lock;
use super::{SourceConfig, Stream};
use crate::Event;
use crate::engine::StreamSink;
use crate::rtc::Unit;
use crate::rtp::RtpFrame;

/// The engine's way to a stream; does not keep it alive.
pub(super) struct Sink(pub Weak<Stream>);

impl StreamSink for Sink {
    fn request_keyframe(&self) {
        if let Some(stream) = self.0.upgrade()
            && let Some(running) = lock(&stream.running).as_ref()
        {
            running.pipeline.request_keyframe();
        }
    }

    fn set_target(&self, bps: u32) {
        if let Some(stream) = self.0.upgrade()
            && let SourceConfig::Native(_) = stream.config.source
        {
            stream.set_carried(Some(bps));
        }
    }

    fn viewers_changed(&self, viewers: usize) {
        let Some(stream) = self.0.upgrade() else {
            return;
        };
        stream.hub.viewers.store(viewers, Ordering::Relaxed);
        let name = stream.hub.name.to_string();
        stream.hub.emit(Event::ViewersChanged(name, viewers));
        if viewers == 0 {
            if let SourceConfig::Native(_) = stream.config.source {
                stream.set_carried(None);
            }
            stream.arm_idle_timer();
        }
    }

    fn publisher_changed(&self, present: bool) {
        let Some(stream) = self.0.upgrade() else {
            return;
        };
        stream.hub.published.store(present, Ordering::Relaxed);
        stream.hub.await_key();
        stream.hub.set_state(if present {
            PipelineState::Starting
        } else {
            PipelineState::Stopped
        });
    }

    fn unit(&self, unit: Unit) -> Option<Arc<RtpFrame>> {
        let stream = self.0.upgrade()?;
        let now = CaptureTime::now();
        let packet = EncodedPacket {
            codec: VideoCodec::H264,
            data: unit.data,
            pts: unit.captured,
            dts: unit.captured,
            flags: PacketFlags {
                key: unit.key,
                discontinuity: unit.discontinuity,
            },
            timing: PacketTiming {
                captured: unit.captured,
                encode_start: unit.captured,
                encode_end: now,
            },
        };
        let frame = stream.hub.accept(&packet)?;
        stream.hub.set_state(PipelineState::Running);
        Some(frame)
    }
}

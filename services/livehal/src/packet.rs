//! What leaves the crate: coded access units.

use bytes::Bytes;

use crate::{CaptureTime, VideoCodec};

/// One coded access unit.
#[derive(Debug, Clone)]
pub struct EncodedPacket {
    /// The codec of `data`.
    pub codec: VideoCodec,
    /// The access unit. H.264 and H.265 are in Annex B form (start codes), with the parameter
    /// sets in front of every IDR.
    pub data: Bytes,
    /// Presentation time: when the picture was captured.
    pub pts: CaptureTime,
    /// Decoding time; equal to `pts`, for no encoder here reorders.
    pub dts: CaptureTime,
    /// What the packet is.
    pub flags: PacketFlags,
    /// When the packet passed each stage.
    pub timing: PacketTiming,
}

/// Properties of an [`EncodedPacket`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PacketFlags {
    /// Decoding can start here.
    pub key: bool,
    /// Packets before this one were lost or dropped; it may not decode without a key frame.
    pub discontinuity: bool,
}

/// When a packet passed each stage, on the capture clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PacketTiming {
    /// The picture was captured (sensor or driver time; the time of drawing for a built-in source).
    pub captured: CaptureTime,
    /// The encoder took it.
    pub encode_start: CaptureTime,
    /// The encoder gave it back.
    pub encode_end: CaptureTime,
}

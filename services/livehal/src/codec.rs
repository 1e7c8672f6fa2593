//! Video codecs and their numbers.

use serde::{Deserialize, Serialize};

/// A video codec. The numbers are part of the configuration contract and stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u32)]
pub enum VideoCodec {
    /// ITU-T H.264.
    H264 = 100,
    /// ITU-T H.265.
    #[serde(alias = "hevc")]
    H265 = 101,
    /// AOMedia AV1.
    Av1 = 102,
    /// VP8 (RFC 6386).
    Vp8 = 103,
    /// VP9.
    Vp9 = 104,
}

//! Video codecs and their numbers.

use std::fmt;

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

impl VideoCodec {
    /// Its stable number.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
            Self::Av1 => "av1",
            Self::Vp8 => "vp8",
            Self::Vp9 => "vp9",
        }
    }
}

impl fmt::Display for VideoCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

//! Raw picture formats and their numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A raw picture format. The numbers are part of the configuration contract and stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u32)]
pub enum PixelFormat {
    /// Packed 4:2:2, Y0 U Y1 V (`V4L2_PIX_FMT_YUYV`).
    #[serde(rename = "yuyv", alias = "yuyv422")]
    Yuyv422 = 0,
    /// 4:2:0, a luma plane and one of interleaved U and V (`V4L2_PIX_FMT_NV12`).
    Nv12 = 1,
    /// Planar 4:2:0 (`V4L2_PIX_FMT_YUV420`).
    #[serde(alias = "yuv420p")]
    Yuv420 = 2,
    /// Motion JPEG.
    Mjpeg = 3,
    /// Packed 24-bit R, G, B (`V4L2_PIX_FMT_RGB24`).
    #[serde(alias = "rgb")]
    Rgb888 = 4,
}

impl PixelFormat {
    /// Its stable number.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yuyv422 => "yuyv",
            Self::Nv12 => "nv12",
            Self::Yuv420 => "yuv420",
            Self::Mjpeg => "mjpeg",
            Self::Rgb888 => "rgb888",
        }
    }
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

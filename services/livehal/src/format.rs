//! Raw picture formats and their numbers.

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

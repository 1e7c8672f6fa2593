//! Parameters of a native source: the `capture`, `encoder` and `output` tables.

pub(crate) mod backends;
pub(crate) mod validate;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::{ControlValue, ParamError, PixelFormat, ProfileLevel, VideoCodec};

/// One `[[stream.<name>.sources]]` entry with a `capture` table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NativeSourceParams {
    /// Where pictures come from.
    pub capture: CaptureParams,
    /// What codes them.
    pub encoder: EncoderParams,
    /// How they are sent.
    #[serde(default)]
    pub output: OutputParams,
}

/// The `capture` table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptureParams {
    /// Backend name: `testsrc`, `file`, `v4l2` or `libcamera`.
    pub backend: String,
    /// Camera id or index for `libcamera`; path, link or the card's name for `v4l2`.
    #[serde(default)]
    pub device: Option<String>,
    /// Footage of the `file` backend.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// Width in pixels, even, 16 to 8192. Required by cameras; 1280 if absent for `testsrc`; the
    /// file's own for `file`.
    #[serde(default)]
    pub width: Option<u32>,
    /// Height in pixels, even, 16 to 8192. Required by cameras; 720 if absent for `testsrc`; the
    /// file's own for `file`.
    #[serde(default)]
    pub height: Option<u32>,
    /// Frames per second, 1 to 240. Required by cameras; 30 if absent for `testsrc`; the file's own
    /// for `file`.
    #[serde(default)]
    pub fps: Option<u32>,
    /// Format asked of the device.
    #[serde(default)]
    pub pixel_format: Option<PixelFormat>,
    /// Hand frames to the encoder as DMA-BUFs where both sides can.
    #[serde(default)]
    pub prefer_dmabuf: bool,
    /// Controls of the camera, set whenever it is opened.
    #[serde(default)]
    pub controls: BTreeMap<String, ControlValue>,
}

/// The `encoder` table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderParams {
    /// Backend name: `software`, `v4l2-m2m`, `rdk` or `auto`.
    pub backend: String,
    /// Which device of backend `v4l2-m2m` encodes, by its path or its card's name; without, the
    /// first that makes the codec.
    #[serde(default)]
    pub device: Option<String>,
    /// Codec to produce.
    pub codec: VideoCodec,
    /// Target bit rate in bit/s.
    pub bitrate: u32,
    /// Lower bound of congestion control, in bit/s; a tenth of `bitrate` if absent.
    #[serde(default)]
    pub min_bitrate: Option<u32>,
    /// Upper bound of congestion control, in bit/s; `bitrate` if absent.
    #[serde(default)]
    pub max_bitrate: Option<u32>,
    /// `baseline`, `constrained-baseline`, `main`, `constrained-high`, `high`, or a six-digit
    /// profile-level-id.
    pub profile: String,
    /// Level such as `3.1`; required when `profile` is a name, refused otherwise.
    #[serde(default)]
    pub level: Option<String>,
    /// Frames from one key frame to the next, 1 to 36000.
    pub gop: u32,
}

/// The `output` table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutputParams {
    /// RTP payload type, 96 to 127.
    pub payload_type: u8,
    /// RTP clock rate in Hz; 90000 for every video codec here.
    pub clock_rate: u32,
}

impl Default for OutputParams {
    fn default() -> Self {
        Self {
            payload_type: 96,
            clock_rate: 90_000,
        }
    }
}

impl NativeSourceParams {
    /// Checks everything that does not depend on the machine or on how the program was built.
    ///
    /// # Errors
    /// The first parameter that cannot be honoured, with its key below the source.
    pub fn validate(&self) -> Result<(), ParamError> {
        validate::source(self)
    }

    /// Checks that the backends named are in this program.
    ///
    /// A device that is not there now may be plugged in later: that is a state of the pipeline.
    ///
    /// # Errors
    /// The backend, with the cargo feature that is missing.
    pub fn check_available(&self) -> Result<(), ParamError> {
        backends::check(self)
    }
}

impl CaptureParams {
    /// Whether the source is a camera, which may have controls.
    pub fn is_camera(&self) -> bool {
        matches!(self.backend.as_str(), "v4l2" | "libcamera")
    }

    /// Width and height asked for; 1280×720 where the source is free to choose.
    pub(crate) fn size_or_default(&self) -> (u32, u32) {
        (self.width.unwrap_or(1280), self.height.unwrap_or(720))
    }

    /// Frames per second asked for; 30 where the source is free to choose.
    pub(crate) fn fps_or_default(&self) -> u32 {
        self.fps.unwrap_or(30)
    }
}

impl EncoderParams {
    /// The H.264 profile and level asked for.
    ///
    /// # Errors
    /// `encoder.profile` or `encoder.level` is missing, unknown, or given twice.
    pub fn profile_level(&self) -> Result<ProfileLevel, ParamError> {
        validate::profile_level(self)
    }

    /// The bounds of [`set_bitrate`](crate::NativePipeline::set_bitrate), in bit/s.
    pub fn bitrate_bounds(&self) -> std::ops::RangeInclusive<u32> {
        let least = self
            .min_bitrate
            .unwrap_or((self.bitrate / 10).max(validate::BITRATE_LEAST));
        least..=self.max_bitrate.unwrap_or(self.bitrate)
    }
}

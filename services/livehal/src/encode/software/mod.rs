//! Encoder backend `software`: OpenH264 on the CPU.

mod raw;

use bytes::Bytes;

use super::{Encoded, EncoderBackend};
use crate::capture::{BackendError, Matrix, Plane, RawFormat, RawFrame};
use crate::{EncoderParams, PixelFormat};
use openh264_sys2::{
    CAMERA_VIDEO_REAL_TIME, CONSTANT_ID, LOW_COMPLEXITY, PRO_BASELINE, RC_BITRATE_MODE,
    SEncParamExt, SM_SINGLE_SLICE,
};
use raw::{Created, Kind, RawEncoder, RawError};

/// The backend's name in the configuration.
pub(crate) const NAME: &str = "software";

/// An OpenH264 encoder.
pub(crate) struct SoftwareEncoder {
    raw: RawEncoder,
    /// Capacity to give the next access unit's buffer.
    expected: usize,
}

impl SoftwareEncoder {
    /// Opens an encoder for pictures of `format`.
    ///
    /// # Errors
    /// The encoder refuses the size or format.
    pub(crate) fn open(params: &EncoderParams, format: &RawFormat) -> Result<Self, BackendError> {
        if format.pixel != PixelFormat::Yuv420 {
            return Err(BackendError::permanent(format!(
                "the software encoder takes yuv420 pictures, the capture backend gives {}",
                format.pixel
            )));
        }
        let created = Created::new().map_err(failed)?;
        let mut config = created.default_params().map_err(failed)?;
        configure(&mut config, params, format);
        Ok(Self {
            raw: created.initialize(&config).map_err(failed)?,
            expected: 0,
        })
    }
}

impl EncoderBackend for SoftwareEncoder {
    fn encode(&mut self, frame: &RawFrame, key: bool) -> Result<Encoded, BackendError> {
        let (Some(y), Some(u), Some(v)) = (
            frame.picture.plane(0),
            frame.picture.plane(1),
            frame.picture.plane(2),
        ) else {
            return Err(BackendError::passing("a picture without its three planes"));
        };
        if key {
            self.raw.force_idr().map_err(failed)?;
        }
        let planes: [Plane<'_>; 3] = [y, u, v];
        let millis = (frame.captured.as_nanos() / 1_000_000) as i64;
        let mut data = Vec::with_capacity(self.expected);
        let kind = self.raw.encode(planes, millis, &mut data).map_err(failed)?;
        self.expected = self.expected.max(data.len());
        Ok(match kind {
            Kind::Skipped => Encoded::Skipped,
            kind => Encoded::Unit {
                data: Bytes::from(data),
                key: kind == Kind::Idr,
            },
        })
    }

    fn set_bitrate(&mut self, bps: u32) -> Result<(), BackendError> {
        self.raw.set_bitrate(bps as i32).map_err(failed)
    }
}

fn configure(config: &mut SEncParamExt, params: &EncoderParams, format: &RawFormat) {
    let bps = params.bitrate as i32;
    config.iUsageType = CAMERA_VIDEO_REAL_TIME;
    config.iPicWidth = format.width as i32;
    config.iPicHeight = format.height as i32;
    config.iTargetBitrate = bps;
    config.iRCMode = RC_BITRATE_MODE;
    config.fMaxFrameRate = format.fps as f32;
    config.iTemporalLayerNum = 1;
    config.iSpatialLayerNum = 1;
    config.iComplexityMode = LOW_COMPLEXITY;
    config.uiIntraPeriod = params.gop;
    config.eSpsPpsIdStrategy = CONSTANT_ID;
    config.bEnableFrameSkip = false;
    config.iMultipleThreadIdc = 1;
    config.bEnableDenoise = false;
    config.bEnableLongTermReference = false;

    let layer = &mut config.sSpatialLayers[0];
    layer.iVideoWidth = format.width as i32;
    layer.iVideoHeight = format.height as i32;
    layer.fFrameRate = format.fps as f32;
    layer.iSpatialBitrate = bps;
    layer.uiProfileIdc = PRO_BASELINE;
    layer.sSliceArgument.uiSliceMode = SM_SINGLE_SLICE;
    layer.sSliceArgument.uiSliceNum = 1;
    // Numbers of H.264 tables E-3 to E-5.
    let code = match format.color.matrix {
        Matrix::Bt601 => 6,
        Matrix::Bt709 => 1,
    };
    layer.bVideoSignalTypePresent = true;
    layer.uiVideoFormat = 5;
    layer.bFullRange = format.color.full_range;
    layer.bColorDescriptionPresent = true;
    layer.uiColorPrimaries = code;
    layer.uiTransferCharacteristics = code;
    layer.uiColorMatrix = code;
}

fn failed(error: RawError) -> BackendError {
    BackendError::passing(format!("software encoder: {error}"))
}

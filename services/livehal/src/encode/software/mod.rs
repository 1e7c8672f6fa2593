//! Encoder backend `software`: OpenH264 on the CPU.
//!
//! Set up for live pictures: one frame in, one access unit out, no reordering, one slice, one
//! thread, and key frames only where they are due or asked for. Main and High use CABAC, which is
//! worth 0.7 to 1 dB over Baseline's CAVLC at the same rate and speed; the lowest complexity costs
//! 0.1 to 0.2 dB against the next and is a fifth faster.
//!
//! Planar 4:2:0 is coded where it lies; every other format is converted into one buffer first.

mod rate;
mod raw;

use std::sync::Arc;

use bytes::Bytes;

use super::{Encoded, EncoderBackend};
use crate::annexb::sps_of;
use crate::capture::{BackendError, Matrix, RawFormat, RawFrame};
use crate::convert::{ConvertError, Converter, Planar};
use crate::params::validate::software_size;
use crate::{EncoderParams, H264Profile, PipelineStats, ProfileLevel};
use openh264_sys2::{
    CAMERA_VIDEO_REAL_TIME, CONSTANT_ID, EProfileIdc, LOW_COMPLEXITY, PRO_BASELINE, PRO_HIGH,
    PRO_MAIN, RC_BITRATE_MODE, SEncParamExt, SM_SINGLE_SLICE,
};
use rate::RateKeeper;
use raw::{Created, RawEncoder, RawError};

/// The backend's name in the configuration.
pub(crate) const NAME: &str = "software";

/// The range of quantisers. The encoder takes its own, much narrower one (up to 42) unless the
/// lower bound is set; with that, low bit rates are exceeded by far.
const QP: (i32, i32) = (12, 51);

/// An OpenH264 encoder.
pub(crate) struct SoftwareEncoder {
    raw: RawEncoder,
    input: Planar,
    rate: RateKeeper,
    asked: ProfileLevel,
    /// The encoder was seen to do as asked.
    verified: bool,
}

impl SoftwareEncoder {
    /// Opens an encoder for pictures of `format`.
    ///
    /// # Errors
    /// The encoder refuses the size, the format or the parameters.
    pub(crate) fn open(
        params: &EncoderParams,
        format: &RawFormat,
        stats: &Arc<PipelineStats>,
    ) -> Result<Self, BackendError> {
        let refused = |e: crate::ParamError| BackendError::permanent(e.to_string());
        software_size((format.width, format.height)).map_err(refused)?;
        let asked = params.profile_level().map_err(refused)?;
        let input = Planar::new(format).map_err(unfit)?.counted(stats);
        let rate = RateKeeper::new(params.bitrate, format.fps);
        let created = Created::new().map_err(failed)?;
        let mut config = created.default_params().map_err(failed)?;
        configure_picture(&mut config, format);
        configure_coding(&mut config, params.gop, asked);
        configure_rate(&mut config, &rate, format.fps);
        Ok(Self {
            raw: created.initialize(&config).map_err(failed)?,
            input,
            rate,
            asked,
            verified: false,
        })
    }

    /// Checks the first parameter sets: OpenH264 changes what it cannot do without a word.
    fn verify(&mut self, unit: &[u8]) -> Result<(), BackendError> {
        let (idc, level) = (profile_idc(self.asked.profile), self.asked.level.idc());
        match sps_of(unit) {
            Some([profile, _, made]) if i32::from(profile) == idc && made == level => {
                self.verified = true;
                Ok(())
            }
            other => Err(BackendError::permanent(format!(
                "encoder.profile and encoder.level ask for {}, OpenH264 makes {}",
                self.asked.to_hex(),
                other.map_or("no parameter sets".to_owned(), |[p, c, l]| {
                    format!("{p:02x}{c:02x}{l:02x}")
                })
            ))),
        }
    }

    fn follow_frame_rate(&mut self) -> Result<(), RawError> {
        let Some(fps) = self.rate.changed_fps() else {
            return Ok(());
        };
        tracing::debug!(fps, "the source's frame rate changed");
        self.raw.set_frame_rate(fps as f32)?;
        self.raw.set_bitrate(self.rate.encoder_bitrate())
    }
}

impl EncoderBackend for SoftwareEncoder {
    fn encode(&mut self, frame: &RawFrame, key: bool) -> Result<Encoded, BackendError> {
        let room = self.rate.admits(frame.captured);
        self.follow_frame_rate().map_err(failed)?;
        // Somebody waits for a key frame: it comes even on credit.
        if !room && !key {
            return Ok(Encoded::Skipped);
        }
        let planes = match self.input.planes(frame.picture.as_ref()) {
            Ok(planes) => planes,
            Err(ConvertError::Damaged(why)) => return Ok(Encoded::Damaged(why)),
            Err(e) => return Err(unfit(e)),
        };
        if key {
            self.raw.force_idr().map_err(failed)?;
        }
        let millis = (frame.captured.as_nanos() / 1_000_000) as i64;
        let Some(unit) = self.raw.encode(planes, millis).map_err(failed)? else {
            return Ok(Encoded::Skipped);
        };
        self.rate.coded(unit.data.len());
        if !self.verified && unit.idr {
            self.verify(&unit.data)?;
        }
        Ok(Encoded::Unit {
            data: Bytes::from(unit.data),
            key: unit.idr,
        })
    }

    fn set_bitrate(&mut self, bps: u32) -> Result<(), BackendError> {
        self.rate.set_bitrate(bps);
        self.raw
            .set_bitrate(self.rate.encoder_bitrate())
            .map_err(failed)
    }
}

fn configure_picture(config: &mut SEncParamExt, format: &RawFormat) {
    let (width, height) = (format.width as i32, format.height as i32);
    (config.iPicWidth, config.iPicHeight) = (width, height);
    let layer = &mut config.sSpatialLayers[0];
    (layer.iVideoWidth, layer.iVideoHeight) = (width, height);
    let color = Converter::color(format);
    // Numbers of H.264 tables E-3 to E-5.
    let code = match color.matrix {
        Matrix::Bt601 => 6,
        Matrix::Bt709 => 1,
    };
    layer.bVideoSignalTypePresent = true;
    layer.uiVideoFormat = 5;
    layer.bFullRange = color.full_range;
    layer.bColorDescriptionPresent = true;
    layer.uiColorPrimaries = code;
    layer.uiTransferCharacteristics = code;
    layer.uiColorMatrix = code;
}

fn configure_coding(config: &mut SEncParamExt, gop: u32, asked: ProfileLevel) {
    let profile = profile_idc(asked.profile);
    config.iUsageType = CAMERA_VIDEO_REAL_TIME;
    config.iComplexityMode = LOW_COMPLEXITY;
    config.uiIntraPeriod = gop;
    config.eSpsPpsIdStrategy = CONSTANT_ID;
    config.iEntropyCodingModeFlag = i32::from(profile != PRO_BASELINE);
    config.iTemporalLayerNum = 1;
    config.iSpatialLayerNum = 1;
    config.iMultipleThreadIdc = 1;
    config.bEnableDenoise = false;
    config.bEnableLongTermReference = false;
    // It would add key frames at cuts: a burst when the rate is highest, and not the gop asked for.
    config.bEnableSceneChangeDetect = false;

    let layer = &mut config.sSpatialLayers[0];
    layer.uiProfileIdc = profile;
    layer.uiLevelIdc = i32::from(asked.level.idc());
    layer.sSliceArgument.uiSliceMode = SM_SINGLE_SLICE;
    layer.sSliceArgument.uiSliceNum = 1;
}

fn configure_rate(config: &mut SEncParamExt, rate: &RateKeeper, fps: f64) {
    config.iRCMode = RC_BITRATE_MODE;
    config.bEnableFrameSkip = false;
    config.bFixRCOverShoot = true;
    (config.iMinQp, config.iMaxQp) = QP;
    config.fMaxFrameRate = fps as f32;
    config.iTargetBitrate = rate.encoder_bitrate();
    let layer = &mut config.sSpatialLayers[0];
    layer.fFrameRate = fps as f32;
    layer.iSpatialBitrate = rate.encoder_bitrate();
}

/// What OpenH264 serves a profile with. Baseline is Constrained Baseline, High is Constrained High:
/// it has no tools beyond them.
fn profile_idc(profile: H264Profile) -> EProfileIdc {
    match profile {
        H264Profile::Baseline | H264Profile::ConstrainedBaseline => PRO_BASELINE,
        H264Profile::Main => PRO_MAIN,
        H264Profile::ConstrainedHigh | H264Profile::High => PRO_HIGH,
    }
}

fn unfit(error: ConvertError) -> BackendError {
    BackendError::permanent(format!("encoder.backend = software: {error}"))
}

fn failed(error: RawError) -> BackendError {
    BackendError::passing(format!("encoder.backend = software: {error}"))
}

#[cfg(test)]
mod tests;

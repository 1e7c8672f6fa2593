//! Encoder backend `v4l2-m2m`: a hardware encoder behind the kernel's stateful interface.
//!
//! Pictures that lie in DMA-BUFs as the device reads them are read there; others are copied into
//! the device's buffers in one pass. The packet of a picture is waited for and handed out before
//! the next one is looked at. Parts: [`find`] the device, agree on [`formats`], set [`controls`],
//! then the [`engine`] moves pictures by an [`input`] and packets as [`coding`] reads them.

mod coding;
mod controls;
mod copy;
mod engine;
mod find;
mod formats;
mod input;

use std::sync::Arc;

use super::{Encoded, EncoderBackend};
use crate::annexb::sps_of;
use crate::capture::{BackendError, RawFormat, RawFrame};
use crate::v4l2::Device;
use crate::{EncoderParams, PipelineStats};
pub(crate) use coding::Coding;
use controls::Controls;
use copy::Copier;
use engine::{Engine, Outcome};
use formats::refused;

/// The backend's name in the configuration.
pub(crate) const NAME: &str = "v4l2-m2m";

/// A hardware encoder.
pub(crate) struct V4l2Encoder {
    engine: Engine,
    controls: Controls,
    device: Arc<Device>,
    params: EncoderParams,
    coding: Coding,
    /// The parameter sets were seen to be what was asked for.
    verified: bool,
    /// The control for key frames was seen to do nothing.
    key_ignored: bool,
    /// Pictures since the last key frame, with that.
    since_key: u32,
}

impl V4l2Encoder {
    /// Opens an encoder of `coding` for pictures of `format`.
    ///
    /// # Errors
    /// There is no such device, or it cannot do what `params` asks for; what it can do.
    pub(crate) fn open(
        params: &EncoderParams,
        coding: Coding,
        format: &RawFormat,
        stats: &Arc<PipelineStats>,
    ) -> Result<Self, BackendError> {
        let encoder = find::find(params.device.as_deref(), coding)?;
        let device = Arc::clone(&encoder.device);
        let agreed = formats::agree(&encoder, coding, format)?;
        let controls = Controls::set_up(&device, coding, params)?;
        let copier = Copier::new(format, &agreed, stats)
            .map_err(|why| refused(&device, &why.to_string()))?;
        tracing::info!(
            device = %device.path().display(),
            card = device.card(),
            pixels = %agreed.pixel,
            "{} by hardware", coding.name()
        );
        Ok(Self {
            engine: Engine::new(encoder, coding, agreed, copier),
            controls,
            device,
            params: params.clone(),
            coding,
            verified: false,
            key_ignored: false,
            since_key: 0,
        })
    }

    /// Makes the next picture a key frame, if it is not one anyway.
    fn prepare_key(&mut self) -> Result<(), BackendError> {
        if self.engine.fresh() || (!self.key_ignored && self.controls.force_key()?) {
            return Ok(());
        }
        // Without a control, or one that works: a device that starts, starts with a key frame.
        self.engine.restart()
    }

    /// Takes note of an access unit.
    fn made(&mut self, data: &[u8], key: bool) -> Result<(), BackendError> {
        self.since_key = if key { 1 } else { self.since_key + 1 };
        if !self.verified && key && self.coding == Coding::H264 {
            match sps_of(data) {
                Some(made) => controls::check_made(&self.device, &self.params, made)?,
                None => return Err(refused(&self.device, "it makes no parameter sets")),
            }
            self.verified = true;
        }
        Ok(())
    }
}

impl EncoderBackend for V4l2Encoder {
    fn encode(&mut self, frame: &RawFrame, key: bool) -> Result<Encoded, BackendError> {
        let due = !self.controls.counts_gop && self.since_key >= self.params.gop;
        let wanted = key || due;
        if wanted {
            self.prepare_key()?;
        }
        let mut outcome = self.engine.encode(frame)?;
        if let Outcome::Unit { key: false, .. } = outcome
            && wanted
        {
            tracing::warn!(
                device = %self.device.path().display(),
                "the device ignored a request for a key frame; it is started anew for each"
            );
            self.key_ignored = true;
            self.engine.restart()?;
            outcome = self.engine.encode(frame)?;
        }
        match outcome {
            Outcome::Unit { data, key } => {
                self.made(&data, key)?;
                Ok(Encoded::Unit { data, key })
            }
            Outcome::Skipped => Ok(Encoded::Skipped),
            Outcome::Damaged(why) => Ok(Encoded::Damaged(why)),
        }
    }

    fn set_bitrate(&mut self, bps: u32) -> Result<(), BackendError> {
        self.controls.bitrate("bit rate", bps)
    }
}

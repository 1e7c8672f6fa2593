//! What the configuration asks of the encoder, as controls of the device.
//!
//! A control that the device cannot honour is refused by name, with what the device allows: a
//! driver by itself would take the nearest value without a word.

use std::sync::Arc;

use super::Coding;
use super::formats::{failed, refused};
use crate::capture::BackendError;
use crate::v4l2::sys::*;
use crate::v4l2::{Control, ControlType, Device, Value};
use crate::{EncoderParams, H264Level, H264Profile};

/// The controls that are used while the encoder runs.
pub(super) struct Controls {
    device: Arc<Device>,
    coding: Coding,
    /// Makes the next picture a key frame.
    key: Option<Control>,
    /// The device counts the pictures from one key frame to the next itself.
    pub(super) counts_gop: bool,
}

impl Controls {
    /// Sets everything that `params` asks for.
    ///
    /// # Errors
    /// The device cannot do it; what it can do.
    pub(super) fn set_up(
        device: &Arc<Device>,
        coding: Coding,
        params: &EncoderParams,
    ) -> Result<Self, BackendError> {
        let mut all = Self {
            device: Arc::clone(device),
            coding,
            key: device
                .control(V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME)
                .map_err(failed)?,
            counts_gop: false,
        };
        if coding == Coding::H264 {
            all.profile_and_level(params)?;
            all.steady_rate()?;
            all.headers()?;
        }
        all.no_reordering()?;
        all.bitrate("encoder.bitrate", params.bitrate)?;
        all.gop(params.gop)?;
        Ok(all)
    }

    /// Changes the target bit rate.
    ///
    /// # Errors
    /// The device cannot; it goes on at the old rate.
    pub(super) fn bitrate(&self, key: &str, bps: u32) -> Result<(), BackendError> {
        match self.coding {
            Coding::H264 => self.required(key, V4L2_CID_MPEG_VIDEO_BITRATE, bps.into()),
            #[cfg(feature = "bench")]
            Coding::Fwht => {
                // It has no rate control: its quantisers, 1 to 31, stand for the rate.
                let quantiser = i64::from((60_000_000 / bps.max(1)).clamp(1, 31));
                self.required(key, V4L2_CID_FWHT_I_FRAME_QP, quantiser)?;
                self.required(key, V4L2_CID_FWHT_P_FRAME_QP, quantiser)
            }
        }
    }

    /// Makes the next picture a key frame; false if the device has no such control.
    pub(super) fn force_key(&self) -> Result<bool, BackendError> {
        let Some(control) = &self.key else {
            return Ok(false);
        };
        let pressed = self.device.set_value(control, &Value::Number(1));
        pressed.map(|_| true).map_err(failed)
    }

    fn profile_and_level(&self, params: &EncoderParams) -> Result<(), BackendError> {
        let refused = |e: crate::ParamError| BackendError::permanent(e.to_string());
        let asked = params.profile_level().map_err(refused)?;
        // Where there is no control, the first parameter sets will tell.
        let profile = V4L2_CID_MPEG_VIDEO_H264_PROFILE;
        self.menu(
            "encoder.profile",
            &params.profile,
            profile,
            profiles(asked.profile),
        )?;
        let named = params.level.as_deref().unwrap_or(&params.profile);
        let key = match params.level {
            Some(_) => "encoder.level",
            None => "encoder.profile",
        };
        let level = V4L2_CID_MPEG_VIDEO_H264_LEVEL;
        self.menu(key, named, level, &[menu_level(asked.level)])
    }

    /// Constant rate where there is the choice: what the network was found to carry.
    fn steady_rate(&self) -> Result<(), BackendError> {
        self.wish(V4L2_CID_MPEG_VIDEO_FRAME_RC_ENABLE, 1)?;
        self.wish(
            V4L2_CID_MPEG_VIDEO_BITRATE_MODE,
            V4L2_MPEG_VIDEO_BITRATE_MODE_CBR.into(),
        )
    }

    /// Parameter sets in front of every key frame; what the device does not, `Units` does.
    fn headers(&self) -> Result<(), BackendError> {
        self.wish(
            V4L2_CID_MPEG_VIDEO_HEADER_MODE,
            V4L2_MPEG_VIDEO_HEADER_MODE_JOINED_WITH_1ST_FRAME.into(),
        )?;
        self.wish(V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER, 1)?;
        self.wish(V4L2_CID_MPEG_VIDEO_PREPEND_SPSPPS_TO_IDR, 1)
    }

    /// A picture that waits for a later one has waited a frame too long.
    fn no_reordering(&self) -> Result<(), BackendError> {
        match self.control(V4L2_CID_MPEG_VIDEO_B_FRAMES)? {
            Some(control) => self.number("B pictures", &control, 0),
            None => Ok(()),
        }
    }

    fn gop(&mut self, gop: u32) -> Result<(), BackendError> {
        let ids: &[u32] = match self.coding {
            // The first is from one IDR to the next, the second from one I picture to the next;
            // devices with the second alone make each an IDR.
            Coding::H264 => &[
                V4L2_CID_MPEG_VIDEO_GOP_SIZE,
                V4L2_CID_MPEG_VIDEO_H264_I_PERIOD,
            ],
            #[cfg(feature = "bench")]
            Coding::Fwht => &[V4L2_CID_MPEG_VIDEO_GOP_SIZE],
        };
        for id in ids {
            if let Some(control) = self.control(*id)? {
                self.number("encoder.gop", &control, gop.into())?;
                self.counts_gop = true;
            }
        }
        if !self.counts_gop && self.key.is_none() {
            let why = format!("encoder.gop = {gop}: it has no control for key frames");
            return Err(refused(&self.device, &why));
        }
        Ok(())
    }

    fn control(&self, id: u32) -> Result<Option<Control>, BackendError> {
        self.device.control(id).map_err(failed)
    }

    /// Sets a number that must be possible.
    fn required(&self, key: &str, id: u32, number: i64) -> Result<(), BackendError> {
        match self.control(id)? {
            Some(control) => self.number(key, &control, number),
            None => {
                let why = format!("{key} = {number}: it has no control for it");
                Err(refused(&self.device, &why))
            }
        }
    }

    fn number(&self, key: &str, control: &Control, number: i64) -> Result<(), BackendError> {
        in_range(control, number)
            .map_err(|why| refused(&self.device, &format!("{key} = {number}: {why}")))?;
        let value = self.device.set_value(control, &Value::Number(number));
        match value.map_err(failed)? {
            Value::Number(made) if made.abs_diff(number) < control.step.max(1) => Ok(()),
            made => Err(refused(
                &self.device,
                &format!("{key} = {number}: it makes {made:?} of it"),
            )),
        }
    }

    /// Sets the first of some entries that the menu has; nothing where there is no such menu.
    fn menu(&self, key: &str, value: &str, id: u32, wanted: &[i64]) -> Result<(), BackendError> {
        let Some(control) = self.control(id)? else {
            return Ok(());
        };
        let entries = self.device.menu(&control).map_err(failed)?;
        let there = |number: &&i64| entries.iter().any(|(entry, _)| entry == *number);
        let Some(number) = wanted.iter().find(there) else {
            let names: Vec<_> = entries.iter().map(|(_, name)| name.as_str()).collect();
            return Err(refused(
                &self.device,
                &format!("{key} = {value}: it has {}", names.join(", ")),
            ));
        };
        self.number(key, &control, *number)
    }

    /// Sets what is good to have. What the device lacks or refuses is done without.
    fn wish(&self, id: u32, number: i64) -> Result<(), BackendError> {
        let Some(control) = self.control(id)? else {
            return Ok(());
        };
        let possible = match control.kind {
            ControlType::Menu => self
                .device
                .menu(&control)
                .map_err(failed)?
                .iter()
                .any(|(entry, _)| *entry == number),
            _ => in_range(&control, number).is_ok(),
        };
        if !possible {
            tracing::debug!("{} does not have {number}", control.name);
            return Ok(());
        }
        match self.device.set_value(&control, &Value::Number(number)) {
            Err(e) if e.gone() => Err(failed(e)),
            Err(e) => {
                tracing::debug!("{} stays as it is: {e}", control.name);
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }
}

/// Whether a driver would take a number as it is; if not, what it takes.
fn in_range(control: &Control, number: i64) -> Result<(), String> {
    if control.flags & V4L2_CTRL_FLAG_READ_ONLY != 0 {
        return Err(format!("its {} cannot be set", control.name));
    }
    if (control.min..=control.max).contains(&number) {
        return Ok(());
    }
    Err(format!("it allows {} to {}", control.min, control.max))
}

/// Menu entries that serve a profile, best first. A stream without interlace, several slice groups
/// and B pictures, which nobody here asks for, is of the constrained profile anyway.
fn profiles(profile: H264Profile) -> &'static [i64] {
    const BASELINE: i64 = V4L2_MPEG_VIDEO_H264_PROFILE_BASELINE as i64;
    const CONSTRAINED: i64 = V4L2_MPEG_VIDEO_H264_PROFILE_CONSTRAINED_BASELINE as i64;
    const MAIN: i64 = V4L2_MPEG_VIDEO_H264_PROFILE_MAIN as i64;
    const HIGH: i64 = V4L2_MPEG_VIDEO_H264_PROFILE_HIGH as i64;
    const CONSTRAINED_HIGH: i64 = V4L2_MPEG_VIDEO_H264_PROFILE_CONSTRAINED_HIGH as i64;
    match profile {
        H264Profile::Baseline | H264Profile::ConstrainedBaseline => &[CONSTRAINED, BASELINE],
        H264Profile::Main => &[MAIN],
        H264Profile::ConstrainedHigh | H264Profile::High => &[CONSTRAINED_HIGH, HIGH],
    }
}

/// The menu's number of a level: both lists have all levels, lowest first.
fn menu_level(level: H264Level) -> i64 {
    let place = H264Level::all().position(|l| l == level).unwrap_or(0);
    i64::from(V4L2_MPEG_VIDEO_H264_LEVEL_1_0) + place as i64
}

/// Checks the first parameter sets against what was asked: `profile_idc`, constraints, level.
pub(super) fn check_made(
    device: &Device,
    params: &EncoderParams,
    made: [u8; 3],
) -> Result<(), BackendError> {
    let permanent = |e: crate::ParamError| BackendError::permanent(e.to_string());
    let asked = params.profile_level().map_err(permanent)?;
    let [idc, constraints, level] = made;
    if decodes(asked.profile, idc, constraints) && level_number(made) <= menu_level(asked.level) {
        return Ok(());
    }
    Err(refused(
        device,
        &format!(
            "encoder.profile and encoder.level ask for {}, it makes {idc:02x}{constraints:02x}{level:02x}",
            asked.to_hex()
        ),
    ))
}

/// Whether a decoder of `profile` decodes what an SPS says, by clause A.2.
fn decodes(profile: H264Profile, idc: u8, constraints: u8) -> bool {
    let set1 = constraints & 0x40 != 0;
    match profile {
        H264Profile::Baseline => idc == 66 || (idc == 77 && constraints & 0x80 != 0),
        H264Profile::ConstrainedBaseline => idc == 66 && set1,
        H264Profile::Main => idc == 77 || (idc == 66 && set1),
        H264Profile::ConstrainedHigh | H264Profile::High => {
            matches!(idc, 77 | 100) || (idc == 66 && set1)
        }
    }
}

/// The level in an SPS, counted like [`menu_level`]; past all for one that does not exist.
fn level_number([idc, constraints, level]: [u8; 3]) -> i64 {
    let level_1b = level == 11 && idc != 100 && constraints & 0x10 != 0;
    let level = if level_1b { 9 } else { level };
    H264Level::all()
        .find(|known| known.idc() == level)
        .map_or(i64::MAX, menu_level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_counted_as_the_kernel_counts() {
        let number = |name| menu_level(H264Level::from_name(name).unwrap());
        // Numbers of `enum v4l2_mpeg_video_h264_level`.
        let known = [("1", 0), ("1b", 1), ("2", 5), ("3.1", 9), ("5.2", 16)];
        for (name, expected) in known {
            assert_eq!(number(name), expected, "{name}");
        }
        assert_eq!(number("6.2"), i64::from(V4L2_MPEG_VIDEO_H264_LEVEL_6_2));
        assert_eq!(level_number([66, 0x10, 11]), 1);
        assert_eq!(level_number([100, 0x10, 11]), 2);
        assert_eq!(level_number([66, 0, 99]), i64::MAX);
    }

    #[test]
    fn what_the_device_makes_must_be_decodable_as_what_was_asked() {
        use H264Profile::*;
        assert!(decodes(Baseline, 66, 0) && decodes(ConstrainedBaseline, 66, 0xC0));
        assert!(!decodes(ConstrainedBaseline, 66, 0) && !decodes(ConstrainedBaseline, 77, 0));
        assert!(decodes(Main, 66, 0x40) && !decodes(Main, 66, 0) && !decodes(Main, 100, 0));
        assert!(decodes(High, 100, 0) && decodes(High, 77, 0) && !decodes(Baseline, 100, 0));
    }
}

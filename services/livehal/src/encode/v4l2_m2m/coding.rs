//! What of a codec the device's protocol does not tell.

use bytes::Bytes;

use crate::annexb::nal_units;
use crate::v4l2::Fourcc;

/// A codec that a device makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// H.264 with start codes.
    H264,
    /// The codec of the kernel's virtual device, vicodec: the same protocol, with no hardware.
    #[cfg(feature = "bench")]
    Fwht,
}

/// What became of the data of one buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// An access unit.
    Whole {
        /// Its bytes, with everything that decoding needs if it is a key frame.
        data: Bytes,
        /// Decoding can start here.
        key: bool,
    },
    /// Parameter sets by themselves, kept for the key frame after them.
    Headers,
}

impl Coding {
    pub(super) const fn fourcc(self) -> Fourcc {
        match self {
            Self::H264 => Fourcc::H264,
            #[cfg(feature = "bench")]
            Self::Fwht => Fourcc::FWHT,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            #[cfg(feature = "bench")]
            Self::Fwht => "fwht",
        }
    }
}

/// Makes access units of a device's buffers.
pub(super) struct Units {
    coding: Coding,
    /// The latest sequence parameter sets, with their start codes.
    sps: Vec<u8>,
    /// The latest picture parameter sets, with theirs.
    pps: Vec<u8>,
}

impl Units {
    pub(super) fn new(coding: Coding) -> Self {
        Self {
            coding,
            sps: Vec::new(),
            pps: Vec::new(),
        }
    }

    /// Takes the data of one buffer.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn take(&mut self, data: &[u8]) -> Result<Unit, String> {
        match self.coding {
            Coding::H264 => self.h264(data),
            #[cfg(feature = "bench")]
            Coding::Fwht => fwht(data),
        }
    }

    fn h264(&mut self, data: &[u8]) -> Result<Unit, String> {
        let (mut sps, mut pps) = (Vec::new(), Vec::new());
        let (mut idr, mut slices) = (false, false);
        for nal in nal_units(data) {
            match nal.first().map_or(0, |header| header & 0x1F) {
                1..=4 => slices = true,
                5 => (slices, idr) = (true, true),
                7 => sps.extend([&[0, 0, 0, 1], nal].concat()),
                8 => pps.extend([&[0, 0, 0, 1], nal].concat()),
                _ => {}
            }
        }
        let (has_sps, has_pps) = (!sps.is_empty(), !pps.is_empty());
        if has_sps {
            self.sps = sps;
        }
        if has_pps {
            self.pps = pps;
        }
        if !slices {
            return if has_sps || has_pps {
                Ok(Unit::Headers)
            } else {
                Err("gave data that is no H.264 access unit".into())
            };
        }
        if !idr || (has_sps && has_pps) {
            let data = Bytes::copy_from_slice(data);
            return Ok(Unit::Whole { data, key: idr });
        }
        if self.sps.is_empty() || self.pps.is_empty() {
            return Err("gave a key frame without parameter sets, and none before it".into());
        }
        Ok(Unit::Whole {
            data: [&self.sps, &self.pps, data].concat().into(),
            key: true,
        })
    }
}

/// A frame of vicodec: a header of 32-bit numbers in network order, of which the sixth is flags.
#[cfg(feature = "bench")]
fn fwht(data: &[u8]) -> Result<Unit, String> {
    /// `V4L2_FWHT_FL_I_FRAME`
    const I_FRAME: u32 = 1 << 10;
    let flags = data.get(20..24).and_then(|at| at.first_chunk());
    let flags = flags.ok_or("gave a frame shorter than its header")?;
    Ok(Unit::Whole {
        data: Bytes::copy_from_slice(data),
        key: u32::from_be_bytes(*flags) & I_FRAME != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPS: &[u8] = &[0, 0, 0, 1, 0x67, 0x42, 0xC0, 0x1F, 9];
    const PPS: &[u8] = &[0, 0, 0, 1, 0x68, 0xCE, 0x3C];
    const IDR: &[u8] = &[0, 0, 0, 1, 0x65, 0x88, 4];
    const P: &[u8] = &[0, 0, 0, 1, 0x41, 0x9A, 4];

    fn whole(units: &mut Units, data: &[&[u8]]) -> (Vec<u8>, bool) {
        match units.take(&data.concat()) {
            Ok(Unit::Whole { data, key }) => (data.to_vec(), key),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_key_frame_has_the_latest_parameter_sets() {
        let mut units = Units::new(Coding::H264);
        let first = whole(&mut units, &[SPS, PPS, IDR]);
        assert_eq!(first, ([SPS, PPS, IDR].concat(), true));
        assert_eq!(whole(&mut units, &[P]), (P.to_vec(), false));
        assert_eq!(whole(&mut units, &[IDR]), first);
        let other = [0, 0, 0, 1, 0x67, 0x42, 0xC0, 0x28, 9];
        whole(&mut units, &[&other, PPS, IDR]);
        let third = whole(&mut units, &[IDR]);
        assert_eq!(third.0, [&other, PPS, IDR].concat());
    }

    #[test]
    fn parameter_sets_in_buffers_of_their_own_are_kept() {
        let mut units = Units::new(Coding::H264);
        assert_eq!(units.take(SPS), Ok(Unit::Headers));
        assert_eq!(units.take(PPS), Ok(Unit::Headers));
        let unit = whole(&mut units, &[IDR]);
        assert_eq!(unit, ([SPS, PPS, IDR].concat(), true));
    }

    #[test]
    fn what_cannot_be_decoded_is_refused() {
        let mut units = Units::new(Coding::H264);
        assert!(units.take(IDR).unwrap_err().contains("parameter sets"));
        assert!(units.take(&[1, 2, 3]).is_err());
        assert!(units.take(&[]).is_err());
    }

    #[cfg(feature = "bench")]
    #[test]
    fn frames_of_vicodec_say_whether_they_are_key_frames() {
        let mut units = Units::new(Coding::Fwht);
        let mut data = [0; 60];
        let key = |data: &[u8], units: &mut Units| whole(units, &[data]).1;
        assert!(!key(&data, &mut units));
        data[22] = 4;
        assert!(key(&data, &mut units));
        assert!(units.take(&data[..20]).is_err());
    }
}

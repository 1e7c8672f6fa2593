//! One context's decoder: from an access unit and its controls to a picture.

use std::num::NonZeroU16;

use daedalus_proto::wire::{codec, decode};
use daedalus_proto::{Controls, Decode};
use livehal_ffmpeg::{Error, Frame, Library, UnitCodec, UnitDecoder};
use zerocopy::FromBytes;

use crate::h264::controls::{CID_PPS, CID_SCALING_MATRIX, CID_SPS, Pps, ScalingMatrix, Sps};
use crate::h264::{RebuildError, Rebuilder, Slices};

/// Which of FFmpeg's decoders is meant by a codec of the bridge.
pub fn unit_codec(number: u32) -> Option<UnitCodec> {
    match number {
        codec::VP9 => Some(UnitCodec::Vp9),
        codec::VP8 => Some(UnitCodec::Vp8),
        codec::H264 => Some(UnitCodec::H264),
        _ => None,
    }
}

/// The bridge's number of a codec.
pub fn codec_number(codec: UnitCodec) -> u32 {
    match codec {
        UnitCodec::Vp9 => codec::VP9,
        UnitCodec::Vp8 => codec::VP8,
        UnitCodec::H264 => codec::H264,
    }
}

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// One of [`decode`].
    pub status: u32,
    /// In words.
    pub reason: String,
}

impl Failure {
    pub(crate) fn new(status: u32, reason: impl ToString) -> Self {
        Self {
            status,
            reason: reason.to_string(),
        }
    }
}

/// A decoder and what it needs to be given.
#[derive(Debug)]
pub struct ContextDecoder {
    codec: UnitCodec,
    decoder: UnitDecoder,
    rebuilder: Rebuilder,
    /// What the last unit was decoded into; a second field goes there, too.
    last: Option<Frame>,
    /// What came before is not known: a picture that refers to it would be wrong.
    waits_for_key: bool,
}

impl ContextDecoder {
    /// Opens a decoder for one of [`codec`]. `resumed`: another one decoded the beginning.
    ///
    /// # Errors
    /// A [`Failure`] if the codec is not known or does not open.
    pub fn open(
        library: &Library,
        number: u32,
        threads: NonZeroU16,
        resumed: bool,
    ) -> Result<Self, Failure> {
        let codec = unit_codec(number).ok_or_else(|| {
            Failure::new(decode::ERR_CODEC, format_args!("codec {number} is unknown"))
        })?;
        let decoder = library
            .unit_decoder(codec, threads)
            .map_err(|e| Failure::new(decode::ERR_OPEN, e))?;
        Ok(Self {
            codec,
            decoder,
            rebuilder: Rebuilder::default(),
            last: None,
            waits_for_key: resumed,
        })
    }

    /// What it decodes, as the bridge numbers it.
    pub fn number(&self) -> u32 {
        codec_number(self.codec)
    }

    /// Forgets all pictures.
    pub fn reset(&mut self) {
        self.decoder.flush();
        self.rebuilder.forget();
        self.last = None;
        self.waits_for_key = false;
    }

    /// Decodes one access unit; none if it has no picture.
    ///
    /// # Errors
    /// A [`Failure`]; the next unit can be decoded all the same.
    pub fn decode(&mut self, job: &Decode) -> Result<Option<&Frame>, Failure> {
        if self.waits_for_key {
            if !is_key(self.codec, job.bitstream) {
                let reason = "waits for a picture that refers to none before";
                return Err(Failure::new(decode::ERR_RECV, reason));
            }
            self.waits_for_key = false;
        }
        let unit = if self.codec == UnitCodec::H264 && !is_whole(&job.controls) {
            Some(self.rebuild(job)?)
        } else {
            None
        };
        let unit = self
            .decoder
            .decode(unit.as_deref().unwrap_or(job.bitstream))
            .map_err(failure)?;
        match (unit.picture, self.codec) {
            (Some(picture), _) => self.last = Some(picture),
            // The second field of the last picture.
            (None, UnitCodec::H264) => {}
            // An earlier picture, shown.
            (None, _) => self.last = unit.shown.into_iter().next_back(),
        }
        Ok(self.last.as_ref())
    }

    fn rebuild(&mut self, job: &Decode) -> Result<Vec<u8>, Failure> {
        let missing = |name| Failure::new(decode::ERR_CODEC, format_args!("no {name}"));
        let sps: Sps = control(job.controls, CID_SPS).ok_or_else(|| missing("SPS"))?;
        let pps: Pps = control(job.controls, CID_PPS).ok_or_else(|| missing("PPS"))?;
        let scaling: Option<ScalingMatrix> = control(job.controls, CID_SCALING_MATRIX);
        self.rebuilder
            .unit(&sps, &pps, scaling.as_ref(), job.bitstream)
            .map_err(|e| match e {
                RebuildError::Parameters(e) => Failure::new(decode::ERR_CODEC, e),
                RebuildError::Slices(e) => Failure::new(decode::ERR_SEND, e),
            })
    }
}

/// Without controls the bitstream has everything: such jobs come from no V4L2 client.
fn is_whole(controls: &Controls) -> bool {
    controls.iter().next().is_none()
}

fn control<T: FromBytes>(controls: Controls, id: u32) -> Option<T> {
    T::read_from_bytes(controls.get(id)?).ok()
}

fn failure(error: Error) -> Failure {
    let status = match &error {
        Error::Call {
            call: "avcodec_send_packet",
            ..
        } => decode::ERR_SEND,
        Error::Frame { .. } => decode::ERR_CODEC,
        _ => decode::ERR_RECV,
    };
    Failure::new(status, error)
}

/// Whether a unit refers to no picture before it.
fn is_key(codec: UnitCodec, unit: &[u8]) -> bool {
    match codec {
        UnitCodec::H264 => Slices::read(unit).is_ok_and(|s| s.is_intra()),
        // RFC 6386, 9.1: the lowest bit is 0.
        UnitCodec::Vp8 => unit.first().is_some_and(|b| b & 1 == 0),
        UnitCodec::Vp9 => unit.first().is_some_and(|b| vp9_is_key(*b)),
    }
}

/// VP9 bitstream specification, 6.2: marker (2 bits), profile (2, and one more where it is 3),
/// show_existing_frame, frame_type.
fn vp9_is_key(first: u8) -> bool {
    let after_profile = if first & 0x30 == 0x30 {
        first << 1
    } else {
        first
    };
    first >> 6 == 2 && after_profile & 0x0c == 0
}

#[cfg(test)]
#[allow(clippy::unusual_byte_groupings, reason = "grouped by syntax element")]
mod tests {
    use super::*;

    #[test]
    fn key_frames_are_known_by_their_first_bits() {
        // Profiles 0 to 3: key frame, other frame, an earlier one shown.
        for (key, other, shown) in [
            (0b10_00_0_0_1_0, 0b10_00_0_1_1_0, 0b10_00_1_000),
            (0b10_10_0_0_1_0, 0b10_10_0_1_1_0, 0b10_10_1_000),
            (0b10_01_0_0_1_0, 0b10_01_0_1_1_0, 0b10_01_1_000),
            (0b10_11_0_0_0_1, 0b10_11_0_0_1_1, 0b10_11_0_1_00),
        ] {
            assert!(is_key(UnitCodec::Vp9, &[key]), "{key:#b}");
            assert!(!is_key(UnitCodec::Vp9, &[other]), "{other:#b}");
            assert!(!is_key(UnitCodec::Vp9, &[shown]), "{shown:#b}");
        }
        assert!(!is_key(UnitCodec::Vp9, &[0]));
        assert!(!is_key(UnitCodec::Vp9, &[]));
        assert!(is_key(UnitCodec::Vp8, &[0x10]));
        assert!(!is_key(UnitCodec::Vp8, &[0x11]));
    }
}

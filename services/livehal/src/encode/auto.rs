//! `encoder.backend = "auto"`: the first encoder that proves itself with the stream's first frame.
//!
//! A device node, or a library that loads, says little: drivers refuse sizes, lack firmware, or hang.
//! So each candidate in turn gets the first real frame, and the one that makes a key frame of it is
//! used. The frame is not lost: it is the first of the stream.

use std::sync::Arc;

use super::{Candidate, Encoded, EncoderBackend, EncoderChoice};
use crate::capture::{BackendError, RawFormat, RawFrame};
use crate::{EncoderParams, PipelineStats};

/// The name in the configuration.
pub(super) const NAME: &str = "auto";

/// An encoder that is chosen by its first frame.
pub(super) struct AutoEncoder {
    candidates: &'static [Candidate],
    params: EncoderParams,
    format: RawFormat,
    stats: Arc<PipelineStats>,
    chosen: Option<Chosen>,
}

struct Chosen {
    encoder: Box<dyn EncoderBackend>,
    choice: EncoderChoice,
}

impl AutoEncoder {
    /// Opens nothing yet. Candidates come in the order of preference.
    pub(super) fn new(
        candidates: &'static [Candidate],
        params: &EncoderParams,
        format: &RawFormat,
        stats: &Arc<PipelineStats>,
    ) -> Self {
        Self {
            candidates,
            params: params.clone(),
            format: *format,
            stats: Arc::clone(stats),
            chosen: None,
        }
    }

    /// Lets the candidates try, and keeps the first that can.
    fn choose(&mut self, frame: &RawFrame) -> Result<Encoded, BackendError> {
        let mut declined: Vec<String> = Vec::new();
        let mut permanent = true;
        for candidate in self.candidates {
            match self.prove(candidate, frame) {
                Ok((_, damaged @ Encoded::Damaged(_))) => return Ok(damaged),
                Ok((encoder, unit)) => {
                    declined.insert(0, "it coded the first frame".to_owned());
                    let reason = declined.join("; ");
                    let name = candidate.name;
                    tracing::info!("encoder.backend = auto: {name}: {reason}");
                    let choice = EncoderChoice { name, reason };
                    self.chosen = Some(Chosen { encoder, choice });
                    return Ok(unit);
                }
                Err(e) => {
                    permanent &= e.permanent;
                    declined.push(e.text);
                }
            }
        }
        let text = format!(
            "encoder.backend = auto: no encoder: {}",
            declined.join("; ")
        );
        Err(if permanent {
            BackendError::permanent(text)
        } else {
            BackendError::passing(text)
        })
    }

    /// Opens a candidate and lets it code the frame. A picture that cannot be read proves nothing.
    fn prove(
        &self,
        candidate: &Candidate,
        frame: &RawFrame,
    ) -> Result<(Box<dyn EncoderBackend>, Encoded), BackendError> {
        let mut encoder = (candidate.open)(&self.params, &self.format, &self.stats)?;
        match encoder.encode(frame, true)? {
            Encoded::Unit { data, key: true } if !data.is_empty() => {
                Ok((encoder, Encoded::Unit { data, key: true }))
            }
            damaged @ Encoded::Damaged(_) => Ok((encoder, damaged)),
            Encoded::Unit { .. } | Encoded::Skipped => Err(BackendError::passing(format!(
                "encoder.backend = {}: made no key frame of the first picture",
                candidate.name
            ))),
        }
    }
}

impl EncoderBackend for AutoEncoder {
    fn encode(&mut self, frame: &RawFrame, key: bool) -> Result<Encoded, BackendError> {
        match &mut self.chosen {
            Some(chosen) => chosen.encoder.encode(frame, key),
            None => self.choose(frame),
        }
    }

    fn set_bitrate(&mut self, bps: u32) -> Result<(), BackendError> {
        self.params.bitrate = bps;
        match &mut self.chosen {
            Some(chosen) => chosen.encoder.set_bitrate(bps),
            None => Ok(()),
        }
    }

    fn choice(&self) -> Option<EncoderChoice> {
        self.chosen.as_ref().map(|chosen| chosen.choice.clone())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::capture::{Color, testsrc};
    use crate::{PixelFormat, VideoCodec};

    /// What a candidate of the tests does with a frame.
    enum Fake {
        Works,
        Dies,
        MakesNoKey,
        SeesDamage,
    }

    impl EncoderBackend for Fake {
        fn encode(&mut self, _: &RawFrame, key: bool) -> Result<Encoded, BackendError> {
            match self {
                Self::Dies => return Err(BackendError::passing("dies: hangs")),
                Self::SeesDamage => return Ok(Encoded::Damaged("cut off".into())),
                Self::Works | Self::MakesNoKey => {}
            }
            Ok(Encoded::Unit {
                data: Bytes::from_static(b"unit"),
                key: key && matches!(self, Self::Works),
            })
        }

        fn set_bitrate(&mut self, _: u32) -> Result<(), BackendError> {
            Ok(())
        }
    }

    const ABSENT: Candidate = Candidate {
        name: "absent",
        open: |_, _, _| Err(BackendError::permanent("absent: no device")),
    };
    const DIES: Candidate = Candidate {
        name: "dies",
        open: |_, _, _| Ok(Box::new(Fake::Dies)),
    };
    const NO_KEY: Candidate = Candidate {
        name: "no-key",
        open: |_, _, _| Ok(Box::new(Fake::MakesNoKey)),
    };
    const SEES_DAMAGE: Candidate = Candidate {
        name: "sees-damage",
        open: |_, _, _| Ok(Box::new(Fake::SeesDamage)),
    };
    const WORKS: Candidate = Candidate {
        name: "works",
        open: |params, _, _| match params.bitrate {
            300_000 => Ok(Box::new(Fake::Works)),
            other => Err(BackendError::passing(format!("works: {other} bit/s"))),
        },
    };

    fn auto(candidates: &'static [Candidate]) -> (AutoEncoder, RawFrame) {
        let params = EncoderParams {
            backend: NAME.into(),
            codec: VideoCodec::H264,
            device: None,
            bitrate: 300_000,
            min_bitrate: None,
            max_bitrate: None,
            profile: "42e01f".into(),
            level: None,
            gop: 30,
        };
        let format = RawFormat {
            pixel: PixelFormat::Yuv420,
            width: 64,
            height: 64,
            fps: 30.0,
            color: Color::assumed(64),
            stride: 64,
        };
        let encoder = AutoEncoder::new(candidates, &params, &format, &Arc::default());
        (encoder, testsrc::frames(64, 64, 30).next().unwrap())
    }

    #[test]
    fn the_first_that_makes_a_key_frame_of_the_first_frame_is_used_and_says_why() {
        let (mut encoder, frame) = auto(&[ABSENT, DIES, NO_KEY, WORKS]);
        assert_eq!(encoder.choice(), None);
        // Not asked for, but the first frame of a stream.
        let first = encoder.encode(&frame, false).unwrap();
        assert!(matches!(first, Encoded::Unit { key: true, .. }));
        let choice = encoder.choice().unwrap();
        assert_eq!(choice.name, "works");
        assert_eq!(
            choice.reason,
            "it coded the first frame; absent: no device; dies: hangs; \
             encoder.backend = no-key: made no key frame of the first picture"
        );
        let second = encoder.encode(&frame, false).unwrap();
        assert!(matches!(second, Encoded::Unit { key: false, .. }));
    }

    #[test]
    fn a_picture_that_cannot_be_read_speaks_against_no_encoder() {
        let (mut encoder, frame) = auto(&[SEES_DAMAGE, WORKS]);
        let result = encoder.encode(&frame, true).unwrap();
        assert!(matches!(result, Encoded::Damaged(_)));
        assert_eq!(encoder.choice(), None);
    }

    #[test]
    fn a_bit_rate_set_before_the_choice_reaches_the_encoder() {
        let (mut encoder, frame) = auto(&[WORKS]);
        encoder.set_bitrate(200_000).unwrap();
        let error = encoder.encode(&frame, true).err().unwrap();
        assert!(error.text.contains("200000 bit/s"), "{}", error.text);
    }

    #[test]
    fn without_any_it_is_tried_again_unless_all_refuse_for_good() {
        let (mut encoder, frame) = auto(&[ABSENT, DIES]);
        let error = encoder.encode(&frame, true).err().unwrap();
        assert!(!error.permanent);
        assert!(
            error
                .text
                .contains("no encoder: absent: no device; dies: hangs")
        );
        let (mut encoder, frame) = auto(&[ABSENT]);
        assert!(encoder.encode(&frame, true).err().unwrap().permanent);
    }
}

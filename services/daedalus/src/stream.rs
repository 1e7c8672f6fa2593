//! Streams as files hold them: IVF, and H.264 as Annex B of its standard.

use livehal_ffmpeg::UnitCodec;
use memchr::memmem;

const START_CODE: &[u8] = &[0, 0, 1];

/// A coded stream, cut into access units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream<'a> {
    /// What it is coded by.
    pub codec: UnitCodec,
    /// Frames in the order of the file; of H.264 also single fields.
    pub units: Vec<&'a [u8]>,
}

/// Why something is no stream that can be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// Neither of the two.
    #[error("neither IVF nor H.264 with start codes")]
    Unknown,
    /// An IVF file of another codec.
    #[error("an IVF file of codec {0:?}; decoded are VP80, VP90 and H264")]
    Codec(String),
    /// An IVF file that ends within a frame, or in its header.
    #[error("frame {frame} is cut off")]
    CutOff {
        /// Which, from 0.
        frame: usize,
    },
}

impl<'a> Stream<'a> {
    /// Cuts up a whole file.
    ///
    /// # Errors
    /// See [`StreamError`].
    pub fn read(bytes: &'a [u8]) -> Result<Self, StreamError> {
        if let Some(rest) = bytes.strip_prefix(b"DKIF") {
            return Self::ivf(bytes, rest);
        }
        let starts = bytes.starts_with(START_CODE) || bytes.starts_with(&[0, 0, 0, 1]);
        let units = if starts { annex_b(bytes) } else { Vec::new() };
        if units.is_empty() {
            return Err(StreamError::Unknown);
        }
        Ok(Self {
            codec: UnitCodec::H264,
            units,
        })
    }

    /// All numbers in the file have their lowest byte first.
    fn ivf(bytes: &'a [u8], after_magic: &'a [u8]) -> Result<Self, StreamError> {
        let cut_off = StreamError::CutOff { frame: 0 };
        // Version, length of the header, codec.
        let (head, _) = after_magic
            .split_first_chunk::<8>()
            .ok_or(cut_off.clone())?;
        let [_, _, low, high, codec @ ..] = *head;
        let codec = match &codec {
            b"VP80" => UnitCodec::Vp8,
            b"VP90" => UnitCodec::Vp9,
            b"H264" => UnitCodec::H264,
            other => return Err(StreamError::Codec(other.escape_ascii().to_string())),
        };
        let header = usize::from(u16::from_le_bytes([low, high]));
        let mut rest = bytes.get(header..).ok_or(cut_off)?;
        let mut units = Vec::new();
        while !rest.is_empty() {
            let frame = units.len();
            let (unit, after) = ivf_frame(rest).ok_or(StreamError::CutOff { frame })?;
            units.push(unit);
            rest = after;
        }
        Ok(Self { codec, units })
    }
}

/// Size, time stamp, then the frame.
fn ivf_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (size, rest) = bytes.split_first_chunk::<4>()?;
    let (_time, rest) = rest.split_first_chunk::<8>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*size)).ok()?)
}

/// Cuts where a unit begins (ITU-T H.264, 7.4.1.2.3): at a slice that is its picture's first, or
/// at what may only stand before that.
fn annex_b(bytes: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    let mut unit_start = None;
    let mut has_slice = false;
    for start in memmem::find_iter(bytes, START_CODE) {
        let Some(header) = bytes.get(start + START_CODE.len()) else {
            break;
        };
        let kind = header & 0x1f;
        let is_slice = matches!(kind, 1..=5);
        // A number of 0 is a single bit, 1.
        let is_first = bytes
            .get(start + START_CODE.len() + 1)
            .is_some_and(|b| b & 0x80 != 0);
        let begins = matches!(kind, 6..=9 | 14..=18) || (is_slice && is_first);
        if has_slice && begins {
            units.extend(unit_start.and_then(|from| bytes.get(from..start)));
            (unit_start, has_slice) = (Some(start), false);
        }
        unit_start = unit_start.or(Some(start));
        has_slice |= is_slice;
    }
    if has_slice {
        units.extend(unit_start.and_then(|from| bytes.get(from..)));
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ivf(codec: &[u8; 4], frames: &[&[u8]]) -> Vec<u8> {
        let mut bytes = b"DKIF\0\0\x20\0".to_vec();
        bytes.extend_from_slice(codec);
        bytes.resize(32, 0);
        for frame in frames {
            bytes.extend_from_slice(&(frame.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&[0; 8]);
            bytes.extend_from_slice(frame);
        }
        bytes
    }

    #[test]
    fn an_ivf_file_has_the_frames_it_was_made_of() {
        let frames: [&[u8]; 3] = [b"one", b"", b"three"];
        let bytes = ivf(b"VP90", &frames);
        let stream = Stream::read(&bytes).unwrap();
        assert_eq!(stream.codec, UnitCodec::Vp9);
        assert_eq!(stream.units, frames);
    }

    #[test]
    fn a_cut_off_file_is_refused_and_the_frame_named() {
        let bytes = ivf(b"VP80", &[b"one", b"two"]);
        let second = 32 + 12 + 3;
        for end in 12..bytes.len() {
            let frame = if end <= second { 0 } else { 1 };
            match Stream::read(&bytes[..end]) {
                Ok(stream) => assert_eq!(
                    (end, stream.units.len()),
                    (
                        if end == 32 { 32 } else { second },
                        if end == 32 { 0 } else { 1 }
                    )
                ),
                Err(e) => assert_eq!(e, StreamError::CutOff { frame }, "{end}"),
            }
        }
    }

    #[test]
    fn what_is_not_decoded_is_named() {
        let error = Stream::read(&ivf(b"AV01", &[])).unwrap_err();
        assert_eq!(error, StreamError::Codec("AV01".into()));
        for bytes in [&b""[..], b"RIFF....", &[0, 0, 1], &[0, 0, 0, 1, 0x67, 1, 2]] {
            assert_eq!(Stream::read(bytes), Err(StreamError::Unknown));
        }
    }

    #[test]
    fn a_unit_begins_with_what_stands_before_its_first_slice() {
        let nal = |bytes: &[u8]| [&[0, 0, 0, 1], bytes].concat();
        let (sps, pps, sei) = (nal(&[0x67, 1]), nal(&[0x68, 1]), nal(&[6, 5]));
        let (first, second) = (nal(&[0x65, 0x88]), nal(&[0x65, 0x40]));
        let next = nal(&[0x41, 0x9a]);
        let stream = [&sps, &pps, &first, &second, &next, &sei, &next]
            .map(Vec::as_slice)
            .concat();
        let units = Stream::read(&stream).unwrap().units;
        let lengths: Vec<_> = units.iter().map(|u| u.len()).collect();
        // The zero byte before a start code goes with what is before.
        assert_eq!(lengths, [24, 6, 11]);
    }
}

//! What has to be known of slices: which parameter sets they ask for, and whether they refer to
//! other pictures (ITU-T H.264, 7.3.3 and annex B).

use memchr::memmem;

use super::bits::NalReader;

const START_CODE: &[u8] = &[0, 0, 1];

const NAL_SLICE: u8 = 1;
const NAL_PARTITION_A: u8 = 2;
const NAL_IDR: u8 = 5;

/// The slices of one picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slices {
    pps_ids: Vec<u8>,
    /// No slice refers to another picture.
    is_intra: bool,
}

/// Why a bitstream has no slices to be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SliceError {
    /// There are none.
    #[error("no slice in the bitstream")]
    None,
    /// A slice ends in its header, or that is not sound.
    #[error("a slice's header is damaged")]
    Header,
    /// Data partitions, of the Extended profile.
    #[error("data partitions are not decoded")]
    Partitions,
}

impl Slices {
    /// Reads the beginnings of all slices.
    ///
    /// # Errors
    /// See [`SliceError`].
    pub fn read(bitstream: &[u8]) -> Result<Self, SliceError> {
        let mut slices = Self {
            pps_ids: Vec::new(),
            is_intra: true,
        };
        for nal in nals(bitstream) {
            let Some((header, payload)) = nal.split_first() else {
                continue;
            };
            match header & 0x1f {
                NAL_SLICE | NAL_IDR => slices.add(payload)?,
                NAL_PARTITION_A => return Err(SliceError::Partitions),
                _ => {}
            }
        }
        if slices.pps_ids.is_empty() {
            return Err(SliceError::None);
        }
        Ok(slices)
    }

    fn add(&mut self, payload: &[u8]) -> Result<(), SliceError> {
        let mut reader = NalReader::new(payload);
        let mut next = || reader.ue().ok_or(SliceError::Header);
        let (_first_mb, kind, pps) = (next()?, next()?, next()?);
        let pps = u8::try_from(pps).map_err(|_| SliceError::Header)?;
        if kind > 9 {
            return Err(SliceError::Header);
        }
        // I and SI, of this slice or of all.
        self.is_intra &= matches!(kind % 5, 2 | 4);
        if !self.pps_ids.contains(&pps) {
            self.pps_ids.push(pps);
        }
        Ok(())
    }

    /// Numbers of the picture parameter sets, each once.
    pub fn pps_ids(&self) -> &[u8] {
        &self.pps_ids
    }

    /// Whether it can be decoded without any other picture.
    pub fn is_intra(&self) -> bool {
        self.is_intra
    }
}

/// NAL units between start codes; what is before the first is not one.
pub(crate) fn nals(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(bytes);
    std::iter::from_fn(move || {
        let from = rest?;
        let end = memmem::find(from, START_CODE);
        rest = end.and_then(|end| after_start_code(from.get(end..)?));
        from.get(..end.unwrap_or(from.len()))
    })
}

fn after_start_code(bytes: &[u8]) -> Option<&[u8]> {
    let at = memmem::find(bytes, START_CODE)?;
    bytes.get(at + START_CODE.len()..)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A slice with these three numbers at its beginning.
    fn slice(nal: u8, first: u32, kind: u32, pps: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut to = super::super::bits::NalWriter::begin(&mut bytes, nal);
        to.ue(first);
        to.ue(kind);
        to.ue(pps);
        to.u(32, 0x1234_5678);
        to.end();
        bytes
    }

    #[test]
    fn each_number_is_told_once() {
        let stream = [
            slice(0x65, 0, 7, 3),
            slice(0x65, 40, 2, 0),
            slice(0x65, 80, 7, 3),
        ]
        .concat();
        let slices = Slices::read(&stream).unwrap();
        assert_eq!(slices.pps_ids(), [3, 0]);
        assert!(slices.is_intra());
    }

    #[test]
    fn one_slice_that_refers_to_others_makes_the_picture_do_so() {
        let stream = [slice(0x41, 0, 7, 0), slice(0x41, 40, 5, 0)].concat();
        assert!(!Slices::read(&stream).unwrap().is_intra());
    }

    #[test]
    fn what_is_no_slice_is_refused() {
        assert_eq!(Slices::read(b""), Err(SliceError::None));
        assert_eq!(Slices::read(&[0x55; 64]), Err(SliceError::None));
        assert_eq!(Slices::read(&[0, 0, 1]), Err(SliceError::None));
        assert_eq!(Slices::read(&[0, 0, 1, 0x65]), Err(SliceError::Header));
        assert_eq!(
            Slices::read(&slice(0x62, 0, 7, 0)),
            Err(SliceError::Partitions)
        );
        assert_eq!(
            Slices::read(&slice(0x65, 0, 10, 0)),
            Err(SliceError::Header)
        );
        assert_eq!(
            Slices::read(&slice(0x65, 0, 7, 256)),
            Err(SliceError::Header)
        );
    }
}

//! H.264 in Annex B form: NAL units behind start codes.

/// The NAL units of an access unit in Annex B form, without start codes.
pub(crate) fn nal_units(unit: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(unit);
    std::iter::from_fn(move || {
        let present = rest?;
        let next = after_start_code(present);
        rest = next;
        let end = next.map_or(present.len(), |next| present.len() - next.len() - 3);
        let mut nal = present.get(..end)?;
        // A four-byte start code, or padding, leaves zeros at the end; a NAL unit never has any.
        while let [head @ .., 0] = nal {
            nal = head;
        }
        Some(nal)
    })
}

fn after_start_code(bytes: &[u8]) -> Option<&[u8]> {
    let at = bytes.windows(3).position(|three| three == [0, 0, 1])?;
    bytes.get(at + 3..)
}

/// The types of the NAL units of an access unit. Looks no further than it is asked.
#[cfg(encoder_rdk)]
pub(crate) fn kinds(unit: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = unit;
    std::iter::from_fn(move || {
        rest = after_start_code(rest)?;
        rest.first().map(|header| header & 0x1F)
    })
}

/// `profile_idc`, constraint flags and `level_idc` of the first sequence parameter set.
pub(crate) fn sps_of(unit: &[u8]) -> Option<[u8; 3]> {
    nal_units(unit).find_map(|nal| match nal {
        [header, profile, constraints, level, ..] if header & 0x1F == 7 => {
            Some([*profile, *constraints, *level])
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nal_units_are_split_at_start_codes_of_either_length() {
        let unit = [
            0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 4, 0, 0, 3, 0,
        ];
        let units: Vec<&[u8]> = nal_units(&unit).collect();
        assert_eq!(units, [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 4, 0, 0, 3]]);
        assert_eq!(nal_units(&[]).count(), 0);
        assert_eq!(nal_units(&[0x67, 1, 2]).count(), 0);
    }

    #[test]
    fn profile_and_level_are_read_from_the_first_sequence_parameter_set() {
        let unit = [0, 0, 0, 1, 0x09, 0x10, 0, 0, 1, 0x67, 0x42, 0xC0, 0x1F, 9];
        assert_eq!(sps_of(&unit), Some([0x42, 0xC0, 0x1F]));
        assert_eq!(sps_of(&unit[..9]), None);
        assert_eq!(sps_of(&unit[..12]), None);
    }

    #[cfg(encoder_rdk)]
    #[test]
    fn types_are_told_in_their_order() {
        let unit = [
            0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 0, 0, 1, 0x65, 4, 0, 0, 1,
        ];
        assert_eq!(kinds(&unit).collect::<Vec<_>>(), [7, 8, 5]);
        assert_eq!(kinds(&[]).count(), 0);
    }

    /// Whatever the bytes, units come out in order and hold no start code.
    #[test]
    fn any_bytes_are_split_without_harm() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..random.usize(..48)).map(|_| random.u8(..) % 3).collect();
            let mut rest = &bytes[..];
            for unit in nal_units(&bytes) {
                assert!(unit.windows(3).all(|three| three != [0, 0, 1]));
                let start = rest
                    .windows(3)
                    .position(|three| three == [0, 0, 1])
                    .unwrap()
                    + 3;
                assert!(rest[start..].starts_with(unit), "{bytes:?}");
                rest = &rest[start + unit.len()..];
            }
            sps_of(&bytes);
        }
    }
}

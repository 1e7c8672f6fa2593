//! H.264 parameters in SDP (RFC 6184 section 8.1).

/// `profile-level-id`: `profile_idc`, `profile-iop` and `level_idc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProfileLevelId(pub [u8; 3]);

/// The profiles that WebRTC tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Profile {
    ConstrainedBaseline,
    Baseline,
    Main,
    ConstrainedHigh,
    High,
    Other,
}

impl ProfileLevelId {
    /// Constrained baseline, level 3.1.
    pub const CONSTRAINED_BASELINE: Self = Self([0x42, 0xe0, 0x1f]);

    /// Six hexadecimal digits.
    pub fn parse(hex: &str) -> Option<Self> {
        if hex.len() != 6 || !hex.is_ascii() {
            return None;
        }
        let byte = |i: usize| {
            hex.get(i..i + 2)
                .and_then(|b| u8::from_str_radix(b, 16).ok())
        };
        Some(Self([byte(0)?, byte(2)?, byte(4)?]))
    }

    /// From format parameters; absent means baseline level 1 (RFC 6184 section 8.1).
    pub fn from_fmtp(fmtp: &str) -> Self {
        parameter(fmtp, "profile-level-id")
            .and_then(Self::parse)
            .unwrap_or(Self([0x42, 0x00, 0x0a]))
    }

    /// The three bytes behind the header of a sequence parameter set.
    pub fn from_sps(sps: &[u8]) -> Option<Self> {
        Some(Self([*sps.get(1)?, *sps.get(2)?, *sps.get(3)?]))
    }

    fn profile(self) -> Profile {
        let [idc, iop, _] = self.0;
        match (idc, iop) {
            (0x42, iop) if iop & 0x40 != 0 => Profile::ConstrainedBaseline,
            (0x42, _) => Profile::Baseline,
            (0x4d, iop) if iop & 0x80 != 0 => Profile::ConstrainedBaseline,
            (0x4d, _) => Profile::Main,
            (0x64, iop) if iop & 0x0c == 0x0c => Profile::ConstrainedHigh,
            (0x64, _) => Profile::High,
            _ => Profile::Other,
        }
    }

    /// How well a decoder of `self` fits a stream of `stream`: 0 is best, `None` cannot decode it.
    pub fn preference_for(self, stream: Self) -> Option<u8> {
        use Profile::{Baseline, ConstrainedBaseline, ConstrainedHigh, High, Main, Other};
        let (decoder, stream) = (self.profile(), stream.profile());
        if decoder == stream && stream != Other {
            return Some(0);
        }
        match (stream, decoder) {
            (_, Other) | (Other, _) => None,
            // No encoder in the field uses the tools that set baseline apart from its
            // constrained form (FMO, ASO, redundant slices).
            (ConstrainedBaseline, Baseline) | (Baseline, ConstrainedBaseline) => Some(1),
            (ConstrainedBaseline | Baseline, _) => Some(2),
            (Main | ConstrainedHigh, High) => Some(1),
            _ => None,
        }
    }
}

/// `packetization-mode`, 0 where absent.
pub(crate) fn packetization_mode(fmtp: &str) -> u8 {
    parameter(fmtp, "packetization-mode")
        .and_then(|v| v.parse().ok())
        .unwrap_or(0)
}

fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';').find_map(|p| {
        let (key, value) = p.trim().split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(hex: &str) -> ProfileLevelId {
        ProfileLevelId::parse(hex).unwrap()
    }

    #[test]
    fn a_stream_goes_to_the_nearest_profile_that_decodes_it() {
        let cbp = id("42e01f");
        assert_eq!(id("42e01f").preference_for(cbp), Some(0));
        assert_eq!(id("42001f").preference_for(cbp), Some(1));
        assert_eq!(id("4d001f").preference_for(cbp), Some(2));
        assert_eq!(id("64001f").preference_for(id("4d001f")), Some(1));
        assert_eq!(
            id("42e01f").preference_for(id("64001f")),
            None,
            "high needs high"
        );
        assert_eq!(
            id("f4001f").preference_for(cbp),
            None,
            "4:4:4 only is not taken"
        );
    }

    #[test]
    fn parameters_are_found_whatever_their_spacing_and_case() {
        let f = "level-asymmetry-allowed=1; Packetization-Mode=1;profile-level-id=64001F";
        assert_eq!(packetization_mode(f), 1);
        assert_eq!(ProfileLevelId::from_fmtp(f), id("64001f"));
        assert_eq!(ProfileLevelId::from_fmtp("").0, [0x42, 0, 0x0a]);
        assert_eq!(ProfileLevelId::parse("42é01"), None);
        assert_eq!(ProfileLevelId::parse("42001"), None);
    }
}

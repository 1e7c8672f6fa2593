//! H.264 profiles and levels (ITU-T H.264 Annex A, RFC 6184 section 8.1).

use std::fmt;

/// What a stream of H.264 may use and how much it may ask of a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProfileLevel {
    /// The coding tools.
    pub profile: H264Profile,
    /// The limits.
    pub level: H264Level,
}

/// A profile: the coding tools that a stream may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum H264Profile {
    /// Baseline. Encoders here serve it with Constrained Baseline, which is part of it.
    Baseline,
    /// Constrained Baseline: what every WebRTC peer decodes.
    ConstrainedBaseline,
    /// Main.
    Main,
    /// Constrained High: High without interlace and B pictures.
    ConstrainedHigh,
    /// High.
    High,
}

impl H264Profile {
    /// The names accepted in the configuration.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("baseline", Self::Baseline),
        ("constrained-baseline", Self::ConstrainedBaseline),
        ("main", Self::Main),
        ("constrained-high", Self::ConstrainedHigh),
        ("high", Self::High),
    ];

    /// The profile of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES
            .into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, profile)| profile)
    }

    /// `profile_idc` and the constraint flags, as the first two bytes of a profile-level-id.
    const fn bytes(self) -> (u8, u8) {
        match self {
            Self::Baseline => (0x42, 0x00),
            Self::ConstrainedBaseline => (0x42, 0xE0),
            Self::Main => (0x4D, 0x00),
            Self::ConstrainedHigh => (0x64, 0x0C),
            Self::High => (0x64, 0x00),
        }
    }

    /// What the first two bytes of a profile-level-id (table 5 of RFC 6184) mean.
    const fn from_bytes(idc: u8, iop: u8) -> Option<Self> {
        // constraint_set3_flag says level 1b, or nothing, in all but High.
        match (idc, iop & 0b1110_1111) {
            (0x42, flags) if flags & 0b0100_1111 == 0b0100_0000 => Some(Self::ConstrainedBaseline),
            (0x42, flags) if flags & 0b0100_1111 == 0 => Some(Self::Baseline),
            (0x4D, flags) if flags & 0b1000_1111 == 0b1000_0000 => Some(Self::ConstrainedBaseline),
            (0x4D, flags) if flags & 0b1010_0011 == 0 => Some(Self::Main),
            (0x64, 0x0C) if iop == 0x0C => Some(Self::ConstrainedHigh),
            (0x64, 0x00) if iop == 0x00 => Some(Self::High),
            _ => None,
        }
    }
}

/// A level: limits of size, rate and bit rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct H264Level(usize);

/// Limits of one level, from table A-1.
struct Limits {
    name: &'static str,
    /// `level_idc`.
    idc: u8,
    /// Macroblocks a second.
    rate: u32,
    /// Macroblocks a frame.
    size: u32,
    /// Kilobits a second, for Baseline and Main.
    kbps: u32,
}

const fn limits(name: &'static str, idc: u8, rate: u32, size: u32, kbps: u32) -> Limits {
    Limits {
        name,
        idc,
        rate,
        size,
        kbps,
    }
}

/// Table A-1, lowest first.
static LEVELS: [Limits; 20] = [
    limits("1", 10, 1_485, 99, 64),
    limits("1b", 9, 1_485, 99, 128),
    limits("1.1", 11, 3_000, 396, 192),
    limits("1.2", 12, 6_000, 396, 384),
    limits("1.3", 13, 11_880, 396, 768),
    limits("2", 20, 11_880, 396, 2_000),
    limits("2.1", 21, 19_800, 792, 4_000),
    limits("2.2", 22, 20_250, 1_620, 4_000),
    limits("3", 30, 40_500, 1_620, 10_000),
    limits("3.1", 31, 108_000, 3_600, 14_000),
    limits("3.2", 32, 216_000, 5_120, 20_000),
    limits("4", 40, 245_760, 8_192, 20_000),
    limits("4.1", 41, 245_760, 8_192, 50_000),
    limits("4.2", 42, 522_240, 8_704, 50_000),
    limits("5", 50, 589_824, 22_080, 135_000),
    limits("5.1", 51, 983_040, 36_864, 240_000),
    limits("5.2", 52, 2_073_600, 36_864, 240_000),
    limits("6", 60, 4_177_920, 139_264, 240_000),
    limits("6.1", 61, 8_355_840, 139_264, 480_000),
    limits("6.2", 62, 16_711_680, 139_264, 800_000),
];

impl H264Level {
    /// The level of this name, such as `3.1`; `3.0` is `3`.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.strip_suffix(".0").unwrap_or(name);
        Self::all().find(|level| level.name() == name)
    }

    /// The level of this `level_idc`; 11 with `constraint_set3_flag` is 1b.
    fn from_idc(idc: u8, set3: bool) -> Option<Self> {
        let idc = if idc == 11 && set3 { 9 } else { idc };
        Self::all().find(|level| level.limits().idc == idc)
    }

    /// Every level, lowest first.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..LEVELS.len()).map(Self)
    }

    /// Its name, such as `3.1`.
    pub fn name(self) -> &'static str {
        self.limits().name
    }

    /// Its `level_idc`; 9 for 1b.
    pub fn idc(self) -> u8 {
        self.limits().idc
    }

    /// The highest bit rate in bit/s that it allows.
    pub fn max_bitrate(self, profile: H264Profile) -> u32 {
        let unit = match profile {
            // The standard allows 1250 for the picture data alone and 1500 with what wraps it.
            H264Profile::High | H264Profile::ConstrainedHigh => 1_200,
            _ => 1_000,
        };
        self.limits().kbps * unit
    }

    /// Whether it allows pictures of `width` × `height` at `fps`; if not, why.
    ///
    /// # Errors
    /// The limit that is exceeded, in words.
    pub fn check_picture(self, width: u32, height: u32, fps: f64) -> Result<(), String> {
        let limits = self.limits();
        let (columns, rows) = (width.div_ceil(16), height.div_ceil(16));
        let size = u64::from(columns) * u64::from(rows);
        let longest = u64::from(columns.max(rows));
        let name = limits.name;
        if size > u64::from(limits.size) {
            return Err(format!(
                "{width}x{height} is {size} macroblocks, level {name} allows {}",
                limits.size
            ));
        }
        if longest * longest > 8 * u64::from(limits.size) {
            return Err(format!(
                "{width}x{height} is too long a picture for level {name}"
            ));
        }
        let rate = size as f64 * fps;
        // A nominal rate of 29.97 computed in floating point may lie a hair above the limit.
        if rate > f64::from(limits.rate) + 0.5 {
            return Err(format!(
                "{width}x{height} at {fps} fps is {rate:.0} macroblocks a second, level {name} allows {}",
                limits.rate
            ));
        }
        Ok(())
    }

    /// The lowest level that allows these pictures at this bit rate.
    pub fn lowest(
        profile: H264Profile,
        (width, height): (u32, u32),
        fps: f64,
        bitrate: u32,
    ) -> Option<Self> {
        Self::all().find(|level| {
            bitrate <= level.max_bitrate(profile) && level.check_picture(width, height, fps).is_ok()
        })
    }

    fn limits(self) -> &'static Limits {
        // The index is made in this file only, from the table itself.
        &LEVELS[self.0]
    }
}

impl fmt::Display for H264Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ProfileLevel {
    /// Reads a profile-level-id: six hexadecimal digits.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn from_hex(hex: &str) -> Result<Self, String> {
        let digits = hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit());
        let Some(value) = digits.then(|| u32::from_str_radix(hex, 16).ok()).flatten() else {
            return Err("not six hexadecimal digits".into());
        };
        let [_, idc, iop, level] = value.to_be_bytes();
        let profile = H264Profile::from_bytes(idc, iop).ok_or_else(|| {
            format!(
                "profile {idc:02x}{iop:02x} is not one of 4200 (baseline), 42e0 (constrained \
                 baseline), 4d00 (main), 640c (constrained high), 6400 (high)"
            )
        })?;
        let set3 = idc != 0x64 && iop & 0x10 != 0;
        let level = H264Level::from_idc(level, set3)
            .ok_or_else(|| format!("{level:02x} is not the number of a level"))?;
        Ok(Self { profile, level })
    }

    /// The profile-level-id for session descriptions, such as `42e01f`.
    pub fn to_hex(self) -> String {
        let (idc, mut iop) = self.profile.bytes();
        let mut level = self.level.idc();
        if level == 9 && idc != 0x64 {
            (iop, level) = (iop | 0x10, 11);
        }
        format!("{idc:02x}{iop:02x}{level:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(name: &str) -> H264Level {
        H264Level::from_name(name).unwrap()
    }

    #[test]
    fn every_profile_and_level_survives_its_profile_level_id() {
        for (_, profile) in H264Profile::NAMES {
            for level in H264Level::all() {
                let both = ProfileLevel { profile, level };
                assert_eq!(ProfileLevel::from_hex(&both.to_hex()), Ok(both));
            }
        }
    }

    #[test]
    fn profile_level_ids_mean_what_rfc_6184_says() {
        let parse = |hex| ProfileLevel::from_hex(hex).map(|p| (p.profile, p.level.name()));
        use H264Profile::*;
        assert_eq!(parse("42001f"), Ok((Baseline, "3.1")));
        assert_eq!(parse("42e01f"), Ok((ConstrainedBaseline, "3.1")));
        assert_eq!(parse("42C01F"), Ok((ConstrainedBaseline, "3.1")));
        assert_eq!(parse("4d801f"), Ok((ConstrainedBaseline, "3.1")));
        assert_eq!(parse("42e00b"), Ok((ConstrainedBaseline, "1.1")));
        assert_eq!(parse("42f00b"), Ok((ConstrainedBaseline, "1b")));
        assert_eq!(parse("4d0028"), Ok((Main, "4")));
        assert_eq!(parse("640c34"), Ok((ConstrainedHigh, "5.2")));
        assert_eq!(parse("640009"), Ok((High, "1b")));
        for bad in [
            "", "42001", "42001g", "42001f0", "+2001f", "58001f", "42e1ff", "42e0ff", "64101f",
        ] {
            assert!(parse(bad).is_err(), "{bad} is accepted");
        }
    }

    #[test]
    fn a_level_bounds_size_shape_rate_and_bit_rate() {
        assert!(level("3.1").check_picture(1280, 720, 30.0).is_ok());
        assert!(level("3.1").check_picture(720, 1280, 30.0).is_ok());
        assert!(level("3.1").check_picture(1280, 720, 31.0).is_err());
        assert!(level("3").check_picture(1280, 720, 1.0).is_err());
        assert!(level("3.1").check_picture(2720, 16, 1.0).is_err());
        assert!(level("3.1").check_picture(2704, 16, 1.0).is_ok());
        assert_eq!(level("3.1").max_bitrate(H264Profile::Main), 14_000_000);
    }

    #[test]
    fn the_lowest_level_is_found() {
        let lowest = |size, fps, bps| {
            H264Level::lowest(H264Profile::Main, size, fps, bps).map(H264Level::name)
        };
        assert_eq!(lowest((640, 480), 30.0, 1_000_000), Some("3"));
        assert_eq!(lowest((1280, 720), 30.0, 1_000_000), Some("3.1"));
        assert_eq!(lowest((1280, 720), 30.0, 14_000_001), Some("3.2"));
        assert_eq!(lowest((1920, 1080), 30.0, 1_000_000), Some("4"));
        assert_eq!(lowest((16_384, 16_384), 30.0, 1_000_000), None);
    }

    #[test]
    fn a_level_name_may_end_in_point_zero() {
        assert_eq!(level("4.0"), level("4"));
        assert_eq!(H264Level::from_name("4.00"), None);
        assert_eq!(H264Level::from_name(""), None);
    }
}

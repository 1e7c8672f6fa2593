//! The releases of FFmpeg this crate knows.

use std::fmt;

use crate::sys::{self, Layout};

/// A library's version as FFmpeg packs it: major, minor, micro.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Changes with the binary interface.
    pub major: u32,
    /// Changes with additions to it.
    pub minor: u32,
    /// Changes with fixes; 100 and up in FFmpeg.
    pub micro: u32,
}

impl Version {
    /// Unpacks what `avcodec_version()` and its like return.
    pub(crate) const fn unpack(packed: u32) -> Self {
        Self {
            major: packed >> 16,
            minor: packed >> 8 & 0xff,
            micro: packed & 0xff,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

/// What was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// FFmpeg's own major version: 5, 7, 8 or 9.
    pub ffmpeg: u32,
    /// libavutil.
    pub avutil: Version,
    /// libavcodec.
    pub avcodec: Version,
    /// libavformat.
    pub avformat: Version,
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "FFmpeg {} (libavutil {}, libavcodec {}, libavformat {})",
            self.ffmpeg, self.avutil, self.avcodec, self.avformat
        )
    }
}

/// One release: majors that belong together, and their layout.
pub(crate) struct Release {
    pub(crate) ffmpeg: u32,
    pub(crate) avutil: u32,
    pub(crate) avcodec: u32,
    pub(crate) avformat: u32,
    pub(crate) layout: &'static Layout,
}

/// Every release supported, newest first. FFmpeg 6 (libavcodec 60) is in none of the systems the
/// project runs on.
pub(crate) static SUPPORTED: [Release; 4] = [
    release(9, 61, 63, &sys::V63),
    release(8, 60, 62, &sys::V62),
    release(7, 59, 61, &sys::V61),
    release(5, 57, 59, &sys::V59),
];

/// libavformat has had libavcodec's major in every one of them.
const fn release(ffmpeg: u32, avutil: u32, avcodec: u32, layout: &'static Layout) -> Release {
    Release {
        ffmpeg,
        avutil,
        avcodec,
        avformat: avcodec,
        layout,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_unpack_as_ffmpeg_packs_them() {
        let v = Version::unpack(59 << 16 | 37 << 8 | 100);
        assert_eq!(v.to_string(), "59.37.100");
        assert!(v < Version::unpack(61 << 16));
    }
}

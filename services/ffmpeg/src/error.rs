//! Errors.

use std::fmt;
use std::path::PathBuf;

use crate::Version;
use crate::release::SUPPORTED;

/// Result of this crate's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No usable release of FFmpeg on this machine.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A file cannot be opened or is no media file.
    #[error("{}: {reason}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// FFmpeg's words.
        reason: String,
    },
    /// A file has no picture.
    #[error("{}: no video stream", path.display())]
    NoVideo {
        /// The file.
        path: PathBuf,
    },
    /// The loaded FFmpeg was built without this decoder.
    #[error("{versions} has no decoder for {codec}")]
    NoDecoder {
        /// The codec by FFmpeg's name.
        codec: String,
        /// What was loaded.
        versions: String,
    },
    /// A call failed.
    #[error("{call}: {reason}")]
    Call {
        /// The function of FFmpeg's.
        call: &'static str,
        /// FFmpeg's words.
        reason: String,
    },
    /// The decoder gave a picture that is not in memory in rows from top to bottom.
    #[error("a frame of {width}x{height} {format} is not laid out in rows from top to bottom")]
    Frame {
        /// Width in pixels.
        width: i64,
        /// Height in pixels.
        height: i64,
        /// Pixel format by FFmpeg's name.
        format: String,
    },
}

/// Why no release of FFmpeg could be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// Where was looked.
    pub searched: String,
    /// What was found there and is of no use; empty if there was nothing.
    pub problems: Vec<Problem>,
}

/// A library that is there and of no use, or missing beside its fellows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Others of its release are there, this one is not, or it does not load.
    #[error("{library} does not load: {reason}")]
    Missing {
        /// File name of the library.
        library: String,
        /// The dynamic linker's words.
        reason: String,
    },
    /// The library is of another version than its file name says.
    #[error("{library} says it is version {found}, not {expected}")]
    Version {
        /// File name of the library.
        library: String,
        /// What it says.
        found: Version,
        /// The major version its name says.
        expected: u32,
    },
    /// A release that is not supported.
    #[error("{library} is version {found}, which is not supported")]
    Unsupported {
        /// File name of the library.
        library: String,
        /// What it says.
        found: Version,
    },
    /// A function is missing.
    #[error("{library} is not complete: {reason}")]
    Incomplete {
        /// File name of the library.
        library: String,
        /// The dynamic linker's words.
        reason: String,
    },
}

impl std::error::Error for LoadError {}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no FFmpeg to be used in {}: ", self.searched)?;
        if self.problems.is_empty() {
            write!(f, "libavutil, libavcodec and libavformat not found")?;
        }
        for (i, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{problem}", if i == 0 { "" } else { ", " })?;
        }
        write!(f, "; supported are ")?;
        for (i, r) in SUPPORTED.iter().rev().enumerate() {
            write!(
                f,
                "{}FFmpeg {} (libavcodec {} and libavformat {} with libavutil {})",
                if i == 0 { "" } else { ", " },
                r.ffmpeg,
                r.avcodec,
                r.avformat,
                r.avutil
            )?;
        }
        write!(
            f,
            ": install one of them (Debian 12: libavformat59, Debian 13: libavformat61)"
        )
    }
}

//! Files, decoded without the kernel.

use std::fmt;
use std::io::{self, Write};
use std::num::NonZeroU16;

use livehal_ffmpeg::{Frame, Library};

use crate::digest;
use crate::stream::{Stream, StreamError};

/// Why a file was not decoded to its end.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// It is none that can be.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// A unit of it is damaged.
    #[error("unit {unit} of {units}: {error}")]
    Unit {
        /// Which, from 0.
        unit: usize,
        /// How many there are.
        units: usize,
        /// FFmpeg's words.
        error: livehal_ffmpeg::Error,
    },
    /// Decoder trouble that is no unit's.
    #[error(transparent)]
    Decoder(#[from] livehal_ffmpeg::Error),
    /// Nobody reads what is written.
    #[error("output: {0}")]
    Output(#[from] io::Error),
}

/// One line for each picture.
struct Line<'a> {
    number: usize,
    frame: &'a Frame,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, frame } = self;
        write!(
            f,
            "{number} {}x{} {} fnv1a={:08x} md5={}",
            frame.width(),
            frame.height(),
            frame.pixel_format(),
            digest::fnv1a(frame),
            digest::md5(frame)
        )
    }
}

/// Decodes a file and writes one line for each picture, in order of presentation: its number from
/// 0, size, pixel format, FNV-1a and MD5. Gives the number of pictures.
///
/// # Errors
/// See [`OfflineError`]; what was decoded before is written.
pub fn decode(
    library: &Library,
    threads: NonZeroU16,
    bytes: &[u8],
    out: &mut impl Write,
) -> Result<usize, OfflineError> {
    let stream = Stream::read(bytes)?;
    let mut decoder = library.unit_decoder(stream.codec, threads)?;
    let units = stream.units.len();
    let mut number = 0;
    let mut print = |frames: Vec<Frame>| -> io::Result<()> {
        for frame in &frames {
            writeln!(out, "{}", Line { number, frame })?;
            number += 1;
        }
        Ok(())
    };
    for (unit, bytes) in stream.units.into_iter().enumerate() {
        // A frame of no bytes in IVF stands for the one before, again.
        if bytes.is_empty() {
            continue;
        }
        let decoded =
            decoder
                .decode(bytes)
                .map_err(|error| OfflineError::Unit { unit, units, error })?;
        print(decoded.shown)?;
    }
    print(decoder.finish()?)?;
    out.flush()?;
    Ok(number)
}

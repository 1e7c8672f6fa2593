//! Files, decoded without the kernel.

use std::fmt;
use std::io::{self, Write};
use std::num::NonZeroU16;

use livehal_ffmpeg::{Frame, Library, UnitDecoder};

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
    /// A picture of it was damaged, and made up.
    #[error("picture {0} is not whole")]
    Picture(usize),
    /// Pictures that were decoded were never shown.
    #[error("{decoded} pictures were decoded, and {shown} are to be shown")]
    Lost {
        /// Pictures decoded.
        decoded: usize,
        /// Those to be shown.
        shown: usize,
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
/// 0, size, pixel format, FNV-1a and MD5. ///
/// # Errors
/// See [`OfflineError`]; what was decoded before is written.
pub fn print(
    library: &Library,
    threads: NonZeroU16,
    bytes: &[u8],
    out: &mut impl Write,
) -> Result<(), OfflineError> {
    let stream = Stream::read(bytes)?;
    let decoder = library.unit_decoder(stream.codec, threads)?;
    decode(decoder, &stream.units, |number, frame| {
        writeln!(out, "{}", Line { number, frame })?;
        Ok(())
    })?;
    out.flush()?;
    Ok(())
}

/// Pictures of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Decoded, shown or not.
    pub decoded: usize,
    /// To be shown.
    pub shown: usize,
}

/// Decodes a stream's units and gives `each` picture away with its number from 0, in order of presentation.
/// Gives how many there are.
///
/// # Errors
/// See [`OfflineError`], and what `each` ends it with.
pub fn decode(
    mut decoder: UnitDecoder,
    units: &[&[u8]],
    mut each: impl FnMut(usize, &Frame) -> Result<(), OfflineError>,
) -> Result<Count, OfflineError> {
    let count = units.len();
    let (mut number, mut pictures) = (0, 0);
    let mut show = |frames: Vec<Frame>| -> Result<(), OfflineError> {
        for frame in &frames {
            each(number, frame)?;
            number += 1;
        }
        Ok(())
    };
    for (unit, bytes) in units.iter().enumerate() {
        // A frame of no bytes in IVF stands for the one before, again.
        if bytes.is_empty() {
            continue;
        }
        let decoded = decoder.decode(bytes).map_err(|error| OfflineError::Unit {
            unit,
            units: count,
            error,
        })?;
        pictures += usize::from(decoded.picture.is_some());
        show(decoded.shown)?;
    }
    show(decoder.finish()?)?;
    Ok(Count {
        decoded: pictures,
        shown: number,
    })
}

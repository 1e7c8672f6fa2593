//! YUV4MPEG2: a text header, then for each picture a line and the samples as they are.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{Footage, Shot};
use crate::PixelFormat;
use crate::capture::I420;
use crate::capture::{BackendError, Color, Pool, RawFormat};

/// How every file begins.
pub(super) const MAGIC: &[u8] = b"YUV4MPEG2 ";

/// Longest line accepted.
const LINE_LIMIT: u64 = 4096;

/// One being read, one waiting, one being coded, one becoming a snapshot, one to spare.
const BUFFERS: usize = 5;

/// A file being read.
pub(super) struct Y4m<R> {
    reader: BufReader<R>,
    header: Header,
    /// Where the first picture begins.
    start: u64,
    /// Pictures read in this pass.
    pictures: u64,
    pool: Pool<I420>,
    /// For messages.
    name: String,
}

/// What the header says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    width: u32,
    height: u32,
    /// Frames per second as a fraction.
    rate: (u32, u32),
    color: Color,
}

impl Y4m<File> {
    /// Reads the header of `file`; `path` is for messages.
    pub(super) fn open(file: File, path: &Path) -> Result<Self, BackendError> {
        Self::new(file, path.display().to_string())
    }
}

impl<R: Read + Seek> Y4m<R> {
    fn new(source: R, name: String) -> Result<Self, BackendError> {
        let refused = |why: String| BackendError::permanent(format!("{name}: {why}"));
        let mut reader = BufReader::new(source);
        let line = read_line(&mut reader)
            .map_err(|e| refused(format!("header: {e}")))?
            .ok_or_else(|| refused("empty".into()))?;
        let header = Header::parse(&line).map_err(refused)?;
        let start = line.len() as u64 + 1;
        let length = reader
            .seek(SeekFrom::End(0))
            .and_then(|end| reader.seek(SeekFrom::Start(start)).map(|_| end))
            .map_err(|e| refused(e.to_string()))?;
        // Before any buffer is made: a small file must not ask for a lot of memory.
        let smallest = start + b"FRAME\n".len() as u64 + header.picture_bytes();
        if length < smallest {
            return Err(refused(format!(
                "holds no whole picture: {length} bytes, a header and a picture of {}x{} are {smallest}",
                header.width, header.height
            )));
        }
        let buffers = std::iter::repeat_with(|| I420::new(header.width, header.height));
        Ok(Self {
            pool: Pool::new(buffers.take(BUFFERS)),
            reader,
            header,
            start,
            pictures: 0,
            name,
        })
    }

    fn damaged(&self, why: impl std::fmt::Display) -> BackendError {
        BackendError::passing(format!("{}: picture {}: {why}", self.name, self.pictures))
    }
}

impl<R: Read + Seek> Footage for Y4m<R> {
    fn format(&self) -> RawFormat {
        let (frames, seconds) = self.header.rate;
        RawFormat {
            pixel: PixelFormat::Yuv420,
            width: self.header.width,
            height: self.header.height,
            fps: f64::from(frames) / f64::from(seconds),
            color: self.header.color,
            stride: self.header.width,
        }
    }

    fn next(&mut self) -> Result<Option<Shot>, BackendError> {
        let line = match read_line(&mut self.reader) {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return self.truncated(),
            Err(e) => return Err(self.damaged(e)),
        };
        if line != b"FRAME" && !line.starts_with(b"FRAME ") {
            return Err(self.damaged("does not begin with FRAME"));
        }
        let Some(mut picture) = self.pool.take() else {
            return Err(self.damaged("all buffers are in use"));
        };
        match self.reader.read_exact(picture.bytes_mut()) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return self.truncated(),
            Err(e) => return Err(self.damaged(e)),
        }
        let at = self.header.time_of(self.pictures);
        self.pictures += 1;
        Ok(Some(Shot {
            at,
            until: self.header.time_of(self.pictures),
            picture: Some(Arc::new(picture)),
        }))
    }

    fn rewind(&mut self) -> Result<(), BackendError> {
        self.pictures = 0;
        self.reader
            .seek(SeekFrom::Start(self.start))
            .map(|_| ())
            .map_err(|e| self.damaged(e))
    }
}

impl<R: Read + Seek> Y4m<R> {
    /// The last picture is incomplete: it is left out.
    fn truncated(&mut self) -> Result<Option<Shot>, BackendError> {
        tracing::debug!(
            file = self.name,
            picture = self.pictures,
            "the last picture is incomplete and left out"
        );
        Ok(None)
    }
}

impl Header {
    /// Reads the header line, without its end.
    fn parse(line: &[u8]) -> Result<Self, String> {
        let fields = line
            .strip_prefix(MAGIC)
            .and_then(|rest| std::str::from_utf8(rest).ok())
            .ok_or("is not YUV4MPEG2")?;
        let (mut width, mut height, mut rate) = (None, None, None);
        let mut full_range = false;
        for field in fields.split(' ').filter(|field| !field.is_empty()) {
            let mut characters = field.chars();
            let tag = characters.next().unwrap_or(' ');
            let value = characters.as_str();
            match tag {
                'W' => width = Some(size('W', value)?),
                'H' => height = Some(size('H', value)?),
                'F' => rate = Some(frame_rate(value)?),
                'I' => progressive(value)?,
                'C' => planar_420(value)?,
                'X' => full_range |= value == "COLORRANGE=FULL",
                // The shape of a pixel: nothing here depends on it.
                'A' => {}
                _ => return Err(format!("header field {field}: unknown")),
            }
        }
        let missing = |what: &str| format!("header field {what} is missing");
        let height = height.ok_or_else(|| missing("H (height)"))?;
        Ok(Self {
            width: width.ok_or_else(|| missing("W (width)"))?,
            height,
            rate: rate.ok_or_else(|| missing("F (frame rate)"))?,
            color: Color {
                full_range,
                ..Color::assumed(height)
            },
        })
    }

    fn picture_bytes(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height) * 3 / 2
    }

    /// When picture `n` is shown.
    fn time_of(&self, n: u64) -> Duration {
        let (frames, seconds) = self.rate;
        let ns = u128::from(n) * 1_000_000_000 * u128::from(seconds) / u128::from(frames);
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }
}

fn size(tag: char, value: &str) -> Result<u32, String> {
    match value.parse::<u32>() {
        Ok(pixels) if (16..=8192).contains(&pixels) && pixels % 2 == 0 => Ok(pixels),
        _ => Err(format!(
            "header field {tag}{value}: allowed are even sizes from 16 to 8192"
        )),
    }
}

fn frame_rate(value: &str) -> Result<(u32, u32), String> {
    let fraction = value
        .split_once(':')
        .and_then(|(n, d)| Some((n.parse::<u32>().ok()?, d.parse::<u32>().ok()?)));
    match fraction {
        Some((n, d)) if d > 0 && n >= d && u64::from(n) <= 240 * u64::from(d) => Ok((n, d)),
        _ => Err(format!(
            "header field F{value}: allowed are 1 to 240 frames a second, as a fraction such as 30000:1001"
        )),
    }
}

fn progressive(value: &str) -> Result<(), String> {
    match value {
        "p" | "?" => Ok(()),
        _ => Err(format!(
            "header field I{value}: interlaced footage is not supported; deinterlace it first"
        )),
    }
}

fn planar_420(value: &str) -> Result<(), String> {
    match value {
        // They differ in where chroma lies between the luma samples, by half a pixel.
        "420" | "420jpeg" | "420mpeg2" | "420paldv" => Ok(()),
        _ => Err(format!(
            "header field C{value}: only 8-bit 4:2:0 is supported (420, 420jpeg, 420mpeg2, 420paldv); convert it first"
        )),
    }
}

/// Reads a line without its end; `None` at the end of the file.
///
/// # Errors
/// `UnexpectedEof` where the file ends within the line, `InvalidData` where it is too long.
fn read_line(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader.take(LINE_LIMIT).read_until(b'\n', &mut line)?;
    match line.pop() {
        Some(b'\n') => Ok(Some(line)),
        None => Ok(None),
        Some(_) if line.len() as u64 + 1 == LINE_LIMIT => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a line is too long",
        )),
        Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Plays `data` once and again after a rewind; both passes are the same length.
#[cfg(feature = "fuzzing")]
pub fn fuzz(data: &[u8]) {
    let Ok(mut footage) = Y4m::new(io::Cursor::new(data), "fuzz".to_owned()) else {
        return;
    };
    let mut count = || {
        let mut shots = 0;
        while let Ok(Some(shot)) = footage.next() {
            assert!(shot.until > shot.at);
            shots += 1;
        }
        (shots, footage.rewind().is_ok())
    };
    let first = count();
    assert_eq!(first, count());
}

#[cfg(test)]
#[path = "y4m_tests.rs"]
mod tests;

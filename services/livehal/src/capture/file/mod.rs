//! Capture backend `file`: footage from a file, looped at its own frame rate.
//!
//! The reader is chosen by what the file contains, not by its name.

mod media;
mod y4m;

#[cfg(feature = "fuzzing")]
pub use y4m::fuzz as fuzz_y4m;

use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{BackendError, CaptureBackend, Captured, Picture, RawFormat, RawFrame};
use crate::stop::StopToken;
use crate::{CaptureParams, CaptureTime};

/// The backend's name in the configuration.
pub(crate) const NAME: &str = "file";

/// A picture this late starts the clock of the file anew, so that no burst follows.
const LATE: Duration = Duration::from_millis(100);

/// A reader of one kind of file.
pub(crate) trait Footage {
    /// What its pictures are.
    fn format(&self) -> RawFormat;

    /// The next picture; `None` at the end of the file.
    ///
    /// # Errors
    /// The file is damaged beyond this point, or gone.
    fn next(&mut self) -> Result<Option<Shot>, BackendError>;

    /// Starts again at the first picture.
    ///
    /// # Errors
    /// The file is gone.
    fn rewind(&mut self) -> Result<(), BackendError>;
}

/// One picture of a file.
pub(crate) struct Shot {
    /// When it is shown, from the file's first picture.
    pub(crate) at: Duration,
    /// Until when, from the file's first picture: the next pass begins at the end of the last.
    pub(crate) until: Duration,
    /// Its pixels; `None` if they are damaged.
    pub(crate) picture: Option<Arc<dyn Picture>>,
}

/// Opens `params.path`.
///
/// # Errors
/// The file is missing, unreadable, of an unknown kind, or not of the size and rate asked for.
pub(crate) fn open(params: &CaptureParams) -> Result<Box<dyn CaptureBackend>, BackendError> {
    let path = params.path.as_deref().unwrap_or(Path::new(""));
    let (file, kind) = identify(path)?;
    let footage: Box<dyn Footage> = match kind {
        Kind::Y4m => Box::new(y4m::Y4m::open(file, path)?),
        Kind::Media => Box::new(media::Media::open(path)?),
    };
    as_asked(params, path, &footage.format())?;
    Ok(Box::new(FileCapture::new(footage, path)))
}

/// Kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// YUV4MPEG2.
    Y4m,
    /// ISO base media (MP4, MOV) or Matroska (MKV, WebM): FFmpeg's libraries read it.
    Media,
}

/// Opens a file and finds out what it is from its first bytes. It is left at its start.
fn identify(path: &Path) -> Result<(File, Kind), BackendError> {
    let failed = |e: std::io::Error| match e.kind() {
        // A file may be on a disk that is mounted later.
        ErrorKind::IsADirectory => refused(path, "is a directory"),
        _ => BackendError::passing(format!("capture.path = {}: {e}", path.display())),
    };
    // Asked before it is opened: opening a pipe would wait for its other end.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(refused(path, "is not a regular file"));
    }
    let mut file = File::open(path).map_err(failed)?;
    let mut head = Vec::with_capacity(16);
    file.by_ref()
        .take(16)
        .read_to_end(&mut head)
        .map_err(failed)?;
    file.rewind().map_err(failed)?;
    kind_of(&head).map(|kind| (file, kind)).ok_or_else(|| {
        refused(
            path,
            "is no video file this program knows; allowed are Y4M, MP4 and WebM",
        )
    })
}

fn kind_of(head: &[u8]) -> Option<Kind> {
    const MATROSKA: &[u8] = &[0x1A, 0x45, 0xDF, 0xA3];
    // The first box of a file; old QuickTime files begin with another than ftyp.
    const BOXES: [&[u8]; 5] = [b"ftyp", b"moov", b"mdat", b"wide", b"free"];
    if head.starts_with(y4m::MAGIC) {
        Some(Kind::Y4m)
    } else if head.starts_with(MATROSKA) || head.get(4..8).is_some_and(|b| BOXES.contains(&b)) {
        Some(Kind::Media)
    } else {
        None
    }
}

/// Refuses footage of another size or rate than the configuration says.
fn as_asked(params: &CaptureParams, path: &Path, format: &RawFormat) -> Result<(), BackendError> {
    let is = format!(
        "{} is {}x{} at {:.3} fps; leave the key out to take what the file has",
        path.display(),
        format.width,
        format.height,
        format.fps
    );
    for (key, asked, real) in [
        ("width", params.width, format.width),
        ("height", params.height, format.height),
        // 30 is what people call 30000/1001.
        ("fps", params.fps, format.fps.round() as u32),
    ] {
        if let Some(asked) = asked
            && asked != real
        {
            return Err(BackendError::permanent(format!(
                "capture.{key} = {asked}: {is}"
            )));
        }
    }
    Ok(())
}

/// A file that cannot be used until it or the configuration changes.
fn refused(path: &Path, reason: &str) -> BackendError {
    BackendError::permanent(format!("capture.path = {}: {reason}", path.display()))
}

/// Plays [`Footage`] for ever.
pub(crate) struct FileCapture {
    footage: Box<dyn Footage>,
    /// For messages.
    name: String,
    /// When the present pass over the file began.
    pass: CaptureTime,
    /// End of the last picture of this pass.
    end: Duration,
}

impl FileCapture {
    /// Starts playing now.
    pub(crate) fn new(footage: Box<dyn Footage>, path: &Path) -> Self {
        Self {
            footage,
            name: path.display().to_string(),
            pass: CaptureTime::now(),
            end: Duration::ZERO,
        }
    }

    fn read(&mut self) -> Result<Shot, BackendError> {
        if let Some(shot) = self.footage.next()? {
            return Ok(shot);
        }
        self.footage.rewind()?;
        self.pass = self.pass.after(std::mem::take(&mut self.end));
        self.footage.next()?.ok_or_else(|| {
            BackendError::passing(format!("{}: holds no picture any more", self.name))
        })
    }
}

impl CaptureBackend for FileCapture {
    fn format(&self) -> RawFormat {
        self.footage.format()
    }

    fn next_frame(&mut self, stop: &StopToken) -> Result<Captured, BackendError> {
        // Read before the wait, so that the time reading takes delays no picture.
        let shot = self.read()?;
        if stop.sleep_until(self.pass.after(shot.at)) {
            return Ok(Captured::Stopped);
        }
        let captured = CaptureTime::now();
        let late = captured.since(self.pass.after(shot.at));
        if late > LATE {
            self.pass = self.pass.after(late);
        }
        self.end = shot.until;
        Ok(match shot.picture {
            Some(picture) => Captured::Frame(RawFrame { captured, picture }),
            None => Captured::Damaged,
        })
    }
}

#[cfg(test)]
mod tests;

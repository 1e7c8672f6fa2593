//! Capture backend `file`: footage from a file, looped at its own frame rate.
//!
//! The reader is chosen by what the file contains, not by its name.

use std::sync::Arc;
use std::time::Duration;

use super::{BackendError, CaptureBackend, Captured, Picture, RawFormat, RawFrame};
use crate::stop::StopToken;
use crate::{CaptureParams, CaptureTime};

/// The backend's name in the configuration.
pub(crate) const NAME: &str = "file";

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
    /// Until when, from the file's first picture: the loop goes on there.
    pub(crate) until: Duration,
    /// Its pixels.
    pub(crate) picture: Arc<dyn Picture>,
}

/// Opens `params.path`.
///
/// # Errors
/// The file is missing, unreadable, of an unknown kind, or not of the size and rate asked for.
pub(crate) fn open(params: &CaptureParams) -> Result<Box<dyn CaptureBackend>, BackendError> {
    let _ = params;
    Err(BackendError::permanent("not yet"))
}

/// Plays [`Footage`] for ever.
pub(crate) struct FileCapture {
    footage: Box<dyn Footage>,
    /// When the present pass over the file began.
    pass: CaptureTime,
    /// End of the last picture of this pass.
    end: Duration,
}

impl FileCapture {
    /// Starts playing now.
    pub(crate) fn new(footage: Box<dyn Footage>) -> Self {
        Self {
            footage,
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
        self.footage
            .next()?
            .ok_or_else(|| BackendError::passing("the file holds no picture"))
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
        self.end = shot.until;
        Ok(Captured::Frame(RawFrame {
            captured,
            picture: shot.picture,
        }))
    }
}

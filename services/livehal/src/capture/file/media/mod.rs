//! MP4, WebM and their like, read by FFmpeg's libraries.
//!
//! A thread of its own decodes a few pictures ahead, so that one that takes long, or the jump back
//! to the start of the file, delays nothing.

mod convert;
mod decoding;
mod timeline;

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::{Footage, Shot};
use crate::capture::{BackendError, RawFormat};
use decoding::Decoding;

/// Pictures decoded ahead.
const AHEAD: usize = 4;

/// What the thread hands over; `None` is the end of the file, after which it starts again.
type Message = Result<Option<Shot>, BackendError>;

/// A media file being decoded.
pub(super) struct Media {
    format: RawFormat,
    /// Gone only while it is dropped.
    shots: Option<Receiver<Message>>,
    thread: Option<JoinHandle<()>>,
}

impl Media {
    /// Opens a file and decodes its first picture.
    ///
    /// # Errors
    /// FFmpeg's libraries are missing, or the file holds nothing that can be played.
    pub(super) fn open(path: &Path) -> Result<Self, BackendError> {
        let decoding = Decoding::open(path)?;
        let format = decoding.format();
        let (sender, shots) = sync_channel(AHEAD);
        let thread = Builder::new()
            .name("file-decode".into())
            .spawn(move || decode(decoding, &sender))
            .map_err(|e| BackendError::passing(format!("cannot start a thread: {e}")))?;
        Ok(Self {
            format,
            shots: Some(shots),
            thread: Some(thread),
        })
    }
}

/// Decodes the file again and again, until an error or until nobody listens.
fn decode(mut decoding: Decoding, shots: &SyncSender<Message>) {
    loop {
        let message = decoding.next();
        let failed = message.is_err();
        if shots.send(message).is_err() || failed {
            return;
        }
    }
}

impl Footage for Media {
    fn format(&self) -> RawFormat {
        self.format
    }

    fn next(&mut self) -> Result<Option<Shot>, BackendError> {
        match self.shots.as_ref().map(Receiver::recv) {
            Some(Ok(message)) => message,
            _ => Err(BackendError::passing("the decoding thread has ended")),
        }
    }

    /// Nothing to do: the thread has gone on at the start of the file.
    fn rewind(&mut self) -> Result<(), BackendError> {
        Ok(())
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        // The thread ends when it can send no more.
        self.shots = None;
        if let Some(thread) = self.thread.take() {
            // It panicked or not: nobody is left to be told.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;

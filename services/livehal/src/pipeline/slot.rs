//! The place between capture and encoder: one frame, the newest.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::capture::RawFrame;

/// Holds at most one frame. A newer one takes the place of one nobody fetched.
#[derive(Default)]
pub(super) struct Slot {
    content: Mutex<Content>,
    changed: Condvar,
}

#[derive(Default)]
struct Content {
    frame: Option<RawFrame>,
    closed: bool,
}

impl Slot {
    /// Puts `frame` in; gives back the older one that was still there.
    pub(super) fn put(&self, frame: RawFrame) -> Option<RawFrame> {
        let older = self.lock().frame.replace(frame);
        self.changed.notify_one();
        older
    }

    /// Waits for a frame; `None` once the slot is closed.
    pub(super) fn take(&self) -> Option<RawFrame> {
        let mut content = self.lock();
        loop {
            if content.closed {
                return None;
            }
            if let Some(frame) = content.frame.take() {
                return Some(frame);
            }
            content = self
                .changed
                .wait(content)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends every present and future [`take`](Self::take).
    pub(super) fn close(&self) {
        let mut content = self.lock();
        content.closed = true;
        content.frame = None;
        self.changed.notify_all();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Content> {
        // Nothing in here can panic halfway.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Stills on demand, beside the hot path.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::capture::{RawFormat, RawFrame};
use crate::convert::{Converter, Planar};
use crate::{Error, jpeg};

/// Requests that may wait at a time.
const WAITING_LIMIT: usize = 16;
/// How long a request waits for a frame.
const FRAME_LIMIT: Duration = Duration::from_secs(2);

type Answer = Result<Bytes, Error>;

/// Requests for a still. The capture thread looks at one flag per frame; coding runs on a thread of
/// its own, one at a time.
#[derive(Default)]
pub(super) struct Snapshots {
    wanted: AtomicBool,
    desk: Arc<Mutex<Desk>>,
}

#[derive(Default)]
struct Desk {
    waiting: Vec<oneshot::Sender<Answer>>,
    busy: bool,
}

impl Snapshots {
    /// The next frame as JPEG.
    pub(super) async fn next(&self) -> Answer {
        let (sender, answer) = oneshot::channel();
        {
            let mut desk = lock(&self.desk);
            desk.waiting.retain(|waiting| !waiting.is_closed());
            if desk.waiting.len() >= WAITING_LIMIT {
                return Err(Error::Backend("too many snapshots are asked for".into()));
            }
            desk.waiting.push(sender);
            self.wanted.store(true, Ordering::Release);
        }
        match tokio::time::timeout(FRAME_LIMIT, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(Error::NoFrame),
        }
    }

    /// Lets a still be made of `frame`, if one is wanted. Never blocks for long.
    pub(super) fn offer(&self, frame: &RawFrame, format: &RawFormat) {
        if !self.wanted.load(Ordering::Acquire) {
            return;
        }
        let waiting = {
            let mut desk = lock(&self.desk);
            if desk.busy {
                return;
            }
            self.wanted.store(false, Ordering::Release);
            desk.waiting.retain(|waiting| !waiting.is_closed());
            if desk.waiting.is_empty() {
                return;
            }
            desk.busy = true;
            std::mem::take(&mut desk.waiting)
        };
        let busy = Busy(Arc::clone(&self.desk));
        let (frame, format) = (frame.clone(), *format);
        let spawned = std::thread::Builder::new()
            .name("snapshot".into())
            .spawn(move || {
                let answer = still(&frame, &format);
                drop((frame, busy));
                for asker in waiting {
                    // An asker that gave up does not matter.
                    let _ = asker.send(answer.clone());
                }
            });
        if let Err(e) = spawned {
            // The askers' channels are gone with the closure, which says so to them.
            tracing::warn!("no thread for a snapshot: {e}");
        }
    }
}

/// While it lives, a still is being coded; a panic ends that too.
struct Busy(Arc<Mutex<Desk>>);

impl Drop for Busy {
    fn drop(&mut self) {
        lock(&self.0).busy = false;
    }
}

fn still(frame: &RawFrame, format: &RawFormat) -> Answer {
    let failed = |e| Error::Backend(format!("snapshot: {e}"));
    let mut planar = Planar::new(format).map_err(failed)?;
    let planes = planar.planes(frame.picture.as_ref()).map_err(failed)?;
    let color = Converter::color(format);
    jpeg::encode(planes, format.width, format.height, color).map(Bytes::from)
}

fn lock(desk: &Mutex<Desk>) -> std::sync::MutexGuard<'_, Desk> {
    // Changes under the lock cannot panic halfway.
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

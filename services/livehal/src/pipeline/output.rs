//! The way out: a bounded queue of packets that never blocks the encoder.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::Sender;

use crate::stop::StopToken;
use crate::{DropReason, EncodedPacket, PipelineStats};

/// Packets that may wait for the owner: one second at 60 frames a second.
pub(super) const CAPACITY: usize = 60;

/// The sending end, shared by the sessions that follow one another.
pub(super) struct Output {
    stats: Arc<PipelineStats>,
    inner: Mutex<Inner>,
}

struct Inner {
    /// `None` once the pipeline has ended.
    sender: Option<Sender<EncodedPacket>>,
    /// Only a key frame may come next.
    awaiting_key: bool,
    /// Packets before the next one were lost.
    lost: bool,
}

/// What the next frame must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Anything.
    Any,
    /// A key frame.
    Key,
    /// Nothing: the queue is full, and a frame coded now could not be decoded later.
    Nothing,
}

impl Output {
    pub(super) fn new(sender: Sender<EncodedPacket>, stats: Arc<PipelineStats>) -> Self {
        Self {
            stats,
            inner: Mutex::new(Inner {
                sender: Some(sender),
                awaiting_key: true,
                lost: false,
            }),
        }
    }

    /// What is worth coding now.
    pub(super) fn next(&self) -> Next {
        let inner = self.lock();
        match &inner.sender {
            _ if !inner.awaiting_key => Next::Any,
            Some(sender) if sender.capacity() == 0 => Next::Nothing,
            _ => Next::Key,
        }
    }

    /// Passes a packet on, or counts why not. One of a session that was stopped is forgotten: the
    /// thread that made it may have hung while another session took over.
    pub(super) fn deliver(&self, mut packet: EncodedPacket, session: &StopToken) {
        let mut inner = self.lock();
        // Asked under the lock, which the next session takes before its first packet.
        if session.is_stopped() {
            return;
        }
        if inner.awaiting_key && !packet.flags.key {
            self.stats.dropped(DropReason::AwaitingKey);
            return;
        }
        packet.flags.discontinuity = inner.lost;
        let sent = match &inner.sender {
            Some(sender) => sender.try_send(packet).is_ok(),
            None => false,
        };
        if !sent {
            self.stats.dropped(DropReason::OutputFull);
        }
        inner.awaiting_key = !sent;
        inner.lost = !sent;
    }

    /// The encoder that follows knows nothing of the packets before.
    pub(super) fn interrupted(&self) {
        let mut inner = self.lock();
        // Before the very first packet nothing is lost.
        inner.lost |= !inner.awaiting_key;
        inner.awaiting_key = true;
    }

    /// Ends the queue: the owner reads what is left, then the end.
    pub(super) fn close(&self) {
        self.lock().sender = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Each change is complete before anything that can panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Commands to the engine.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::Waker;
use tokio::sync::oneshot;

use super::{DeliveryStats, EngineStats, StreamSink};
use crate::rtc::{IceCredentials, Session};
use crate::rtp::RtpFrame;
use crate::{SessionInfo, ViewerInfo};

/// A session with what the engine needs to place it.
pub(crate) struct NewSession {
    /// Its id.
    pub id: String,
    /// Its stream.
    pub stream: String,
    /// The session.
    pub session: Session,
}

/// What the engine can be told.
pub(crate) enum Command {
    /// A stream came into being.
    AddStream {
        /// Its name.
        name: String,
        /// Its side of the engine.
        sink: Arc<dyn StreamSink>,
        /// Its counters.
        stats: Arc<DeliveryStats>,
    },
    /// A frame of a stream.
    Frame(Arc<str>, Arc<RtpFrame>),
    /// A stream stopped or lost frames: nothing cached decodes with what follows.
    Discontinuity(Arc<str>),
    /// A key frame is wanted by somebody who is no viewer.
    KeyFrame(Arc<str>),
    /// A session was negotiated.
    AddSession(Box<NewSession>),
    /// A session is over.
    Close(String, oneshot::Sender<bool>),
    /// A fragment with credentials came for a session: its id and the peer's user name fragment.
    Restart(String, String, oneshot::Sender<Restarted>),
    /// Everything ends.
    Shutdown(oneshot::Sender<()>),
}

/// What became of [`Command::Restart`]: `None` when there is no such session, `Some(None)` when
/// the fragment is the one in use (candidates of the same ICE session), else our new credentials.
pub(crate) type Restarted = Option<Option<IceCredentials>>;

/// The command queue is full or the engine is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

/// What the engine shares with the rest: sessions as the API shows them.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<HashMap<String, Entry>>);

/// One session as the API shows it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Id, stream and kind.
    pub info: SessionInfo,
    /// Viewer's figures, once a second.
    pub viewer: Option<ViewerInfo>,
}

impl Registry {
    /// The table. A panic of a holder leaves it usable: entries are replaced whole.
    pub fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a session before the engine has it, so that a request that follows at once finds it
    /// and the limit counts it; `false` when there are `limit` already.
    pub fn reserve(&self, info: SessionInfo, limit: usize) -> bool {
        let mut sessions = self.lock();
        if sessions.len() >= limit {
            return false;
        }
        let id = info.id.clone();
        sessions.insert(id, Entry { info, viewer: None });
        true
    }
}

/// The way to the engine. Cheap to clone.
#[derive(Clone)]
pub(crate) struct EngineHandle {
    pub(super) commands: SyncSender<Command>,
    pub(super) waker: Arc<Waker>,
    /// Counters.
    pub stats: Arc<EngineStats>,
    /// Sessions.
    pub registry: Arc<Registry>,
    /// The socket's address.
    pub addr: SocketAddr,
}

impl EngineHandle {
    /// Queues a command; never blocks.
    pub fn send(&self, command: Command) -> Result<(), Busy> {
        match self.commands.try_send(command) {
            Ok(()) => {
                // The queue is looked at once a second even if this fails.
                let _ = self.waker.wake();
                Ok(())
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(Busy),
        }
    }
}

impl std::fmt::Debug for EngineHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineHandle")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}

//! Control over D-Bus: `org.livehal.Capture1`.
//!
//! `dbus/org.livehal.Capture1.xml` is the contract and its documentation; a test holds this code to
//! it. There is an ObjectManager at `/`, one manager object, and one object a stream:
//!
//! | path | interface |
//! |---|---|
//! | `/` | `org.freedesktop.DBus.ObjectManager` |
//! | `/org/livehal/Capture1` | `org.livehal.Capture1.Manager` |
//! | `/org/livehal/Capture1/stream/<name>` | `org.livehal.Capture1.Stream` |
//!
//! The bus is a convenience: without one, or after losing it, the server goes on and this module
//! tries again.

mod controls;
mod error;
mod manager;
mod path;
mod state;
mod stream;
mod tree;

use std::time::Duration;

use liveion::Live;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use zbus::Connection;
use zbus::connection::Builder;
use zbus::fdo::RequestNameFlags;

/// The name on the bus.
pub const NAME: &str = "org.livehal.Capture1";

const FIRST_DELAY: Duration = Duration::from_millis(500);
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// A connection that lasted so long was a good one: the next loss begins with the first delay.
const SETTLED: Duration = Duration::from_secs(60);
/// For connecting, and for any one call to the bus daemon.
const PATIENCE: Duration = Duration::from_secs(10);
/// For the last messages at the end.
const FAREWELL: Duration = Duration::from_millis(500);

/// Which bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bus {
    /// The system's: what a service uses.
    System,
    /// The login session's.
    Session,
}

impl std::fmt::Display for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::System => "system",
            Self::Session => "session",
        })
    }
}

/// The running D-Bus service.
#[derive(Debug)]
pub struct Handle {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Handle {
    /// Gives up the name and disconnects; about half a second at most.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Err(e) = self.task.await {
            warn!("the D-Bus service ended badly: {e}");
        }
    }
}

/// Puts `live` on the bus, now or as soon as there is one. Call within a tokio runtime.
pub fn start(live: Live, bus: Bus) -> Handle {
    let stop = CancellationToken::new();
    let task = tokio::spawn(run(live, bus, stop.clone()));
    Handle { stop, task }
}

/// Connects, serves, and does so again after a loss.
async fn run(live: Live, bus: Bus, stop: CancellationToken) {
    let mut delay = FIRST_DELAY;
    let mut complaint = String::new();
    loop {
        let begun = Instant::now();
        let attempt = session(&live, bus, &stop);
        let reason = tokio::select! {
            result = attempt => match result {
                Ok(()) if stop.is_cancelled() => return,
                Ok(()) => "the connection was lost".to_owned(),
                Err(e) => e.to_string(),
            },
            // While connecting; a session that stands ends itself.
            () = abandoned(&stop) => return,
        };
        if begun.elapsed() > SETTLED {
            delay = FIRST_DELAY;
            complaint.clear();
        }
        // The same trouble is told once, not at every attempt.
        if reason == complaint {
            debug!(%bus, "still not on the {bus} bus: {reason}");
        } else {
            warn!(%bus, "not on the {bus} bus: {reason}; trying again, the rest works without it");
            complaint = reason;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(delay) => {}
        }
        delay = (delay * 2).min(LONGEST_DELAY);
    }
}

/// Ends a little after `stop`: time for a session to say goodbye.
async fn abandoned(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(FAREWELL).await;
}

/// One connection, from its making to its loss or to `stop`.
async fn session(live: &Live, bus: Bus, stop: &CancellationToken) -> zbus::Result<()> {
    let builder = match bus {
        Bus::System => Builder::system(),
        Bus::Session => Builder::session(),
    };
    let builder = tree::roots(builder.method_timeout(PATIENCE), live);
    let connection = timeout(PATIENCE, builder.build())
        .await
        .map_err(|_| zbus::Error::Failure("the bus does not answer".into()))??;
    let mut tree = tree::Tree::new(&connection, live).await?;
    // Not before the objects are there: who sees the name may call.
    // Not by zbus's default flags, which would take the name from another server, or lose it to one.
    let flags = RequestNameFlags::DO_NOT_QUEUE;
    connection.request_name_with_flags(NAME, flags).await?;
    info!(%bus, "on the {bus} bus as {NAME}");
    tokio::select! {
        () = stop.cancelled() => {}
        result = tree.keep() => return result,
    }
    drop(tree);
    leave(connection).await;
    Ok(())
}

async fn leave(connection: Connection) {
    let farewell = async {
        if let Err(e) = connection.release_name(NAME).await {
            debug!("giving up {NAME}: {e}");
        }
        connection.graceful_shutdown().await;
    };
    if timeout(FAREWELL, farewell).await.is_err() {
        debug!("the bus took no goodbye");
    }
}

#[cfg(test)]
mod tests;

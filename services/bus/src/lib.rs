//! A name on D-Bus, and the objects behind it, for as long as the program runs.
//!
//! The bus is a convenience: without one, or after losing it, the program goes on and this crate
//! tries again. A program says what it has there as a [`Service`] and calls [`start`].

#[cfg(feature = "testing")]
pub mod testing;

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use zbus::Connection;
use zbus::connection::Builder;
use zbus::fdo::RequestNameFlags;

const FIRST_DELAY: Duration = Duration::from_millis(500);
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// A connection that lasted so long was a good one: the next loss begins with the first delay.
const SETTLED: Duration = Duration::from_secs(60);
/// For connecting, and for any one call.
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

/// What a program has on the bus.
pub trait Service: Send + Sync + 'static {
    /// The name that it owns there.
    const NAME: &'static str;
    /// Objects that come and go, on one connection.
    type Objects: Objects;

    /// Has the connection come up with the objects that are always there.
    ///
    /// Not put there afterwards: zbus would begin to listen for calls at an unknown moment then.
    fn roots<'a>(&self, builder: Builder<'a>) -> Builder<'a>;

    /// Adds the others to a connection that has the [`roots`](Self::roots). The name comes after:
    /// who sees it may call.
    ///
    /// # Errors
    /// The bus's.
    fn objects(
        &self,
        connection: &Connection,
    ) -> impl Future<Output = zbus::Result<Self::Objects>> + Send;
}

/// The objects of a [`Service`] on one connection.
pub trait Objects: Send {
    /// Keeps them as they should be until the connection is lost or there is nothing more to keep.
    ///
    /// # Errors
    /// The bus's.
    fn keep(&mut self) -> impl Future<Output = zbus::Result<()>> + Send;
}

/// A service that runs.
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

/// Puts `service` on the bus, now or as soon as there is one. Call within a tokio runtime.
pub fn start(service: impl Service, bus: Bus) -> Handle {
    let stop = CancellationToken::new();
    let task = tokio::spawn(run(service, bus, stop.clone()));
    Handle { stop, task }
}

/// Connects, serves, and does so again after a loss.
async fn run<S: Service>(service: S, bus: Bus, stop: CancellationToken) {
    let mut delay = FIRST_DELAY;
    let mut complaint = String::new();
    loop {
        let begun = Instant::now();
        let attempt = session(&service, bus, &stop);
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
async fn session<S: Service>(service: &S, bus: Bus, stop: &CancellationToken) -> zbus::Result<()> {
    let builder = match bus {
        Bus::System => Builder::system(),
        Bus::Session => Builder::session(),
    };
    let builder = service.roots(builder.method_timeout(PATIENCE));
    let connection = timeout(PATIENCE, builder.build())
        .await
        .map_err(|_| zbus::Error::Failure("the bus does not answer".into()))??;
    let mut objects = service.objects(&connection).await?;
    // Not by zbus's default flags, which would take the name from another server, or lose it to one.
    let flags = RequestNameFlags::DO_NOT_QUEUE;
    connection.request_name_with_flags(S::NAME, flags).await?;
    info!(%bus, "on the {bus} bus as {}", S::NAME);
    tokio::select! {
        () = stop.cancelled() => {}
        result = objects.keep() => return result,
    }
    drop(objects);
    leave(connection, S::NAME).await;
    Ok(())
}

async fn leave(connection: Connection, name: &'static str) {
    let farewell = async {
        if let Err(e) = connection.release_name(name).await {
            debug!("giving up {name}: {e}");
        }
        connection.graceful_shutdown().await;
    };
    if timeout(FAREWELL, farewell).await.is_err() {
        debug!("the bus took no goodbye");
    }
}

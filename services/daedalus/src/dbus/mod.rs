//! The decoder on D-Bus: `org.livehal.Decoder1`.
//!
//! `dbus/org.livehal.Decoder1.xml` is the contract and its documentation; a test holds this code to
//! it. There is an ObjectManager at `/`, one manager object, and one object a context:
//!
//! | path | interface |
//! |---|---|
//! | `/` | `org.freedesktop.DBus.ObjectManager` |
//! | `/org/livehal/Decoder1` | `org.livehal.Decoder1.Manager` |
//! | `/org/livehal/Decoder1/context/<number>` | `org.livehal.Decoder1.Context` |
//!
//! It has a thread of its own, and nothing that decodes for the kernel waits for it.

pub mod client;
mod context;
mod error;
mod manager;
mod tree;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use livehal_bus::Bus;
use tokio::runtime;
use tokio_util::sync::CancellationToken;
use zbus::Connection;
use zbus::connection::Builder;

pub use manager::Verifier;

use crate::registry::Registry;

/// The manager's path, above those of the contexts.
const ROOT: &str = "/org/livehal/Decoder1";

/// The service and its thread; leaves the bus when it is dropped.
#[derive(Debug)]
pub struct Service {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Puts the decoder on the bus, now or as soon as there is one.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(bus: Bus, registry: Arc<Registry>, verifier: Verifier) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            // For streams to be verified, one at a time; the next may come before the last is cleared.
            .max_blocking_threads(2)
            .build()?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("dbus".into())
            .spawn(move || {
                runtime.block_on(async {
                    let handle = livehal_bus::start(Decoder { registry, verifier }, bus);
                    stopped.cancelled().await;
                    handle.stop().await;
                });
                // A worker that decodes a stream ends with this process.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // What panicked has been told on standard error.
            let _ = thread.join();
        }
    }
}

/// The decoder as a service of the bus.
struct Decoder {
    registry: Arc<Registry>,
    verifier: Verifier,
}

impl livehal_bus::Service for Decoder {
    const NAME: &'static str = "org.livehal.Decoder1";
    type Objects = tree::Tree;

    fn roots<'a>(&self, builder: Builder<'a>) -> Builder<'a> {
        let manager = manager::Manager {
            registry: Arc::clone(&self.registry),
            verifier: self.verifier.clone(),
        };
        builder
            .serve_at("/", zbus::fdo::ObjectManager)
            .serve_at(ROOT, manager)
    }

    async fn objects(&self, connection: &Connection) -> zbus::Result<tree::Tree> {
        tree::Tree::new(connection, &self.registry).await
    }
}

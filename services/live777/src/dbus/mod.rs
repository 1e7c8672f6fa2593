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
//! [`livehal_bus`] keeps it on the bus.

mod controls;
mod error;
mod manager;
mod path;
mod self_test;
mod state;
mod stream;
mod tree;

use livehal_bus::{Bus, Handle, Service};
use liveion::Live;
use zbus::Connection;
use zbus::connection::Builder;

/// Puts `live` on the bus, now or as soon as there is one. Call within a tokio runtime.
pub fn start(live: Live, bus: Bus) -> Handle {
    livehal_bus::start(Capture(live), bus)
}

/// The server as a service of the bus.
struct Capture(Live);

impl Service for Capture {
    const NAME: &'static str = "org.livehal.Capture1";
    type Objects = tree::Tree;

    fn roots<'a>(&self, builder: Builder<'a>) -> Builder<'a> {
        tree::roots(builder, &self.0)
    }

    async fn objects(&self, connection: &Connection) -> zbus::Result<tree::Tree> {
        tree::Tree::new(connection, &self.0).await
    }
}

#[cfg(test)]
mod tests;

//! The engine: one thread, one UDP socket, every session.
//!
//! Sessions hold no locks and no tasks; a frame is packetised before it comes here and goes to all
//! its viewers in one pass. Commands come through a bounded channel.

mod command;
mod run;
mod sessions;
mod socket;
mod stats;
mod stream;

pub(crate) use command::{Command, EngineHandle, NewSession};
pub(crate) use run::Engine;
pub(crate) use stats::{DeliveryStats, EngineStats};
pub(crate) use stream::StreamSink;

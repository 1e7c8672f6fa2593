//! An independent WebRTC peer for tests and benchmarks.
//!
//! It speaks WHEP and WHIP to any ICE-lite server over the wire only, shares no code with the
//! server, and answers what a test asks of it: which access units arrived, when, whether they
//! decode and what the strip in the picture says. Many peers run on one thread ([`Swarm`]), so
//! the same code is the load generator.
//!
//! What it leaves out: it checks one candidate pair (the loopback one where offered) rather than
//! all of them, and it has no congestion control of its own; a test sends the feedback it wants.

pub mod decode;
pub mod depacketize;
pub mod feedback;
pub mod harness;
pub mod http;
pub mod ice;
pub mod metrics;
pub mod net;
pub mod process;
pub mod publisher;
pub mod receiver;
pub mod sdp;
pub mod session;
pub mod strip;
pub mod swarm;
pub mod viewer;

pub use harness::Server;
pub use publisher::{Publisher, PublisherOptions};
pub use swarm::Swarm;
pub use viewer::{AccessUnit, Viewer, ViewerOptions, ViewerStats};

/// Nanoseconds since the Unix epoch, the clock of every arrival time here.
pub fn wall_ns() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| d.as_nanos() as u64)
}

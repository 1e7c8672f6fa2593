//! The daemon that decodes for the kernel module `daedalus_v4l2`.
//!
//! The module gives V4L2 clients a stateless decoder and hands every access unit to this daemon,
//! over a character device that [`daedalus_proto`] describes. The daemon decodes nothing itself:
//!
//! ```text
//! kernel ── bridge ── daemon ──┬── context 1 ── worker process (sandboxed: FFmpeg)
//!                              └── context 2 ── worker process
//! ```
//!
//! [`daemon`] reads the bridge and gives each message to the thread of its context; that has a
//! process of its own from the [`pool`], which [`worker`] is, in a [`sandbox`]. What a stream does
//! to its worker, it does to no other.

pub mod bridge;
pub mod buffers;
pub mod channel;
pub mod cli;
pub mod config;
mod context;
pub mod daemon;
pub mod dbus;
pub mod decoder;
pub mod digest;
pub mod h264;
mod notify;
pub mod offline;
mod passing;
pub mod picture;
pub mod pool;
pub mod registry;
pub mod sandbox;
pub mod stream;
pub mod template;
pub mod verify;
pub mod worker;

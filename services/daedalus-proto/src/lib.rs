//! The messages between the kernel module `daedalus_v4l2` and its daemon.
//!
//! `kernel/daedalus-v4l2/uapi/daedalus_v4l2_proto.h` describes them; the structures and constants
//! here are its own, held against it by a test. [`Message::parse`] reads what the kernel sends and
//! believes nothing of it; [`wire`] has the structures for what the daemon sends.

mod message;
pub mod wire;

pub use message::{Control, Controls, Decode, Message, ParseError};

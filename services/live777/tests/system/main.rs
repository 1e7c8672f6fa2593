//! The real binary on real buses, and its unit under systemd's own tools.

#![cfg(target_os = "linux")]
// Clippy takes only test functions for tests, not what they share.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod decoder;
mod docs;
mod loss;
mod policy;
mod self_test;
mod server;
mod unit;

use livehal_bus::testing::{Bus, installed, skip, until};

/// The name on the bus.
const NAME: &str = "org.livehal.Capture1";

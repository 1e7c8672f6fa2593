//! The program itself: its command line, its exit codes, its signals, and systemd's protocol.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Helpers of tests are tests.
#![cfg(target_os = "linux")]

mod command_line;
mod life;
mod support;

//! The program itself: its command line, its exit codes, its signals, and systemd's protocol.

#![cfg(target_os = "linux")]

mod command_line;
mod life;
mod support;

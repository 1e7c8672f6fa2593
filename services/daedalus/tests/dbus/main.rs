//! `org.livehal.Decoder1`: the real daemon on real buses, and what it is installed with.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
mod contexts;
mod policy;
mod unit;
mod verify_stream;

use std::path::{Path, PathBuf};
use std::process::Command;

use livehal_bus::testing::{Bus, Program};

const NAME: &str = "org.livehal.Decoder1";
const ROOT: &str = "/org/livehal/Decoder1";
const MANAGER: &str = "org.livehal.Decoder1.Manager";
const CONTEXT: &str = "org.livehal.Decoder1.Context";
const CONTRACT: &str = include_str!("../../../../dbus/org.livehal.Decoder1.xml");

/// Top of the source tree.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A daemon that decodes for the bus alone; `command` may be a wrapper around the program.
fn without_module(mut command: Command, dir: &Path, bus: &str) -> Program {
    let config = dir.join("daedalus.toml");
    std::fs::write(&config, "[bridge]\nenabled = false\n").unwrap();
    command
        .arg("--config")
        .arg(&config)
        .args(["daemon", "--bus", bus]);
    Program::start(command)
}

/// What busctl prints, or says against it.
fn busctl(bus: &Bus, arguments: &[&str]) -> Result<String, String> {
    let output = bus.command("busctl").arg("--user").args(arguments).output();
    let output = output.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}

/// A property as busctl prints it.
fn property(bus: &Bus, path: &str, interface: &str, name: &str) -> String {
    busctl(bus, &["get-property", NAME, path, interface, name]).unwrap()
}

/// What `verify FILE` prints, or says against it.
fn verify(bus: &Bus, file: &Path) -> Result<String, String> {
    let mut command = bus.command(common::DAEMON);
    let output = command
        .args(["verify", "--bus", "session"])
        .arg(file)
        .output();
    let output = output.unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(String::from_utf8_lossy(&output.stderr).into()),
    }
}

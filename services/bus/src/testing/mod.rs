//! What the tests of several programs share: a bus of their own, the programs on it,
//! their contracts and units.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what goes wrong in a test ends it"
)]

pub mod contract;
mod daemon;
mod program;
pub mod unit;
pub mod users;

use std::process::Output;
use std::time::{Duration, Instant};

pub use daemon::Bus;
pub use program::Program;

/// Longest wait for anything.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Waits until `done`.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < deadline, "waited {LIMIT:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a program is installed; says so where it is not.
pub fn installed(program: &str, package: &str, test: &str) -> bool {
    let there = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|d| d.join(program).is_file()));
    if !there {
        skip(
            test,
            &format!("{program} is not installed (apt-get install {package})"),
        );
    }
    there
}

/// Whether a bus, and `busctl` to ask on it, can be had here.
pub fn bus_installed(test: &str) -> bool {
    installed("dbus-daemon", "dbus-daemon", test) && installed("busctl", "systemd", test)
}

/// What a program printed, or what it said against what was asked.
pub fn said(output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}

/// Not by `eprintln!`: what a passing test prints is not seen.
pub fn skip(test: &str, why: &str) {
    use std::io::Write as _;
    let mut seen = std::io::stderr();
    writeln!(seen, "SKIPPED: {test}: {why}").unwrap();
    assert_ne!(
        std::env::var("REQUIRE_ALL").as_deref(),
        Ok("1"),
        "{test}: {why}"
    );
}

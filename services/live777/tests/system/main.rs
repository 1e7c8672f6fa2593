//! The real binary on real buses, and its unit under systemd's own tools.

#![cfg(target_os = "linux")]
// Clippy takes only test functions for tests, not what they share.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bus;
mod docs;
mod loss;
mod policy;
mod server;
mod unit;

use std::time::{Duration, Instant};

/// Longest wait for anything.
const LIMIT: Duration = Duration::from_secs(30);

/// Waits until `done`.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < deadline, "waited {LIMIT:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a program is installed; says so where it is not.
fn installed(program: &str, package: &str, test: &str) -> bool {
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

/// Not by `eprintln!`: what a passing test prints is not seen.
fn skip(test: &str, why: &str) {
    use std::io::Write as _;
    let mut seen = std::io::stderr();
    writeln!(seen, "SKIPPED: {test}: {why}").unwrap();
    assert_ne!(
        std::env::var("REQUIRE_ALL").as_deref(),
        Ok("1"),
        "{test}: {why}"
    );
}

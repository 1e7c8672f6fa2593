//! What the end-to-end tests share: configurations, a browser, aiortc, real footage.

use std::io::Write;

pub mod browser;
pub mod config;
pub mod python;

/// Says that part of a test did not run, in the form the summary of `make test` counts.
///
/// With `REQUIRE_ALL=1` in the environment a skip is a failure.
pub fn skip(what: &str, why: &str) {
    // Straight to the descriptor: what a passing test prints is swallowed.
    let line = format!("SKIPPED: {what}: {why}\n");
    if let Err(e) = std::io::stderr().write_all(line.as_bytes()) {
        panic!("{line}: {e}");
    }
    assert!(
        std::env::var_os("REQUIRE_ALL").is_none_or(|v| v != "1"),
        "{what} must run here, but: {why}"
    );
}

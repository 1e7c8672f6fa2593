//! What the end-to-end tests share: configurations, a browser, aiortc, real footage.

pub mod browser;
pub mod config;
pub mod python;

/// Says that part of a test did not run, in the form the summary of `make test` counts.
///
/// With `REQUIRE_ALL=1` in the environment a skip is a failure.
pub fn skip(what: &str, why: &str) {
    println!("SKIPPED: {what}: {why}");
    assert!(
        std::env::var_os("REQUIRE_ALL").is_none_or(|v| v != "1"),
        "{what} must run here, but: {why}"
    );
}

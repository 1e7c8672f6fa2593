//! The configuration: the shipped file, its examples, and every way to get them wrong.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Helpers of tests are tests.

#[cfg(feature = "source")]
mod arbitrary;
#[cfg(feature = "source")]
mod documents;
#[cfg(feature = "source")]
mod faults;
#[cfg(feature = "source")]
mod mutations;
#[cfg(feature = "source")]
mod shipped;
#[cfg(not(feature = "source"))]
mod sourceless;
mod support;

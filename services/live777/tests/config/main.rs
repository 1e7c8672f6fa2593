//! The configuration: the shipped file, its examples, and every way to get them wrong.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Helpers of tests are tests.

mod arbitrary;
mod documents;
mod faults;
mod mutations;
mod shipped;
mod support;

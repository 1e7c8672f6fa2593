//! End-to-end tests, one module a subject. Every test starts its own server.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Helpers of tests are tests.

mod abuse;
mod api;
mod faults;
mod feedback;
mod interop;
mod late_join;
mod page;
mod rdk;
mod support;
mod whep;
mod whip;

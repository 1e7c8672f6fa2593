//! The HTTP API, without a network: requests go into the router of a real `Live`.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Helpers of tests are tests.

mod access;
mod arbitrary;
mod events;
mod origins;
mod requests;
mod sessions;
mod support;

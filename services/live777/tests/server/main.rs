//! The HTTP listener against real sockets: malformed and slow clients, limits, TLS.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Helpers of tests are tests.

mod http;
mod support;
mod tls;

//! The HTTP listener against real sockets: malformed and slow clients, limits, TLS.

mod http;
mod support;
mod tls;

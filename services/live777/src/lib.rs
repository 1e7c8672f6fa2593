//! The server's binary, as a library for its own tests: configuration, command line, HTTP
//! listener, logging and the service manager's protocol around [`liveion::Live`].

pub mod cli;
pub mod config;
pub mod dbus;
pub mod logging;
pub mod notify;
pub mod run;
pub mod server;
pub mod signals;
pub mod summary;
pub mod tls;
pub mod tokens;
#[cfg(feature = "webui")]
pub mod webui;

//! Addresses to listen on.

use std::net::SocketAddr;

use serde::Deserialize;

/// An IP address and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Listen(pub(crate) SocketAddr);

impl TryFrom<String> for Listen {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self).map_err(|_| {
            "must be an IP address and a port, such as \"127.0.0.1:7777\", \"0.0.0.0:7777\" or \"[::]:7777\""
        })
    }
}

impl Listen {
    /// Only reachable from this machine.
    pub(crate) fn is_loopback(self) -> bool {
        self.0.ip().to_canonical().is_loopback()
    }
}

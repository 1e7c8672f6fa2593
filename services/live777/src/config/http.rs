//! `[http]`.

use std::net::SocketAddr;

use liveion::http::Cors;
use serde::Deserialize;

use super::check::Check;
use super::cors::{self, Entry};
use super::key_path::KeyPath;
use super::listen::Listen;
use super::tls::{self, Tls};

/// The table as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Table {
    pub(crate) listen: Listen,
    cors: Vec<Entry>,
    hosts: Option<Vec<String>>,
    max_connections: usize,
    pub(crate) tls: Option<tls::Table>,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            listen: Listen(SocketAddr::from(([127, 0, 0, 1], 7777))),
            cors: Vec::new(),
            hosts: None,
            max_connections: 512,
            tls: None,
        }
    }
}

/// The HTTP server.
#[derive(Debug, Clone)]
pub struct Http {
    /// TCP address.
    pub listen: SocketAddr,
    /// Foreign origins that may use the API.
    pub cors: Cors,
    /// Host names answered besides IP addresses and `localhost`; `None` for all.
    pub hosts: Option<Vec<String>>,
    /// Connections at most; a further one waits.
    pub max_connections: usize,
    /// Certificate and key; plain HTTP without.
    pub tls: Option<Tls>,
}

/// Checks the table. `open`: the server asks for no token.
pub(crate) fn check(table: Table, open: bool, check: &mut Check<'_>) -> Http {
    let http = KeyPath::root().key("http");
    let cors = cors::check(table.cors, &http.key("cors"), check);
    check.range(
        &http.key("max_connections"),
        table.max_connections,
        1..=10_000,
        "",
    );
    for (i, name) in table.hosts.iter().flatten().enumerate() {
        if !is_host_name(name) {
            check.refuse(
                &http.key("hosts").index(i),
                "must be a host name without port, such as \"camera.local\"",
            );
        }
    }
    let tls = table.tls.map(|t| tls::check(t, &http.key("tls"), check));
    if tls.is_none() && !open && !table.listen.is_loopback() {
        check.warn(
            &http.key("tls"),
            "not set: tokens cross the network unencrypted",
        );
    }
    // Without tokens a foreign page must not get in by a name that points here.
    let hosts = table.hosts.or_else(|| open.then(Vec::new));
    Http {
        listen: table.listen.0,
        cors,
        hosts,
        max_connections: table.max_connections,
        tls,
    }
}

fn is_host_name(name: &str) -> bool {
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= 253 && name.split('.').all(label)
}

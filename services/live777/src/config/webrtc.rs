//! `[webrtc]`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use liveion::LiveConfig;
use serde::Deserialize;

use super::check::Check;
use super::key_path::KeyPath;
use super::listen::Listen;

/// The table as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Table {
    pub(crate) listen: Listen,
    candidates: Vec<Candidate>,
    idle_timeout_s: u64,
    max_sessions: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            listen: Listen(SocketAddr::from(([127, 0, 0, 1], 7777))),
            candidates: Vec::new(),
            idle_timeout_s: 30,
            max_sessions: 256,
        }
    }
}

/// An address that peers can send to.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Candidate(IpAddr);

impl TryFrom<String> for Candidate {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.parse::<IpAddr>() {
            Ok(ip) if !ip.is_unspecified() && !ip.is_multicast() => Ok(Self(ip)),
            _ => Err("must be an IP address that peers can send to, such as \"192.0.2.1\""),
        }
    }
}

pub(crate) fn check(table: Table, check: &mut Check<'_>) -> LiveConfig {
    let webrtc = KeyPath::root().key("webrtc");
    check.range(
        &webrtc.key("idle_timeout_s"),
        table.idle_timeout_s,
        5..=3600,
        "seconds",
    );
    check.range(
        &webrtc.key("max_sessions"),
        table.max_sessions,
        1..=10_000,
        "",
    );
    for (i, candidate) in table.candidates.iter().enumerate() {
        if table.listen.is_loopback() && !candidate.0.to_canonical().is_loopback() {
            check.refuse(
                &webrtc.key("candidates").index(i),
                "cannot be reached while webrtc.listen is a loopback address",
            );
        }
    }
    LiveConfig {
        udp_listen: table.listen.0,
        candidates: table.candidates.into_iter().map(|c| c.0).collect(),
        idle_timeout: Duration::from_secs(table.idle_timeout_s),
        max_sessions: table.max_sessions,
    }
}

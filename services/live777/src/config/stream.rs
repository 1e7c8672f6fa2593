//! `[stream.NAME]`.

use std::time::Duration;

use liveion::{SourceConfig, StreamConfig};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::check::Check;
use super::key_path::KeyPath;
use super::source;

/// Seconds an on-demand stream goes on without viewers.
const GRACE_S: u64 = 10;

/// The table as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    #[serde(default)]
    on_demand: bool,
    #[serde(default)]
    grace_s: Option<u64>,
    #[serde(default)]
    sources: Vec<source::Table>,
    /// Of the original: a data channel bridged to UDP.
    #[serde(default)]
    channel: Option<IgnoredAny>,
}

/// Checks one stream; nothing if its source was refused.
pub(crate) fn check(name: &str, table: Table, check: &mut Check<'_>) -> Option<StreamConfig> {
    let at = KeyPath::root().key("stream").key(name);
    if !is_name(name) {
        check.refuse(
            &at,
            "a stream's name has 1 to 64 of A-Z a-z 0-9 - _ . and begins with a letter or digit",
        );
    }
    if table.channel.is_some() {
        check.refuse(
            &at.key("channel"),
            "a DataChannel <-> UDP channel is not supported; remove it",
        );
    }
    if table.on_demand && table.sources.is_empty() {
        check.refuse(
            &at.key("on_demand"),
            "has no meaning without sources: nothing can start a WHIP publisher",
        );
    }
    let grace_key = at.key("grace_s");
    if let Some(grace) = table.grace_s {
        check.range(&grace_key, grace, 0..=3600, "seconds");
        if !table.on_demand {
            check.refuse(&grace_key, "has no meaning without on_demand = true");
        }
    }
    let source = check_sources(table.sources, &at.key("sources"), check)?;
    Some(StreamConfig {
        name: name.to_owned(),
        source,
        on_demand: table.on_demand,
        grace: Duration::from_secs(table.grace_s.unwrap_or(GRACE_S)),
    })
}

fn check_sources(
    tables: Vec<source::Table>,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<SourceConfig> {
    let count = tables.len();
    if count == 0 {
        return Some(SourceConfig::Whip);
    }
    if count > 1 {
        check.refuse(
            &at.index(1),
            format!("the stream has {count} sources; fail-over from one to the next is not built yet, so one is allowed"),
        );
    }
    let mut checked = tables
        .into_iter()
        .enumerate()
        .map(|(i, table)| source::check(table, &at.index(i), check));
    let first = checked.next().flatten();
    // The others are checked all the same, for their own faults.
    checked.for_each(drop);
    first
}

fn is_name(name: &str) -> bool {
    let byte = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    (1..=64).contains(&name.len())
        && name.bytes().all(byte)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

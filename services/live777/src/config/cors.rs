//! `http.cors`.

use liveion::http::{Cors, Origin};
use serde::Deserialize;

use super::check::Check;
use super::key_path::KeyPath;

/// One entry: an origin, or `*` for all.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Entry {
    Any,
    One(Origin),
}

impl TryFrom<String> for Entry {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let as_sent = url::Url::parse(&text).map(|u| u.origin().ascii_serialization());
        match as_sent {
            Ok(sent) if sent == text => Origin::new(&text).map(Self::One),
            Ok(sent) if sent != "null" => {
                Err(format!("must be written as a browser sends it: \"{sent}\""))
            }
            _ => Err("must be \"*\" or an origin such as \"https://example.org\"".to_owned()),
        }
    }
}

/// The list's meaning.
pub(crate) fn check(entries: Vec<Entry>, key: &KeyPath, check: &mut Check<'_>) -> Cors {
    if entries.contains(&Entry::Any) {
        if entries.len() > 1 {
            check.refuse(key, "\"*\" allows every origin; it must stand alone");
        }
        return Cors::Any;
    }
    let origins = entries.into_iter().filter_map(|entry| match entry {
        Entry::One(origin) => Some(origin),
        Entry::Any => None,
    });
    Cors::Origins(origins.collect())
}

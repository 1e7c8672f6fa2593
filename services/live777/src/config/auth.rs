//! `[auth]`.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use liveion::http::{Access, Authorizer, Open, View};
use serde::Deserialize;

use super::check::Check;
use super::key_path::KeyPath;
use super::listen::Listen;
use super::scope::Scope;
use crate::tokens::Tokens;

/// Fewest characters of a token. 22 of base64 or 32 of hexadecimal make 128 bits.
const MIN_TOKEN: usize = 16;
/// Most; a header has to hold it.
const MAX_TOKEN: usize = 1024;

/// The table as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Table {
    allow_open: bool,
    tokens: Vec<Token>,
}

/// One `[[auth.tokens]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    name: String,
    #[serde(default)]
    token: Option<Secret>,
    #[serde(default)]
    token_file: Option<PathBuf>,
    scopes: Vec<Scope>,
}

/// A string that is not printed.
#[derive(Deserialize)]
#[serde(transparent)]
struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Table {
    /// Does everybody get everything?
    pub(crate) fn is_open(&self) -> bool {
        self.tokens.is_empty()
    }
}

/// Checks the table; `streams` are the names a scope may have.
pub(crate) fn check(
    table: Table,
    streams: &BTreeSet<&str>,
    check: &mut Check<'_>,
) -> Arc<dyn Authorizer> {
    let auth = KeyPath::root().key("auth");
    if table.is_open() {
        return Arc::new(Open::default());
    }
    if table.allow_open {
        check.refuse(
            &auth.key("allow_open"),
            "contradicts [[auth.tokens]]: with tokens, every request needs one",
        );
    }
    let mut tokens = Tokens::default();
    let mut names = BTreeSet::new();
    for (i, token) in table.tokens.into_iter().enumerate() {
        let at = auth.key("tokens").index(i);
        if !is_name(&token.name) {
            check.refuse(&at.key("name"), "must be 1 to 64 printable characters");
        } else if !names.insert(token.name.clone()) {
            check.refuse(&at.key("name"), "is the name of another token");
        }
        let access = access(&token, streams, &at, check);
        if let Some((key, secret)) = secret(token, &at, check)
            && !tokens.add(&secret, access)
        {
            check.refuse(&key, "is the same as another token");
        }
    }
    Arc::new(tokens)
}

/// Refuses addresses that others can reach while everybody may do everything.
pub(crate) fn check_open(table: &Table, listens: &[(KeyPath, Listen)], check: &mut Check<'_>) {
    if !table.is_open() || table.allow_open {
        return;
    }
    for (key, listen) in listens {
        if !listen.is_loopback() {
            check.refuse(
                key,
                "others can reach this address and no [[auth.tokens]] protects it: everybody \
                 could watch, publish and control; add tokens, listen on 127.0.0.1, or allow it \
                 by auth.allow_open = true",
            );
        }
    }
}

fn access(token: &Token, streams: &BTreeSet<&str>, at: &KeyPath, check: &mut Check<'_>) -> Access {
    let scopes = at.key("scopes");
    if token.scopes.is_empty() {
        check.refuse(&scopes, "a token without a scope allows nothing; add one");
    }
    let mut seen = BTreeSet::new();
    for (i, scope) in token.scopes.iter().enumerate() {
        let Scope::View(stream) = scope else {
            continue;
        };
        seen.insert(stream.clone());
        if !streams.contains(stream.as_str()) {
            let known: Vec<_> = streams.iter().copied().collect();
            let known = known.join(", ");
            check.refuse(
                &scopes.index(i),
                format!("there is no such stream; there are: {known}"),
            );
        }
    }
    let view = match token.scopes.contains(&Scope::ViewAll) {
        true => View::All,
        false => View::Streams(seen),
    };
    Access {
        name: token.name.clone(),
        view,
        publish: token.scopes.contains(&Scope::Publish),
        admin: token.scopes.contains(&Scope::Admin),
    }
}

/// The token itself and the key it came from; nothing if it was refused.
fn secret(token: Token, at: &KeyPath, check: &mut Check<'_>) -> Option<(KeyPath, String)> {
    let (key, secret) = match (token.token, token.token_file) {
        (Some(secret), None) => (at.key("token"), secret.0),
        (None, Some(file)) => {
            let key = at.key("token_file");
            let file = check.resolve(&file);
            let content = check.file(&key, &file)?;
            // An unreadable byte becomes a character that no token may have.
            let text = String::from_utf8_lossy(&content);
            (key, text.trim_end_matches(['\r', '\n']).to_owned())
        }
        (Some(_), Some(_)) => {
            check.refuse(&at.key("token_file"), "excludes token; give one of them");
            return None;
        }
        (None, None) => {
            check.refuse(at, "needs token or token_file");
            return None;
        }
    };
    let length = secret.len();
    if !(MIN_TOKEN..=MAX_TOKEN).contains(&length) {
        check.refuse(
            &key,
            format!(
                "a token must have {MIN_TOKEN} to {MAX_TOKEN} characters, this has {length}; \
                 `openssl rand -hex 32` makes a good one"
            ),
        );
        return None;
    }
    if !secret.bytes().all(is_token_byte) {
        check.refuse(
            &key,
            "a token may have letters, digits and - . _ ~ + / = only",
        );
        return None;
    }
    Some((key, secret))
}

/// The characters a bearer token may have (RFC 6750 section 2.1).
fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b)
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.chars().count()) && !name.chars().any(char::is_control)
}

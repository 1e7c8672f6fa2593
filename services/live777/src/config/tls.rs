//! `[http.tls]`.

use std::path::PathBuf;

use serde::Deserialize;

use super::check::Check;
use super::key_path::KeyPath;
use crate::tls::{Part, server_config};

/// The table as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    certificate: PathBuf,
    key: PathBuf,
}

/// Where the certificate and its key are; both were readable and fitted each other at start-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// PEM: the certificate and those between it and the root.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
}

pub(crate) fn check(table: Table, tls: &KeyPath, check: &mut Check<'_>) -> Tls {
    let (certificate_key, key_key) = (tls.key("certificate"), tls.key("key"));
    let files = Tls {
        certificate: check.resolve(&table.certificate),
        key: check.resolve(&table.key),
    };
    let certificate = check.file(&certificate_key, &files.certificate);
    let key = check.file(&key_key, &files.key);
    if let (Some(certificate), Some(key)) = (certificate, key)
        && let Err(e) = server_config(&certificate, &key)
    {
        let (at, file) = match e.part {
            Part::Certificate => (certificate_key, &files.certificate),
            Part::Key => (key_key, &files.key),
        };
        check.refuse(&at, format!("{}: {}", file.display(), e.reason));
    }
    files
}

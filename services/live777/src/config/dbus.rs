//! `[dbus]`.

use clap::ValueEnum;
use serde::Deserialize;

/// The table as written.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Table {
    pub(crate) bus: Bus,
}

/// Which D-Bus the server appears on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Bus {
    /// None.
    #[default]
    None,
    /// The user's.
    Session,
    /// The machine's.
    System,
}

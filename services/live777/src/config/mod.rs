//! The configuration: one TOML file, one small type a table.
//!
//! A key is honoured or refused with its full path, its line, its value and what is allowed; all
//! faults at once. First the document is read into the types (`document`), then what types
//! cannot say is checked (`check`), and only a file without any fault makes a [`Config`].

mod auth;
mod check;
mod cors;
mod dbus;
mod document;
mod http;
mod key_path;
mod listen;
mod log;
mod problem;
mod scope;
mod source;
mod stream;
mod tls;
mod webrtc;
mod wording;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use liveion::http::Authorizer;
use liveion::{LiveConfig, SourceConfig, StreamConfig};
use serde::Deserialize;

pub use check::ReadFile;
pub use dbus::Bus;
pub use http::Http;
pub use log::{Format, Level, Log};
pub use problem::{ConfigError, Problem};
pub use tls::Tls;

use check::Check;
use document::{Document, Reading};
use key_path::KeyPath;

/// Where the configuration is looked for when none is named, in this order.
pub const DEFAULT_FILES: [&str; 2] = ["/etc/livehal/live777.toml", "conf/live777.toml"];

/// The whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[http]`.
    pub http: Http,
    /// `[webrtc]`.
    pub webrtc: LiveConfig,
    /// `[auth]`: who a token belongs to.
    pub authorizer: Arc<dyn Authorizer>,
    /// No token is asked for.
    pub open: bool,
    /// `[log]`.
    pub log: Log,
    /// `[dbus]`.
    pub bus: Bus,
    /// `[stream.*]`, by name.
    pub streams: Vec<StreamConfig>,
    /// What is allowed and unwise.
    pub warnings: Vec<String>,
}

/// The document as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Root {
    http: http::Table,
    webrtc: webrtc::Table,
    auth: auth::Table,
    log: Log,
    dbus: dbus::Table,
    stream: BTreeMap<String, stream::Table>,
}

impl Config {
    /// Reads and checks `file`, or the first of [`DEFAULT_FILES`] that exists. Returns the file
    /// read with its configuration.
    ///
    /// # Errors
    /// The file is missing, cannot be read, or has faults: all of them.
    pub fn load(file: Option<&Path>) -> Result<(PathBuf, Self), ConfigError> {
        let file = match file {
            Some(file) => file.to_owned(),
            None => default_file()?,
        };
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(source) => return Err(ConfigError::Read { file, source }),
        };
        let base = file.parent().unwrap_or(Path::new(""));
        match Self::parse(&text, base, &|path| std::fs::read(path)) {
            Ok(config) => Ok((file, config)),
            Err(problems) => Err(ConfigError::Refused { file, problems }),
        }
    }

    /// What this build or this machine cannot do of it, each with its key: backends that are not
    /// compiled in, devices that are not there.
    pub fn unavailable(&self) -> Vec<String> {
        let problems = self.streams.iter().filter_map(|stream| {
            let SourceConfig::Native(params) = &stream.source else {
                return None;
            };
            let source = KeyPath::root().key("stream").key(&stream.name);
            let source = source.key("sources").index(0);
            let e = params.check_available().err()?;
            let key = source.keys(&e.key);
            Some(format!("{key} = \"{}\": {}", e.value, e.reason))
        });
        problems.collect()
    }

    /// Checks `text`. Relative paths in it begin at `base`; the files it names (tokens,
    /// certificates) are read by `read`.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the text.
    pub fn parse(text: &str, base: &Path, read: ReadFile<'_>) -> Result<Self, Vec<Problem>> {
        let document = Document::parse(text)?;
        let Reading {
            value,
            problems,
            broken,
        } = document.read::<Root>();
        let Some(root) = value else {
            return Err(problems);
        };
        let mut check = Check::new(&document, problems, broken, base, read);
        let config = root.check(&mut check);
        let warnings = check.finish()?;
        Ok(Self { warnings, ..config })
    }
}

impl Root {
    /// Checks every table that was read whole: a fault seen in half a table may be none.
    fn check(self, check: &mut Check<'_>) -> Config {
        let root = KeyPath::root();
        let [http, webrtc, auth, stream] =
            ["http", "webrtc", "auth", "stream"].map(|table| root.key(table));
        let open = self.auth.is_open();
        if [&http, &webrtc, &auth].iter().all(|t| check.is_whole(t)) {
            let listens = [
                (http.key("listen"), self.http.listen),
                (webrtc.key("listen"), self.webrtc.listen),
            ];
            auth::check_open(&self.auth, &listens, check);
        }
        let names: BTreeSet<&str> = self.stream.keys().map(String::as_str).collect();
        let all = check.is_whole(&auth) && check.is_whole(&stream);
        let authorizer: Arc<dyn Authorizer> = match all {
            true => auth::check(self.auth, &names, check),
            false => Arc::new(liveion::http::Open::default()),
        };
        if names.is_empty() && check.is_whole(&stream) {
            check.warn(
                &stream,
                "no stream is configured: there is nothing to watch",
            );
        }
        let mut streams = Vec::new();
        for (name, table) in self.stream {
            if check.is_whole(&stream.key(&name)) {
                streams.extend(stream::check(&name, table, check));
            }
        }
        Config {
            http: http::check(self.http, open, check),
            webrtc: webrtc::check(self.webrtc, check),
            authorizer,
            open,
            log: self.log,
            bus: self.dbus.bus,
            streams,
            warnings: Vec::new(),
        }
    }
}

fn default_file() -> Result<PathBuf, ConfigError> {
    let candidates = DEFAULT_FILES.map(PathBuf::from);
    match candidates.iter().find(|file| file.exists()) {
        Some(file) => Ok(file.clone()),
        None => Err(ConfigError::Missing {
            looked: candidates.into(),
        }),
    }
}

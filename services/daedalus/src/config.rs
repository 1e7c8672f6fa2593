//! The configuration file, `conf/daedalus.toml`.

use std::fmt;
use std::fs;
use std::io;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use livehal_bus::Bus;
use livehal_ffmpeg::UnitCodec;
use serde::Deserialize;

use crate::decoder::codec_number;

/// Where it is looked for unless one is named.
pub const DEFAULT_FILE: &str = "/etc/livehal/daedalus.toml";

/// What the file says. A key that is not there has the value it has in `conf/daedalus.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The kernel's end.
    pub bridge: BridgeConfig,
    /// What is decoded, and how.
    pub decoder: DecoderConfig,
    /// The processes that decode.
    pub worker: WorkerConfig,
    /// Who else may ask.
    pub dbus: DbusConfig,
    /// What is logged.
    pub log: LogConfig,
}

/// `[bridge]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BridgeConfig {
    /// Whether there is a kernel module to decode for.
    pub enabled: bool,
    /// The character device.
    pub device: PathBuf,
}

/// `[decoder]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecoderConfig {
    /// What clients may have decoded.
    pub codecs: Vec<Codec>,
    /// Threads that share the slices or tiles of a picture; 0: one a processor, 8 at most.
    pub threads: u16,
    /// Directory of FFmpeg's libraries instead of the system's.
    pub ffmpeg_dir: Option<PathBuf>,
}

/// A codec by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "names")]
pub enum Codec {
    H264,
    Vp8,
    Vp9,
}

/// `[worker]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerConfig {
    /// Address space of each, in MiB.
    pub memory_mb: u32,
}

/// `[dbus]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DbusConfig {
    /// Where org.livehal.Decoder1 appears.
    pub bus: BusName,
}

/// Which D-Bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum BusName {
    /// None.
    None,
    /// The user's.
    Session,
    /// The machine's.
    #[default]
    System,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// The least important messages that are logged.
    pub level: Level,
}

/// How important a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "names")]
pub enum Level {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

impl Default for BridgeConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            device: "/dev/daedalus-v4l2".into(),
        }
    }
}

impl Default for DecoderConfig {
    fn default() -> Self {
        Self {
            codecs: vec![Codec::H264, Codec::Vp8, Codec::Vp9],
            threads: 0,
            ffmpeg_dir: None,
        }
    }
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self { memory_mb: 1024 }
    }
}

/// Why a configuration is refused.
#[derive(Debug)]
pub struct ConfigError {
    file: PathBuf,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Read(io::Error),
    Syntax(toml::de::Error),
    Key { path: String, reason: String },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file.display())?;
        match &self.problem {
            Problem::Read(e) => write!(f, "{e}"),
            Problem::Syntax(e) => write!(f, "not TOML: {e}"),
            Problem::Key { path, reason } => write!(f, "{path}: {reason}"),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads `named`, or [`DEFAULT_FILE`] where there is one; without either all is as
    /// `conf/daedalus.toml` shows it.
    ///
    /// # Errors
    /// The file and the key that is at fault, and what is allowed.
    pub fn load(named: Option<&Path>) -> Result<Self, ConfigError> {
        let file = named.unwrap_or(Path::new(DEFAULT_FILE));
        let refuse = |problem| ConfigError {
            file: file.into(),
            problem,
        };
        match fs::read_to_string(file) {
            Ok(text) => Self::parse(&text).map_err(refuse),
            Err(e) if named.is_none() && e.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(refuse(Problem::Read(e))),
        }
    }

    /// `dbus.bus`, where there is one.
    pub fn bus(&self) -> Option<Bus> {
        match self.dbus.bus {
            BusName::None => None,
            BusName::Session => Some(Bus::Session),
            BusName::System => Some(Bus::System),
        }
    }

    fn parse(text: &str) -> Result<Self, Problem> {
        let document = toml::Deserializer::parse(text).map_err(Problem::Syntax)?;
        let config: Self =
            serde_path_to_error::deserialize(document).map_err(|e| Problem::Key {
                path: e.path().to_string(),
                reason: e.inner().message().into(),
            })?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), Problem> {
        for (path, value, least, most) in [
            ("decoder.threads", u32::from(self.decoder.threads), 0, 64),
            ("worker.memory_mb", self.worker.memory_mb, 128, 65_536),
        ] {
            if !(least..=most).contains(&value) {
                return Err(Problem::Key {
                    path: path.into(),
                    reason: format!("is {value}; allowed is {least} to {most}"),
                });
            }
        }
        if self.decoder.codecs.is_empty() {
            return Err(Problem::Key {
                path: "decoder.codecs".into(),
                reason: "is empty; allowed are \"h264\", \"vp8\" and \"vp9\"".into(),
            });
        }
        Ok(())
    }

    /// `decoder.codecs`, bit by bit as the bridge numbers them.
    pub fn codecs(&self) -> u32 {
        self.decoder.codecs.iter().fold(0, |bits, codec| {
            let codec = match codec {
                Codec::H264 => UnitCodec::H264,
                Codec::Vp8 => UnitCodec::Vp8,
                Codec::Vp9 => UnitCodec::Vp9,
            };
            bits | 1 << codec_number(codec)
        })
    }

    /// `decoder.threads`, with 0 as it is meant.
    pub fn threads(&self) -> NonZeroU16 {
        NonZeroU16::new(self.decoder.threads).unwrap_or_else(|| {
            let processors = std::thread::available_parallelism().map_or(1, |n| n.get().min(8));
            u16::try_from(processors)
                .ok()
                .and_then(NonZeroU16::new)
                .unwrap_or(NonZeroU16::MIN)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../conf/daedalus.toml");

    #[test]
    fn the_shipped_file_says_what_holds_without_it() {
        assert_eq!(Config::parse(SHIPPED).unwrap(), Config::default());
    }

    /// A line that begins with `#` and a key is a key that is not set.
    #[test]
    fn every_key_of_the_shipped_file_is_known() {
        let all: String = SHIPPED
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(key) if !key.starts_with(' ') && key.contains(" = ") => key,
                _ => line,
            })
            .flat_map(|line| [line, "\n"])
            .collect();
        let config = Config::parse(&all).unwrap();
        assert_ne!(config, Config::default(), "no key is behind a #");
        // And none is missing there.
        for key in [
            "enabled",
            "device",
            "codecs",
            "threads",
            "ffmpeg_dir",
            "memory_mb",
            "bus",
            "level",
        ] {
            assert!(all.contains(&format!("\n{key} = ")), "{key}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_path_and_what_is_allowed() {
        for (text, wanted) in [
            ("[decoder]\nthread = 1", ["decoder.thread", "threads"]),
            (
                "[decoder]\ncodecs = [\"av1\"]",
                ["decoder.codecs[0]", "vp9"],
            ),
            ("[decoder]\ncodecs = []", ["decoder.codecs", "vp9"]),
            ("[decoder]\nthreads = 65", ["decoder.threads", "0 to 64"]),
            ("[worker]\nmemory_mb = 64", ["worker.memory_mb", "65536"]),
            ("[worker]\nmemory_mb = \"x\"", ["worker.memory_mb", "u32"]),
            ("[log]\nlevel = \"loud\"", ["log.level", "debug"]),
            ("[bridge]\nenabled = 1", ["bridge.enabled", "boolean"]),
            ("[dbus]\nbus = \"both\"", ["dbus.bus", "session"]),
            ("[brigde]\n", ["brigde", "bridge"]),
            ("device", ["not TOML", "1"]),
        ] {
            let error = ConfigError {
                file: "f.toml".into(),
                problem: Config::parse(text).unwrap_err(),
            };
            let error = error.to_string();
            for part in wanted {
                assert!(error.contains(part), "{text}: {error}");
            }
        }
    }

    #[test]
    fn a_file_that_is_named_must_be_there() {
        let missing = Path::new("/nowhere/daedalus.toml");
        let error = Config::load(Some(missing)).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/daedalus.toml: "), "{error}");
    }
}

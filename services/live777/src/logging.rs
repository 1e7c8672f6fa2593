//! Where the log goes.

use std::io;

use tracing::Level as TracingLevel;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::{Format, Level, Log};

/// The crates whose log is the server's own.
const OURS: [&str; 3] = ["live777", "liveion", "livehal"];

/// Starts logging; returns the form that [`Format::Auto`] came to, or that took the place of a
/// journal that does not answer.
///
/// # Errors
/// Logging was started before.
pub fn init(log: Log) -> Result<Format, TryInitError> {
    let format = match log.format {
        Format::Auto if stderr_is_journal() => Format::Journal,
        Format::Auto => Format::Text,
        other => other,
    };
    let (layer, format) = match format {
        Format::Journal => match journal() {
            Ok(layer) => (layer, Format::Journal),
            Err(_) => (text(), Format::Text),
        },
        Format::Json => (fmt::layer().json().with_writer(io::stderr).boxed(), format),
        Format::Text | Format::Auto => (text(), Format::Text),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter(log.level)))
        .try_init()?;
    if log.format == Format::Journal && format == Format::Text {
        tracing::warn!("log.format = \"journal\": there is no journal here; logging text");
    }
    Ok(format)
}

/// Libraries speak up when something is wrong; what they do is told at `trace` only.
fn filter(level: Level) -> Targets {
    let level = match level {
        Level::Error => TracingLevel::ERROR,
        Level::Warn => TracingLevel::WARN,
        Level::Info => TracingLevel::INFO,
        Level::Debug => TracingLevel::DEBUG,
        Level::Trace => TracingLevel::TRACE,
    };
    let others = match level {
        TracingLevel::TRACE => LevelFilter::TRACE,
        _ => LevelFilter::from_level(level.min(TracingLevel::WARN)),
    };
    Targets::new()
        .with_default(others)
        .with_targets(OURS.map(|target| (target, LevelFilter::from_level(level))))
}

fn text() -> Box<dyn Layer<Registry> + Send + Sync> {
    let colour = io::IsTerminal::is_terminal(&io::stderr());
    fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(colour)
        .boxed()
}

#[cfg(target_os = "linux")]
fn journal() -> io::Result<Box<dyn Layer<Registry> + Send + Sync>> {
    use tracing_journald::{Priority, PriorityMappings};
    let priorities = PriorityMappings {
        error: Priority::Error,
        warn: Priority::Warning,
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
    };
    Ok(tracing_journald::layer()?
        .with_priority_mappings(priorities)
        .with_field_prefix(None)
        .with_syslog_identifier("live777".to_owned())
        .boxed())
}

#[cfg(not(target_os = "linux"))]
fn journal() -> io::Result<Box<dyn Layer<Registry> + Send + Sync>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Does the journal read our standard error? `JOURNAL_STREAM` alone is inherited by everything
/// that a service starts, so it names the stream it means (systemd.exec(5)).
#[cfg(target_os = "linux")]
fn stderr_is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let Ok(stat) = rustix::fs::fstat(rustix::stdio::stderr()) else {
        return false;
    };
    stream == format!("{}:{}", stat.st_dev, stat.st_ino)
}

#[cfg(not(target_os = "linux"))]
fn stderr_is_journal() -> bool {
    false
}

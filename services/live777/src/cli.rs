//! The command line.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::Parser;

use crate::config::{Bus, Level};

/// Everything went as asked.
pub const EXIT_OK: u8 = 0;
/// The server could not start or had to stop; the text says why.
pub const EXIT_FAILURE: u8 = 1;
/// The command line or the configuration is wrong; nothing was started.
pub const EXIT_USAGE: u8 = 2;

const AFTER: &str = "\
Exit codes: 0 done or stopped by a signal; 1 could not start, such as a port in use; \
2 wrong command line or configuration.
Signals: SIGTERM and SIGINT stop the server; SIGHUP reads the TLS certificate again.";

/// WebRTC camera server.
#[derive(Debug, Parser)]
#[command(name = "live777", version = version(), after_help = AFTER)]
pub struct Cli {
    /// Configuration file [default: /etc/livehal/live777.toml, then conf/live777.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Check a configuration file, print what it means or all that is wrong, and exit
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub check_config: Option<PathBuf>,
    /// D-Bus to appear on, instead of dbus.bus
    #[arg(long, value_enum)]
    pub bus: Option<Bus>,
    /// What to log, instead of log.level
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub log_level: Option<Level>,
}

/// Version and the features of this build.
pub fn version() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let features = FEATURES.iter().filter(|f| f.1).map(|f| f.0);
        let features: Vec<_> = features.collect();
        let features = match features.as_slice() {
            [] => "none".to_owned(),
            some => some.join(" "),
        };
        format!("{}\nfeatures: {features}", env!("CARGO_PKG_VERSION"))
    });
    &TEXT
}

const FEATURES: [(&str, bool); 7] = [
    ("webui", cfg!(feature = "webui")),
    ("source", cfg!(feature = "source")),
    ("capture-libcamera", cfg!(feature = "capture-libcamera")),
    ("capture-v4l2", cfg!(feature = "capture-v4l2")),
    ("encoder-v4l2-m2m", cfg!(feature = "encoder-v4l2-m2m")),
    ("encoder-rdk", cfg!(feature = "encoder-rdk")),
    ("encoder-software", cfg!(feature = "encoder-software")),
];

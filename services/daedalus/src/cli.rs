//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::config::BusName;

/// Everything went as asked.
pub const EXIT_OK: u8 = 0;
/// It could not be done; the text says why.
pub const EXIT_FAILURE: u8 = 1;
/// The command line or the configuration is wrong; nothing was started.
pub const EXIT_USAGE: u8 = 2;

/// Decodes for the kernel module daedalus_v4l2.
#[derive(Debug, Parser)]
#[command(name = "daedalus_v4l2_daemon", version)]
pub struct Cli {
    /// Log more: which contexts come and go, and why a unit is not decoded
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Configuration file [default: /etc/livehal/daedalus.toml if there is one]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Decode what the kernel module asks for, until SIGTERM or SIGINT
    Daemon {
        /// Where org.livehal.Decoder1 appears, instead of dbus.bus of the configuration
        #[arg(long, value_name = "BUS")]
        bus: Option<BusName>,
    },
    /// Tell which libraries there are, and which codecs they decode
    Probe,
    /// Decode a file without the kernel and print each picture's digests
    ///
    /// IVF (VP8, VP9, H.264), or H.264 with start codes (Annex B).
    Decode {
        /// The file
        file: PathBuf,
    },
    /// Have the running daemon decode a file, over D-Bus, and print how many pictures it has
    ///
    /// What VerifyStream of org.livehal.Decoder1 answers: as `decode`, but any fault is an error.
    Verify {
        /// The bus that the daemon is on, instead of dbus.bus of the configuration
        #[arg(long, value_name = "BUS")]
        bus: Option<BusName>,
        /// The file
        file: PathBuf,
    },
    /// What the daemon starts for each client; standard input is its socket
    #[command(hide = true)]
    Worker {
        /// Threads that share the slices or tiles of a picture
        #[arg(long)]
        threads: std::num::NonZeroU16,
        /// Address space in MiB
        #[arg(long)]
        memory_mb: u32,
        /// Directory of FFmpeg's libraries
        #[arg(long)]
        ffmpeg_dir: Option<PathBuf>,
    },
}

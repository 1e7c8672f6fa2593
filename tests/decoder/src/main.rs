//! `decoder-peer`: a V4L2 client of the node of `daedalus_v4l2`, and a daemon that is up to no good.

mod clients;
mod fake;
mod frames;
mod hostile;
mod ioctls;
mod node;
mod nomem;
mod paff;
mod resume;
mod sys;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// Tests of the decoder's kernel module; each says what it saw, and fails where that is not right.
#[derive(Debug, Parser)]
struct Cli {
    /// Milliseconds in which a client must have its answer.
    #[arg(long, default_value_t = 1000, global = true)]
    limit_ms: u64,
    /// What random numbers are made from.
    #[arg(long, default_value_t = 1, global = true)]
    seed: u64,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Decodes a VP9 stream (IVF), once or again and again, in so many contexts at a time.
    Play {
        file: PathBuf,
        #[arg(long, default_value_t = 1)]
        loops: u64,
        #[arg(long, default_value_t = 1)]
        contexts: usize,
    },
    /// Kills the daemon (-9) so often while a client decodes.
    Kills { file: PathBuf, count: u32 },
    /// Stops the daemon (SIGSTOP) so often while a client decodes, longer than a job may take.
    Stops { file: PathBuf, count: u32 },
    /// Kills a client so often while it decodes.
    Clients { file: PathBuf, count: u32 },
    /// A daemon that writes so many wrong messages between its right ones, and is late, mute and gone.
    Hostile { messages: u64 },
    /// Ends of streaming, of files and of the daemon with jobs under way.
    InFlight,
    /// Has each allocation of a client, or of another process beside one, fail once.
    NoMemory {
        file: PathBuf,
        /// The other process.
        #[arg(long)]
        task: Option<u32>,
    },
    /// Holds a request, and nothing else of the decoder, until it is killed.
    HoldRequest,
    /// What a daemon is told of streams that it has not seen from their beginning.
    Resume,
    /// Opens 64 contexts, and decodes in as many as may.
    Contexts,
    /// Holds raw NV12 or P010 that GStreamer wrote against FFmpeg's pictures and published MD5s.
    Frames {
        /// GStreamer's file.
        raw: PathBuf,
        /// What `daedalus_v4l2_daemon decode` says of the stream.
        decoded: PathBuf,
        /// What `ffmpeg -f framemd5` says of it.
        framemd5: PathBuf,
        /// MD5s of the pictures as NV12, a line each.
        published: Option<PathBuf>,
    },
    /// Writes H.264 in fields and frames by turns, so many pictures.
    Paff { file: PathBuf, pictures: u32 },
    /// Random ioctls on the node, by several processes, for so many seconds.
    Ioctls {
        seconds: u64,
        /// One such process.
        #[arg(long, hide = true)]
        alone: bool,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let limit = Duration::from_millis(cli.limit_ms);
    let done = match cli.command {
        Command::Play {
            file,
            loops,
            contexts,
        } => clients::play(&file, loops, contexts, limit),
        Command::Kills { file, count } => clients::kills(&file, count, limit, cli.seed),
        Command::Stops { file, count } => clients::stops(&file, count, limit),
        Command::Clients { file, count } => clients::killed(&file, count, limit, cli.seed),
        Command::Hostile { messages } => hostile::messages(messages, limit, cli.seed),
        Command::InFlight => hostile::in_flight(limit),
        Command::NoMemory { file, task } => nomem::run(&file, task, limit),
        Command::HoldRequest => node::hold_request(),
        Command::Resume => resume::run(limit),
        Command::Contexts => hostile::contexts(limit, cli.seed),
        Command::Frames {
            raw,
            decoded,
            framemd5,
            published,
        } => frames::compare(&raw, &decoded, &framemd5, published.as_deref()),
        Command::Paff { file, pictures } => paff::write(&file, pictures, cli.seed),
        Command::Ioctls { seconds, alone } => ioctls::run(seconds, cli.seed, alone),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("decoder-peer: {e:#}");
            ExitCode::FAILURE
        }
    }
}

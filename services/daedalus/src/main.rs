//! The `daedalus_v4l2_daemon` binary.

use std::ffi::OsString;
use std::io::{
    self,
    ErrorKind::{BrokenPipe, ConnectionReset},
    Write,
};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use daedalus::bridge::Device;
use daedalus::cli::{Cli, Command, EXIT_FAILURE, EXIT_OK, EXIT_USAGE};
use daedalus::config::{Config, Level};
use daedalus::daemon::{self, DaemonOptions};
use daedalus::pool::WorkerProgram;
use daedalus::worker::WorkerOptions;
use daedalus::{dbus, offline, sandbox, template, worker};
use livehal_ffmpeg::{Library, UnitCodec};
use signal_hook::consts::{SIGINT, SIGTERM};
use tracing::info;
use tracing::level_filters::LevelFilter;

/// Anything that ends the program is told, not handled.
type Done = Result<(), Box<dyn std::error::Error>>;

/// Not refused with the file: the command line may say otherwise.
const NOTHING_TO_DO: &str =
    "bridge.enabled = false and dbus.bus = \"none\": nobody could ask for anything";

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Worker {
        threads,
        memory_mb,
        ffmpeg_dir,
    } = &cli.command
    {
        let options = WorkerOptions {
            threads: *threads,
            verbose: cli.verbose,
        };
        return exit(decode_for_daemon(
            options,
            *memory_mb,
            ffmpeg_dir.as_deref(),
        ));
    }
    let mut config = match Config::load(cli.config.as_deref()) {
        Ok(config) => config,
        Err(e) => {
            eprintln!("daedalus_v4l2_daemon: {e}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    exit(match &cli.command {
        Command::Daemon { bus } => {
            config.dbus.bus = bus.unwrap_or(config.dbus.bus);
            if !config.bridge.enabled && config.bus().is_none() {
                eprintln!("daedalus_v4l2_daemon: {NOTHING_TO_DO}");
                return ExitCode::from(EXIT_USAGE);
            }
            serve(&cli, &config)
        }
        Command::Probe => probe(&config),
        Command::Decode { file } => decode(&config, file),
        Command::Verify { bus, file } => {
            config.dbus.bus = bus.unwrap_or(config.dbus.bus);
            verify(&config, file)
        }
        // Dealt with.
        Command::Worker { .. } => Ok(()),
    })
}

fn exit(done: Done) -> ExitCode {
    match done {
        Ok(()) => ExitCode::from(EXIT_OK),
        Err(e) => {
            eprintln!("daedalus_v4l2_daemon: {e}");
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

fn load(ffmpeg_dir: Option<&Path>) -> Result<Library, livehal_ffmpeg::Error> {
    match ffmpeg_dir {
        Some(dir) => Library::load_from(dir),
        None => Library::load(),
    }
}

fn serve(cli: &Cli, config: &Config) -> Done {
    let level = match (cli.verbose, config.log.level) {
        (true, _) | (_, Level::Debug) => LevelFilter::DEBUG,
        (_, Level::Info) => LevelFilter::INFO,
        (_, Level::Warn) => LevelFilter::WARN,
        (_, Level::Error) => LevelFilter::ERROR,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_target(false)
        .init();
    // Before anything is opened: a signal that comes early is not lost.
    let (stop, stopper) = UnixStream::pair()?;
    for signal in [SIGTERM, SIGINT] {
        signal_hook::low_level::pipe::register(signal, stopper.try_clone()?)?;
    }
    let options = DaemonOptions {
        program: worker_program(cli, config)?,
        codecs: config.codecs(),
        bus: config.bus(),
    };
    if config.bridge.enabled {
        let device = &config.bridge.device;
        let bridge = Device::open(device)
            .map_err(|e| format!("bridge.device = {}: {e}", device.display()))?;
        info!("version {}", env!("CARGO_PKG_VERSION"));
        daemon::run(bridge, stop.as_fd(), &options)?;
    } else {
        info!(
            "version {}, without the kernel module",
            env!("CARGO_PKG_VERSION")
        );
        daemon::run_without_bridge(stop.as_fd(), &options)?;
    }
    info!("stopped");
    Ok(())
}

/// This program again, with what of the configuration concerns a worker.
fn worker_program(cli: &Cli, config: &Config) -> io::Result<WorkerProgram> {
    let mut arguments: Vec<OsString> = vec![
        "worker".into(),
        "--threads".into(),
        config.threads().to_string().into(),
        "--memory-mb".into(),
        config.worker.memory_mb.to_string().into(),
    ];
    if let Some(dir) = &config.decoder.ffmpeg_dir {
        arguments.extend(["--ffmpeg-dir".into(), dir.into()]);
    }
    if cli.verbose {
        arguments.push("--verbose".into());
    }
    Ok(WorkerProgram {
        program: std::env::current_exe()?,
        arguments,
    })
}

fn decode_for_daemon(options: WorkerOptions, memory_mb: u32, ffmpeg_dir: Option<&Path>) -> Done {
    let library = load(ffmpeg_dir)?;
    let ended = decode_in_copies(&library, options, memory_mb);
    match ended.as_ref().map_err(|e| e.downcast_ref::<io::Error>()) {
        // The daemon has ended, and needs to be told nothing.
        Err(Some(e)) if matches!(e.kind(), BrokenPipe | ConnectionReset) => Ok(()),
        _ => ended,
    }
}

fn decode_in_copies(library: &Library, options: WorkerOptions, memory_mb: u32) -> Done {
    let control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    worker::greet(library, &control)?;
    let template = rustix::process::getpid();
    let Some(socket) = template::serve(control)? else {
        return Ok(());
    };
    // From here on this is a copy: a worker.
    sandbox::follow_parent(template)?;
    sandbox::enter(u64::from(memory_mb) << 20)?;
    worker::greet(library, &socket)?;
    worker::run(library, socket, options)?;
    Ok(())
}

fn probe(config: &Config) -> Done {
    let library = load(config.decoder.ffmpeg_dir.as_deref())?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", library.versions())?;
    for codec in UnitCodec::ALL {
        let has = if library.has_decoder(codec) {
            "yes"
        } else {
            "no"
        };
        writeln!(out, "{}: {has}", codec.name())?;
    }
    Ok(())
}

fn decode(config: &Config, file: &Path) -> Done {
    let named = |e: &dyn std::error::Error| format!("{}: {e}", file.display());
    let bytes = std::fs::read(file).map_err(|e| named(&e))?;
    let library = load(config.decoder.ffmpeg_dir.as_deref())?;
    let threads = config.threads();
    // What is in the file is nobody's to trust.
    sandbox::enter(u64::from(config.worker.memory_mb) << 20)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    offline::print(&library, threads, &bytes, &mut out).map_err(|e| named(&e))?;
    Ok(())
}

fn verify(config: &Config, file: &Path) -> Done {
    let bus = config
        .bus()
        .ok_or("dbus.bus = \"none\": no bus to ask on")?;
    let stream = std::fs::File::open(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let verified =
        dbus::client::verify(bus, stream.into()).map_err(|e| format!("{}: {e}", file.display()))?;
    println!(
        "{} frames md5={} {:.1} ms",
        verified.frames,
        verified.digest,
        verified.took.as_secs_f64() * 1e3
    );
    Ok(())
}

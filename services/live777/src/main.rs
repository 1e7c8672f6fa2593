//! The `live777` binary.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use live777::cli::{Cli, EXIT_FAILURE, EXIT_OK, EXIT_USAGE};
use live777::config::Config;
use live777::{logging, run, summary};
use tracing::{info, warn};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let code = match &cli.check_config {
        Some(file) => check(file),
        None => serve(&cli),
    };
    ExitCode::from(code)
}

fn check(file: &Path) -> u8 {
    match Config::load(Some(file)) {
        Ok((_, config)) => {
            print!("{}", summary::of(&config));
            match refused_here(&config) {
                false => EXIT_OK,
                true => EXIT_USAGE,
            }
        }
        Err(e) => {
            eprintln!("{e}");
            EXIT_USAGE
        }
    }
}

/// Tells what this build or this machine cannot do; `true` if there is any.
fn refused_here(config: &Config) -> bool {
    let unavailable = config.unavailable();
    for problem in &unavailable {
        eprintln!("{problem}");
    }
    !unavailable.is_empty()
}

fn serve(cli: &Cli) -> u8 {
    let (file, mut config) = match Config::load(cli.config.as_deref()) {
        Ok(loaded) => loaded,
        Err(e) => {
            eprintln!("{e}");
            return EXIT_USAGE;
        }
    };
    if refused_here(&config) {
        return EXIT_FAILURE;
    }
    config.bus = cli.bus.unwrap_or(config.bus);
    config.log.level = cli.log_level.unwrap_or(config.log.level);
    if let Err(e) = logging::init(config.log) {
        eprintln!("live777: logging: {e}");
        return EXIT_FAILURE;
    }
    info!(version = env!("CARGO_PKG_VERSION"), config = %file.display(), "live777");
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("live777: {e}");
            return EXIT_FAILURE;
        }
    };
    let result = runtime.block_on(run::run(config));
    runtime.shutdown_timeout(Duration::from_millis(100));
    match result {
        Ok(()) => EXIT_OK,
        Err(e) => {
            eprintln!("live777: {e}");
            EXIT_FAILURE
        }
    }
}

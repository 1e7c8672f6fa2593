//! Memory that runs out: each allocation that a client, or the daemon for it, has the kernel make fails once.
//! The module in `tests/vm/modules/nomem` has them fail.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::clients::Film;
use crate::node::Node;
use crate::sys::{CAPTURE, OUTPUT};

const PARAMETERS: &str = "/sys/module/livehal_nomem/parameters";
/// No file's way through the module has so many.
const MOST: u32 = 1000;
/// A key frame, and a picture that refers to it.
const UNITS: usize = 2;

/// `no-memory`
pub fn run(path: &Path, task: Option<u32>, limit: Duration) -> Result<()> {
    let film = Film::read(path)?;
    set("task", task.unwrap_or(std::process::id()))?;
    for number in 1..=MOST {
        let ended = failing(number, || attempt(&film, limit));
        let failed: u32 = get("failed")?.parse()?;
        let asker = get("where")?;
        if failed == 0 {
            ensure!(ended?.is_none(), "a picture is lost with all memory there");
            println!("no-memory: allocations={}", number - 1);
            ensure!(number > 1, "none was made");
            return Ok(());
        }
        let said = match ended {
            Ok(None) => String::from("all pictures"),
            Ok(Some(unit)) => format!("unit {unit} failed"),
            Err(e) if out_of_memory(&e) => format!("{e:#}"),
            Err(e) => return Err(e.context(format!("allocation {number}, by {asker}"))),
        };
        println!("allocation {number}, by {asker}: {said}");
        let after = attempt(&film, limit).context("afterwards")?;
        ensure!(
            after.is_none(),
            "unit {after:?} failed after allocation {number}, by {asker}"
        );
    }
    bail!("there is no end to the allocations")
}

/// Does something while the allocation of that number fails.
fn failing<T>(number: u32, what: impl FnOnce() -> Result<T>) -> Result<T> {
    set("seen", 0)?;
    set("failed", 0)?;
    set("at", number)?;
    let done = what();
    set("at", 0)?;
    done
}

/// A client's way through all there is; the first unit that was not decoded.
fn attempt(film: &Film, limit: Duration) -> Result<Option<usize>> {
    let mut node = Node::open(film.width, film.height)?;
    node.buffers(4)?;
    node.stream()?;
    let mut lost = None;
    for (number, unit) in film.units.iter().enumerate().take(UNITS) {
        match node.decode(unit, limit)?.picture {
            // Others were decoded from one that is lost.
            Some(picture) if lost.is_none() => film.check(number, picture)?,
            Some(_) => (),
            None => lost = lost.or(Some(number)),
        }
    }
    match node.export(CAPTURE, 0) {
        Ok(buffer) => drop(buffer),
        // What videobuf2 makes of any failure here.
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
            return Err(io::Error::from(io::ErrorKind::OutOfMemory)).context("EXPBUF, by EINVAL");
        }
        Err(e) => return Err(e).context("EXPBUF"),
    }
    node.stop(OUTPUT)?;
    node.stop(CAPTURE)?;
    Ok(lost)
}

/// Whether a call failed for want of memory, rather than with something that says something else.
fn out_of_memory(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    cause.is_some_and(|e| e.kind() == io::ErrorKind::OutOfMemory)
}

fn set(parameter: &str, value: u32) -> Result<()> {
    let file = Path::new(PARAMETERS).join(parameter);
    fs::write(&file, value.to_string()).with_context(|| file.display().to_string())
}

fn get(parameter: &str) -> Result<String> {
    let file = Path::new(PARAMETERS).join(parameter);
    let told = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    Ok(told.trim().to_owned())
}

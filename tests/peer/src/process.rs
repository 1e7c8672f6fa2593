//! What a process costs, from `/proc`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// A process seen from outside.
#[derive(Debug, Clone)]
pub struct Process {
    pid: u32,
    root: PathBuf,
}

/// Sizes of a process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Resident set in KiB.
    pub rss_kib: u64,
    /// Threads.
    pub threads: u64,
    /// Open descriptors.
    pub fds: u64,
}

impl Process {
    /// The process with this id.
    pub fn new(pid: u32) -> Self {
        Self {
            pid,
            root: PathBuf::from(format!("/proc/{pid}")),
        }
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Processor time so far. The kernel scales user + system to the scheduler's exact run
    /// time, so the sum is precise although each is counted in ticks.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cpu(&self) -> Result<Duration> {
        let text = read(&self.root.join("stat"))?;
        // The name in parentheses may hold anything.
        let after = text.rsplit_once(')').context("stat")?.1;
        let field = |n: usize| -> Result<u64> {
            Ok(after.split_whitespace().nth(n).context("stat")?.parse()?)
        };
        let hz = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)?.unwrap_or(100);
        let ticks = field(11)? + field(12)?;
        Ok(Duration::from_secs_f64(ticks as f64 / hz as f64))
    }

    /// Exact processor time by thread name, from the scheduler; threads that have ended are
    /// not in it.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cpu_by_thread(&self) -> Result<BTreeMap<String, Duration>> {
        let mut all = BTreeMap::new();
        for entry in std::fs::read_dir(self.root.join("task"))? {
            let task = entry?.path();
            // A thread may end between the listing and the reading.
            let (Ok(name), Ok(stat)) = (read(&task.join("comm")), read(&task.join("schedstat")))
            else {
                continue;
            };
            let ns: u64 = stat
                .split_whitespace()
                .next()
                .context("schedstat")?
                .parse()?;
            *all.entry(name.trim().to_owned()).or_default() += Duration::from_nanos(ns);
        }
        Ok(all)
    }

    /// Its sizes now.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn sizes(&self) -> Result<Sizes> {
        let status = read(&self.root.join("status"))?;
        let value = |key: &str| -> Result<u64> {
            let line = status
                .lines()
                .find(|l| l.starts_with(key))
                .with_context(|| format!("{key} in status"))?;
            Ok(line.split_whitespace().nth(1).context("status")?.parse()?)
        };
        Ok(Sizes {
            rss_kib: value("VmRSS:")?,
            threads: value("Threads:")?,
            fds: std::fs::read_dir(self.root.join("fd"))?.count() as u64,
        })
    }

    /// Confines every thread of the process to one processor.
    ///
    /// # Errors
    /// When the process is gone or the processor does not exist.
    pub fn pin(&self, cpu: usize) -> Result<()> {
        let mut set = CpuSet::new();
        set.set(cpu)?;
        for entry in std::fs::read_dir(self.root.join("task"))? {
            let name = entry?.file_name();
            let tid: i32 = name.to_string_lossy().parse()?;
            // A thread may have ended since the listing.
            let _ = sched_setaffinity(Pid::from_raw(tid), &set);
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}

/// Confines the calling thread to one processor; says so if it cannot.
pub fn pin_thread(cpu: usize) {
    let mut set = CpuSet::new();
    let pinned = set
        .set(cpu)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set));
    if let Err(e) = pinned {
        eprintln!("cannot stay on processor {cpu}: {e}");
    }
}

/// Processors this process may use.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_a_cost() {
        let me = Process::new(std::process::id());
        let sizes = me.sizes().unwrap();
        assert!(sizes.rss_kib > 100 && sizes.threads >= 1 && sizes.fds >= 3);
        let before = me.cpu().unwrap();
        let start = std::time::Instant::now();
        while me.cpu().unwrap() == before {
            assert!(start.elapsed() < Duration::from_secs(5));
        }
        assert!(!me.cpu_by_thread().unwrap().is_empty());
    }
}

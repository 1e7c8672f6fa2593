//! Clients of the real daemon, and what is done to either.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use daedalus::stream::Stream;
use rustix::process::{Pid, Signal, kill_process};

use crate::node::{Node, Outcome};

/// How long anything may take that no limit is for.
const LONG: Duration = Duration::from_secs(60);

/// A stream, and what its pictures are.
pub struct Film {
    pub width: u32,
    pub height: u32,
    pub units: Vec<Vec<u8>>,
    /// By unit: what was seen first.
    pictures: Mutex<Vec<Option<u64>>>,
}

impl Film {
    /// Reads VP9 from an IVF file.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        let size = |at| {
            let two = bytes.get(at..at + 2).and_then(|b| b.try_into().ok());
            two.map(|b| u32::from(u16::from_le_bytes(b)))
                .context("no size")
        };
        let (width, height) = (size(12)?, size(14)?);
        let stream = Stream::read(&bytes)?;
        let units: Vec<_> = stream.units.iter().map(|u| u.to_vec()).collect();
        Ok(Self {
            width,
            height,
            pictures: Mutex::new(vec![None; units.len()]),
            units,
        })
    }

    /// Every picture of a unit must be the first one.
    pub fn check(&self, unit: usize, picture: u64) -> Result<()> {
        let mut pictures = self.pictures.lock().unwrap_or_else(|e| e.into_inner());
        let known = pictures.get_mut(unit).context("no such unit")?;
        let first = *known.get_or_insert(picture);
        ensure!(
            first == picture,
            "unit {unit} is another picture than before"
        );
        Ok(())
    }

    fn client(&self) -> Result<Node> {
        let mut node = Node::open(self.width, self.height)?;
        node.buffers(4)?;
        node.stream()?;
        Ok(node)
    }
}

/// What clients have seen.
#[derive(Default)]
struct Seen {
    pictures: AtomicU64,
    errors: AtomicU64,
    slowest_ms: AtomicU64,
    /// Of all units.
    took_us: AtomicU64,
    done: AtomicBool,
}

impl Seen {
    fn add(&self, film: &Film, unit: usize, outcome: Outcome) -> Result<()> {
        let took = outcome.took.as_millis() as u64;
        self.slowest_ms.fetch_max(took, Ordering::Relaxed);
        self.took_us
            .fetch_add(outcome.took.as_micros() as u64, Ordering::Relaxed);
        match outcome.picture {
            Some(picture) => {
                film.check(unit, picture)?;
                self.pictures.fetch_add(1, Ordering::Relaxed);
            }
            None => {
                self.errors.fetch_add(1, Ordering::Relaxed);
                // Without a daemon errors come at once: leave the processor to others.
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        Ok(())
    }

    fn pictures(&self) -> u64 {
        self.pictures.load(Ordering::Relaxed)
    }

    fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    fn all(&self) -> u64 {
        self.pictures() + self.errors()
    }

    fn say(&self, what: &str) {
        let slowest = self.slowest_ms.load(Ordering::Relaxed);
        let took = self.took_us.load(Ordering::Relaxed) as f64 / 1000.0;
        println!(
            "{what}: pictures={} errors={} slowest_ms={slowest} mean_ms={:.2}",
            self.pictures(),
            self.errors(),
            took / self.all() as f64
        );
    }

    /// Waits until `value` is more than it was.
    fn more(&self, value: impl Fn(&Self) -> u64, than: u64, what: &str) -> Result<()> {
        let until = Instant::now() + LONG;
        while value(self) <= than {
            ensure!(Instant::now() < until, "no {what} within {LONG:?}");
            ensure!(!self.done.load(Ordering::Relaxed), "the client has ended");
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

/// Decodes until `seen` is done, or so many times.
fn client(film: &Film, seen: &Seen, loops: u64, limit: Duration) -> Result<()> {
    let mut node = film.client()?;
    for round in 0..loops {
        for (number, unit) in film.units.iter().enumerate() {
            if seen.done.load(Ordering::Relaxed) {
                return Ok(());
            }
            let outcome = node
                .decode(unit, limit)
                .with_context(|| format!("unit {number}"))?;
            seen.add(film, number, outcome)?;
            if round == 0 && outcome.picture.is_some() {
                let exported = node.exported(outcome.index)?;
                ensure!(
                    outcome.picture == Some(exported),
                    "unit {number}: its DMA-BUF has another picture"
                );
            }
        }
    }
    Ok(())
}

/// Runs a client beside `during`, and both must end well.
fn beside(
    film: &Film,
    seen: &Seen,
    limit: Duration,
    during: impl FnOnce() -> Result<()>,
) -> Result<()> {
    std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let ended = client(film, seen, u64::MAX, limit);
            seen.done.store(true, Ordering::Relaxed);
            ended
        });
        let during = during();
        seen.done.store(true, Ordering::Relaxed);
        match client.join() {
            Ok(ended) => ended.context("the client")?,
            Err(_) => bail!("the client panicked"),
        }
        during
    })
}

/// `play`
pub fn play(path: &Path, loops: u64, contexts: usize, limit: Duration) -> Result<()> {
    let film = Film::read(path)?;
    let seen = Seen::default();
    std::thread::scope(|scope| {
        let mut clients = Vec::new();
        while clients.len() < contexts {
            let before = seen.all();
            clients.push(scope.spawn(|| client(&film, &seen, loops, limit)));
            // Not all at the same moment: an emulated machine takes its time to start workers.
            if clients.len() < contexts {
                seen.more(Seen::all, before, "first unit")?;
            }
        }
        clients
            .into_iter()
            .try_for_each(|client| client.join().unwrap_or_else(|_| bail!("a client panicked")))
    })?;
    seen.say("play");
    ensure!(seen.errors() == 0, "units were not decoded");
    Ok(())
}

/// The real one.
struct Daemon(Child);

impl Daemon {
    fn start() -> Result<Self> {
        let mut command = Command::new("daedalus_v4l2_daemon");
        command.arg("daemon").stdin(Stdio::null());
        Ok(Self(command.spawn().context("daedalus_v4l2_daemon")?))
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.0.id().cast_signed()).context("no process")?;
        Ok(kill_process(pid, signal)?)
    }

    fn end(mut self, signal: Signal) -> Result<()> {
        self.signal(signal)?;
        let status = self.0.wait()?;
        ensure!(
            signal == Signal::KILL || status.success(),
            "the daemon: {status}"
        );
        Ok(())
    }
}

/// `kills`
pub fn kills(path: &Path, count: u32, limit: Duration, seed: u64) -> Result<()> {
    let film = Film::read(path)?;
    let seen = Seen::default();
    let mut rng = fastrand::Rng::with_seed(seed);
    beside(&film, &seen, limit, || {
        for _ in 0..count {
            let before = seen.pictures();
            let daemon = Daemon::start()?;
            seen.more(Seen::pictures, before, "picture after a start")?;
            // A moment of the stream, whichever.
            std::thread::sleep(Duration::from_micros(rng.u64(..60_000)));
            daemon.end(Signal::KILL)?;
            seen.more(Seen::errors, seen.errors(), "error after a kill")?;
        }
        let daemon = Daemon::start()?;
        seen.more(Seen::pictures, seen.pictures(), "picture at the end")?;
        daemon.end(Signal::TERM)
    })?;
    seen.say(&format!("{count} kills"));
    Ok(())
}

/// `stops`
pub fn stops(path: &Path, count: u32, limit: Duration) -> Result<()> {
    let film = Film::read(path)?;
    let seen = Seen::default();
    let daemon = Daemon::start()?;
    beside(&film, &seen, limit, || {
        for _ in 0..count {
            seen.more(Seen::pictures, seen.pictures(), "picture")?;
            daemon.signal(Signal::STOP)?;
            let errors = seen.errors();
            let stopped = seen.more(Seen::errors, errors + 1, "errors while it is stopped");
            daemon.signal(Signal::CONT)?;
            stopped?;
        }
        seen.more(Seen::pictures, seen.pictures(), "picture at the end")
    })?;
    daemon.end(Signal::TERM)?;
    seen.say(&format!("{count} stops"));
    Ok(())
}

/// `clients`: the daemon is somebody else's.
pub fn killed(path: &Path, count: u32, limit: Duration, seed: u64) -> Result<()> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let myself = std::env::current_exe()?;
    let film = Film::read(path)?;
    let seen = Seen::default();
    beside(&film, &seen, limit, || {
        for _ in 0..count {
            let mut client = Command::new(&myself)
                .args(["--limit-ms", "60000", "play", "--loops", "1000000"])
                .arg(path)
                .spawn()?;
            std::thread::sleep(Duration::from_micros(rng.u64(..300_000)));
            client.kill()?;
            client.wait()?;
        }
        Ok(())
    })?;
    seen.say(&format!("beside {count} killed clients"));
    ensure!(seen.errors() == 0, "one who was not killed saw errors");
    Ok(())
}

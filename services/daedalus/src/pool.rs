//! Workers, started ahead of time: to load a codec library takes longer than a client may wait.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use daedalus_proto::wire::{Header, HelloReply, PROTO_VERSION, msg};
use tracing::warn;
use zerocopy::FromBytes;

use crate::channel::answer;

/// How long a worker may take to load its libraries.
const START_MAX: Duration = Duration::from_secs(20);
/// How long a message may take to be taken by a worker that has nothing else to do.
const SEND_MAX: Duration = Duration::from_secs(2);
/// Wait before another worker is started after one could not be; doubled each time.
const BACK_OFF: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(5);

/// The program that a worker is.
#[derive(Debug, Clone)]
pub struct WorkerProgram {
    /// The file.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// A worker process. It ends with this.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    /// What carries messages.
    pub socket: UnixStream,
    /// What it decodes, bit by bit as the bridge numbers codecs.
    pub codecs: u32,
}

impl Worker {
    /// Starts one and waits for its word that it can decode.
    ///
    /// # Errors
    /// The system's, or that it ended; why it did is on standard error.
    pub fn start(program: &WorkerProgram) -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        let child = Command::new(&program.program)
            .args(&program.arguments)
            // A backtrace reads files, which its sandbox does not allow: the reason would be lost.
            .env_remove("RUST_BACKTRACE")
            .current_dir("/")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()?;
        socket.set_write_timeout(Some(SEND_MAX))?;
        let mut worker = Self {
            child,
            socket,
            codecs: 0,
        };
        match worker.hello() {
            Ok(codecs) => worker.codecs = codecs,
            Err(e) => {
                let end = worker.end();
                return Err(io::Error::new(e.kind(), format!("it {end} ({e})")));
            }
        }
        Ok(worker)
    }

    fn hello(&self) -> io::Result<u32> {
        const LEN: usize = size_of::<Header>() + size_of::<HelloReply>();
        let bytes = answer::<LEN>(&self.socket, Instant::now() + START_MAX)?;
        let hello = Header::read_from_prefix(&bytes)
            .ok()
            .and_then(|(header, rest)| {
                let hello = HelloReply::read_from_bytes(rest).ok()?;
                let known =
                    header.kind == msg::HELLO_REPLY && hello.version == u32::from(PROTO_VERSION);
                known.then_some(hello)
            })
            .ok_or(io::ErrorKind::InvalidData)?;
        Ok(hello.codecs)
    }

    /// Ends it and says in words how it ended, which may have been earlier.
    pub fn end(&mut self) -> String {
        // What is ending on its own shall have the time to.
        let ended = match self.child.try_wait() {
            Ok(None) => {
                let killed = self.child.kill();
                killed.and_then(|()| self.child.wait()).map(Some)
            }
            other => other,
        };
        match ended {
            Ok(Some(status)) => in_words(status),
            Ok(None) => "did not end".into(),
            Err(e) => format!("ended in a way not known: {e}"),
        }
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

fn in_words(status: ExitStatus) -> String {
    match status.signal() {
        Some(libc::SIGSYS) => "made a system call that its sandbox does not allow".into(),
        Some(signal) => format!("was ended by signal {signal}"),
        None => format!("ended with status {}", status.code().unwrap_or(-1)),
    }
}

/// Workers that wait for a context.
#[derive(Debug)]
pub struct Pool {
    ready: Mutex<Receiver<Worker>>,
    /// What workers decode.
    pub codecs: u32,
}

impl Pool {
    /// Starts the first worker, then a thread that keeps `spare` of them ready, at least one.
    ///
    /// # Errors
    /// Why the first could not be started: no other could.
    pub fn start(program: WorkerProgram, spare: u8) -> io::Result<Self> {
        // One more waits to be put in.
        let (sender, receiver) = sync_channel(usize::from(spare.max(1)) - 1);
        let (first, started) = sync_channel(1);
        // The system ends a worker with the thread that started it: this one lives longest.
        std::thread::Builder::new()
            .name("workers".into())
            .spawn(move || {
                let worker = Worker::start(&program);
                let codecs = worker.as_ref().map_or(0, |w| w.codecs);
                match worker {
                    Ok(worker) => {
                        if first.send(Ok(codecs)).is_ok() && sender.send(worker).is_ok() {
                            keep(&program, &sender);
                        }
                    }
                    // Nobody waits if the starter is gone.
                    Err(e) => drop(first.send(Err(e))),
                }
            })?;
        let codecs = started
            .recv()
            .unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self {
            ready: Mutex::new(receiver),
            codecs,
        })
    }

    /// A worker, if one is ready within this time.
    pub fn take(&self, wait: Duration) -> Option<Worker> {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.recv_timeout(wait).ok()
    }
}

/// Starts workers until nobody takes them any more.
fn keep(program: &WorkerProgram, sender: &SyncSender<Worker>) {
    let mut back_off = BACK_OFF;
    loop {
        match Worker::start(program) {
            Ok(worker) => {
                back_off = BACK_OFF;
                if sender.send(worker).is_err() {
                    return;
                }
            }
            Err(e) => {
                warn!("a worker could not be started: {e}; again in {back_off:?}");
                std::thread::sleep(back_off);
                back_off = (2 * back_off).min(BACK_OFF_MAX);
            }
        }
    }
}

//! Workers: copies of a process that has loaded the codec libraries.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use daedalus_proto::wire::{Header, HelloReply, PROTO_VERSION, msg};
use tracing::{debug, warn};
use zerocopy::FromBytes;

use crate::channel::answer;
use crate::template;
use crate::worker::Libraries;

/// How long a template may take to load its libraries.
const START_MAX: Duration = Duration::from_secs(20);
/// How long a template may take to answer, and a message to be taken by a worker that has nothing else to
/// do.
const SEND_MAX: Duration = Duration::from_secs(2);

/// The program that workers are.
#[derive(Debug, Clone)]
pub struct WorkerProgram {
    /// The file.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// The process that workers are copies of. It ends with this, and its copies with it.
#[derive(Debug)]
struct Template {
    child: Child,
    control: Mutex<UnixStream>,
    codecs: u32,
    libraries: String,
}

impl Template {
    /// Starts one and waits for its word that it can decode.
    fn start(program: &WorkerProgram) -> io::Result<Self> {
        let (control, theirs) = UnixStream::pair()?;
        let child = Command::new(&program.program)
            .args(&program.arguments)
            // A backtrace reads files, which the sandbox does not allow: the reason would be lost.
            .env_remove("RUST_BACKTRACE")
            .current_dir("/")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()?;
        control.set_write_timeout(Some(SEND_MAX))?;
        control.set_read_timeout(Some(SEND_MAX))?;
        let mut template = Self {
            child,
            control: Mutex::new(control),
            codecs: 0,
            libraries: String::new(),
        };
        let said = hello(&template.control(), Instant::now() + START_MAX);
        (template.codecs, template.libraries) = said.map_err(|e| {
            // What is ending on its own shall have the time to.
            let _ = template.child.kill();
            let ended = template.child.wait();
            let how = ended.map_or_else(|e| e.to_string(), |status| in_words(status, false));
            io::Error::new(e.kind(), format!("it {how} ({e})"))
        })?;
        Ok(template)
    }

    fn control(&self) -> MutexGuard<'_, UnixStream> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first words of a process: which codecs it has, and from which libraries.
fn hello(socket: &UnixStream, deadline: Instant) -> io::Result<(u32, String)> {
    const LEN: usize = size_of::<Header>() + size_of::<HelloReply>();
    let bytes = answer::<LEN>(socket, deadline)?;
    let hello = Header::read_from_prefix(&bytes)
        .ok()
        .and_then(|(header, rest)| {
            let hello = HelloReply::read_from_bytes(rest).ok()?;
            let known =
                header.kind == msg::HELLO_REPLY && hello.version == u32::from(PROTO_VERSION);
            known.then_some(hello)
        })
        .ok_or(io::ErrorKind::InvalidData)?;
    let libraries = answer::<{ Libraries::LEN }>(socket, deadline)?;
    let libraries = libraries.split(|b| *b == 0).next().unwrap_or_default();
    Ok((hello.codecs, libraries.escape_ascii().to_string()))
}

/// A worker process. It ends with this.
#[derive(Debug)]
pub struct Worker {
    template: Arc<Template>,
    source: Arc<Source>,
    /// None when it has been ended.
    pid: Option<i32>,
    /// What carries messages.
    pub socket: UnixStream,
}

impl Worker {
    /// Ends it and says in words how it ended, which may have been earlier.
    pub fn end(&mut self) -> String {
        let Some(pid) = self.pid.take() else {
            return "has ended".into();
        };
        let ended = template::end(&self.template.control(), pid);
        match ended {
            Ok(status) => {
                // SIGKILL is ours, or that of a machine without memory.
                let crashed = status.signal().is_some_and(|s| s != libc::SIGKILL);
                if crashed {
                    Source::renew(&self.source);
                }
                in_words(status, true)
            }
            Err(e) => {
                Source::renew(&self.source);
                format!("ended in a way not known: {e}")
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

fn in_words(status: ExitStatus, sandboxed: bool) -> String {
    match status.signal() {
        Some(libc::SIGSYS) if sandboxed => {
            "made a system call that its sandbox does not allow".into()
        }
        Some(signal) => format!("was ended by signal {signal}"),
        None => format!("ended with status {}", status.code().unwrap_or(-1)),
    }
}

/// Where workers come from.
#[derive(Debug)]
struct Source {
    program: WorkerProgram,
    current: Mutex<Arc<Template>>,
    /// Another template is being started.
    renewing: AtomicBool,
}

impl Source {
    fn current(&self) -> MutexGuard<'_, Arc<Template>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts another template in place of this one, which stays until its last worker ends. Who crashed a
    /// worker has learned something of the addresses that all copies of its template share.
    fn renew(this: &Arc<Self>) {
        if this.renewing.swap(true, Ordering::AcqRel) {
            return;
        }
        let source = Arc::clone(this);
        let begun = std::thread::Builder::new()
            .name("template".into())
            .spawn(move || {
                match Template::start(&source.program) {
                    Ok(template) => *source.current() = Arc::new(template),
                    Err(e) => warn!("no other template for workers: {e}"),
                }
                source.renewing.store(false, Ordering::Release);
            });
        if let Err(e) = begun {
            warn!("no other template for workers: {e}");
            this.renewing.store(false, Ordering::Release);
        }
    }
}

/// Gives workers to contexts.
#[derive(Debug)]
pub struct Pool {
    source: Arc<Source>,
    /// What workers decode, bit by bit as the bridge numbers codecs.
    pub codecs: u32,
    /// By which libraries.
    pub libraries: String,
}

impl Pool {
    /// Starts the process that workers will be copies of.
    ///
    /// # Errors
    /// Why it could not be started, or has not loaded its libraries.
    pub fn start(program: WorkerProgram) -> io::Result<Self> {
        let template = Template::start(&program)?;
        Ok(Self {
            codecs: template.codecs,
            libraries: template.libraries.clone(),
            source: Arc::new(Source {
                program,
                current: Mutex::new(Arc::new(template)),
                renewing: AtomicBool::new(false),
            }),
        })
    }

    /// A worker that is ready within this time.
    ///
    /// # Errors
    /// The system's. If the template is gone another is being started.
    pub fn take(&self, wait: Duration) -> io::Result<Worker> {
        let deadline = Instant::now() + wait;
        let template = Arc::clone(&self.source.current());
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_write_timeout(Some(SEND_MAX))?;
        let started = template::start(&template.control(), theirs.as_fd());
        let pid = started.inspect_err(|_| Source::renew(&self.source))?;
        drop(theirs);
        let worker = Worker {
            template,
            source: Arc::clone(&self.source),
            pid: Some(pid),
            socket,
        };
        hello(&worker.socket, deadline)?;
        debug!("worker {pid} is ready");
        Ok(worker)
    }
}

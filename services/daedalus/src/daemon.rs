//! The daemon: the kernel's messages, each to the context it is about.

use std::collections::HashMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use daedalus_proto::wire::{Header, HelloReply, PROTO_VERSION, decode, message, msg};
use daedalus_proto::{Message, ParseError};
use livehal_bus::Bus;
use rustix::event::{PollFd, PollFlags, poll};
use tracing::{info, warn};

use crate::bridge::Bridge;
use crate::context::{Context, Shared};
use crate::dbus::{self, Verifier};
use crate::notify::Heart;
use crate::pool::{Pool, WorkerProgram};
use crate::registry::{Module, Registry};
use crate::worker::response;

/// Messages that wait for a context. The kernel sends a context one job at a time, and gives each
/// up after a while: so many wait for none that works.
const WAITING_MAX: usize = 64;

/// How the daemon works.
#[derive(Debug, Clone)]
pub struct DaemonOptions {
    /// What a worker is.
    pub program: WorkerProgram,
    /// What may be decoded, bit by bit as the bridge numbers codecs.
    pub codecs: u32,
    /// Where org.livehal.Decoder1 appears.
    pub bus: Option<Bus>,
}

/// Why the daemon ended, other than that it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// No worker can be had.
    #[error("the worker could not be started: {0}")]
    Worker(io::Error),
    /// Workers decode nothing of what may be decoded.
    #[error("the FFmpeg found decodes none of the codecs that decoder.codecs names")]
    NoCodec,
    /// No thread for the bus.
    #[error("D-Bus: {0}")]
    Bus(io::Error),
    /// The bridge failed.
    #[error("the kernel module: {0}")]
    Bridge(#[from] io::Error),
    /// The module speaks another version.
    #[error(
        "the kernel module speaks versions {min} to {max} of the protocol, this daemon \
         {PROTO_VERSION}"
    )]
    Version {
        /// Oldest.
        min: u16,
        /// Newest.
        max: u16,
    },
    /// The first message was another.
    #[error("the kernel module did not begin with HELLO")]
    NoHello,
    /// A message that cannot be read.
    #[error("the kernel module sent {0}")]
    Message(#[from] ParseError),
}

/// Decodes what `bridge` asks for until `stop` is readable.
///
/// # Errors
/// See [`DaemonError`].
pub fn run(
    bridge: impl Bridge,
    stop: BorrowedFd,
    options: &DaemonOptions,
) -> Result<(), DaemonError> {
    let (pool, codecs) = begin(options)?;
    let Some(module) = greet(&bridge, stop, codecs)? else {
        return Ok(());
    };
    let job_timeout = module.job_timeout;
    let registry = Arc::new(Registry::new(Some(module), pool.libraries.clone(), codecs));
    let _bus = service(options, &registry, &pool)?;
    let mut daemon = Daemon {
        shared: Arc::new(Shared {
            bridge,
            pool,
            registry,
            job_timeout,
        }),
        contexts: HashMap::new(),
    };
    let mut heart = Heart::start();
    while wait(Some(daemon.shared.bridge.as_fd()), stop, &mut heart)? {
        let bytes = match daemon.shared.bridge.read() {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
            bytes => bytes?,
        };
        daemon.dispatch(bytes)?;
    }
    Ok(())
}

/// Without the kernel module: does what is asked for on the bus, until `stop` is readable.
///
/// # Errors
/// See [`DaemonError`].
pub fn run_without_bridge(stop: BorrowedFd, options: &DaemonOptions) -> Result<(), DaemonError> {
    let (pool, codecs) = begin(options)?;
    let registry = Arc::new(Registry::new(None, pool.libraries.clone(), codecs));
    let _bus = service(options, &registry, &pool)?;
    let mut heart = Heart::start();
    while wait(None, stop, &mut heart)? {}
    Ok(())
}

/// Workers, and which codecs they decode of those that may be.
fn begin(options: &DaemonOptions) -> Result<(Arc<Pool>, u32), DaemonError> {
    let pool = Pool::start(options.program.clone()).map_err(DaemonError::Worker)?;
    match pool.codecs & options.codecs {
        0 => Err(DaemonError::NoCodec),
        codecs => Ok((Arc::new(pool), codecs)),
    }
}

fn service(
    options: &DaemonOptions,
    registry: &Arc<Registry>,
    pool: &Arc<Pool>,
) -> Result<Option<dbus::Service>, DaemonError> {
    let verifier = Verifier::new(Arc::clone(pool), registry.codecs);
    options
        .bus
        .map(|bus| dbus::Service::start(bus, Arc::clone(registry), verifier))
        .transpose()
        .map_err(DaemonError::Bus)
}

/// The handshake. Gives what the module says of itself; none if it is to stop.
fn greet(
    bridge: &impl Bridge,
    stop: BorrowedFd,
    codecs: u32,
) -> Result<Option<Module>, DaemonError> {
    let bytes = loop {
        if !wait(Some(bridge.as_fd()), stop, &mut Heart::default())? {
            return Ok(None);
        }
        match bridge.read() {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            bytes => break bytes?,
        }
    };
    let (header, Message::Hello(hello)) = Message::parse(&bytes)? else {
        return Err(DaemonError::NoHello);
    };
    let (min, max) = (hello.version_min, hello.version_max);
    if !(min..=max).contains(&PROTO_VERSION) {
        return Err(DaemonError::Version { min, max });
    }
    let reply = HelloReply {
        version: PROTO_VERSION.into(),
        codecs,
    };
    let reply = message(msg::HELLO_REPLY, header.generation, (0, 0), &reply);
    bridge.write(&reply)?;
    let release: Vec<u8> = hello.release.into_iter().take_while(|b| *b != 0).collect();
    let module = Module {
        release: release.escape_ascii().to_string(),
        contexts_max: hello.contexts_max,
        job_timeout: Duration::from_millis(hello.job_timeout_ms.into()),
    };
    info!(
        "kernel module {}, {} contexts, {} ms a job",
        module.release, hello.contexts_max, hello.job_timeout_ms
    );
    Ok(Some(module))
}

/// Waits until there may be a message; false if it is to stop.
fn wait(bridge: Option<BorrowedFd>, stop: BorrowedFd, heart: &mut Heart) -> io::Result<bool> {
    loop {
        let mut fds = vec![PollFd::from_borrowed_fd(stop, PollFlags::IN)];
        fds.extend(bridge.map(|bridge| PollFd::from_borrowed_fd(bridge, PollFlags::IN)));
        let polled = poll(&mut fds, heart.rest().as_ref());
        heart.beat();
        match polled {
            Err(rustix::io::Errno::INTR) | Ok(0) => {}
            Err(e) => return Err(e.into()),
            Ok(_) => return Ok(fds.first().is_some_and(|stop| stop.revents().is_empty())),
        }
    }
}

struct Daemon<B> {
    shared: Arc<Shared<B>>,
    contexts: HashMap<u32, SyncSender<Vec<u8>>>,
}

impl<B: Bridge> Daemon<B> {
    fn dispatch(&mut self, bytes: Vec<u8>) -> Result<(), DaemonError> {
        let (header, message) = Message::parse(&bytes)?;
        match message {
            Message::Ping => self.pong(header)?,
            // Its thread ends when it has done what is waiting.
            Message::Close => drop(self.contexts.remove(&header.ctx)),
            Message::Open(_) => {
                let begun = self.begin(header.ctx)?;
                self.contexts.insert(header.ctx, begun);
                self.pass(header, bytes, false);
            }
            Message::Decode(_) => {
                // That of debugfs, which nobody opens.
                if header.ctx == 0 && !self.contexts.contains_key(&0) {
                    let begun = self.begin(0)?;
                    self.contexts.insert(0, begun);
                }
                self.pass(header, bytes, true);
            }
            Message::Format(_) | Message::Reset | Message::Buffers => {
                self.pass(header, bytes, false);
            }
            // The job is decoded all the same: later pictures may refer to it.
            Message::Abort => {}
            Message::Hello(_) => warn!("the kernel module says HELLO again"),
        }
        Ok(())
    }

    fn begin(&self, id: u32) -> io::Result<SyncSender<Vec<u8>>> {
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let context = Context::new(Arc::clone(&self.shared), id);
        std::thread::Builder::new()
            .name(format!("context {id}"))
            .spawn(move || context.run(&receiver))?;
        Ok(sender)
    }

    /// To the context it is about. A job that cannot go there is answered here.
    fn pass(&mut self, header: Header, bytes: Vec<u8>, is_job: bool) {
        let passed = match self.contexts.get(&header.ctx) {
            Some(context) => context.try_send(bytes).map_err(|e| match e {
                TrySendError::Full(_) => "does not keep up",
                TrySendError::Disconnected(_) => "has ended",
            }),
            None => Err("is not open"),
        };
        let Err(reason) = passed else { return };
        warn!("context {} {reason}", header.ctx);
        if is_job {
            let about = (header.ctx, header.cookie);
            let failed = response(decode::ERR_OPEN);
            let failed = message(msg::RESP_FRAME, header.generation, about, &failed);
            if let Err(e) = self.shared.bridge.write(&failed) {
                warn!("job {}: {e}", header.cookie);
            }
        } else {
            // What it does not know of its own state makes it useless.
            self.contexts.remove(&header.ctx);
        }
    }

    fn pong(&self, header: Header) -> io::Result<()> {
        let pong = message(msg::PONG, header.generation, (0, 0), &());
        self.shared.bridge.write(&pong)
    }
}

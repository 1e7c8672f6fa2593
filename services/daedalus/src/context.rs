//! One client's context: a thread that hands its jobs to its worker and the answers to the kernel.
//!
//! Every job is answered once, whatever becomes of the worker. A worker that crashes, hangs or
//! answers what it was not asked costs its client the job, and what follows up to the next picture
//! that refers to none before.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use daedalus_proto::wire::{
    CTX_RESUMED, CtxOpen, Header, PROTO_VERSION, REQ_DIGEST_ONLY, RespFrame, decode, message, msg,
};
use daedalus_proto::{Decode, Message};
use tracing::{debug, info, warn};
use zerocopy::FromBytes;

use crate::bridge::Bridge;
use crate::channel::{Buffer, answer, deliver};
use crate::pool::{Pool, Worker};
use crate::registry::{Figures, Registry};
use crate::worker::response;

/// Wait after a worker failed, before another is used for this context; doubled each time.
const BACK_OFF: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(5);

/// What all contexts share.
#[derive(Debug)]
pub(crate) struct Shared<B> {
    pub(crate) bridge: B,
    pub(crate) pool: Arc<Pool>,
    pub(crate) registry: Arc<Registry>,
    /// How long the kernel waits for a job.
    pub(crate) job_timeout: Duration,
}

/// A context's thread and what it keeps.
#[derive(Debug)]
pub(crate) struct Context<B> {
    shared: Arc<Shared<B>>,
    id: u32,
    worker: Option<Worker>,
    /// What another worker would have to be told first.
    open: Option<Vec<u8>>,
    format: Option<Vec<u8>>,
    /// Buffers that the worker has, by index and serial number.
    sent: HashSet<(u32, u32)>,
    /// Units of the stream have gone to somebody or nobody: a worker that begins now lacks them.
    begun: bool,
    /// Workers lost since a job went well.
    losses: u32,
    /// No other worker before this.
    not_before: Instant,
    figures: Arc<Figures>,
}

impl<B: Bridge> Context<B> {
    pub(crate) fn new(shared: Arc<Shared<B>>, id: u32) -> Self {
        Self {
            shared,
            id,
            worker: None,
            open: None,
            format: None,
            sent: HashSet::new(),
            begun: false,
            losses: 0,
            not_before: Instant::now(),
            figures: Arc::default(),
        }
    }

    /// Does what the messages say until there are no more.
    pub(crate) fn run(mut self, messages: &Receiver<Vec<u8>>) {
        while let Ok(bytes) = messages.recv() {
            self.take(bytes);
        }
        let now = self.figures.now();
        debug!(
            "context {} closed: {} frames, {} errors",
            self.id, now.frames, now.errors
        );
        self.shared.registry.remove(self.id, &self.figures);
    }

    fn take(&mut self, bytes: Vec<u8>) {
        // Parsed once already, by who sent it here.
        let Ok((header, message)) = Message::parse(&bytes) else {
            return;
        };
        match message {
            Message::Decode(job) => {
                let began = Instant::now();
                let response = self.job(header, &job, &bytes);
                self.respond(header, &response);
                self.figures.count(response.status, began.elapsed());
            }
            Message::Open(open) => {
                debug!(
                    "context {}: codec {}, user {}",
                    self.id, open.codec, open.uid
                );
                self.begun = open.flags & CTX_RESUMED != 0;
                self.figures = Arc::new(Figures::new(open.codec, open.uid));
                self.shared.registry.add(self.id, Arc::clone(&self.figures));
                self.tell(&bytes);
                self.open = Some(bytes);
            }
            Message::Format(format) => {
                self.figures.resize(format.width, format.height);
                self.shared.registry.resized();
                self.tell(&bytes);
                self.format = Some(bytes);
            }
            Message::Buffers => {
                self.sent.clear();
                self.tell(&bytes);
            }
            Message::Reset => {
                self.begun = false;
                self.tell(&bytes);
            }
            Message::Hello(_) | Message::Ping | Message::Close | Message::Abort => {}
        }
    }

    /// Tells the worker, if there is one; a later one is told by [`begin`](Self::begin).
    fn tell(&mut self, bytes: &[u8]) {
        let Some(worker) = &self.worker else { return };
        if let Err(e) = deliver(&worker.socket, bytes, None, false) {
            self.lose(&e);
        }
    }

    fn job(&mut self, header: Header, job: &Decode, bytes: &[u8]) -> RespFrame {
        if header.ctx == 0 {
            self.open_for(header, job.request.codec);
        }
        let ready = self.worker.is_some() || self.begin();
        // debugfs's units have nothing to do with each other.
        self.begun = header.ctx != 0;
        if !ready {
            return response(decode::ERR_OPEN);
        }
        match self.ask(header, job, bytes) {
            Ok(response) => {
                if response.status == decode::OK {
                    self.losses = 0;
                }
                response
            }
            Err(e) => {
                self.lose(&e);
                response(decode::ERR_RECV)
            }
        }
    }

    /// Nobody opens the context of debugfs: its first job does, and one of another codec again.
    fn open_for(&mut self, header: Header, codec: u32) {
        let open = message(
            msg::CTX_OPEN,
            header.generation,
            (0, 0),
            &CtxOpen {
                codec,
                uid: 0,
                flags: 0,
                reserved: 0,
            },
        );
        if self.open.as_ref() != Some(&open) {
            self.tell(&open);
            self.open = Some(open);
        }
    }

    /// Takes a worker and tells it what the one before knew; false if there is none now.
    fn begin(&mut self) -> bool {
        let Some(open) = &self.open else { return false };
        if Instant::now() < self.not_before {
            return false;
        }
        // What is left of the kernel's time is for the picture.
        let worker = match self.shared.pool.take(self.shared.job_timeout * 3 / 4) {
            Ok(worker) => worker,
            Err(e) => {
                warn!("context {}: no worker: {e}", self.id);
                return false;
            }
        };
        let told =
            deliver(&worker.socket, open, None, self.begun).and_then(|()| match &self.format {
                Some(format) => deliver(&worker.socket, format, None, false),
                None => Ok(()),
            });
        self.sent.clear();
        self.worker = Some(worker);
        match told {
            Ok(()) => true,
            Err(e) => {
                self.lose(&e);
                false
            }
        }
    }

    fn ask(&mut self, header: Header, job: &Decode, bytes: &[u8]) -> io::Result<RespFrame> {
        let worker = self
            .worker
            .as_ref()
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
        let key = (job.request.capture_index, job.request.capture_serial);
        let wanted = job.request.flags & REQ_DIGEST_ONLY == 0 && !self.sent.contains(&key);
        let mut buffer = None;
        if wanted {
            match self.shared.bridge.capture(self.id, key.0, key.1) {
                Ok(lent) => buffer = Some(lent),
                // It is decoded all the same: what follows may refer to it.
                Err(e) => debug!("context {}: no CAPTURE buffer: {e}", self.id),
            }
        }
        let lent = buffer.as_ref().map(|b: &Buffer<OwnedFd>| Buffer {
            fd: b.fd.as_fd(),
            size: b.size,
        });
        deliver(&worker.socket, bytes, lent, false)?;
        if buffer.is_some() {
            self.sent.insert(key);
        }
        // Much longer than the kernel waits: to decode late is better than to lose the pictures
        // that others refer to.
        let deadline = Instant::now() + 4 * self.shared.job_timeout;
        const LEN: usize = size_of::<Header>() + size_of::<RespFrame>();
        let answer = answer::<LEN>(&worker.socket, deadline)?;
        let expected = Header {
            len: LEN as u32,
            kind: msg::RESP_FRAME,
            version: PROTO_VERSION,
            ..header
        };
        Header::read_from_prefix(&answer)
            .ok()
            .filter(|(header, _)| *header == expected)
            .and_then(|(_, rest)| RespFrame::read_from_bytes(rest).ok())
            .ok_or_else(|| {
                let reason = "an answer to what was not asked";
                io::Error::new(io::ErrorKind::InvalidData, reason)
            })
    }

    fn respond(&mut self, header: Header, response: &RespFrame) {
        let about = (header.ctx, header.cookie);
        let bytes = message(msg::RESP_FRAME, header.generation, about, response);
        if header.ctx == 0 {
            info!(
                "test_decode: cookie={} status={} {}x{} digest={:08x}",
                header.cookie, response.status, response.width, response.height, response.digest
            );
        }
        if let Err(e) = self.shared.bridge.write(&bytes) {
            debug!("context {}: job {}: {e}", self.id, header.cookie);
        }
    }

    fn lose(&mut self, reason: &io::Error) {
        let Some(mut worker) = self.worker.take() else {
            return;
        };
        self.figures.lost();
        let end = worker.end();
        let back_off = BACK_OFF
            .saturating_mul(1 << self.losses.min(16))
            .min(BACK_OFF_MAX);
        self.losses = self.losses.saturating_add(1);
        self.not_before = Instant::now() + back_off;
        self.sent.clear();
        warn!(
            "context {}: its worker {end} ({reason}); another in {back_off:?} at the earliest",
            self.id
        );
    }
}

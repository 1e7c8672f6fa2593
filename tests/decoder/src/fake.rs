//! A daemon that does what it is told, however wrong: the other end of the bridge.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use daedalus::bridge::{Bridge, Device};
use daedalus_proto::Message;
use daedalus_proto::wire::{
    CtxOpen, Header, HelloReply, PROTO_VERSION, RespFrame, decode, message, msg,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zerocopy::{FromBytes, IntoBytes};

pub const BRIDGE: &str = "/dev/daedalus-v4l2";

/// A job that the kernel has sent.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    /// The message's header: which context, opening and cookie.
    pub header: Header,
    /// Its CAPTURE buffer, and that buffer's serial number.
    pub capture: (u32, u32),
}

/// The bridge, open.
#[derive(Debug)]
pub struct Fake(Device);

impl Fake {
    /// Opens the bridge and says nothing.
    ///
    /// # Errors
    /// The driver's: EBUSY where it is open.
    pub fn silent() -> io::Result<Self> {
        Device::open(Path::new(BRIDGE)).map(Self)
    }

    /// Opens the bridge and greets the kernel, as one that decodes everything.
    pub fn greeted() -> Result<Self> {
        let fake = Self::silent().context(BRIDGE)?;
        let (header, hello) = fake.next(Duration::from_secs(5))?;
        ensure!(hello == msg::HELLO, "message {hello:#x} before HELLO");
        fake.greet(&header, PROTO_VERSION.into())?;
        Ok(fake)
    }

    /// Says HELLO_REPLY.
    ///
    /// # Errors
    /// The driver's.
    pub fn greet(&self, hello: &Header, version: u32) -> io::Result<()> {
        let reply = HelloReply {
            version,
            codecs: u32::MAX,
        };
        self.write(&message(msg::HELLO_REPLY, hello.generation, (0, 0), &reply))
    }

    /// Writes these bytes by one call.
    ///
    /// # Errors
    /// The driver's.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.write(bytes)
    }

    /// The next message's header and type.
    pub fn next(&self, limit: Duration) -> Result<(Header, u16)> {
        let bytes = self.read(limit)?;
        let (header, _) = Header::read_from_prefix(&bytes).map_err(|_| short())?;
        Ok((header, header.kind))
    }

    fn read(&self, limit: Duration) -> Result<Vec<u8>> {
        let mut fds = [PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN)];
        ensure!(
            poll(&mut fds, Some(&Timespec::try_from(limit)?))? == 1,
            "no message within {limit:?}"
        );
        Ok(self.0.read()?)
    }

    /// The next job; other messages are passed over.
    pub fn job(&self, limit: Duration) -> Result<Job> {
        let until = Instant::now() + limit;
        loop {
            let bytes = self.read(until.saturating_duration_since(Instant::now()))?;
            if let (header, Message::Decode(job)) = Message::parse(&bytes)? {
                let request = job.request;
                let capture = (request.capture_index, request.capture_serial);
                return Ok(Job { header, capture });
            }
        }
    }

    /// The next context that is opened; other messages are passed over.
    pub fn opened(&self, limit: Duration) -> Result<(Header, CtxOpen)> {
        let until = Instant::now() + limit;
        loop {
            let bytes = self.read(until.saturating_duration_since(Instant::now()))?;
            if let (header, Message::Open(open)) = Message::parse(&bytes)? {
                return Ok((header, open));
            }
        }
    }

    /// Waits for a message of this type about a context.
    pub fn until(&self, kind: u16, ctx: u32, limit: Duration) -> Result<()> {
        let until = Instant::now() + limit;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let (header, found) = self.next(left).with_context(|| format!("{kind:#x}"))?;
            if found == kind && header.ctx == ctx {
                return Ok(());
            }
        }
    }

    /// Answers a job.
    ///
    /// # Errors
    /// The driver's: ESTALE where nobody waits.
    pub fn answer(&self, job: &Job, status: u32, bytesused: u32) -> io::Result<()> {
        self.write(&answer(job, status, bytesused))
    }

    /// A CAPTURE buffer.
    ///
    /// # Errors
    /// The driver's.
    pub fn capture(&self, ctx: u32, index: u32, serial: u32) -> io::Result<OwnedFd> {
        self.0.capture(ctx, index, serial).map(|buffer| buffer.fd)
    }
}

fn short() -> anyhow::Error {
    anyhow::anyhow!("a message shorter than its header")
}

/// The message that ends a job.
pub fn answer(job: &Job, status: u32, bytesused: u32) -> Vec<u8> {
    let body = RespFrame {
        status,
        bytesused,
        width: 64,
        height: 64,
        fourcc: 0,
        digest: 0,
    };
    let about = (job.header.ctx, job.header.cookie);
    message(msg::RESP_FRAME, job.header.generation, about, &body)
}

/// Something that a broken or hostile daemon might write while the kernel waits for the answer to `job`, and
/// that ends no job: made from the right answer, from an earlier one, or from nothing.
pub fn mutated(rng: &mut fastrand::Rng, job: &Job, before: Option<&Job>, size: u32) -> Vec<u8> {
    loop {
        let base = match (rng.u8(..4), before) {
            (0, Some(before)) => before,
            _ => job,
        };
        let status = *rng
            .choice(&[decode::OK, decode::NO_FRAME, decode::ERR_SEND, 99, 104])
            .unwrap_or(&0);
        let mut bytes = answer(base, status, rng.u32(..=size));
        match rng.u8(..6) {
            0 => bytes = (0..rng.usize(..200)).map(|_| rng.u8(..)).collect(),
            1 => bytes.truncate(rng.usize(..bytes.len())),
            2 => bytes.resize(bytes.len() + rng.usize(1..64), rng.u8(..)),
            3 => set(&mut bytes, rng, 6),
            4 => {
                let at = rng.usize(..bytes.len());
                bytes[at] ^= 1 << rng.u8(..8);
            }
            _ => {
                // The first eight words are header, status and size.
                for _ in 0..rng.u8(1..4) {
                    set(&mut bytes, rng, 8);
                }
            }
        }
        if !ends(&bytes, job, size) {
            return bytes;
        }
    }
}

/// Sets one of the first `words` words to something.
fn set(bytes: &mut [u8], rng: &mut fastrand::Rng, words: usize) {
    let word = match rng.u8(..4) {
        0 => 0,
        1 => u32::MAX,
        2 => rng.u32(..16),
        _ => rng.u32(..),
    };
    let at = 4 * rng.usize(..words);
    bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
}

/// Whether by the bridge's rules this ends `job`, whose buffer has `size` bytes.
fn ends(bytes: &[u8], job: &Job, size: u32) -> bool {
    let Ok((header, rest)) = Header::read_from_prefix(bytes) else {
        return false;
    };
    let Ok(body) = RespFrame::read_from_bytes(rest) else {
        return false;
    };
    let right = Header {
        len: bytes.len() as u32,
        kind: msg::RESP_FRAME,
        version: PROTO_VERSION,
        ..job.header
    };
    let known = matches!(body.status, 0 | 1 | 100..=103);
    header.as_bytes() == right.as_bytes()
        && known
        && (body.status != decode::OK || body.bytesused <= size)
}

/// Fails unless the error is this one.
pub fn refused(what: &str, result: io::Result<()>, with: i32) -> Result<()> {
    match result {
        Ok(()) => bail!("{what} is taken"),
        Err(e) if e.raw_os_error() == Some(with) => Ok(()),
        Err(e) => bail!("{what}: {e}"),
    }
}

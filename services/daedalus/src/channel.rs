//! Between the daemon and a worker: a stream socket.
//!
//! To the worker goes what the kernel sent, as it was, after a prefix and with a descriptor
//! where one is needed. Back come messages that only differ in who checks them: the worker is
//! believed as little as the kernel believes the daemon.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::passing;

/// Longest message that is sent to a worker: the kernel's largest bitstream, and its controls.
pub const MESSAGE_MAX: usize = (64 << 20) + (64 << 10);

/// In [`Prefix::flags`]: the CAPTURE buffer comes with it.
const HAS_BUFFER: u32 = 1;
/// In [`Prefix::flags`]: another worker decoded the beginning of this context.
const RESUMED: u32 = 2;
/// In [`Prefix::flags`]: the buffer is a stream to be verified, the message is which codecs it may
/// be of.
const STREAM: u32 = 4;

/// What comes before each message to a worker.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Prefix {
    /// Bytes of the message that follows.
    len: u32,
    flags: u32,
    /// Bytes of the buffer, if there is one.
    buffer_size: u64,
}

/// A CAPTURE buffer.
#[derive(Debug)]
pub struct Buffer<Fd> {
    /// The memory.
    pub fd: Fd,
    /// Its bytes.
    pub size: u64,
}

/// What a worker received.
#[derive(Debug)]
pub struct Delivery {
    /// The kernel's message, unread.
    pub message: Vec<u8>,
    /// The CAPTURE buffer that it speaks of, where the worker does not have it yet.
    pub buffer: Option<Buffer<OwnedFd>>,
    /// Another worker decoded the beginning of this context.
    pub resumed: bool,
    /// The buffer is a stream to be verified, the message is which codecs it may be of.
    pub is_stream: bool,
}

/// Sends a message to a worker. The socket's own timeout limits how long that takes.
///
/// # Errors
/// The system's; the worker is of no use then.
pub fn deliver(
    socket: &UnixStream,
    message: &[u8],
    buffer: Option<Buffer<BorrowedFd>>,
    resumed: bool,
) -> io::Result<()> {
    send(socket, message, buffer, if resumed { RESUMED } else { 0 })
}

/// Sends a whole stream to a worker, to be [verified](crate::verify) if it is of one of `codecs`.
///
/// # Errors
/// As [`deliver`].
pub fn deliver_stream(
    socket: &UnixStream,
    codecs: u32,
    stream: Buffer<BorrowedFd>,
) -> io::Result<()> {
    send(socket, &codecs.to_ne_bytes(), Some(stream), STREAM)
}

fn send(
    socket: &UnixStream,
    message: &[u8],
    buffer: Option<Buffer<BorrowedFd>>,
    flags: u32,
) -> io::Result<()> {
    let len = u32::try_from(message.len())
        .ok()
        .filter(|_| message.len() <= MESSAGE_MAX)
        .ok_or(io::ErrorKind::FileTooLarge)?;
    let prefix = Prefix {
        len,
        flags: if buffer.is_some() { HAS_BUFFER } else { 0 } | flags,
        buffer_size: buffer.as_ref().map_or(0, |b| b.size),
    };
    let parts = [IoSlice::new(prefix.as_bytes()), IoSlice::new(message)];
    let sent = passing::send(socket, &parts, buffer.map(|b| b.fd))?;
    let head = size_of::<Prefix>();
    // The prefix is smaller than any socket's buffer: it goes at once.
    let rest = sent
        .checked_sub(head)
        .and_then(|sent| message.get(sent..))
        .ok_or(io::ErrorKind::WriteZero)?;
    (&mut &*socket).write_all(rest)
}

/// The next message; none if the daemon is gone.
///
/// # Errors
/// The system's, or a message that no daemon would send.
pub fn receive(socket: &UnixStream) -> io::Result<Option<Delivery>> {
    let Some((prefix, fd)) = passing::receive::<Prefix>(socket)? else {
        return Ok(None);
    };
    let len = prefix.len as usize;
    if len > MESSAGE_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; len];
    (&mut &*socket).read_exact(&mut message)?;
    if fd.is_some() != (prefix.flags & HAS_BUFFER != 0) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(Some(Delivery {
        message,
        buffer: fd.map(|fd| Buffer {
            fd,
            size: prefix.buffer_size,
        }),
        resumed: prefix.flags & RESUMED != 0,
        is_stream: prefix.flags & STREAM != 0,
    }))
}

/// Reads an answer of known size from a worker.
///
/// # Errors
/// `TimedOut` at the deadline, `UnexpectedEof` where the worker is gone, or the system's.
pub fn answer<const N: usize>(socket: &UnixStream, deadline: Instant) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|r| !r.is_empty()) {
        wait_readable(socket.as_fd(), deadline)?;
        match (&mut &*socket).read(rest) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => filled += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(bytes)
}

fn wait_readable(fd: BorrowedFd, deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
        match poll(&mut fds, Some(&timespec(left))) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_arrives_whole_and_with_its_buffer() {
        let (daemon, worker) = UnixStream::pair().unwrap();
        let message = vec![7; 3 << 20];
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let buffer = Buffer {
                    fd: daemon.as_fd(),
                    size: 99,
                };
                deliver(&daemon, &message, Some(buffer), false).unwrap();
                deliver(&daemon, b"second", None, true).unwrap();
            });
            let first = receive(&worker).unwrap().unwrap();
            assert!(first.message == message);
            assert_eq!(first.buffer.unwrap().size, 99);
            assert!(!first.resumed);
            let second = receive(&worker).unwrap().unwrap();
            assert_eq!(second.message, b"second");
            assert!(second.buffer.is_none() && second.resumed);
        });
        drop(daemon);
        assert!(receive(&worker).unwrap().is_none());
    }

    #[test]
    fn an_answer_that_does_not_come_ends_the_wait() {
        let (daemon, mut worker) = UnixStream::pair().unwrap();
        worker.write_all(&[1, 2, 3]).unwrap();
        let soon = Instant::now() + Duration::from_millis(20);
        let error = answer::<4>(&daemon, soon).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        worker.write_all(&[4, 5, 6, 7]).unwrap();
        drop(worker);
        let far = Instant::now() + Duration::from_secs(60);
        assert_eq!(answer::<4>(&daemon, far).unwrap(), [4, 5, 6, 7]);
        let error = answer::<1>(&daemon, far).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

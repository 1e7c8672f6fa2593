//! A connected UDP socket with kernel receive times, and a bad network in front of it.

use std::collections::BinaryHeap;
use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};

use crate::wall_ns;

/// One datagram as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// When the kernel had it, in nanoseconds since the epoch.
    pub arrived_ns: u64,
    /// Content.
    pub data: Vec<u8>,
}

/// A UDP socket connected to one server, non-blocking.
#[derive(Debug)]
pub struct Socket {
    inner: UdpSocket,
    remote: SocketAddr,
    buffer: Vec<u8>,
}

impl Socket {
    /// Binds next to `remote` (loopback for loopback) and connects.
    ///
    /// # Errors
    /// The system's.
    pub fn connect(remote: SocketAddr) -> Result<Self> {
        let any = match remote {
            SocketAddr::V4(a) if a.ip().is_loopback() => "127.0.0.1:0",
            SocketAddr::V4(_) => "0.0.0.0:0",
            SocketAddr::V6(a) if a.ip().is_loopback() => "[::1]:0",
            SocketAddr::V6(_) => "[::]:0",
        };
        let inner = UdpSocket::bind(any).with_context(|| format!("bind {any}"))?;
        inner
            .connect(remote)
            .with_context(|| format!("connect {remote}"))?;
        inner.set_nonblocking(true)?;
        setsockopt(&inner, sockopt::ReceiveTimestampns, &true).context("SO_TIMESTAMPNS")?;
        setsockopt(&inner, sockopt::RcvBuf, &(1 << 20)).context("SO_RCVBUF")?;
        Ok(Self {
            inner,
            remote,
            buffer: vec![0; 2048],
        })
    }

    /// The server.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// This end.
    ///
    /// # Errors
    /// The system's.
    pub fn local(&self) -> Result<SocketAddr> {
        Ok(self.inner.local_addr()?)
    }

    /// The descriptor, for polling.
    pub fn raw_fd(&self) -> i32 {
        self.inner.as_raw_fd()
    }

    /// Sends one datagram; a full socket or a refusing server loses it, as a network would.
    pub fn send(&self, data: &[u8]) {
        // An error here is loss, to everything above.
        let _ = self.inner.send(data);
    }

    /// The next datagram, if there is one.
    pub fn receive(&mut self) -> Option<Datagram> {
        let fd = self.inner.as_raw_fd();
        let mut space = nix::cmsg_space!(nix::sys::time::TimeSpec);
        let mut iov = [IoSliceMut::new(&mut self.buffer)];
        let message = loop {
            match recvmsg::<()>(fd, &mut iov, Some(&mut space), MsgFlags::empty()) {
                Ok(m) => break m,
                // Reports an earlier send; the next call goes on.
                Err(Errno::ECONNREFUSED | Errno::EINTR) => {}
                Err(_) => return None,
            }
        };
        let len = message.bytes;
        let arrived_ns = message
            .cmsgs()
            .ok()
            .and_then(|mut all| {
                all.find_map(|c| match c {
                    ControlMessageOwned::ScmTimestampns(t) => {
                        Some(t.tv_sec() as u64 * 1_000_000_000 + t.tv_nsec() as u64)
                    }
                    _ => None,
                })
            })
            .unwrap_or_else(wall_ns);
        Some(Datagram {
            arrived_ns,
            data: self.buffer.get(..len)?.to_vec(),
        })
    }
}

/// A network worse than loopback, for what arrives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Impairment {
    /// Share of datagrams lost, 0 to 1.
    pub loss: f64,
    /// Delay of every datagram.
    pub delay: Duration,
    /// Further delay, uniform from zero; reorders.
    pub jitter: Duration,
    /// Bits per second let through; the rest queues (200 ms at most) and is then lost.
    pub rate_bps: Option<u64>,
    /// Seed of the losses.
    pub seed: u64,
}

impl Default for Impairment {
    fn default() -> Self {
        Self {
            loss: 0.0,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            rate_bps: None,
            seed: 1,
        }
    }
}

/// Longest queue of a rate-limited link.
const QUEUE_LIMIT: Duration = Duration::from_millis(200);

/// The queue behind an [`Impairment`].
#[derive(Debug)]
pub struct BadNetwork {
    config: Impairment,
    random: fastrand::Rng,
    queue: BinaryHeap<Queued>,
    counter: u64,
    link_free: Option<Instant>,
    /// Datagrams dropped.
    pub dropped: u64,
}

#[derive(Debug, PartialEq, Eq)]
struct Queued {
    due: Instant,
    order: u64,
    datagram: Datagram,
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.due, other.order).cmp(&(self.due, self.order))
    }
}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl BadNetwork {
    /// An empty queue.
    pub fn new(config: Impairment) -> Self {
        Self {
            config,
            random: fastrand::Rng::with_seed(config.seed),
            queue: BinaryHeap::new(),
            counter: 0,
            link_free: None,
            dropped: 0,
        }
    }

    /// Takes what the socket delivered.
    pub fn push(&mut self, now: Instant, datagram: Datagram) {
        if self.random.f64() < self.config.loss {
            self.dropped += 1;
            return;
        }
        let mut due = now + self.config.delay;
        if let Some(bps) = self.config.rate_bps {
            let start = self.link_free.map_or(now, |t| t.max(now));
            if start - now > QUEUE_LIMIT {
                self.dropped += 1;
                return;
            }
            let bits = (datagram.data.len() + 28) as u64 * 8;
            let free = start + Duration::from_nanos(bits * 1_000_000_000 / bps.max(1));
            self.link_free = Some(free);
            due += free - now;
        }
        due += self.config.jitter.mul_f64(self.random.f64());
        self.counter += 1;
        self.queue.push(Queued {
            due,
            order: self.counter,
            datagram,
        });
    }

    /// The next datagram that is due, stamped with the time it came out.
    pub fn pop(&mut self, now: Instant) -> Option<Datagram> {
        if self.queue.peek()?.due > now {
            return None;
        }
        let late = self.queue.pop()?;
        Some(Datagram {
            arrived_ns: wall_ns(),
            data: late.datagram.data,
        })
    }

    /// When [`Self::pop`] has something.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.queue.peek().map(|q| q.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(len: usize) -> Datagram {
        Datagram {
            arrived_ns: 0,
            data: vec![0; len],
        }
    }

    #[test]
    fn a_rate_limited_link_delays_and_then_drops() {
        let now = Instant::now();
        let mut net = BadNetwork::new(Impairment {
            rate_bps: Some(1_000_000),
            ..Impairment::default()
        });
        for _ in 0..100 {
            net.push(now, datagram(972));
        }
        // 8 ms each: 200 ms hold 26 of them.
        assert_eq!(net.dropped, 74);
        assert!(net.pop(now + Duration::from_millis(7)).is_none());
        assert!(net.pop(now + Duration::from_millis(8)).is_some());
        assert!(net.pop(now + Duration::from_millis(15)).is_none());
    }

    #[test]
    fn loss_is_about_what_was_asked_for() {
        let now = Instant::now();
        let mut net = BadNetwork::new(Impairment {
            loss: 0.1,
            ..Impairment::default()
        });
        for _ in 0..10_000 {
            net.push(now, datagram(10));
        }
        assert!((900..1100).contains(&net.dropped), "{}", net.dropped);
    }
}

//! The one UDP socket: segmented sends, coalesced receives.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};

use crate::rtc::{Batch, Burst};

/// Asked of the kernel for each direction, in bytes. It gives what `net.core.{r,w}mem_max` allow.
const BUFFER: usize = 4 * 1024 * 1024;
/// Bytes of one receive slot: a coalesced receive of the kernel is at most this large.
const SLOT: usize = 65_535;

/// A datagram's origin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    /// The peer.
    pub from: SocketAddr,
    /// Our address that it sent to.
    pub at: Option<IpAddr>,
}

/// The socket and its receive buffers.
pub(crate) struct Udp {
    socket: UdpSocket,
    state: UdpSocketState,
    slots: Vec<u8>,
    meta: Vec<RecvMeta>,
}

impl Udp {
    /// Binds `addr`. A wildcard IPv6 address takes IPv4 too.
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
        if addr.is_ipv6() {
            socket.set_only_v6(!addr.ip().is_unspecified())?;
        }
        socket.bind(&addr.into())?;
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket.into());
        let state = UdpSocketState::new((&socket).into())?;
        // Smaller buffers work too, with more loss in bursts.
        let _ = state.set_send_buffer_size((&socket).into(), BUFFER);
        let _ = state.set_recv_buffer_size((&socket).into(), BUFFER);
        Ok(Self {
            socket,
            state,
            slots: vec![0; SLOT * BATCH_SIZE],
            meta: vec![RecvMeta::default(); BATCH_SIZE],
        })
    }

    /// The address the socket really has.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Watches the socket for datagrams.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE)
    }

    /// Receives a batch and hands each datagram to `take`; false when there was nothing.
    pub fn receive(&mut self, mut take: impl FnMut(Origin, &[u8])) -> io::Result<bool> {
        let received = {
            let mut slots: Vec<IoSliceMut<'_>> =
                self.slots.chunks_mut(SLOT).map(IoSliceMut::new).collect();
            let (socket, state, meta) = (&self.socket, &self.state, &mut self.meta);
            match socket.try_io(|| state.recv(socket.into(), &mut slots, meta)) {
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                // An ICMP error of an earlier send; that peer will time out by itself.
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => return Ok(true),
                Err(e) => return Err(e),
            }
        };
        for (meta, slot) in self.meta.iter().zip(self.slots.chunks(SLOT)).take(received) {
            let origin = Origin {
                from: canonical(meta.addr),
                at: meta.dst_ip.map(|ip| ip.to_canonical()),
            };
            let bytes = slot.get(..meta.len).unwrap_or_default();
            for datagram in bytes.chunks(meta.stride.max(1)) {
                take(origin, datagram);
            }
        }
        Ok(true)
    }

    /// Sends everything in `batch` and empties it. Datagrams that the kernel has no room for are
    /// lost, as on any network; they are counted in the result.
    pub fn flush(&self, batch: &mut Batch) -> Flushed {
        let mut flushed = Flushed::default();
        for (burst, bytes) in batch.bursts() {
            self.send(burst, bytes, &mut flushed);
        }
        batch.clear();
        flushed
    }

    fn send(&self, burst: &Burst, bytes: &[u8], flushed: &mut Flushed) {
        // Checked each time: the kernel can turn out not to segment at the first send.
        let limit = self.state.max_gso_segments().max(1) * burst.segment.max(1);
        for part in bytes.chunks(limit) {
            let count = part.len().div_ceil(burst.segment.max(1)) as u64;
            match self.send_one(burst, part) {
                Ok(()) => flushed.datagrams += count,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => flushed.full += count,
                Err(_) if limit > burst.segment && self.state.max_gso_segments() == 1 => {
                    for datagram in part.chunks(burst.segment.max(1)) {
                        match self.send_one(burst, datagram) {
                            Ok(()) => flushed.datagrams += 1,
                            Err(_) => flushed.failed += 1,
                        }
                    }
                }
                Err(_) => flushed.failed += count,
            }
        }
    }

    fn send_one(&self, burst: &Burst, bytes: &[u8]) -> io::Result<()> {
        let transmit = Transmit {
            destination: burst.path.to,
            ecn: None,
            contents: bytes,
            segment_size: (bytes.len() > burst.segment).then_some(burst.segment),
            src_ip: burst.path.from,
        };
        self.state.try_send((&self.socket).into(), &transmit)
    }
}

/// What became of a flush, in datagrams.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flushed {
    /// Given to the kernel.
    pub datagrams: u64,
    /// Lost for want of room in the socket's buffer.
    pub full: u64,
    /// Refused by the kernel.
    pub failed: u64,
}

/// IPv4 peers of an IPv6 socket under their own address.
fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtc::Path;
    use std::net::UdpSocket;
    use std::time::Duration;

    #[test]
    fn a_burst_arrives_as_its_datagrams() {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let udp = Udp::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut batch = Batch::default();
        let path = Path {
            to: peer.local_addr().unwrap(),
            from: None,
        };
        let sizes = [1_000, 1_000, 1_000, 400, 7];
        for (i, n) in sizes.iter().enumerate() {
            batch.copy(path, &vec![i as u8; *n]);
        }
        let flushed = udp.flush(&mut batch);
        assert_eq!((flushed.datagrams, flushed.full, flushed.failed), (5, 0, 0));
        for (i, n) in sizes.iter().enumerate() {
            let mut buf = [0; 2_000];
            let (len, from) = peer.recv_from(&mut buf).unwrap();
            assert_eq!((len, buf[0]), (*n, i as u8));
            assert_eq!(from, udp.local_addr().unwrap());
        }
    }

    #[test]
    fn datagrams_come_in_with_their_origin() {
        let mut udp = Udp::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        for i in 0..3u8 {
            peer.send_to(&[i; 5], udp.local_addr().unwrap()).unwrap();
        }
        let mut got = Vec::new();
        while got.len() < 3 {
            udp.receive(|origin, d| got.push((origin.from, d.to_vec())))
                .unwrap();
        }
        let me = peer.local_addr().unwrap();
        let want: Vec<_> = (0..3u8).map(|i| (me, vec![i; 5])).collect();
        assert_eq!(got, want);
    }
}

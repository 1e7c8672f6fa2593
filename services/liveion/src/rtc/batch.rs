//! Datagrams on their way to the kernel.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// Where a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Path {
    /// The peer.
    pub to: SocketAddr,
    /// Our address that the peer sent to, so that the answer comes from there.
    pub from: Option<IpAddr>,
}

/// Datagrams of one path that lie back to back, all of `segment` bytes but the last, which may be
/// shorter: one segmented send (UDP GSO).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Burst {
    /// Where to.
    pub path: Path,
    /// Bytes in [`Batch::data`].
    pub range: Range<usize>,
    /// Bytes of each datagram but the last.
    pub segment: usize,
    /// Number of datagrams.
    pub count: usize,
    closed: bool,
}

/// Datagrams collected for one flush. The buffers are kept from flush to flush.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    data: Vec<u8>,
    bursts: Vec<Burst>,
}

/// Most datagrams of one burst (the kernel's UDP_MAX_SEGMENTS is 64 before 6.9).
const MAX_SEGMENTS: usize = 64;
/// Most bytes of one burst: a datagram's length field, less headers.
const MAX_BURST: usize = 65_000;

impl Batch {
    /// Appends one datagram, written by `write` at the end of the buffer it is given. Joins the
    /// burst before it where it can. On an error nothing is added.
    pub fn datagram<E>(
        &mut self,
        path: Path,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let start = self.data.len();
        if let Err(e) = write(&mut self.data) {
            self.data.truncate(start);
            return Err(e);
        }
        let len = self.data.len() - start;
        if len > 0 {
            self.add(path, start, len);
        }
        Ok(len)
    }

    fn add(&mut self, path: Path, start: usize, len: usize) {
        if let Some(last) = self.bursts.last_mut()
            && last.path == path
            && !last.closed
            && len <= last.segment
            && last.count < MAX_SEGMENTS
            && last.range.len() + len <= MAX_BURST
        {
            last.range.end += len;
            last.count += 1;
            last.closed = len < last.segment;
            return;
        }
        self.bursts.push(Burst {
            path,
            range: start..start + len,
            segment: len,
            count: 1,
            closed: false,
        });
    }

    /// Appends a datagram that is already written.
    pub fn copy(&mut self, path: Path, datagram: &[u8]) {
        let _: Result<usize, std::convert::Infallible> = self.datagram(path, |out| {
            out.extend_from_slice(datagram);
            Ok(())
        });
    }

    /// Bytes waiting.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Bursts with their bytes.
    pub fn bursts(&self) -> impl Iterator<Item = (&Burst, &[u8])> {
        self.bursts
            .iter()
            .map(|b| (b, self.data.get(b.range.clone()).unwrap_or_default()))
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.data.clear();
        self.bursts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        Path {
            to: SocketAddr::from(([127, 0, 0, 1], port)),
            from: None,
        }
    }

    fn shape(sizes: &[(u16, usize)]) -> Vec<(u16, usize, usize)> {
        let mut b = Batch::default();
        for (port, size) in sizes {
            b.copy(path(*port), &vec![1; *size]);
        }
        b.bursts()
            .map(|(b, d)| {
                assert_eq!(d.len(), b.range.len());
                (b.path.to.port(), b.count, d.len())
            })
            .collect()
    }

    #[test]
    fn equal_datagrams_with_a_shorter_last_are_one_burst() {
        assert_eq!(shape(&[(1, 100), (1, 100), (1, 40)]), [(1, 3, 240)]);
    }

    #[test]
    fn nothing_follows_a_short_datagram_and_nothing_longer_joins() {
        assert_eq!(
            shape(&[(1, 100), (1, 40), (1, 40)]),
            [(1, 2, 140), (1, 1, 40)]
        );
        assert_eq!(shape(&[(1, 40), (1, 100)]), [(1, 1, 40), (1, 1, 100)]);
    }

    #[test]
    fn another_peer_is_another_burst() {
        assert_eq!(shape(&[(1, 9), (2, 9)]), [(1, 1, 9), (2, 1, 9)]);
    }

    #[test]
    fn the_kernels_limits_hold() {
        let many = vec![(1, 10); 130];
        assert_eq!(shape(&many), [(1, 64, 640), (1, 64, 640), (1, 2, 20)]);
        let big = vec![(1, 1_200); 64];
        assert!(shape(&big).iter().all(|(_, _, bytes)| *bytes <= MAX_BURST));
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let mut b = Batch::default();
        let r = b.datagram(path(1), |out| {
            out.extend_from_slice(b"half");
            Err("no")
        });
        assert_eq!((r, b.len(), b.bursts().count()), (Err("no"), 0, 0));
    }
}

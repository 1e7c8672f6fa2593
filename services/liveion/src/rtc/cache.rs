//! The frames since the last key frame, so that a late viewer starts at once.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::rtp::RtpFrame;

/// Bytes kept at most. Past it the cache is given up until the next key frame: a viewer that came
/// now would get more old pictures than it can catch up with.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Frames kept at most, likewise.
const MAX_FRAMES: usize = 600;

/// The group of pictures in progress. Frames are numbered from the start of the stream.
#[derive(Debug, Default)]
pub(crate) struct GopCache {
    frames: VecDeque<Arc<RtpFrame>>,
    first: u64,
    bytes: usize,
    next: u64,
}

impl GopCache {
    /// Adds the newest frame; returns its number.
    pub fn push(&mut self, frame: &Arc<RtpFrame>) -> u64 {
        let number = self.next;
        self.next += 1;
        if frame.key {
            self.clear();
            self.first = number;
        }
        if frame.key || !self.frames.is_empty() {
            self.bytes += frame.bytes();
            self.frames.push_back(Arc::clone(frame));
        }
        if self.bytes > MAX_BYTES || self.frames.len() > MAX_FRAMES {
            self.clear();
        }
        number
    }

    /// Forgets the frames: what follows cannot be decoded after them.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.bytes = 0;
    }

    /// Frame number `n`, if it is here.
    pub fn get(&self, n: u64) -> Option<&Arc<RtpFrame>> {
        let i = usize::try_from(n.checked_sub(self.first)?).ok()?;
        self.frames.get(i)
    }

    /// Numbers of the first and last frame; `None` when empty.
    pub fn span(&self) -> Option<(u64, u64)> {
        let last = self.frames.len().checked_sub(1)?;
        Some((self.first, self.first + last as u64))
    }

    /// The newest key frame.
    pub fn key(&self) -> Option<&Arc<RtpFrame>> {
        self.frames.front()
    }

    /// Bytes of all frames from number `n` on.
    pub fn bytes_from(&self, n: u64) -> usize {
        let skip = usize::try_from(n.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.frames.iter().skip(skip).map(|f| f.bytes()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use livehal::PacketTiming;

    fn frame(key: bool, bytes: usize) -> Arc<RtpFrame> {
        let data = Bytes::from(vec![1; bytes]);
        Arc::new(RtpFrame::new(
            data,
            vec![bytes as u32],
            key,
            PacketTiming::default(),
        ))
    }

    #[test]
    fn it_holds_what_came_since_the_last_key_frame() {
        let mut c = GopCache::default();
        c.push(&frame(false, 1));
        assert_eq!(c.span(), None, "nothing can be decoded before a key frame");
        c.push(&frame(true, 5));
        c.push(&frame(false, 1));
        assert_eq!(c.span(), Some((1, 2)));
        assert_eq!(c.bytes_from(2), 1);
        assert!(c.get(1).unwrap().key && c.get(0).is_none() && c.get(3).is_none());
        c.push(&frame(true, 5));
        assert_eq!(c.span(), Some((3, 3)));
    }

    #[test]
    fn it_is_given_up_rather_than_grown() {
        let mut c = GopCache::default();
        c.push(&frame(true, 1));
        for _ in 0..MAX_FRAMES {
            c.push(&frame(false, 1));
        }
        assert_eq!(c.span(), None);
        c.push(&frame(true, MAX_BYTES));
        assert!(c.span().is_some());
        c.push(&frame(false, 1));
        assert_eq!(c.span(), None);
        let n = c.push(&frame(true, 1));
        assert_eq!(c.span(), Some((n, n)), "the next key frame starts it again");
    }
}

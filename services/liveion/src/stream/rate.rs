//! Frames and bits per second over the last second.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(1);
/// More frames a second than any source here has.
const MAX_ENTRIES: usize = 1_000;

/// A sliding window of frames.
#[derive(Debug, Default)]
pub(crate) struct RateWindow {
    entries: VecDeque<(Instant, usize)>,
}

impl RateWindow {
    /// Adds a frame of `bytes`.
    pub fn add(&mut self, now: Instant, bytes: usize) {
        self.expire(now);
        if self.entries.len() < MAX_ENTRIES {
            self.entries.push_back((now, bytes));
        }
    }

    /// Frames per second and bits per second.
    pub fn rates(&mut self, now: Instant) -> (f64, u64) {
        self.expire(now);
        let bytes: usize = self.entries.iter().map(|(_, b)| b).sum();
        (self.entries.len() as f64, bytes as u64 * 8)
    }

    fn expire(&mut self, now: Instant) {
        while self
            .entries
            .front()
            .is_some_and(|(t, _)| now.saturating_duration_since(*t) >= WINDOW)
        {
            self.entries.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_second_counts() {
        let mut w = RateWindow::default();
        let t = Instant::now();
        for i in 0..60u32 {
            w.add(t + Duration::from_millis(33) * i, 1_000);
        }
        let (fps, bps) = w.rates(t + Duration::from_millis(33 * 59));
        assert!((30.0..=31.0).contains(&fps), "{fps}");
        assert_eq!(bps, fps as u64 * 8_000);
        assert_eq!(w.rates(t + Duration::from_secs(10)), (0.0, 0));
    }
}

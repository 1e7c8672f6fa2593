//! Frames at a steady rate.

use std::time::Duration;

use crate::CaptureTime;
use crate::stop::StopToken;

/// Deadlines at a fixed distance from one start, so that no error adds up.
pub(crate) struct Pacer {
    start: CaptureTime,
    /// Frames per second as a fraction.
    rate: (u32, u32),
    next: u64,
}

impl Pacer {
    /// `rate.0 / rate.1` frames a second; the first deadline is now.
    pub(crate) fn new(rate: (u32, u32)) -> Self {
        Self {
            start: CaptureTime::now(),
            rate: (rate.0.max(1), rate.1.max(1)),
            next: 0,
        }
    }

    /// Waits for the next deadline. True if stopped instead.
    pub(crate) fn wait(&mut self, stop: &StopToken) -> bool {
        stop.sleep_until(self.next_after(CaptureTime::now()))
    }

    /// The next deadline, when it is `now`.
    ///
    /// Deadlines that passed unused (a suspended machine, a slow source) are left out: frames never
    /// come in a burst to catch up.
    fn next_after(&mut self, now: CaptureTime) -> CaptureTime {
        if self.deadline(self.next + 1) <= now {
            self.next = self.passed(now);
        }
        let deadline = self.deadline(self.next);
        self.next += 1;
        deadline
    }

    fn deadline(&self, n: u64) -> CaptureTime {
        let ns = u128::from(n) * 1_000_000_000 * u128::from(self.rate.1) / u128::from(self.rate.0);
        self.start.after(Duration::from_nanos(ns as u64))
    }

    /// The number of the last deadline not after `now`.
    fn passed(&self, now: CaptureTime) -> u64 {
        let ns = now.since(self.start).as_nanos();
        (ns * u128::from(self.rate.0) / (1_000_000_000 * u128::from(self.rate.1))) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_of_an_odd_rate_do_not_drift() {
        let pacer = Pacer::new((30_000, 1001));
        let hour = pacer.deadline(30_000 * 3600 / 1001 * 1001 / 1001);
        let exact = 30_000u64 * 3600 / 1001;
        assert_eq!(
            hour.since(pacer.start).as_nanos(),
            u128::from(exact) * 1_001_000_000_000 / 30_000
        );
    }

    #[test]
    fn a_source_a_little_late_each_time_keeps_its_deadlines() {
        let mut pacer = Pacer::new((50, 1));
        let start = pacer.start;
        let mut now = start;
        for n in 0..100 {
            now = pacer.next_after(now);
            assert_eq!(now, start.after(Duration::from_millis(20 * n)));
            now = now.after(Duration::from_millis(15));
        }
    }

    #[test]
    fn missed_deadlines_are_left_out() {
        let mut pacer = Pacer::new((50, 1));
        let ms = |ms| pacer.start.after(Duration::from_millis(ms));
        let (first, late, due, next) = (ms(0), ms(99), ms(80), ms(100));
        assert_eq!(pacer.next_after(first), first);
        // One frame at once, for the deadline just passed; the three before it are gone.
        assert_eq!(pacer.next_after(late), due);
        assert_eq!(pacer.next_after(late), next);
    }
}

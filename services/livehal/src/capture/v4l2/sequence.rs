//! Frames that a driver numbered and never gave.

/// Watches a driver's frame numbers.
#[derive(Default)]
pub(super) struct Sequence {
    last: Option<u32>,
}

/// More than this at once is a driver that began to count anew, or does not count frames.
const MOST: u32 = 1000;

impl Sequence {
    /// How many frames are missing before the one of number `now`.
    pub(super) fn lost_before(&mut self, now: u32) -> u32 {
        let lost = match self.last {
            // Drivers that do not count repeat 0; the difference is then the largest number.
            Some(last) => now.wrapping_sub(last).wrapping_sub(1),
            // Frames before the first that we see were nobody's.
            None => 0,
        };
        self.last = Some(now);
        if lost <= MOST { lost } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_counted_and_drivers_that_count_otherwise_are_not_believed() {
        let mut sequence = Sequence::default();
        let lost = [7, 8, 11, 12, 12, 0, 1, u32::MAX, 0, 2].map(|n| sequence.lost_before(n));
        assert_eq!(lost, [0, 0, 2, 0, 0, 0, 0, 0, 0, 1]);
    }
}

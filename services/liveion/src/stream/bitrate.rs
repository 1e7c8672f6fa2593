//! The encoder's bit rate: what the user set, lowered to what the slowest viewer's path carries.

use std::ops::RangeInclusive;

/// A change smaller than this share is not worth an encoder's reconfiguration.
const STEP: f64 = 0.04;

/// Decides the encoder's bit rate, in bit/s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BitrateControl {
    bounds: RangeInclusive<u32>,
    wanted: u32,
    carried: Option<u32>,
    applied: u32,
}

impl BitrateControl {
    /// Starts at `wanted`.
    pub fn new(wanted: u32, bounds: RangeInclusive<u32>) -> Self {
        Self {
            bounds,
            wanted,
            carried: None,
            applied: wanted,
        }
    }

    /// What may be set.
    pub fn bounds(&self) -> &RangeInclusive<u32> {
        &self.bounds
    }

    /// What the encoder has.
    pub fn applied(&self) -> u32 {
        self.applied
    }

    /// The user's wish; the new rate, if it is another.
    pub fn set_wanted(&mut self, bps: u32) -> Option<u32> {
        self.wanted = bps;
        self.apply()
    }

    /// What the viewers' paths carry (`None`: nobody watches); the new rate, if it is another.
    pub fn set_carried(&mut self, bps: Option<u32>) -> Option<u32> {
        self.carried = bps;
        self.apply()
    }

    fn apply(&mut self) -> Option<u32> {
        let limit = self.carried.unwrap_or(u32::MAX).max(*self.bounds.start());
        let rate = self.wanted.min(limit);
        let change = f64::from(rate.abs_diff(self.applied));
        // The wish itself is always reached, however small the step to it.
        let worth = change > STEP * f64::from(self.applied) || rate == self.wanted;
        (change > 0.0 && worth).then(|| {
            self.applied = rate;
            rate
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_down_with_the_slowest_path_and_back_up() {
        let mut b = BitrateControl::new(2_000_000, 200_000..=2_000_000);
        assert_eq!(b.set_carried(Some(1_000_000)), Some(1_000_000));
        assert_eq!(b.set_carried(Some(1_010_000)), None, "too small a step");
        assert_eq!(
            b.set_carried(Some(100_000)),
            Some(200_000),
            "not below its bounds"
        );
        assert_eq!(b.set_carried(Some(9_000_000)), Some(2_000_000));
        assert_eq!(b.set_carried(None), None);
    }

    #[test]
    fn a_wish_holds_within_what_the_path_carries() {
        let mut b = BitrateControl::new(2_000_000, 200_000..=4_000_000);
        assert_eq!(b.set_wanted(3_000_000), Some(3_000_000));
        assert_eq!(b.set_carried(Some(1_000_000)), Some(1_000_000));
        assert_eq!(b.set_wanted(2_500_000), None, "the path decides");
        assert_eq!(
            b.set_carried(None),
            Some(2_500_000),
            "nobody is slow any more"
        );
        assert_eq!(
            b.set_wanted(2_510_000),
            Some(2_510_000),
            "a wish is reached exactly"
        );
    }
}

//! Fractions.

use crate::sys::AVRational;

/// A positive fraction: a frame rate, or the unit of a stream's time stamps in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rational {
    num: u32,
    den: u32,
}

impl Rational {
    /// `None` unless both are above zero.
    pub(crate) fn new(r: AVRational) -> Option<Self> {
        let num = u32::try_from(r.num).ok().filter(|n| *n > 0)?;
        let den = u32::try_from(r.den).ok().filter(|n| *n > 0)?;
        Some(Self { num, den })
    }

    /// Above the line.
    pub const fn num(self) -> u32 {
        self.num
    }

    /// Below the line.
    pub const fn den(self) -> u32 {
        self.den
    }

    /// As a floating-point number.
    pub fn to_f64(self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }

    /// `ticks` of this many seconds each, in nanoseconds, rounded down; saturates.
    pub fn nanos(self, ticks: i64) -> i64 {
        let ns = (i128::from(ticks) * i128::from(self.num) * 1_000_000_000)
            .div_euclid(i128::from(self.den));
        ns.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rational(num: i32, den: i32) -> Option<Rational> {
        Rational::new(AVRational { num, den })
    }

    #[test]
    fn zero_and_negative_parts_are_refused() {
        assert_eq!(rational(0, 1), None);
        assert_eq!(rational(1, 0), None);
        assert_eq!(rational(-25, 1), None);
    }

    #[test]
    fn ticks_become_nanoseconds_without_overflow() {
        let base = rational(1, 90_000).unwrap();
        assert_eq!(base.nanos(90_000), 1_000_000_000);
        assert_eq!(base.nanos(1), 11_111);
        assert_eq!(base.nanos(-1), -11_112);
        assert_eq!(rational(i32::MAX, 1).unwrap().nanos(i64::MAX), i64::MAX);
    }
}

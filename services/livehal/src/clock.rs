//! The capture clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point on the capture clock: nanoseconds of `CLOCK_MONOTONIC`, the clock that V4L2 drivers
/// stamp buffers with (`V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CaptureTime(u64);

impl CaptureTime {
    /// A time stamp of `ns` nanoseconds on `CLOCK_MONOTONIC`.
    pub const fn from_nanos(ns: u64) -> Self {
        Self(ns)
    }

    /// Nanoseconds on `CLOCK_MONOTONIC`.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The current time of the capture clock.
    pub fn now() -> Self {
        Self(monotonic())
    }

    /// The time stamp `later` after this one.
    pub const fn after(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later.as_nanos() as u64))
    }

    /// Time from `earlier` to `self`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The same instant as time since the Unix epoch, by the present offset between the clocks.
    pub fn to_unix(self) -> Duration {
        let read = || Reading {
            before: Self::now().0,
            unix: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_nanos() as u64),
            after: Self::now().0,
        };
        let unix = self.0 as i128 + offset(std::iter::repeat_with(read));
        Duration::from_nanos(unix.clamp(0, u64::MAX.into()) as u64)
    }
}

/// The wall clock, between two looks at the capture clock. In nanoseconds.
struct Reading {
    before: u64,
    unix: u64,
    after: u64,
}

/// What the wall clock is ahead of the capture clock, from the first reading in which the thread was not
/// interrupted: looks microseconds apart. Of a few the best, where the machine allows none.
fn offset(readings: impl Iterator<Item = Reading>) -> i128 {
    const CLOSE: u64 = 20_000;
    let mut best = (u64::MAX, 0);
    for reading in readings.take(8) {
        let apart = reading.after.saturating_sub(reading.before);
        if apart < best.0 {
            let middle = reading.before + apart / 2;
            best = (apart, reading.unix as i128 - middle as i128);
        }
        if apart <= CLOSE {
            break;
        }
    }
    best.1
}

/// Nanoseconds of `CLOCK_MONOTONIC`.
#[cfg(unix)]
fn monotonic() -> u64 {
    let ts = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    (ts.tv_sec.max(0) as u64) * 1_000_000_000 + ts.tv_nsec.max(0) as u64
}

/// Nanoseconds since they were first asked for: no driver's stamps are to be compared with them.
#[cfg(not(unix))]
fn monotonic() -> u64 {
    static BEGAN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let began = BEGAN.get_or_init(std::time::Instant::now);
    began.elapsed().as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_never_go_below_zero() {
        let (one, two) = (CaptureTime::from_nanos(1), CaptureTime::from_nanos(2));
        assert_eq!(
            (two.since(one).as_nanos(), one.since(two).as_nanos()),
            (1, 0)
        );
        assert_eq!(one.after(Duration::from_nanos(1)), two);
    }

    #[test]
    fn an_interruption_between_the_clocks_does_not_move_the_time() {
        let reading = |before, unix, after| Reading {
            before,
            unix,
            after,
        };
        let interrupted = || reading(1_000, 901_000, 50_001_000);
        let close = || reading(60_000_000, 60_900_100, 60_000_200);
        assert_eq!(offset([interrupted(), close()].into_iter()), 900_000);
        // What comes after a close one is not looked at.
        assert_eq!(offset([close(), interrupted()].into_iter()), 900_000);
        // The best of those that there are.
        let late = reading(100_000_000, 101_000_000, 100_200_000);
        assert_eq!(offset([interrupted(), late].into_iter()), 900_000);
    }

    #[test]
    fn unix_time_is_the_wall_clock_at_that_moment() {
        let wall = || {
            let now = std::time::SystemTime::now();
            now.duration_since(std::time::UNIX_EPOCH).unwrap()
        };
        let (before, now, after) = (wall(), CaptureTime::now(), wall());
        let slack = Duration::from_millis(1);
        assert!((before - slack..=after + slack).contains(&now.to_unix()));
        let hour = Duration::from_secs(3600);
        let later = now.after(hour).to_unix() - now.to_unix();
        assert!(later.abs_diff(hour) <= slack, "{later:?}");
    }
}

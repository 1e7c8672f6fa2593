//! Which clock a time stamp is of.

use crate::CaptureTime;

/// Both clocks at one moment, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    /// `CLOCK_MONOTONIC`, which stands still while the machine is suspended.
    pub(super) monotonic: u64,
    /// `CLOCK_BOOTTIME`, which does not.
    pub(super) boottime: u64,
}

impl Clocks {
    #[cfg(feature = "capture-libcamera")]
    pub(super) fn now() -> Self {
        use rustix::time::{ClockId, clock_gettime};
        let time = clock_gettime(ClockId::Boottime);
        Self {
            // Asked last: a stamp of this clock then never seems to be of the future.
            boottime: time.tv_sec.max(0) as u64 * 1_000_000_000 + time.tv_nsec.max(0) as u64,
            monotonic: CaptureTime::now().as_nanos(),
        }
    }
}

/// A sensor's time stamp on the capture clock.
///
/// libcamera's documentation says `CLOCK_BOOTTIME`, yet its pipelines hand on what V4L2 gave them,
/// which is `CLOCK_MONOTONIC`. The two differ by the time the machine was suspended: a stamp later
/// than now on the one can only be of the other. Where they do not differ it makes no difference.
/// A stamp of neither, or none (0), becomes now.
pub(super) fn capture_time(stamp: u64, now: Clocks) -> CaptureTime {
    let suspended = now.boottime.saturating_sub(now.monotonic);
    let monotonic = if stamp <= now.monotonic {
        stamp
    } else {
        stamp.saturating_sub(suspended)
    };
    let plausible = monotonic > 0 && monotonic <= now.monotonic;
    CaptureTime::from_nanos(if plausible { monotonic } else { now.monotonic })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000_000;
    const AWAKE: Clocks = Clocks {
        monotonic: HOUR,
        boottime: HOUR,
    };
    const AFTER_SLEEP: Clocks = Clocks {
        monotonic: HOUR,
        boottime: 3 * HOUR,
    };

    fn at(stamp: u64, now: Clocks) -> u64 {
        capture_time(stamp, now).as_nanos()
    }

    #[test]
    fn a_monotonic_stamp_stays_as_it_is() {
        assert_eq!(at(HOUR - 5, AWAKE), HOUR - 5);
        assert_eq!(at(HOUR - 5, AFTER_SLEEP), HOUR - 5);
    }

    #[test]
    fn a_stamp_of_boottime_loses_the_time_asleep() {
        assert_eq!(at(3 * HOUR - 5, AFTER_SLEEP), HOUR - 5);
    }

    #[test]
    fn a_stamp_of_no_clock_is_now() {
        for stamp in [0, 4 * HOUR, u64::MAX] {
            assert_eq!(at(stamp, AFTER_SLEEP), HOUR, "{stamp}");
        }
    }
}

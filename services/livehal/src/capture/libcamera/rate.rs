//! Keeps a camera to the frame rate that was asked for, where it cannot be told.

use std::time::Duration;

use crate::CaptureTime;

/// Tells which frames are too many.
pub(super) struct Rate {
    interval: Duration,
    /// When the next frame belongs.
    due: Option<CaptureTime>,
}

impl Rate {
    /// At most `fps` frames a second.
    pub(super) fn new(fps: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / fps.max(1),
            due: None,
        }
    }

    /// Whether a frame captured at `at` is one too many. One that is not takes its place.
    ///
    /// A quarter of an interval early is on time: no camera is exact.
    pub(super) fn surplus(&mut self, at: CaptureTime) -> bool {
        let next = match self.due {
            Some(due) if at.after(self.interval / 4) < due => return true,
            // Late by more than an interval: the count starts anew, so that no burst follows.
            Some(due) if at <= due.after(self.interval) => due,
            _ => at,
        };
        self.due = Some(next.after(self.interval));
        false
    }

    /// When the next frame belongs; `None` before the first.
    #[cfg(feature = "capture-libcamera")]
    pub(super) fn due(&self) -> Option<CaptureTime> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of a second's frames are kept of a camera with `real` frames a second, when `asked`
    /// are wanted; each comes up to `jitter` of its interval late.
    fn kept(real: u32, asked: u32, jitter: f64) -> usize {
        let mut rate = Rate::new(asked);
        let interval = 1e9 / f64::from(real);
        (0..real)
            .filter(|&n| {
                let late = jitter * f64::from(n % 3) / 2.0;
                let at = 1e9 + interval * (f64::from(n) + late);
                !rate.surplus(CaptureTime::from_nanos(at as u64))
            })
            .count()
    }

    #[test]
    fn a_camera_at_its_rate_loses_nothing() {
        for jitter in [0.0, 0.2] {
            assert_eq!(kept(30, 30, jitter), 30);
            assert_eq!(kept(25, 30, jitter), 25);
        }
    }

    #[test]
    fn a_faster_camera_gives_what_was_asked_for() {
        for (real, asked) in [(60, 30), (50, 30), (120, 24), (400, 15)] {
            let kept = kept(real, asked, 0.1);
            assert!(
                kept.abs_diff(asked as usize) <= 1,
                "{real} to {asked}: {kept}"
            );
        }
    }

    #[test]
    fn no_burst_follows_a_gap() {
        let mut rate = Rate::new(10);
        let ms = |ms: u64| CaptureTime::from_nanos(ms * 1_000_000);
        assert!(!rate.surplus(ms(1000)));
        assert!(!rate.surplus(ms(5000)));
        assert!(rate.surplus(ms(5001)));
        assert!(!rate.surplus(ms(5100)));
    }
}

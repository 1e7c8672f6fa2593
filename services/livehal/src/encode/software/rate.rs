//! What OpenH264's rate control needs from outside.
//!
//! Its own control, with the overshoot fix on, holds the average within a few per cent without
//! leaving frames out, as long as the coarsest quantiser is coarse enough. Two things remain: a
//! source that is slower or faster than it said, and bit rates so low that only leaving frames out
//! helps. OpenH264's own frame skipping is not used: it freezes pictures long before it must.

use std::time::Duration;

use crate::CaptureTime;

/// Seconds of bit rate that may be owed before a frame is left out. Key frames and sudden motion
/// stay below it.
const DEBT_LIMIT: f64 = 1.5;
/// A longer pause between frames says nothing about their rate.
const PAUSE: Duration = Duration::from_secs(2);
/// Weight of the newest interval in the mean.
const WEIGHT: f64 = 0.05;
/// The encoder is told of another frame rate when it differs by this much.
const TOLERANCE: f64 = 0.1;
/// The highest frame rate that OpenH264 calculates with.
const FPS_LIMIT: f64 = 60.0;

/// Follows what went in and what came out.
#[derive(Debug)]
pub(super) struct RateKeeper {
    bitrate: f64,
    /// Seconds of bit rate sent ahead of time.
    debt: f64,
    last: Option<CaptureTime>,
    /// Mean interval between frames, in seconds.
    interval: f64,
    /// Frames a second the encoder was told.
    told: f64,
}

impl RateKeeper {
    pub(super) fn new(bitrate: u32, fps: f64) -> Self {
        Self {
            bitrate: f64::from(bitrate),
            debt: 0.0,
            last: None,
            interval: 1.0 / fps,
            told: fps,
        }
    }

    pub(super) fn set_bitrate(&mut self, bitrate: u32) {
        // The debt stays as it is in seconds: in bits of the old rate it could take many seconds
        // of a much lower one to pay.
        self.bitrate = f64::from(bitrate);
    }

    /// Takes note of a frame captured at `time`. True if there is room for it.
    pub(super) fn admits(&mut self, time: CaptureTime) -> bool {
        if let Some(last) = self.last.replace(time) {
            let passed = time.since(last);
            self.debt = (self.debt - passed.as_secs_f64()).max(0.0);
            if passed < PAUSE {
                self.interval += WEIGHT * (passed.as_secs_f64() - self.interval);
            }
        }
        self.debt <= DEBT_LIMIT
    }

    /// Takes note of a coded frame.
    pub(super) fn coded(&mut self, bytes: usize) {
        self.debt += bytes as f64 * 8.0 / self.bitrate;
    }

    /// The frame rate to tell the encoder, if it should be told another.
    pub(super) fn changed_fps(&mut self) -> Option<f64> {
        let fps = 1.0 / self.interval.max(1e-3);
        if (fps / self.told - 1.0).abs() <= TOLERANCE {
            return None;
        }
        self.told = fps;
        Some(fps)
    }

    /// The bit rate to tell the encoder: it divides it by its frame rate, which has a limit.
    pub(super) fn encoder_bitrate(&self) -> i32 {
        let share = (FPS_LIMIT / self.told).min(1.0);
        (self.bitrate * share) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> CaptureTime {
        CaptureTime::from_nanos(1_000_000_000 + ms * 1_000_000)
    }

    #[test]
    fn frames_are_left_out_only_when_much_more_was_sent_than_the_rate_allows() {
        let mut keeper = RateKeeper::new(80_000, 10.0);
        assert!(keeper.admits(at(0)));
        keeper.coded(14_000); // 1.4 s of 10 kB/s
        assert!(keeper.admits(at(100)));
        keeper.coded(4_000); // 1.7 s
        assert!(!keeper.admits(at(200)));
        assert!(!keeper.admits(at(280)));
        assert!(keeper.admits(at(320)));
    }

    #[test]
    fn a_lower_rate_does_not_make_an_old_debt_longer() {
        let mut keeper = RateKeeper::new(800_000, 10.0);
        assert!(keeper.admits(at(0)));
        keeper.coded(100_000);
        keeper.set_bitrate(8_000);
        assert!(keeper.admits(at(100)));
    }

    #[test]
    fn the_encoder_is_told_once_when_frames_come_at_half_the_rate() {
        let mut keeper = RateKeeper::new(1_000_000, 30.0);
        let mut told = Vec::new();
        for n in 0..300 {
            keeper.admits(at(n * 1000 / 15));
            told.extend(keeper.changed_fps());
        }
        assert!(told.len() < 10, "{told:?}");
        assert!((told.last().unwrap() / 15.0 - 1.0).abs() < 0.11, "{told:?}");
    }

    #[test]
    fn a_pause_does_not_change_the_frame_rate() {
        let mut keeper = RateKeeper::new(1_000_000, 30.0);
        keeper.admits(at(0));
        keeper.admits(at(60_000));
        assert_eq!(keeper.changed_fps(), None);
    }

    #[test]
    fn above_sixty_frames_a_second_the_encoder_gets_a_share_of_the_rate() {
        assert_eq!(RateKeeper::new(1_000_000, 120.0).encoder_bitrate(), 500_000);
        assert_eq!(
            RateKeeper::new(1_000_000, 30.0).encoder_bitrate(),
            1_000_000
        );
    }
}

//! Key-frame requests of many viewers, made few.

use std::time::{Duration, Instant};

/// Least time from one key-frame request to the encoder to the next.
pub(crate) const KEYFRAME_INTERVAL: Duration = Duration::from_millis(500);

/// Lets one key-frame request through per [`KEYFRAME_INTERVAL`]; one that comes too soon is kept
/// and let through at the end of the interval, unless a key frame came meanwhile.
#[derive(Debug, Default)]
pub(crate) struct KeyframeGate {
    last: Option<Instant>,
    pending: bool,
}

impl KeyframeGate {
    /// A request; true when it is to be passed on now.
    pub fn request(&mut self, now: Instant) -> bool {
        self.pending = true;
        self.poll(now)
    }

    /// True when a request that was kept is due.
    pub fn poll(&mut self, now: Instant) -> bool {
        if !self.pending || self.poll_timeout().is_some_and(|t| now < t) {
            return false;
        }
        self.pending = false;
        self.last = Some(now);
        true
    }

    /// A key frame came: whoever waited has one.
    pub fn on_keyframe(&mut self, now: Instant) {
        self.pending = false;
        self.last = Some(now);
    }

    /// When a kept request is due; `None` if there is none.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.pending {
            return None;
        }
        Some(self.last? + KEYFRAME_INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_storm_becomes_one_request_per_interval() {
        let t = Instant::now();
        let mut g = KeyframeGate::default();
        let passed = (0..1_000).filter(|&i| g.request(t + i * MS)).count();
        assert_eq!(passed, 2, "at 0 and at 500 ms of one second");
    }

    #[test]
    fn a_request_too_soon_is_kept_until_the_interval_ends() {
        let t = Instant::now();
        let mut g = KeyframeGate::default();
        assert!(g.request(t));
        assert!(!g.request(t + 100 * MS));
        assert_eq!(g.poll_timeout(), Some(t + 500 * MS));
        assert!(!g.poll(t + 499 * MS));
        assert!(g.poll(t + 500 * MS));
        assert_eq!(g.poll_timeout(), None);
        assert!(!g.poll(t + 5_000 * MS), "passed on once");
    }

    #[test]
    fn a_key_frame_satisfies_everybody_who_waits() {
        let t = Instant::now();
        let mut g = KeyframeGate::default();
        assert!(g.request(t));
        assert!(!g.request(t + 10 * MS));
        g.on_keyframe(t + 33 * MS);
        assert!(!g.poll(t + 600 * MS));
        assert!(
            !g.request(t + 40 * MS),
            "the key frame opens an interval of its own"
        );
    }
}

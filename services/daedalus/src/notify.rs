//! What systemd is told (sd_notify(3)); nothing where it does not ask.

use std::time::{Duration, Instant};

use rustix::event::Timespec;
use sd_notify::NotifyState;
use tracing::warn;

/// Feeds systemd's watchdog, where there is one.
#[derive(Debug, Default)]
pub(crate) struct Heart {
    /// Between two beats, and the time of the last.
    beats: Option<(Duration, Instant)>,
}

impl Heart {
    /// Everything is in place: systemd is told, and may expect beats from now on.
    pub(crate) fn start() -> Self {
        tell(NotifyState::Ready);
        Self {
            // Three chances a period.
            beats: sd_notify::watchdog_enabled().map(|period| (period / 3, Instant::now())),
        }
    }

    /// How long to wait at most before the next beat.
    pub(crate) fn rest(&self) -> Option<Timespec> {
        let (pause, last) = self.beats?;
        let rest = (last + pause).saturating_duration_since(Instant::now());
        Some(Timespec {
            tv_sec: rest.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: rest.subsec_nanos().into(),
        })
    }

    /// Beats, if it is time.
    pub(crate) fn beat(&mut self) {
        if let Some((pause, last)) = &mut self.beats
            && last.elapsed() >= *pause
        {
            *last = Instant::now();
            tell(NotifyState::Watchdog);
        }
    }
}

fn tell(state: NotifyState) {
    if let Err(e) = sd_notify::notify(&[state]) {
        warn!("systemd was not told: {e}");
    }
}

//! What systemd is told (sd_notify(3)); nothing where it does not ask.

use std::collections::HashMap;
use std::time::Duration;

use livehal::PipelineState;
use liveion::{Live, StreamInfo};
use tokio::time::interval;
use tracing::{info, warn};

#[cfg(target_os = "linux")]
use sd_notify::NotifyState;

/// How often the status line is looked at where there is no watchdog.
const STATUS_PERIOD: Duration = Duration::from_secs(5);

/// The sockets listen.
pub fn ready() {
    #[cfg(target_os = "linux")]
    tell(&[NotifyState::Ready]);
}

/// SIGHUP came; [`ready`] follows.
pub fn reloading() {
    #[cfg(target_os = "linux")]
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(e) => warn!("no time for systemd: {e}"),
    }
}

/// The end has begun.
pub fn stopping() {
    #[cfg(target_os = "linux")]
    tell(&[NotifyState::Stopping]);
}

/// Keeps the status line, and the watchdog while frames flow. Never returns.
pub async fn watch(live: Live) {
    let watchdog = watchdog_period();
    if let Some(period) = watchdog {
        info!(?period, "systemd's watchdog is fed while frames flow");
    }
    // Three chances a period.
    let mut tick = interval(watchdog.map_or(STATUS_PERIOD, |period| period / 3));
    let mut flow = Flow::default();
    let mut told = String::new();
    loop {
        tick.tick().await;
        let streams: Vec<StreamInfo> = live.streams().iter().map(|s| s.info()).collect();
        let status = status(&streams);
        if status != told {
            tell_status(&status);
            told = status;
        }
        let stuck = flow.stuck(&streams);
        match watchdog {
            Some(_) if stuck.is_empty() => feed(),
            Some(_) => warn!(?stuck, "no frames: the watchdog is not fed"),
            None => {}
        }
    }
}

/// Notices streams that say they run while their frames stand still.
#[derive(Debug, Default)]
struct Flow(HashMap<String, u64>);

impl Flow {
    /// Names of the streams that ran at the last look and now, without a frame in between. A
    /// stream that is on demand, stopped, or at fault and says so is none of them.
    fn stuck(&mut self, streams: &[StreamInfo]) -> Vec<String> {
        let running = streams.iter().filter(|s| {
            !s.on_demand
                && s.state == PipelineState::Running
                && !matches!(s.source, liveion::SourceInfo::Whip)
        });
        let now: HashMap<String, u64> = running.map(|s| (s.name.clone(), s.frames)).collect();
        let stands = |(name, frames): (&String, &u64)| {
            (self.0.get(name) == Some(frames)).then(|| name.clone())
        };
        let mut stuck: Vec<String> = now.iter().filter_map(stands).collect();
        stuck.sort();
        self.0 = now;
        stuck
    }
}

fn status(streams: &[StreamInfo]) -> String {
    let viewers: usize = streams.iter().map(|s| s.viewers).sum();
    let running = streams
        .iter()
        .filter(|s| s.state == PipelineState::Running)
        .count();
    let total = streams.len();
    format!("{running} of {total} streams running, {viewers} viewers")
}

#[cfg(target_os = "linux")]
fn watchdog_period() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

#[cfg(not(target_os = "linux"))]
fn watchdog_period() -> Option<Duration> {
    None
}

fn tell_status(_status: &str) {
    #[cfg(target_os = "linux")]
    tell(&[NotifyState::Status(_status)]);
}

fn feed() {
    #[cfg(target_os = "linux")]
    tell(&[NotifyState::Watchdog]);
}

#[cfg(target_os = "linux")]
fn tell(state: &[NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(state) {
        warn!("cannot tell systemd: {e}");
    }
}

#[cfg(test)]
mod tests {
    use liveion::SourceInfo;

    use super::*;

    fn stream(name: &str, state: PipelineState, frames: u64) -> StreamInfo {
        StreamInfo {
            name: name.to_owned(),
            state,
            source: SourceInfo::Native {
                capture: "testsrc".to_owned(),
                encoder: "software".to_owned(),
                encoder_reason: None,
            },
            codec: None,
            width: 0,
            height: 0,
            fps: 30.0,
            fps_measured: 0.0,
            bitrate_bps: 0,
            bitrate_measured_bps: 0,
            viewers: 3,
            on_demand: false,
            frames,
            keyframes: 0,
            bytes: 0,
            keyframe_requests: 0,
            keyframe_requests_forwarded: 0,
            restarts: 0,
            drops: Vec::new(),
            last_error: None,
        }
    }

    #[test]
    fn a_stream_that_runs_without_frames_is_stuck() {
        use PipelineState::Running;
        let mut flow = Flow::default();
        let looks: [(&[StreamInfo], &[&str]); 5] = [
            (&[stream("a", Running, 0), stream("b", Running, 9)], &[]),
            (&[stream("a", Running, 1), stream("b", Running, 9)], &["b"]),
            (
                &[stream("a", Running, 1), stream("b", Running, 9)],
                &["a", "b"],
            ),
            (&[stream("a", Running, 2), stream("b", Running, 10)], &[]),
            (&[stream("b", Running, 11)], &[]),
        ];
        for (streams, stuck) in looks {
            assert_eq!(flow.stuck(streams), stuck);
        }
    }

    #[test]
    fn a_stream_that_need_not_run_or_says_it_does_not_is_not_stuck() {
        let mut whip = stream("whip", PipelineState::Running, 5);
        whip.source = SourceInfo::Whip;
        let mut demand = stream("demand", PipelineState::Running, 5);
        demand.on_demand = true;
        let streams = [
            whip,
            demand,
            stream("stopped", PipelineState::Stopped, 5),
            stream("starting", PipelineState::Starting, 5),
            stream(
                "degraded",
                PipelineState::Degraded("no camera".to_owned()),
                5,
            ),
            stream("failed", PipelineState::Failed("no camera".to_owned()), 5),
        ];
        let mut flow = Flow::default();
        for _ in 0..3 {
            assert_eq!(flow.stuck(&streams), Vec::<String>::new());
        }
    }

    #[test]
    fn a_restart_is_given_its_time() {
        let mut flow = Flow::default();
        flow.stuck(&[stream("a", PipelineState::Running, 7)]);
        flow.stuck(&[stream("a", PipelineState::Degraded("gone".to_owned()), 7)]);
        assert!(
            flow.stuck(&[stream("a", PipelineState::Running, 7)])
                .is_empty()
        );
    }

    #[test]
    fn the_status_counts() {
        let streams = [
            stream("a", PipelineState::Running, 1),
            stream("b", PipelineState::Stopped, 1),
        ];
        assert_eq!(status(&streams), "1 of 2 streams running, 6 viewers");
    }
}

//! Keeps a session running: starts it, watches it, and starts another after a failure.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use super::native::Shared;
use super::session::{Event, Session, Side};
use crate::capture::BackendError;
use crate::{CaptureTime, DropReason, PipelineState, PipelineStats};

/// How long a device may take to open.
const OPEN_LIMIT: Duration = Duration::from_secs(10);
/// The least time without a frame, or within one encoder call, that counts as hanging.
/// It is noticed a tick later at the latest, and seen by whoever asks, all within two seconds.
const HANG_LIMIT: Duration = Duration::from_millis(1_500);
/// The same for the first frame: cameras take their time to start.
const FIRST_LIMIT: Duration = Duration::from_secs(5);
/// Where a frame takes long, as many of them.
const HANG_FRAMES: f64 = 5.0;
/// How often hanging is looked for.
const TICK: Duration = Duration::from_millis(100);
/// How long the threads of a session may take to end.
const END_LIMIT: Duration = Duration::from_millis(400);
/// Threads that hang in a driver and were given up; with more, no new ones are started.
const ABANDONED_LIMIT: usize = 4;
/// The first wait after a failure, doubled each time.
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
/// The longest wait.
const BACKOFF_LAST: Duration = Duration::from_secs(15);
/// How often a device is looked for that is not there.
const ABSENT_WAIT: Duration = Duration::from_millis(500);
/// How long the encoder's load is measured.
const LOAD_WINDOW: Duration = Duration::from_secs(2);
/// Shares of frames dropped because the encoder was busy: from the upper on it is overloaded, up
/// to the lower it is not any more.
const OVERLOADED: (f64, f64) = (0.05, 0.10);
/// Frames flowed this long: the next failure is a first one again.
const HEALTHY: Duration = Duration::from_secs(10);

/// Runs sessions until the owner stops the pipeline or trying again is useless.
pub(super) fn run(shared: Arc<Shared>, events: Sender<Event>, inbox: Receiver<Event>) {
    let mut supervisor = Supervisor {
        shared,
        events,
        inbox,
        sessions: 0,
        failures: 0,
        abandoned: 0,
    };
    let last = supervisor.supervise();
    supervisor.shared.output.close();
    supervisor.shared.set_state(last);
}

struct Supervisor {
    shared: Arc<Shared>,
    events: Sender<Event>,
    inbox: Receiver<Event>,
    /// Sessions started so far; the number of the present one.
    sessions: u64,
    /// Failures in a row.
    failures: u32,
    /// Threads that did not end when told to.
    abandoned: usize,
}

/// The session being watched.
struct Running {
    session: Arc<Session>,
    capture: Option<JoinHandle<()>>,
    encode: Option<JoinHandle<()>>,
    started: CaptureTime,
    /// Frame interval, once open.
    opened: Option<(CaptureTime, Duration)>,
    flowing: Option<CaptureTime>,
    load: Load,
}

/// Frames so far, at the start of a window.
struct Load {
    since: CaptureTime,
    captured: u64,
    busy: u64,
}

impl Load {
    fn now(stats: &PipelineStats) -> Self {
        Self {
            since: CaptureTime::now(),
            captured: stats.frames_captured.load(Ordering::Relaxed),
            busy: stats.drops(DropReason::EncoderBusy),
        }
    }
}

/// Why a session is over.
enum End {
    Stopped,
    Failed(BackendError),
}

impl Supervisor {
    /// Returns the state the pipeline ends in.
    fn supervise(&mut self) -> PipelineState {
        loop {
            let mut running = match self.start_session() {
                Ok(running) => running,
                Err(e) => return PipelineState::Failed(e.text),
            };
            let end = self.watch(&mut running);
            let flowed = running.flowing;
            self.end_session(running);
            let error = match end {
                End::Stopped => return PipelineState::Stopped,
                End::Failed(error) => error,
            };
            if error.permanent {
                return PipelineState::Failed(error.text);
            }
            if self.abandoned > ABANDONED_LIMIT {
                return PipelineState::Failed(format!(
                    "{}; {} threads hang in backends",
                    error.text, self.abandoned
                ));
            }
            if flowed.is_some_and(|since| CaptureTime::now().since(since) >= HEALTHY) {
                self.failures = 0;
            }
            let wait = if error.absent {
                ABSENT_WAIT
            } else {
                self.failures = self.failures.saturating_add(1);
                backoff(self.failures - 1, fastrand::f64())
            };
            self.shared.set_state(PipelineState::Degraded(error.text));
            if self.wait(wait) {
                return PipelineState::Stopped;
            }
            self.shared.stats.restarts.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn start_session(&mut self) -> Result<Running, BackendError> {
        self.sessions += 1;
        let session = Session::new(self.sessions, Arc::clone(&self.shared), self.events.clone());
        Ok(Running {
            capture: Some(session.spawn_capture()?),
            encode: None,
            session,
            started: CaptureTime::now(),
            opened: None,
            flowing: None,
            load: Load::now(&self.shared.stats),
        })
    }

    /// Follows a session until it ends or must be ended.
    fn watch(&mut self, running: &mut Running) -> End {
        loop {
            match self.inbox.recv_timeout(TICK) {
                Ok(event) => {
                    if let Some(end) = self.handle(event, running) {
                        return end;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return End::Stopped,
            }
            if let Some(what) = running.hanging() {
                return End::Failed(BackendError::passing(what));
            }
            self.watch_load(running);
        }
    }

    /// Shows in the state whether the encoder keeps up.
    fn watch_load(&self, running: &mut Running) {
        let before = &running.load;
        if running.flowing.is_none() || CaptureTime::now().since(before.since) < LOAD_WINDOW {
            return;
        }
        let now = Load::now(&self.shared.stats);
        let captured = now.captured - before.captured;
        let busy = now.busy - before.busy;
        let share = busy as f64 / captured.max(1) as f64;
        if share > OVERLOADED.1 {
            self.shared.set_state(PipelineState::Degraded(format!(
                "the encoder does not keep up: {busy} of {captured} frames dropped"
            )));
        } else if share <= OVERLOADED.0 {
            self.shared.set_state(PipelineState::Running);
        }
        running.load = now;
    }

    fn handle(&mut self, event: Event, running: &mut Running) -> Option<End> {
        let present = running.session.id;
        match event {
            Event::Stop => return Some(End::Stopped),
            Event::Opened(id, format) if id == present => {
                self.shared.set_geometry(format.geometry());
                let interval = Duration::from_secs_f64(1.0 / format.fps.max(0.001));
                running.opened = Some((CaptureTime::now(), interval));
                match running.session.spawn_encode(format) {
                    Ok(thread) => running.encode = Some(thread),
                    Err(e) => return Some(End::Failed(e)),
                }
            }
            Event::Flowing(id) if id == present => {
                running.flowing = Some(CaptureTime::now());
                self.shared.set_state(PipelineState::Running);
            }
            Event::Ended(id, side, error) if id == present => {
                running.join(side);
                return Some(End::Failed(error.unwrap_or_else(|| {
                    BackendError::passing(format!("the {side:?} thread ended by itself"))
                })));
            }
            Event::Ended(..) => self.abandoned = self.abandoned.saturating_sub(1),
            Event::Opened(..) | Event::Flowing(_) => {}
        }
        None
    }

    /// Ends both threads; those that do not end in time are left to themselves.
    fn end_session(&mut self, mut running: Running) {
        running.session.end();
        let deadline = CaptureTime::now().after(END_LIMIT);
        while running.capture.is_some() || running.encode.is_some() {
            match self.inbox.recv_timeout(deadline.since(CaptureTime::now())) {
                Ok(Event::Ended(id, side, _)) if id == running.session.id => running.join(side),
                Ok(Event::Ended(..)) => self.abandoned = self.abandoned.saturating_sub(1),
                Ok(Event::Stop) => {
                    // Not lost: whoever waits next must see it.
                    let _ = self.events.send(Event::Stop);
                    if CaptureTime::now() >= deadline {
                        break;
                    }
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        for (side, thread) in [
            (Side::Capture, running.capture.take()),
            (Side::Encode, running.encode.take()),
        ] {
            if thread.is_some() {
                self.abandoned += 1;
                tracing::error!(stream = %self.shared.name, ?side, "a backend hangs; its thread is left behind");
            }
        }
    }

    /// Waits before the next try. True if the owner wants the end instead.
    fn wait(&mut self, wait: Duration) -> bool {
        let deadline = CaptureTime::now().after(wait);
        loop {
            match self.inbox.recv_timeout(deadline.since(CaptureTime::now())) {
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return true,
                Ok(Event::Ended(..)) => self.abandoned = self.abandoned.saturating_sub(1),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }
}

impl Running {
    /// Waits for a thread that has said that it ends.
    fn join(&mut self, side: Side) {
        let thread = match side {
            Side::Capture => self.capture.take(),
            Side::Encode => self.encode.take(),
        };
        if let Some(thread) = thread {
            // Panics were caught inside.
            let _ = thread.join();
        }
    }

    /// What hangs, if something does.
    fn hanging(&self) -> Option<String> {
        let now = CaptureTime::now();
        let Some((opened, interval)) = self.opened else {
            return (now.since(self.started) > OPEN_LIMIT)
                .then(|| format!("capture did not open within {OPEN_LIMIT:?}"));
        };
        let last = self.session.last_frame.get();
        let least = if last.is_some() {
            HANG_LIMIT
        } else {
            FIRST_LIMIT
        };
        let limit = least.max(interval.mul_f64(HANG_FRAMES));
        if now.since(last.unwrap_or(opened)) > limit {
            return Some(format!("no frame from capture for {limit:?}"));
        }
        let limit = HANG_LIMIT.max(interval.mul_f64(HANG_FRAMES));
        let since = self.session.encoding_since.get()?;
        (now.since(since) > limit).then(|| format!("the encoder hangs in a frame for {limit:?}"))
    }
}

/// The wait after `failures` failures in a row; `random` from 0 to 1 spreads it by a quarter.
fn backoff(failures: u32, random: f64) -> Duration {
    let doubled = BACKOFF_FIRST.saturating_mul(1 << failures.min(10));
    doubled.min(BACKOFF_LAST).mul_f64(0.75 + 0.5 * random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_are_spread() {
        let middle: Vec<u128> = (0..9).map(|n| backoff(n, 0.5).as_millis()).collect();
        assert_eq!(
            middle,
            [250, 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000]
        );
        assert_eq!(backoff(1, 0.0).as_millis(), 375);
        assert_eq!(backoff(1, 1.0).as_millis(), 625);
        assert_eq!(backoff(u32::MAX, 0.5), BACKOFF_LAST);
    }
}

//! Stopping threads that wait.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::CaptureTime;

/// Tells the threads of one session to end, and lets them wait without missing it.
#[derive(Debug, Clone, Default)]
pub(crate) struct StopToken(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl StopToken {
    /// Ends every present and future wait.
    pub(crate) fn stop(&self) {
        *self.lock() = true;
        self.0.changed.notify_all();
    }

    /// Whether [`stop`](Self::stop) was called.
    pub(crate) fn is_stopped(&self) -> bool {
        *self.lock()
    }

    /// Waits until `deadline`. True if it was stopped instead.
    pub(crate) fn sleep_until(&self, deadline: CaptureTime) -> bool {
        let mut stopped = self.lock();
        while !*stopped {
            let left = deadline.since(CaptureTime::now());
            if left.is_zero() {
                return false;
            }
            stopped = self
                .0
                .changed
                .wait_timeout(stopped, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, bool> {
        // A bool cannot be left half-written by a panic.
        self.0
            .stopped
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_stop_ends_a_long_wait_at_once() {
        let token = StopToken::default();
        let waiter = token.clone();
        let hour = CaptureTime::now().after(Duration::from_secs(3600));
        let thread = std::thread::spawn(move || waiter.sleep_until(hour));
        token.stop();
        assert!(thread.join().unwrap());
    }

    #[test]
    fn a_wait_that_is_not_stopped_ends_after_its_deadline() {
        let deadline = CaptureTime::now().after(Duration::from_millis(5));
        assert!(!StopToken::default().sleep_until(deadline));
        assert!(CaptureTime::now() >= deadline);
    }
}

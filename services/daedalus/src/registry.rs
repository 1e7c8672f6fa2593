//! What others can see of the daemon: the module, the libraries, and every context's figures.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use daedalus_proto::wire::decode;
use tokio::sync::Notify;

/// The kernel module, as it introduced itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its version.
    pub release: String,
    /// Contexts that may decode at a time.
    pub contexts_max: u32,
    /// How long it waits for a job.
    pub job_timeout: Duration,
}

/// What stays as it is while the daemon runs, and the contexts that there are.
#[derive(Debug)]
pub struct Registry {
    /// None where the daemon runs without it.
    pub module: Option<Module>,
    /// Which release of FFmpeg workers have found.
    pub libraries: String,
    /// What is decoded, bit by bit as the bridge numbers codecs.
    pub codecs: u32,
    contexts: Mutex<BTreeMap<u32, Arc<Figures>>>,
    changed: Notify,
}

impl Registry {
    /// Without a context.
    pub fn new(module: Option<Module>, libraries: String, codecs: u32) -> Self {
        Self {
            module,
            libraries,
            codecs,
            contexts: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// The contexts that clients have open now, by number.
    pub fn contexts(&self) -> BTreeMap<u32, Arc<Figures>> {
        self.lock().clone()
    }

    /// Until a context came, went or got another size. One waits at a time; what happens while
    /// nobody does is not lost.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(crate) fn add(&self, id: u32, figures: Arc<Figures>) {
        self.lock().insert(id, figures);
        self.changed.notify_one();
    }

    /// Removes a context, unless another one has its number by now.
    pub(crate) fn remove(&self, id: u32, figures: &Arc<Figures>) {
        let mut contexts = self.lock();
        if contexts.get(&id).is_some_and(|f| Arc::ptr_eq(f, figures)) {
            contexts.remove(&id);
            self.changed.notify_one();
        }
    }

    pub(crate) fn resized(&self) {
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Arc<Figures>>> {
        self.contexts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One context's figures.
#[derive(Debug, Default)]
pub struct Figures {
    /// What it decodes, as the bridge numbers it.
    pub codec: u32,
    /// The user who opened the video node.
    pub uid: u32,
    width: AtomicU32,
    height: AtomicU32,
    frames: AtomicU64,
    errors: AtomicU64,
    losses: AtomicU64,
    busy_ns: AtomicU64,
    longest_ns: AtomicU64,
}

/// [`Figures`] of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Jobs that were decoded.
    pub frames: u64,
    /// Jobs that were not.
    pub errors: u64,
    /// Workers that crashed, hung or answered nonsense.
    pub losses: u64,
    /// From taking a job to its answer, on average over all of them.
    pub average: Duration,
    /// The longest of them.
    pub longest: Duration,
}

impl Figures {
    pub(crate) fn new(codec: u32, uid: u32) -> Self {
        Self {
            codec,
            uid,
            ..Self::default()
        }
    }

    /// Width and height of its CAPTURE buffers in pixels; 0 before the client has set a format.
    pub fn size(&self) -> (u32, u32) {
        (
            self.width.load(Ordering::Relaxed),
            self.height.load(Ordering::Relaxed),
        )
    }

    /// All of them.
    pub fn now(&self) -> Now {
        let load = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let (frames, errors) = (load(&self.frames), load(&self.errors));
        let average = load(&self.busy_ns).checked_div(frames + errors);
        Now {
            frames,
            errors,
            losses: load(&self.losses),
            average: Duration::from_nanos(average.unwrap_or(0)),
            longest: Duration::from_nanos(load(&self.longest_ns)),
        }
    }

    pub(crate) fn resize(&self, width: u32, height: u32) {
        self.width.store(width, Ordering::Relaxed);
        self.height.store(height, Ordering::Relaxed);
    }

    /// Counts a job by its status, one of [`decode`].
    pub(crate) fn count(&self, status: u32, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.busy_ns.fetch_add(took, Ordering::Relaxed);
        self.longest_ns.fetch_max(took, Ordering::Relaxed);
        match status {
            decode::OK | decode::NO_FRAME => &self.frames,
            _ => &self.errors,
        }
        .fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn lost(&self) {
        self.losses.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_counted_by_what_became_of_them() {
        let figures = Figures::new(3, 1000);
        assert_eq!(figures.now(), Now::default());
        figures.count(decode::OK, Duration::from_millis(2));
        figures.count(decode::NO_FRAME, Duration::from_millis(3));
        figures.count(decode::ERR_SEND, Duration::from_millis(7));
        figures.lost();
        let now = figures.now();
        assert_eq!((now.frames, now.errors, now.losses), (2, 1, 1));
        assert_eq!(now.average, Duration::from_millis(4));
        assert_eq!(now.longest, Duration::from_millis(7));
    }

    #[test]
    fn a_context_is_only_removed_by_itself() {
        let registry = Registry::new(None, String::new(), 0);
        let (old, new) = (Arc::new(Figures::new(1, 0)), Arc::new(Figures::new(3, 0)));
        registry.add(5, Arc::clone(&old));
        registry.add(5, Arc::clone(&new));
        registry.remove(5, &old);
        assert_eq!(registry.contexts()[&5].codec, 3);
        registry.remove(5, &new);
        assert!(registry.contexts().is_empty());
    }
}

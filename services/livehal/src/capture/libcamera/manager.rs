//! The camera manager. libcamera allows one in a process: it is made with its first user, shared,
//! and ended with its last.

use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, PoisonError};

use libcamera::camera::Camera;
use libcamera::camera_manager::CameraManager;
use libcamera::properties::Model;

use super::backend::Event;
use crate::capture::BackendError;

/// The one manager and its users. Making and ending it happen under this lock, for libcamera ends
/// the process when a second one is made before the first is gone.
static SHARED: Mutex<Shared> = Mutex::new(Shared {
    users: 0,
    manager: None,
    lost: None,
    losses: 0,
});

/// Who is told when a camera is unplugged: its id and where to. A lock of its own, for libcamera's
/// thread takes it while somebody else may wait, under the other, for that thread to end.
static WATCHERS: Mutex<Vec<(String, Sender<Event>)>> = Mutex::new(Vec::new());

struct Shared {
    users: usize,
    manager: Option<Managed>,
    /// A camera that was unplugged without this manager noticing. To the manager it runs still, so
    /// that nobody can open it again, and its thread spins on the devices that are gone.
    lost: Option<String>,
    /// How often that was so, of all managers.
    losses: u32,
}

impl Shared {
    fn check(&self) -> Result<(), BackendError> {
        match &self.lost {
            None => Ok(()),
            Some(id) => Err(BackendError::absent(format!(
                "libcamera starts anew, for camera {id} was unplugged without its noticing"
            ))),
        }
    }
}

struct Managed(CameraManager);

// SAFETY: libcamera does not tie a manager to the thread that made it (every thread that it did not
// make itself counts as one and the same), and `SHARED` lets one thread at a time use it.
unsafe impl Send for Managed {}

/// A use of the manager, which lives as long as one of these. Everything that came from it (cameras,
/// buffers, requests) must be dropped before.
pub(super) struct Manager(());

impl Manager {
    /// Starts libcamera, unless it runs.
    ///
    /// # Errors
    /// It does not start, or has to end first.
    pub(super) fn get() -> Result<Self, BackendError> {
        let mut shared = lock(&SHARED);
        shared.check()?;
        if shared.manager.is_none() {
            let mut manager = CameraManager::new_unstarted().map_err(failed)?;
            manager.on_camera_removed(|camera| removed(camera.id()));
            manager.start().map_err(failed)?;
            tracing::debug!("libcamera {} started", manager.version());
            shared.manager = Some(Managed(manager));
        }
        shared.users += 1;
        Ok(Self(()))
    }

    /// Another use of the same manager.
    pub(super) fn again(&self) -> Self {
        lock(&SHARED).users += 1;
        Self(())
    }

    /// Gives up a camera that was unplugged and cannot be stopped: what libcamera has open of it stays
    /// open. Every user of this manager ends, and the next has another.
    pub(super) fn lose(&self, id: &str) {
        let mut shared = lock(&SHARED);
        shared.losses += 1;
        tracing::warn!(
            "camera {id}: unplugged without libcamera noticing; what it had open of it stays open \
             until this program ends ({} times so far)",
            shared.losses
        );
        shared.lost = Some(id.to_owned());
    }

    /// Whether this manager is of use still.
    ///
    /// # Errors
    /// A camera was lost.
    pub(super) fn check(&self) -> Result<(), BackendError> {
        lock(&SHARED).check()
    }

    /// The camera of this id, or of this index among those there are; without, the first.
    ///
    /// # Errors
    /// There is none; says which there are.
    pub(super) fn camera(&self, device: Option<&str>) -> Result<Camera<'static>, BackendError> {
        let shared = lock(&SHARED);
        let Some(Managed(manager)) = &shared.manager else {
            return Err(BackendError::passing("libcamera has ended"));
        };
        let wanted = device.unwrap_or("0");
        if let Some(camera) = manager.get(wanted) {
            return Ok(camera);
        }
        let cameras = manager.cameras();
        let index = wanted.parse::<usize>().ok();
        if let Some(camera) = index.and_then(|index| cameras.get(index)) {
            return Ok(camera);
        }
        let all: Vec<String> = (0..cameras.len())
            .filter_map(|i| cameras.get(i).map(|camera| describe(i, &camera)))
            .collect();
        let all = if all.is_empty() {
            "libcamera finds no camera".to_owned()
        } else {
            format!("there are {}", all.join(", "))
        };
        Err(BackendError::absent(format!(
            "capture.device = {wanted}: libcamera has no such camera; {all}"
        )))
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let mut shared = lock(&SHARED);
        shared.users = shared.users.saturating_sub(1);
        if shared.users == 0 {
            shared.manager = None;
            shared.lost = None;
        }
    }
}

fn describe(index: usize, camera: &Camera<'_>) -> String {
    match camera.properties().get::<Model>() {
        Ok(model) => format!("{index}: {} ({})", camera.id(), *model),
        Err(_) => format!("{index}: {}", camera.id()),
    }
}

/// Tells `inbox` when the camera is unplugged, while the result lives.
pub(super) fn watch(id: &str, inbox: Sender<Event>) -> Watch {
    lock(&WATCHERS).push((id.to_owned(), inbox));
    Watch(id.to_owned())
}

/// See [`watch`].
pub(super) struct Watch(String);

impl Drop for Watch {
    fn drop(&mut self) {
        // A camera has one user, and so one watcher.
        lock(&WATCHERS).retain(|(id, _)| *id != self.0);
    }
}

/// Called on libcamera's thread.
fn removed(id: &str) {
    for (_, inbox) in lock(&WATCHERS).iter().filter(|(watched, _)| watched == id) {
        // Whoever does not listen any more has closed the camera.
        let _ = inbox.send(Event::Removed);
    }
}

fn failed(e: std::io::Error) -> BackendError {
    BackendError::passing(format!("libcamera does not start: {e}"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here can panic halfway through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

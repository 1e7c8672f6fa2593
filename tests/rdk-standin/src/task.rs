//! One encoder: its state, its buffers, and the thread that works like the hardware.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::code;
use crate::coder::{Coder, Settings};
use crate::faults::Faults;

/// The states of the header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Initialized,
    Configured,
    Started,
}

/// Configured by the caller.
#[derive(Clone, Copy)]
pub(crate) struct Config {
    pub(crate) coder: Settings,
    pub(crate) frame_buffers: usize,
    pub(crate) stream_buffers: usize,
    pub(crate) stream_size: usize,
    pub(crate) user_pts: bool,
}

/// An input buffer as the caller sees it.
pub(crate) struct FrameBuffer {
    pub(crate) index: usize,
    pub(crate) y: *mut u8,
    pub(crate) uv: *mut u8,
    pub(crate) y_size: usize,
    pub(crate) uv_size: usize,
}

/// A packet as the caller sees it.
pub(crate) struct Packet {
    pub(crate) index: usize,
    pub(crate) data: *mut u8,
    pub(crate) size: usize,
    pub(crate) pts: u64,
}

/// Where a buffer is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Free,
    Caller,
    Work,
}

struct Buffers {
    memory: Vec<Box<[u8]>>,
    places: Vec<Place>,
}

impl Buffers {
    fn new(count: usize, size: usize) -> Self {
        Self {
            memory: (0..count).map(|_| vec![0xA5; size].into()).collect(),
            places: vec![Place::Free; count],
        }
    }

    /// Takes a free one.
    fn take(&mut self, to: Place) -> Option<usize> {
        let index = self.places.iter().position(|place| *place == Place::Free)?;
        self.places[index] = to;
        Some(index)
    }

    /// Moves one that is the caller's. Others are refused.
    fn give(&mut self, index: i32, to: Place) -> Result<usize, i32> {
        let index = usize::try_from(index).map_err(|_| code::INVALID_BUFFER)?;
        match self.places.get_mut(index) {
            Some(place) if *place == Place::Caller => {
                *place = to;
                Ok(index)
            }
            _ => Err(code::INVALID_BUFFER),
        }
    }
}

/// What the caller and the worker share.
struct Desk {
    state: State,
    config: Option<Config>,
    input: Buffers,
    output: Buffers,
    waiting: VecDeque<(usize, u64)>,
    ready: VecDeque<(usize, usize, u64)>,
    idr: bool,
    kbps: u32,
    stopping: bool,
}

pub(crate) struct Task {
    desk: Mutex<Desk>,
    changed: Condvar,
    worker: Mutex<Option<JoinHandle<()>>>,
    packets: AtomicU64,
    pub(crate) faults: Faults,
}

impl Task {
    pub(crate) fn new(faults: Faults) -> Arc<Self> {
        Arc::new(Self {
            desk: Mutex::new(Desk {
                state: State::Initialized,
                config: None,
                input: Buffers::new(0, 0),
                output: Buffers::new(0, 0),
                waiting: VecDeque::new(),
                ready: VecDeque::new(),
                idr: false,
                kbps: 0,
                stopping: false,
            }),
            changed: Condvar::new(),
            worker: Mutex::new(None),
            packets: AtomicU64::new(0),
            faults,
        })
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn started(&self) -> Result<MutexGuard<'_, Desk>, i32> {
        let desk = self.desk();
        match desk.state {
            State::Started => Ok(desk),
            _ => Err(code::NOT_ALLOWED),
        }
    }

    pub(crate) fn configure(&self, config: Config) -> Result<(), i32> {
        let mut desk = self.desk();
        if desk.state != State::Initialized {
            return Err(code::NOT_ALLOWED);
        }
        desk.config = Some(config);
        desk.kbps = config.coder.kbps;
        desk.state = State::Configured;
        Ok(())
    }

    pub(crate) fn start(self: &Arc<Self>) -> Result<(), i32> {
        let mut desk = self.desk();
        let (State::Configured, Some(config)) = (desk.state, desk.config) else {
            return Err(code::NOT_ALLOWED);
        };
        let coder = Coder::new(config.coder, &self.faults).ok_or(code::UNKNOWN)?;
        let picture = config.coder.stride * config.coder.height;
        desk.input = Buffers::new(config.frame_buffers, picture + picture / 2);
        desk.output = Buffers::new(config.stream_buffers, config.stream_size);
        desk.state = State::Started;
        desk.stopping = false;
        let task = Arc::clone(self);
        *self.worker.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(std::thread::spawn(move || task.work(coder, config)));
        Ok(())
    }

    pub(crate) fn stop(&self) -> Result<(), i32> {
        self.started()?.stopping = true;
        self.changed.notify_all();
        let worker = self
            .worker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if worker.is_some_and(|worker| worker.join().is_err()) {
            return Err(code::UNKNOWN);
        }
        let mut desk = self.desk();
        desk.state = State::Initialized;
        (desk.input, desk.output) = (Buffers::new(0, 0), Buffers::new(0, 0));
        desk.waiting.clear();
        desk.ready.clear();
        Ok(())
    }

    pub(crate) fn request_idr(&self) -> Result<(), i32> {
        self.started()?.idr = !self.faults.has("no-idr");
        Ok(())
    }

    pub(crate) fn set_rate(&self, kbps: u32) -> Result<(), i32> {
        let mut desk = self.desk();
        if desk.state == State::Initialized {
            return Err(code::NOT_ALLOWED);
        }
        desk.kbps = kbps;
        Ok(())
    }

    pub(crate) fn dequeue_input(&self, timeout: i32) -> Result<(FrameBuffer, Config), i32> {
        self.wait(timeout, |desk| {
            let config = desk.config?;
            let index = desk.input.take(Place::Caller)?;
            let y = desk.input.memory.get_mut(index)?.as_mut_ptr();
            let y_size = config.coder.stride * config.coder.height;
            let buffer = FrameBuffer {
                index,
                y,
                uv: y.wrapping_add(y_size),
                y_size,
                uv_size: y_size / 2,
            };
            Some((buffer, config))
        })
    }

    /// Takes a buffer to encode. Only our own memory: foreign pointers and descriptors are refused.
    pub(crate) fn queue_input(&self, index: i32, y: *mut u8, fd: i32, pts: u64) -> Result<(), i32> {
        let mut desk = self.started()?;
        let own = usize::try_from(index)
            .ok()
            .and_then(|index| desk.input.memory.get(index))
            .is_some_and(|memory| std::ptr::eq(memory.as_ptr(), y));
        if !own || fd != crate::FD {
            return Err(code::INVALID_BUFFER);
        }
        let index = desk.input.give(index, Place::Work)?;
        desk.waiting.push_back((index, pts));
        self.changed.notify_all();
        Ok(())
    }

    pub(crate) fn dequeue_output(&self, timeout: i32) -> Result<Packet, i32> {
        self.wait(timeout, |desk| {
            let (index, size, pts) = desk.ready.pop_front()?;
            self.packets.fetch_add(1, Ordering::Relaxed);
            desk.output.places[index] = Place::Caller;
            Some(Packet {
                index,
                data: desk.output.memory.get_mut(index)?.as_mut_ptr(),
                size,
                pts,
            })
        })
    }

    pub(crate) fn queue_output(&self, index: i32) -> Result<(), i32> {
        self.started()?.output.give(index, Place::Free)?;
        self.changed.notify_all();
        Ok(())
    }

    /// Whether the fault `error=N` is due.
    pub(crate) fn fails_now(&self) -> bool {
        let at = self.faults.value("error");
        at.is_some_and(|at: u64| self.packets.load(Ordering::Relaxed) >= at)
    }

    fn wait<T>(
        &self,
        timeout: i32,
        mut take: impl FnMut(&mut Desk) -> Option<T>,
    ) -> Result<T, i32> {
        let deadline = Instant::now() + Duration::from_millis(timeout.max(0) as u64);
        let mut desk = self.started()?;
        loop {
            if let Some(taken) = take(&mut desk) {
                return Ok(taken);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(code::WAIT_TIMEOUT);
            }
            let waited = self.changed.wait_timeout(desk, left);
            desk = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for something to do; `None` when the caller stops.
    fn next<T>(&self, mut take: impl FnMut(&mut Desk) -> Option<T>) -> Option<T> {
        let mut desk = self.desk();
        loop {
            if desk.stopping {
                return None;
            }
            if let Some(taken) = take(&mut desk) {
                return Some(taken);
            }
            desk = self
                .changed
                .wait(desk)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn work(&self, mut coder: Coder, config: Config) {
        let hang_at: Option<u64> = self.faults.value("hang");
        let mut frames = 0u64;
        while let Some((index, pts)) = self.next(|desk| desk.waiting.pop_front()) {
            if hang_at.is_some_and(|at| frames >= at) {
                continue;
            }
            let (memory, idr, kbps) = {
                let mut desk = self.desk();
                let idr = std::mem::take(&mut desk.idr);
                // Nobody else touches it while it is in work.
                (
                    std::mem::take(&mut desk.input.memory[index]),
                    idr,
                    desk.kbps,
                )
            };
            coder.set_rate(kbps);
            let (y, uv) = memory.split_at(config.coder.stride * config.coder.height);
            let packets = coder.encode(y, uv, idr).unwrap_or_default();
            {
                let mut desk = self.desk();
                desk.input.memory[index] = memory;
                desk.input.places[index] = Place::Free;
            }
            self.changed.notify_all();
            let pts = match config.user_pts && !self.faults.has("no-pts") {
                true => pts,
                false => frames * 1000 / u64::from(config.coder.fps),
            };
            frames += 1;
            for packet in packets {
                if self.deliver(&packet, pts).is_none() {
                    return;
                }
            }
        }
    }

    fn deliver(&self, packet: &[u8], pts: u64) -> Option<()> {
        // A frame that does not fit is lost, as with the hardware.
        let empty = self.faults.has("empty");
        self.next(|desk| {
            let index = desk.output.take(Place::Work)?;
            let room = desk.output.memory.get_mut(index)?.get_mut(..packet.len());
            let size = match room {
                Some(room) if !empty => {
                    room.copy_from_slice(packet);
                    packet.len()
                }
                _ => 0,
            };
            desk.ready.push_back((index, size, pts));
            Some(())
        })?;
        self.changed.notify_all();
        Some(())
    }
}

//! One opening of the capture and encoder backends, and the two threads that drive them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::thread::{Builder, JoinHandle};

use super::native::Shared;
use super::output::Next;
use super::slot::Slot;
use crate::capture::{BackendError, CaptureBackend, Captured, RawFormat, RawFrame};
use crate::encode::{Encoded, EncoderBackend};
use crate::stop::StopToken;
use crate::{CaptureTime, DropReason, EncodedPacket, PacketFlags, PacketTiming};

/// What the threads of a session tell the supervisor.
pub(super) enum Event {
    /// The owner wants the end.
    Stop,
    /// The capture backend is open.
    Opened(u64, RawFormat),
    /// The first packet came out.
    Flowing(u64),
    /// A thread ended; `None` if it was told to.
    Ended(u64, Side, Option<BackendError>),
}

/// A thread of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Capture,
    Encode,
}

/// What both threads of one session share.
pub(super) struct Session {
    pub(super) id: u64,
    pub(super) stop: StopToken,
    shared: Arc<Shared>,
    slot: Slot,
    events: Sender<Event>,
    /// When the last frame came from the capture backend; 0 before the first.
    pub(super) last_frame: Beat,
    /// Since when the encoder works on a frame; 0 while it does not.
    pub(super) encoding_since: Beat,
}

/// A point in time that one thread sets and another watches.
#[derive(Default)]
pub(super) struct Beat(AtomicU64);

impl Beat {
    fn set(&self, time: CaptureTime) {
        self.0.store(time.as_nanos(), Ordering::Relaxed);
    }

    fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Option<CaptureTime> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            ns => Some(CaptureTime::from_nanos(ns)),
        }
    }
}

impl Session {
    pub(super) fn new(id: u64, shared: Arc<Shared>, events: Sender<Event>) -> Arc<Self> {
        Arc::new(Self {
            id,
            stop: StopToken::default(),
            shared,
            slot: Slot::default(),
            events,
            last_frame: Beat::default(),
            encoding_since: Beat::default(),
        })
    }

    /// Tells both threads to end.
    pub(super) fn end(&self) {
        self.stop.stop();
        self.slot.close();
    }

    pub(super) fn spawn_capture(self: &Arc<Self>) -> Result<JoinHandle<()>, BackendError> {
        self.spawn(Side::Capture, Self::capture)
    }

    pub(super) fn spawn_encode(
        self: &Arc<Self>,
        format: RawFormat,
    ) -> Result<JoinHandle<()>, BackendError> {
        self.spawn(Side::Encode, move |session| session.encode(&format))
    }

    fn spawn(
        self: &Arc<Self>,
        side: Side,
        body: impl FnOnce(&Self) -> Result<(), BackendError> + Send + 'static,
    ) -> Result<JoinHandle<()>, BackendError> {
        let session = Arc::clone(self);
        let (what, backend) = match side {
            Side::Capture => ("cap", self.shared.params.capture.backend.as_str()),
            Side::Encode => ("enc", self.shared.encoder),
        };
        let backend = backend.to_owned();
        Builder::new()
            .name(format!("{what}:{}", self.shared.name))
            .spawn(move || {
                let result = catch_unwind(AssertUnwindSafe(|| body(&session)))
                    .unwrap_or_else(|panic| Err(panicked(&backend, panic.as_ref())));
                // The supervisor outlives every session it waits for; if it is gone, nobody asks.
                let _ = session
                    .events
                    .send(Event::Ended(session.id, side, result.err()));
            })
            .map_err(|e| BackendError::passing(format!("cannot start a thread: {e}")))
    }

    /// The capture thread.
    fn capture(&self) -> Result<(), BackendError> {
        let shared = &self.shared;
        let mut backend = (shared.backends.capture)(&shared.params.capture)?;
        let format = backend.format();
        shared.check_format(&format)?;
        // Taken back before the camera is closed, also by a panic.
        let _offer = shared.offer_controls(backend.controls());
        let _ = self.events.send(Event::Opened(self.id, format));
        self.capture_frames(backend.as_mut(), &format)
    }

    fn capture_frames(
        &self,
        backend: &mut dyn CaptureBackend,
        format: &RawFormat,
    ) -> Result<(), BackendError> {
        loop {
            match backend.next_frame(&self.stop)? {
                Captured::Frame(frame) => self.captured(frame, format),
                Captured::Damaged => self.shared.stats.dropped(DropReason::CaptureError),
                Captured::Missed(count) => {
                    self.shared
                        .stats
                        .dropped_many(DropReason::CaptureMissed, count.into());
                }
                Captured::Stopped => return Ok(()),
            }
        }
    }

    fn captured(&self, frame: RawFrame, format: &RawFormat) {
        let stats = &self.shared.stats;
        stats.frames_captured.fetch_add(1, Ordering::Relaxed);
        self.last_frame.set(CaptureTime::now());
        self.shared.snapshots.offer(&frame, format);
        if self.slot.put(frame).is_some() {
            stats.dropped(DropReason::EncoderBusy);
        }
    }

    /// The encode thread.
    fn encode(&self, format: &RawFormat) -> Result<(), BackendError> {
        let shared = &self.shared;
        let mut encoder = (shared.backends.encode)(&shared.params.encoder, format, &shared.stats)?;
        shared.output.interrupted();
        let mut flowing = false;
        let mut bitrate = shared.params.encoder.bitrate;
        while let Some(frame) = self.slot.take() {
            let wanted = shared.bitrate.load(Ordering::Relaxed);
            if wanted != bitrate {
                bitrate = wanted;
                if let Err(e) = encoder.set_bitrate(bitrate) {
                    tracing::warn!(stream = %shared.name, bitrate, "bit rate not changed: {e}");
                }
            }
            let packet = self.encode_one(encoder.as_mut(), &frame)?;
            drop(frame);
            if let Some(packet) = packet {
                shared.output.deliver(packet, &self.stop);
                if !flowing {
                    flowing = true;
                    shared.set_choice(encoder.choice());
                    let _ = self.events.send(Event::Flowing(self.id));
                }
            }
        }
        Ok(())
    }

    fn encode_one(
        &self,
        encoder: &mut dyn EncoderBackend,
        frame: &RawFrame,
    ) -> Result<Option<EncodedPacket>, BackendError> {
        let shared = &self.shared;
        let stats = &shared.stats;
        let next = shared.output.next();
        if next == Next::Nothing {
            stats.dropped(DropReason::AwaitingKey);
            return Ok(None);
        }
        let key = shared.key_wanted.swap(false, Ordering::Relaxed) || next == Next::Key;
        let encode_start = CaptureTime::now();
        stats
            .capture_to_encode
            .observe(encode_start.since(frame.captured));
        self.encoding_since.set(encode_start);
        let result = encoder.encode(frame, key);
        self.encoding_since.clear();
        let encode_end = CaptureTime::now();
        match result {
            Ok(Encoded::Unit { data, key }) => {
                stats.encode.observe(encode_end.since(encode_start));
                stats.frames_encoded.fetch_add(1, Ordering::Relaxed);
                stats
                    .keyframes_encoded
                    .fetch_add(u64::from(key), Ordering::Relaxed);
                stats
                    .bytes_encoded
                    .fetch_add(data.len() as u64, Ordering::Relaxed);
                Ok(Some(EncodedPacket {
                    codec: shared.params.encoder.codec,
                    data,
                    pts: frame.captured,
                    dts: frame.captured,
                    flags: PacketFlags {
                        key,
                        discontinuity: false,
                    },
                    timing: PacketTiming {
                        captured: frame.captured,
                        encode_start,
                        encode_end,
                    },
                }))
            }
            Ok(Encoded::Skipped) => {
                stats.dropped(DropReason::RateControl);
                shared.key_wanted.fetch_or(key, Ordering::Relaxed);
                Ok(None)
            }
            Ok(Encoded::Damaged(why)) => {
                tracing::debug!(stream = %shared.name, "frame dropped: {why}");
                stats.dropped(DropReason::CaptureError);
                shared.key_wanted.fetch_or(key, Ordering::Relaxed);
                Ok(None)
            }
            Err(e) => {
                stats.dropped(DropReason::EncodeError);
                Err(e)
            }
        }
    }
}

/// Makes an error of what a thread panicked with.
fn panicked(backend: &str, panic: &(dyn std::any::Any + Send)) -> BackendError {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    BackendError::passing(format!("backend {backend} panicked: {text}"))
}

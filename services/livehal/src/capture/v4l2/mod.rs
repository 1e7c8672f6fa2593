//! Capture backend `v4l2`: USB cameras, HDMI grabbers, and whatever else the kernel drives.
//!
//! Pictures stay in the driver's buffers, mapped: the encoder reads them there, and a buffer goes
//! back to the driver when the last user drops it, on whatever thread.

mod controls;
mod layout;
mod negotiate;
mod picture;
#[cfg(feature = "bench")]
pub(crate) mod probe;
mod sequence;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

use super::{BackendError, CameraControls, CaptureBackend, Captured, RawFormat, RawFrame};
use crate::stop::StopToken;
use crate::v4l2::{BufferType, Dequeued, Device, Direction, Queue, by_capability, by_name};
use crate::{CaptureParams, CaptureTime};
use layout::Layout;
use picture::Shot;
use sequence::Sequence;

/// The backend's name in the configuration.
pub(crate) const NAME: &str = "v4l2";

/// Buffers asked for: one being filled and one waiting in the driver, one each for the slot, the
/// encoder, a hardware encoder's device and a snapshot.
const BUFFERS: u32 = 6;

/// How often a thread that waits looks whether it shall stop.
const PATIENCE: Duration = Duration::from_millis(100);

/// A driver's time stamp further than this from now is of some other clock.
const PLAUSIBLE: Duration = Duration::from_secs(5);

/// A camera that is open and streams.
pub(crate) struct V4l2Capture {
    // Before the device: its buffers are freed while that is still open.
    queue: Queue,
    device: Arc<Device>,
    layout: Arc<Layout>,
    format: RawFormat,
    controls: Arc<controls::Controls>,
    sequence: Sequence,
    /// Found already, to be given out next.
    pending: VecDeque<Captured>,
    /// Somebody was told that the driver's time stamps are not used.
    own_clock: bool,
}

/// Opens the camera that `params` name, negotiates and starts it.
///
/// # Errors
/// Passing if it is not there or in use; permanent if it is, and cannot do what is asked: the text
/// then says what it can.
pub(crate) fn open(params: &CaptureParams) -> Result<Box<dyn CaptureBackend>, BackendError> {
    V4l2Capture::open(params).map(|camera| Box::new(camera) as Box<dyn CaptureBackend>)
}

impl V4l2Capture {
    fn open(params: &CaptureParams) -> Result<Self, BackendError> {
        let device = Arc::new(find(params.device.as_deref().unwrap_or_default())?);
        let multiplanar = device.capabilities().captures().ok_or_else(|| {
            BackendError::passing(format!(
                "capture.device = {} ({}) gives no pictures; {}",
                device.path().display(),
                device.card(),
                cameras()
            ))
        })?;
        let kind = BufferType {
            direction: Direction::Capture,
            multiplanar,
        };
        let agreed = negotiate::agree(&device, kind, params)?;
        let layout = Arc::new(agreed.layout);
        let controls = Arc::new(controls::Controls::new(Arc::clone(&device)));
        controls.apply(&params.controls)?;
        let queue = Queue::mapped(&device, kind, layout.buffers(), BUFFERS)?;
        if params.prefer_dmabuf {
            queue.export().map_err(|e| {
                BackendError::permanent(format!(
                    "capture.prefer_dmabuf = true: this driver exports no DMA-BUFs ({e}); remove it"
                ))
            })?;
        }
        queue.start()?;
        let format = agreed.format;
        tracing::info!(
            device = %device.path().display(),
            card = device.card(),
            driver = device.driver(),
            format = %agreed.fourcc,
            size = format!("{}x{}", format.width, format.height),
            fps = format.fps,
            stride = format.stride,
            matrix = ?format.color.matrix,
            full_range = format.color.full_range,
            buffers = queue.len(),
            dmabuf = params.prefer_dmabuf,
            chosen = agreed.why,
            "camera open"
        );
        Ok(Self {
            queue,
            device,
            layout,
            format,
            controls,
            sequence: Sequence::default(),
            pending: VecDeque::new(),
            own_clock: false,
        })
    }

    /// Makes of a buffer what the pipeline is to know: frames lost before it, then itself.
    fn take(&mut self, buffer: Dequeued) -> Captured {
        let lost = self.sequence.lost_before(buffer.sequence);
        let whole = !buffer.damaged() && self.layout.is_whole(&buffer);
        let found = if whole {
            Captured::Frame(RawFrame {
                captured: self.time_of(&buffer),
                picture: Arc::new(Shot {
                    buffer,
                    layout: Arc::clone(&self.layout),
                }),
            })
        } else {
            Captured::Damaged
        };
        if lost == 0 {
            return found;
        }
        self.pending.push_back(found);
        Captured::Missed(lost)
    }

    /// When a buffer's picture was captured. Drivers whose stamps are of another clock, or plainly
    /// wrong, are not believed: then it is the moment the buffer was seen.
    fn time_of(&mut self, buffer: &Dequeued) -> CaptureTime {
        let now = CaptureTime::now();
        let apart = now.since(buffer.time).max(buffer.time.since(now));
        if buffer.monotonic() && apart <= PLAUSIBLE {
            // A stamp may not lie in the future: latencies would be negative.
            return buffer.time.min(now);
        }
        if !self.own_clock {
            self.own_clock = true;
            tracing::warn!(
                device = %self.device.path().display(),
                monotonic = buffer.monotonic(),
                seconds_off = apart.as_secs_f64(),
                "the driver's time stamps are of no use; the time of arrival is taken"
            );
        }
        now
    }
}

impl CaptureBackend for V4l2Capture {
    fn format(&self) -> RawFormat {
        self.format
    }

    fn next_frame(&mut self, stop: &StopToken) -> Result<Captured, BackendError> {
        if let Some(found) = self.pending.pop_front() {
            return Ok(found);
        }
        loop {
            if stop.is_stopped() {
                return Ok(Captured::Stopped);
            }
            if let Some(buffer) = self.queue.wait(PATIENCE)? {
                return Ok(self.take(buffer));
            }
        }
    }

    fn controls(&self) -> Option<Arc<dyn CameraControls>> {
        Some(Arc::clone(&self.controls) as Arc<dyn CameraControls>)
    }
}

/// Opens the device that a path, a link or a card's name means.
fn find(name: &str) -> Result<Device, BackendError> {
    let found = by_name(name, |caps| caps.captures().is_some());
    let Some(path) = found.first() else {
        return Err(BackendError::absent(format!(
            "capture.device = {name}: no camera of this name; {}",
            cameras()
        )));
    };
    if found.len() > 1 {
        tracing::warn!(
            device = name,
            count = found.len(),
            "several cameras have this name; the first is taken. Links in /dev/v4l/by-path tell \
             them apart"
        );
    }
    Device::open(path).map_err(|e| {
        if e.gone() {
            return BackendError::absent(format!("capture.device: {e}; {}", cameras()));
        }
        // A node that has just appeared gets its group a moment later.
        if e.errno == Errno::ACCESS {
            return BackendError::absent(format!("capture.device: {e}"));
        }
        BackendError::passing(format!("capture.device: {e}"))
    })
}

/// The cameras there are, for messages.
fn cameras() -> String {
    let found: Vec<_> = by_capability(|caps| caps.captures().is_some())
        .iter()
        .map(ToString::to_string)
        .collect();
    if found.is_empty() {
        "there is no camera now".to_owned()
    } else {
        format!("cameras now: {}", found.join(", "))
    }
}

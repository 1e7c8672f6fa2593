//! The capture loop.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use libcamera::camera::{ActiveCamera, Camera};
use libcamera::control::{ControlInfoMap, ControlList};
use libcamera::control_value::ControlValue as Native;
use libcamera::controls::{ControlId, SensorTimestamp};
use libcamera::framebuffer::{AsFrameBuffer, FrameMetadataStatus};
use libcamera::framebuffer_allocator::{FrameBuffer, FrameBufferAllocator};
use libcamera::properties::SystemDevices;
use libcamera::request::{Request, RequestStatus, ReuseFlag};
use libcamera::stream::Stream;

use super::buffer::{Buffer, CameraPicture};
use super::controls::Controls;
use super::devices::{Devices, NUMBERS};
use super::manager::{Manager, Watch, watch};
use super::negotiate::{Negotiated, negotiate};
use super::rate::Rate;
use super::stamp::{Clocks, capture_time};
use crate::capture::{BackendError, CameraControls, CaptureBackend, Captured, RawFormat, RawFrame};
use crate::stop::StopToken;
use crate::{CaptureParams, CaptureTime};

/// How often the stop token is looked at.
const POLL: Duration = Duration::from_millis(50);
/// How often what the camera tells of its controls is read.
const LEARN: Duration = Duration::from_millis(200);
/// How often it is looked whether something has happened that nobody tells of.
const LOOK: Duration = Duration::from_millis(10);
/// How long after an error the kernel may take to remove the devices of a camera that was unplugged.
const REMOVED: Duration = Duration::from_millis(100);
/// How long after that libcamera may take to learn of it, at the most.
const TOLD: Duration = Duration::from_millis(500);

/// What arrives in the capture thread's inbox. Bounded by the number of buffers.
pub(super) enum Event {
    /// A request is done, well or not. From libcamera's thread.
    Completed(Request),
    /// A picture is read. From the thread of its last user.
    Returned(Request),
    /// The camera was unplugged. From libcamera's thread.
    Removed,
}

/// Opens and starts the camera that `params` names.
///
/// # Errors
/// It is not there, somebody else has it, or it does not do what `params` wants.
pub(crate) fn open(params: &CaptureParams) -> Result<Box<dyn CaptureBackend>, BackendError> {
    let manager = Manager::get()?;
    let camera = manager.camera(params.device.as_deref())?;
    let id = camera.id().to_owned();
    let said =
        |what: &str, e: std::io::Error| BackendError::passing(format!("camera {id}: {what}: {e}"));
    let mut active = camera
        .acquire()
        .map_err(|e| said("in use by somebody else", e))?;
    let Negotiated {
        mut config,
        format,
        flips,
    } = negotiate(&camera, params)?;
    active
        .configure(&mut config)
        .map_err(|e| said("refuses its configuration", e))?;
    let (inbox_sender, inbox) = channel();
    let completed = inbox_sender.clone();
    active.on_request_completed(move |request| {
        let _ = completed.send(Event::Completed(request));
    });
    let stream = config
        .get(0)
        .and_then(|stream| stream.stream())
        .ok_or_else(|| BackendError::passing(format!("camera {id} has no stream")))?;
    let mut allocator = FrameBufferAllocator::new(&active);
    let frames = allocator
        .alloc(&stream)
        .map_err(|e| said("has no memory for pictures", e))?;
    let (mut buffers, mut requests) = (Vec::new(), Vec::new());
    for (index, frame) in frames.into_iter().enumerate() {
        buffers.push(Arc::new(
            Buffer::new(&frame, &format).map_err(|e| said("buffer", e))?,
        ));
        let request = active.create_request(Some(index as u64));
        let mut request =
            request.ok_or_else(|| said("makes no request", std::io::ErrorKind::Other.into()))?;
        request
            .add_buffer(&stream, frame)
            .map_err(|e| said("request", e))?;
        requests.push(request);
    }
    let controls = Arc::new(Controls::new(camera.controls(), flips));
    let start = start_list(&controls, camera.controls(), params, &id)?;
    let watch = watch(&id, inbox_sender.clone());
    active
        .start(Some(&start))
        .map_err(|e| said("does not start", e))?;
    tracing::info!(
        "camera {id}: {}x{} {} at {} fps, {} buffers",
        format.width,
        format.height,
        format.pixel,
        format.fps,
        buffers.len()
    );
    let backend = LibcameraCapture {
        active: Some(active),
        inbox,
        inbox_sender,
        buffers,
        controls,
        held: VecDeque::new(),
        devices: devices(&camera),
        told: false,
        rate: Rate::new(params.fps_or_default()),
        learned: CaptureTime::default(),
        stream,
        format,
        id,
        _watch: watch,
        _camera: camera,
        manager,
    };
    for request in requests {
        backend.queue(request)?;
    }
    Ok(Box::new(backend))
}

/// What the camera starts with: its frame rate, where it has one to set, and the configuration's
/// controls.
fn start_list(
    controls: &Controls,
    camera: &ControlInfoMap,
    params: &CaptureParams,
    id: &str,
) -> Result<libcamera::utils::UniquePtr<ControlList>, BackendError> {
    let mut list = ControlList::from_info_map(camera)
        .ok_or_else(|| BackendError::passing(format!("camera {id}: no list of controls")))?;
    let limits = ControlId::FrameDurationLimits as u32;
    if let Ok(info) = camera.find(limits) {
        let micros = frame_duration(params.fps_or_default(), &info.min(), &info.max(), id)?;
        let _ = list.set_raw(limits, Native::from([micros; 2]));
    }
    controls.configure(&params.controls, &mut list)?;
    Ok(list)
}

/// The devices behind a camera, as far as libcamera tells.
fn devices(camera: &Camera<'_>) -> Devices {
    let numbers = camera.properties().get::<SystemDevices>();
    let numbers = numbers.map(|numbers| numbers.0).unwrap_or_default();
    let numbers = numbers.into_iter().filter_map(|n| u64::try_from(n).ok());
    Devices::new(Path::new(NUMBERS), numbers)
}

/// Microseconds a frame, where the camera allows it.
fn frame_duration(fps: u32, least: &Native, most: &Native, id: &str) -> Result<i64, BackendError> {
    let micros = 1_000_000 / i64::from(fps.max(1));
    let of = |value: &Native| match value {
        Native::Int64(v) => v.first().copied(),
        _ => None,
    };
    let (Some(least), Some(most)) = (of(least).filter(|n| *n > 0), of(most)) else {
        return Ok(micros);
    };
    // A camera of 30 frames a second may say 33333 or 33334, one of 29.97 is called 30, too.
    let slack = micros / 100;
    if micros < least - slack || (most > 0 && micros > most + slack) {
        let fps_of = |micros: i64| 1e6 / micros.max(1) as f64;
        return Err(BackendError::permanent(format!(
            "capture.fps = {fps}: camera {id} gives {:.2} to {:.2} frames a second at this size",
            fps_of(most),
            fps_of(least)
        )));
    }
    Ok(if most > 0 {
        micros.clamp(least, most.max(least))
    } else {
        micros.max(least)
    })
}

/// A running camera.
struct LibcameraCapture {
    /// `None` once it is stopped. Dropped first: it may only be stopped while all else is there.
    active: Option<ActiveCamera<'static>>,
    inbox: Receiver<Event>,
    inbox_sender: Sender<Event>,
    /// By the requests' cookies.
    buffers: Vec<Arc<Buffer>>,
    controls: Arc<Controls>,
    /// Requests of frames that were too many, until the next frame is due.
    held: VecDeque<Request>,
    devices: Devices,
    /// libcamera has said that it was unplugged.
    told: bool,
    rate: Rate,
    /// When the camera's metadata was read last.
    learned: CaptureTime,
    stream: Stream,
    format: RawFormat,
    id: String,
    _watch: Watch,
    _camera: Camera<'static>,
    /// Dropped last.
    manager: Manager,
}

impl LibcameraCapture {
    fn queue(&self, mut request: Request) -> Result<(), BackendError> {
        let Some(active) = &self.active else {
            return Ok(());
        };
        self.controls.apply(&mut request);
        active.queue_request(request).map_err(|(_, e)| {
            BackendError::passing(format!("camera {}: takes no request: {e}", self.id))
        })
    }

    fn queue_again(&self, mut request: Request) -> Result<(), BackendError> {
        request.reuse(ReuseFlag::REUSE_BUFFERS);
        self.queue(request)
    }

    /// Gives back what was held, once the next frame is due; says how long to wait otherwise.
    fn release_held(&mut self) -> Result<Duration, BackendError> {
        let left = self
            .rate
            .due()
            .map_or(Duration::ZERO, |due| due.since(CaptureTime::now()));
        if self.held.is_empty() || !left.is_zero() {
            let wait = if self.held.is_empty() {
                POLL
            } else {
                left.min(POLL)
            };
            return Ok(wait);
        }
        while let Some(request) = self.held.pop_front() {
            self.queue_again(request)?;
        }
        Ok(POLL)
    }

    /// Whether the camera was unplugged: libcamera has said so, or the kernel has removed a device.
    fn unplugged(&self) -> bool {
        self.told || self.devices.gone()
    }

    /// Waits until `done`, or `limit` is over. Nobody captures any more: requests end here.
    fn settle(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) {
        let until = CaptureTime::now().after(limit);
        while !done(self) {
            let left = until.since(CaptureTime::now());
            if left.is_zero() {
                return;
            }
            if let Ok(Event::Removed) = self.inbox.recv_timeout(left.min(LOOK)) {
                self.told = true;
            }
        }
    }

    /// The error of a camera that was unplugged.
    fn gone(&self) -> BackendError {
        BackendError::absent(format!("camera {} is gone: it was unplugged", self.id))
    }

    /// The next frame that is wanted.
    fn wait_for_frame(&mut self, stop: &StopToken) -> Result<Captured, BackendError> {
        while !stop.is_stopped() {
            self.manager.check()?;
            let wait = self.release_held()?;
            match self.inbox.recv_timeout(wait) {
                Ok(Event::Completed(request)) => {
                    if let Some(captured) = self.completed(request)? {
                        return Ok(captured);
                    }
                }
                Ok(Event::Returned(request)) => self.queue_again(request)?,
                Ok(Event::Removed) => {
                    self.told = true;
                    return Err(self.gone());
                }
                // A camera that gives nothing is noticed by the supervisor. This holds a sender.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    if self.devices.gone() {
                        return Err(self.gone());
                    }
                }
            }
        }
        Ok(Captured::Stopped)
    }

    /// What became of a request; `None` if there is nothing to hand on.
    fn completed(&mut self, request: Request) -> Result<Option<Captured>, BackendError> {
        if request.status() != RequestStatus::Complete {
            return Err(BackendError::passing(format!(
                "camera {}: it cancelled a request",
                self.id
            )));
        }
        let frame: Option<&FrameBuffer> = request.buffer(&self.stream);
        let buffer = self.buffers.get(request.cookie() as usize).map(Arc::clone);
        let (Some(frame), Some(buffer)) = (frame, buffer) else {
            return Err(BackendError::passing(format!(
                "camera {}: a request without a picture",
                self.id
            )));
        };
        // Some pipelines fill a buffer and say nothing about it: the request is what counts then.
        let (status, stamp, used) = match frame.metadata() {
            Some(meta) => {
                let planes = meta.planes();
                let used = planes.into_iter().map(|p| p.bytes_used as usize).collect();
                (meta.status(), meta.timestamp(), used)
            }
            None => (FrameMetadataStatus::Success, 0, Vec::new()),
        };
        match status {
            FrameMetadataStatus::Success => {}
            // Before exposure and focus have settled; no loss.
            FrameMetadataStatus::Startup => return self.queue_again(request).map(|()| None),
            FrameMetadataStatus::Error | FrameMetadataStatus::Cancelled => {
                self.queue_again(request)?;
                return Ok(Some(Captured::Damaged));
            }
        }
        let sensor = request.metadata().get::<SensorTimestamp>().ok();
        let stamp = sensor
            .and_then(|ns| u64::try_from(*ns).ok())
            .unwrap_or(stamp);
        let captured = capture_time(stamp, Clocks::now());
        if self.rate.surplus(captured) {
            self.held.push_back(request);
            return Ok(None);
        }
        if captured.since(self.learned) >= LEARN {
            self.learned = captured;
            self.controls.learn(request.metadata());
        }
        let picture = CameraPicture::new(
            buffer,
            used,
            request,
            self.inbox_sender.clone(),
            self.manager.again(),
        );
        Ok(Some(Captured::Frame(RawFrame {
            captured,
            picture: Arc::new(picture),
        })))
    }
}

impl CaptureBackend for LibcameraCapture {
    fn format(&self) -> RawFormat {
        self.format
    }

    fn next_frame(&mut self, stop: &StopToken) -> Result<Captured, BackendError> {
        let result = self.wait_for_frame(stop);
        if result.is_err() {
            self.settle(REMOVED, Self::unplugged);
        }
        match result {
            Err(_) if self.unplugged() => Err(self.gone()),
            result => result,
        }
    }

    fn controls(&self) -> Option<Arc<dyn CameraControls>> {
        Some(Arc::clone(&self.controls) as Arc<dyn CameraControls>)
    }
}

impl Drop for LibcameraCapture {
    fn drop(&mut self) {
        let Some(mut active) = self.active.take() else {
            return;
        };
        if self.unplugged() {
            self.settle(TOLD, |camera| camera.told);
            if !self.told {
                // libcamera notices this of USB cameras only. Told to stop any other, it ends the
                // whole process, for the driver gives it no request back; and there is no other way
                // to make it let go.
                self.manager.lose(&self.id);
                std::mem::forget(active);
                return;
            }
        }
        // Before the crate disconnects its callbacks: libcamera may be calling one now, and does not
        // any more once it has stopped.
        if let Err(e) = active.stop() {
            tracing::debug!("camera {}: stopping: {e}", self.id);
        }
    }
}

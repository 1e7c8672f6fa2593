//! Backends that fail on demand, for the pipeline's tests.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use bytes::Bytes;

use super::PacketReceiver;
use super::native::{Backends, Pipeline};
use super::tests::LIMIT;
use crate::capture::{
    BackendError, CameraControls, CaptureBackend, Captured, Color, Pacer, RawFormat, RawFrame,
    testsrc,
};
use crate::encode::{Encoded, EncoderBackend};
use crate::stop::StopToken;
use crate::*;

/// Frames a second of the camera.
pub(super) const FPS: u32 = 100;

/// What the capture backend does when asked for the next frame.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Camera {
    Works,
    Missing,
    Unplugged,
    Unfit,
    Dies,
    Panics,
    /// Gives no frames but can be stopped.
    Silent,
    /// Hangs in a driver until it is freed.
    Hangs,
    Damaged,
}

/// What the encoder does with a frame.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Coder {
    Works,
    Dies,
    Panics,
    Skips,
    CannotRead,
    /// Waits until it is freed.
    Hangs,
}

/// The test's hand on both backends.
pub(super) struct Script {
    camera: Mutex<Camera>,
    coder: Mutex<Coder>,
    pub(super) freed: Mutex<bool>,
    free: Condvar,
    pub(super) opened: AtomicUsize,
    /// Frames that the encoder was told to make key frames.
    pub(super) keys_asked: AtomicUsize,
    pub(super) bitrate: AtomicU32,
    /// Threads in `hang`.
    pub(super) hanging: AtomicUsize,
}

impl Script {
    pub(super) fn new(camera: Camera, coder: Coder) -> Arc<Self> {
        Arc::new(Self {
            camera: Mutex::new(camera),
            coder: Mutex::new(coder),
            freed: Mutex::new(false),
            free: Condvar::new(),
            opened: AtomicUsize::new(0),
            keys_asked: AtomicUsize::new(0),
            bitrate: AtomicU32::new(0),
            hanging: AtomicUsize::new(0),
        })
    }

    pub(super) fn camera(&self, camera: Camera) {
        *self.camera.lock().unwrap() = camera;
    }

    pub(super) fn coder(&self, coder: Coder) {
        *self.coder.lock().unwrap() = coder;
    }

    pub(super) fn free(&self) {
        *self.freed.lock().unwrap() = true;
        self.free.notify_all();
    }

    fn hang(&self) {
        self.hanging.fetch_add(1, Ordering::SeqCst);
        let freed = self.freed.lock().unwrap();
        drop(self.free.wait_while(freed, |freed| !*freed).unwrap());
        self.hanging.fetch_sub(1, Ordering::SeqCst);
    }

    pub(super) fn start(self: &Arc<Self>) -> (Pipeline, PacketReceiver) {
        let (camera, coder) = (Arc::clone(self), Arc::clone(self));
        let backends = Backends {
            capture: Box::new(move |_| FakeCamera::open(&camera)),
            encode: Box::new(move |params, _, _| {
                coder.bitrate.store(params.bitrate, Ordering::SeqCst);
                Ok(Box::new(FakeCoder(Arc::clone(&coder))))
            }),
        };
        Pipeline::start("test", params(), backends).unwrap()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.free();
    }
}

struct FakeCamera {
    script: Arc<Script>,
    picture: RawFrame,
    pacer: Pacer,
    controls: Arc<FakeControls>,
}

impl FakeCamera {
    fn open(script: &Arc<Script>) -> Result<Box<dyn CaptureBackend>, BackendError> {
        script.opened.fetch_add(1, Ordering::SeqCst);
        match *script.camera.lock().unwrap() {
            Camera::Missing => return Err(BackendError::passing("no such camera")),
            Camera::Unplugged => return Err(BackendError::absent("not plugged in")),
            Camera::Unfit => return Err(BackendError::permanent("the wrong camera")),
            _ => {}
        }
        Ok(Box::new(Self {
            script: Arc::clone(script),
            controls: Arc::new(FakeControls(Mutex::new(1))),
            picture: testsrc::frames(64, 64, 30).next().unwrap(),
            pacer: Pacer::new((FPS, 1)),
        }))
    }
}

impl CaptureBackend for FakeCamera {
    fn format(&self) -> RawFormat {
        RawFormat {
            pixel: PixelFormat::Yuv420,
            width: 64,
            height: 64,
            fps: f64::from(FPS),
            color: Color::assumed(64),
            stride: 64,
        }
    }

    fn controls(&self) -> Option<Arc<dyn CameraControls>> {
        Some(Arc::clone(&self.controls) as Arc<dyn CameraControls>)
    }

    fn next_frame(&mut self, stop: &StopToken) -> Result<Captured, BackendError> {
        if self.pacer.wait(stop) {
            return Ok(Captured::Stopped);
        }
        let now = *self.script.camera.lock().unwrap();
        match now {
            Camera::Works => Ok(Captured::Frame(RawFrame {
                captured: CaptureTime::now(),
                ..self.picture.clone()
            })),
            Camera::Damaged => Ok(Captured::Damaged),
            Camera::Panics => panic!("the camera is on fire"),
            Camera::Silent => {
                stop.sleep_until(CaptureTime::now().after(LIMIT));
                Ok(Captured::Stopped)
            }
            Camera::Hangs => {
                self.script.hang();
                Err(BackendError::passing("freed"))
            }
            _ => Err(BackendError::passing("the camera was unplugged")),
        }
    }
}

/// One control, `gain`, from 1 to 8.
struct FakeControls(Mutex<i64>);

impl CameraControls for FakeControls {
    fn list(&self) -> Vec<CameraControl> {
        vec![CameraControl {
            name: "gain".into(),
            kind: ControlKind::Int {
                min: 1,
                max: 8,
                step: 1,
            },
            value: Some(ControlValue::Int(*self.0.lock().unwrap())),
            default: Some(ControlValue::Int(1)),
            read_only: false,
        }]
    }

    fn set(&self, name: &str, value: &ControlValue) -> Result<ControlValue, ControlError> {
        match (name, value) {
            ("gain", ControlValue::Int(gain @ 1..=8)) => {
                *self.0.lock().unwrap() = *gain;
                Ok(value.clone())
            }
            _ => Err(ControlError::Refused {
                name: name.into(),
                value: value.to_string(),
                reason: "allowed are 1 to 8".into(),
            }),
        }
    }
}

struct FakeCoder(Arc<Script>);

impl EncoderBackend for FakeCoder {
    fn encode(&mut self, frame: &RawFrame, key: bool) -> Result<Encoded, BackendError> {
        self.0
            .keys_asked
            .fetch_add(usize::from(key), Ordering::SeqCst);
        let now = *self.0.coder.lock().unwrap();
        match now {
            Coder::Works => {}
            Coder::Skips => return Ok(Encoded::Skipped),
            Coder::CannotRead => return Ok(Encoded::Damaged("cut off".into())),
            Coder::Dies => return Err(BackendError::passing("the encoder is gone")),
            Coder::Panics => panic!("the encoder is on fire"),
            Coder::Hangs => self.0.hang(),
        }
        Ok(Encoded::Unit {
            data: Bytes::copy_from_slice(&frame.captured.as_nanos().to_be_bytes()),
            key,
        })
    }

    fn set_bitrate(&mut self, bps: u32) -> Result<(), BackendError> {
        self.0.bitrate.store(bps, Ordering::SeqCst);
        Ok(())
    }
}

fn params() -> NativeSourceParams {
    NativeSourceParams {
        capture: CaptureParams {
            backend: "testsrc".into(),
            device: None,
            path: None,
            width: Some(64),
            height: Some(64),
            fps: Some(FPS),
            pixel_format: None,
            prefer_dmabuf: false,
            controls: Default::default(),
        },
        encoder: EncoderParams {
            backend: "auto".into(),
            device: None,
            codec: VideoCodec::H264,
            bitrate: 500_000,
            min_bitrate: Some(100_000),
            max_bitrate: Some(600_000),
            profile: "main".into(),
            level: Some("3".into()),
            gop: 60,
        },
        output: OutputParams::default(),
    }
}

//! Capture backend `testsrc`: a moving picture with a readable clock, and the machine-readable
//! [`strip`](crate::strip). Needs no device.

mod font;
mod landscape;
mod scene;

use std::sync::Arc;

use super::I420;
use super::{BackendError, CaptureBackend, Captured, Color, Pacer, Pool, RawFormat, RawFrame};
use crate::stop::StopToken;
use crate::strip::Strip;
use crate::{CaptureParams, CaptureTime, PixelFormat};
use scene::Scene;

/// The backend's name in the configuration.
pub(crate) const NAME: &str = "testsrc";

/// One being drawn, one waiting, one being coded, one becoming a snapshot, one to spare.
const BUFFERS: usize = 5;

/// The built-in source.
pub(crate) struct TestSource {
    format: RawFormat,
    scene: Scene,
    pool: Pool<I420>,
    pacer: Pacer,
    frame: u32,
}

impl TestSource {
    /// The built-in source with the size and rate of `params`.
    pub(crate) fn new(params: &CaptureParams) -> Self {
        let (width, height) = params.size_or_default();
        let fps = params.fps_or_default();
        let scene = Scene::new(width, height, fps);
        let buffers = std::iter::repeat_with(|| {
            let mut picture = I420::new(width, height);
            scene.draw_background(&mut picture);
            picture
        });
        Self {
            format: RawFormat {
                pixel: PixelFormat::Yuv420,
                width,
                height,
                fps: f64::from(fps),
                color: Color::assumed(height),
                stride: width,
            },
            pool: Pool::new(buffers.take(BUFFERS)),
            scene,
            pacer: Pacer::new((fps, 1)),
            frame: 0,
        }
    }
}

impl CaptureBackend for TestSource {
    fn format(&self) -> RawFormat {
        self.format
    }

    fn next_frame(&mut self, stop: &StopToken) -> Result<Captured, BackendError> {
        if self.pacer.wait(stop) {
            return Ok(Captured::Stopped);
        }
        let captured = CaptureTime::now();
        let strip = Strip {
            frame: self.frame,
            millis: captured.to_unix().as_millis() as u64,
        };
        self.frame = self.frame.wrapping_add(1);
        let Some(mut picture) = self.pool.take() else {
            return Ok(Captured::Damaged);
        };
        self.scene.draw(&mut picture, strip);
        Ok(Captured::Frame(RawFrame {
            captured,
            picture: Arc::new(picture),
        }))
    }
}

/// The pictures of the built-in source as fast as they are asked for, with the time stamps they
/// would have.
#[cfg(any(test, feature = "bench"))]
pub(crate) fn frames(width: u32, height: u32, fps: u32) -> impl Iterator<Item = RawFrame> {
    let scene = Scene::new(width, height, fps);
    (0u32..).map(move |frame| {
        let millis = 1_000_000 + u64::from(frame) * 1000 / u64::from(fps);
        let mut picture = I420::new(width, height);
        scene.draw_background(&mut picture);
        scene.draw(&mut picture, Strip { frame, millis });
        RawFrame {
            captured: CaptureTime::from_nanos(millis * 1_000_000),
            picture: Arc::new(picture),
        }
    })
}

/// Mean time to draw one of `count` pictures into a buffer used again.
#[cfg(feature = "bench")]
pub(crate) fn drawing_time(width: u32, height: u32, fps: u32, count: u32) -> std::time::Duration {
    let scene = Scene::new(width, height, fps);
    let mut picture = I420::new(width, height);
    let begin = std::time::Instant::now();
    for frame in 0..count {
        scene.draw(&mut picture, Strip { frame, millis: 0 });
    }
    begin.elapsed() / count.max(1)
}

#[cfg(test)]
mod tests;

//! What the benches need of the inside. No part of the interface.

#[cfg(all(target_os = "linux", feature = "encoder-v4l2-m2m"))]
pub mod m2m;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use crate::capture::{
    BackendError, CaptureBackend, Captured, Color, Picture, Plane, RawFormat, RawFrame, testsrc,
};
use crate::pipeline::native::{Backends, Pipeline};
use crate::stop::StopToken;
use crate::{CaptureTime, Error, NativeSourceParams, PixelFormat, encode};

/// Pictures of the built-in source, drawn beforehand.
pub struct Clip {
    frames: Arc<[RawFrame]>,
    format: RawFormat,
}

impl Clip {
    /// Draws `count` pictures.
    pub fn new(width: u32, height: u32, fps: u32, count: usize) -> Self {
        Self {
            frames: testsrc::frames(width, height, fps).take(count).collect(),
            format: RawFormat {
                pixel: PixelFormat::Yuv420,
                width,
                height,
                fps: f64::from(fps),
                color: Color::assumed(height),
                stride: width,
            },
        }
    }

    /// Y, U and V of picture `n`, which begin again after the last. Rows have no padding.
    pub fn planes(&self, n: usize) -> Option<[&[u8]; 3]> {
        let picture = &self.frames.get(n % self.frames.len().max(1))?.picture;
        Some([
            picture.plane(0)?.data,
            picture.plane(1)?.data,
            picture.plane(2)?.data,
        ])
    }

    /// Runs a whole pipeline over `count` pictures as fast as the encoder takes them, measured from
    /// the first packet to the last.
    ///
    /// # Errors
    /// The pipeline does not start, or ends early.
    pub fn run_pipeline(&self, params: NativeSourceParams, count: usize) -> Result<Run, Error> {
        let (frames, format) = (Arc::clone(&self.frames), self.format);
        let backends = Backends {
            capture: Box::new(move |_| Ok(Box::new(Unpaced::new(Arc::clone(&frames), format)))),
            encode: Box::new(encode::open),
        };
        let (pipeline, mut packets) = Pipeline::start("bench", params, backends)?;
        let run = Run::measure(count, |_| {
            Ok(packets.blocking_recv().ok_or(Error::Stopped)?.data.len())
        });
        drop(pipeline);
        run
    }
}

/// Mean time the built-in source takes to draw a picture.
pub fn drawing_time(width: u32, height: u32, fps: u32) -> Duration {
    testsrc::drawing_time(width, height, fps, 300)
}

/// What some pictures cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Run {
    /// From the first access unit to the last.
    pub time: Duration,
    /// Of all processors, in that time.
    pub cpu: Duration,
    /// Of all access units.
    pub bytes: usize,
}

impl Run {
    /// Calls `next` for each of `count` access units; it gives their sizes.
    ///
    /// # Errors
    /// That of `next`.
    pub fn measure(
        count: usize,
        mut next: impl FnMut(usize) -> Result<usize, Error>,
    ) -> Result<Self, Error> {
        let mut bytes = next(0)?;
        let (begin, cpu) = (Instant::now(), cpu_time());
        for n in 1..count {
            bytes += next(n)?;
        }
        Ok(Self {
            time: begin.elapsed(),
            cpu: cpu_time() - cpu,
            bytes,
        })
    }
}

/// Processor time of this process.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Gives the next picture as soon as the encoder has begun the one before, so that one always waits
/// and none is replaced.
struct Unpaced {
    frames: Arc<[RawFrame]>,
    format: RawFormat,
    next: u64,
    begun: Receiver<()>,
    tell: SyncSender<()>,
}

impl Unpaced {
    fn new(frames: Arc<[RawFrame]>, format: RawFormat) -> Self {
        let (tell, begun) = sync_channel(1);
        // For the first; there is room.
        let _ = tell.try_send(());
        Self {
            frames,
            format,
            next: 0,
            begun,
            tell,
        }
    }
}

impl CaptureBackend for Unpaced {
    fn format(&self) -> RawFormat {
        self.format
    }

    fn next_frame(&mut self, stop: &StopToken) -> Result<Captured, BackendError> {
        while self.begun.recv_timeout(Duration::from_millis(100)).is_err() {
            if stop.is_stopped() {
                return Ok(Captured::Stopped);
            }
        }
        let index = (self.next % self.frames.len().max(1) as u64) as usize;
        let Some(frame) = self.frames.get(index) else {
            return Err(BackendError::permanent("an empty clip"));
        };
        // The time it would have at the nominal rate: the rate control goes by it.
        let time = Duration::from_secs_f64(self.next as f64 / self.format.fps);
        self.next += 1;
        Ok(Captured::Frame(RawFrame {
            captured: CaptureTime::from_nanos(1_000_000_000).after(time),
            picture: Arc::new(Watched {
                picture: Arc::clone(&frame.picture),
                begun: AtomicBool::new(false),
                tell: self.tell.clone(),
            }),
        }))
    }
}

/// Says so when the encoder looks at it first.
struct Watched {
    picture: Arc<dyn Picture>,
    begun: AtomicBool,
    tell: SyncSender<()>,
}

impl Picture for Watched {
    fn plane(&self, index: usize) -> Option<Plane<'_>> {
        if !self.begun.swap(true, Ordering::Relaxed) {
            // There is room: the one before was received. After the end nobody listens.
            let _ = self.tell.try_send(());
        }
        self.picture.plane(index)
    }
}

//! Capture backends: where raw pictures come from.
//!
//! A backend is opened and driven by one thread, the capture thread of a pipeline. It hands out
//! [`RawFrame`]s that share their pixels, so that the encoder, and a snapshot now and then, read
//! them without a copy.

mod controls;
pub(crate) mod file;
#[cfg(all(target_os = "linux", any(feature = "capture-libcamera", test)))]
mod libcamera;
mod pace;
mod pool;
pub(crate) mod testsrc;
#[cfg(all(feature = "capture-v4l2", target_os = "linux"))]
pub(crate) mod v4l2;

#[cfg(unix)]
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use crate::stop::StopToken;
use crate::{CaptureParams, CaptureTime, PixelFormat, StreamGeometry};

pub(crate) use controls::CameraControls;

pub(crate) use pace::Pacer;
pub(crate) use pool::{I420, Pool};

/// Systems without descriptors have no DMA-BUFs.
#[cfg(not(unix))]
type BorrowedFd<'a> = std::marker::PhantomData<&'a ()>;

/// A source of raw pictures.
pub(crate) trait CaptureBackend {
    /// What its frames are; constant while it is open.
    fn format(&self) -> RawFormat;

    /// Waits for the next frame.
    ///
    /// A backend that waits must look at `stop` at least every 100 ms and give
    /// [`Captured::Stopped`] when it is set. It must never hold a frame back to wait for the next.
    ///
    /// # Errors
    /// Anything that ends this opening of the source; the supervisor opens it again.
    fn next_frame(&mut self, stop: &StopToken) -> Result<Captured, BackendError>;

    /// The camera's controls, if it has any. Used from other threads while this one captures.
    fn controls(&self) -> Option<Arc<dyn CameraControls>> {
        None
    }
}

/// What [`CaptureBackend::next_frame`] found.
pub(crate) enum Captured {
    /// A picture.
    Frame(RawFrame),
    /// The source delivered something unusable; it is counted and capture goes on.
    Damaged,
    /// So many frames never came, as the next one's number shows; they are counted.
    #[allow(dead_code, reason = "only cameras number their frames")]
    Missed(u32),
    /// The stop token was set.
    Stopped,
}

/// One picture and when it was captured. Cloning shares the pixels.
#[derive(Clone)]
pub(crate) struct RawFrame {
    /// When, on the capture clock.
    pub(crate) captured: CaptureTime,
    /// The pixels.
    pub(crate) picture: Arc<dyn Picture>,
}

/// Pixels in memory, laid out as the backend's [`RawFormat`] says.
pub(crate) trait Picture: Send + Sync {
    /// Plane `index`: Y, U, V for [`PixelFormat::Yuv420`], Y, UV for [`PixelFormat::Nv12`], the
    /// only plane for packed formats. `None` beyond the last.
    fn plane(&self, index: usize) -> Option<Plane<'_>>;

    /// The same pixels as DMA-BUFs, where they are in some: a device reads them there without a
    /// copy. They stay as they are while the picture lives.
    #[allow(dead_code, reason = "not every build has a hardware encoder")]
    fn dmabuf(&self) -> Option<DmaBuf<'_>> {
        None
    }
}

/// Where a picture lies in DMA-BUFs: one for each plane, several of which may be the same buffer.
#[allow(dead_code, reason = "not every build has a hardware encoder")]
#[derive(Clone)]
pub(crate) struct DmaBuf<'a> {
    /// The planes, as [`Picture::plane`] numbers them.
    pub(crate) planes: Vec<DmaBufPlane<'a>>,
}

/// One plane in a DMA-BUF.
#[allow(dead_code, reason = "not every build has a hardware encoder")]
#[derive(Clone, Copy)]
pub(crate) struct DmaBufPlane<'a> {
    /// The buffer.
    pub(crate) fd: BorrowedFd<'a>,
    /// Size of the whole buffer in bytes.
    pub(crate) length: u32,
    /// The first pixel's distance from the buffer's start, in bytes.
    pub(crate) offset: u32,
    /// Bytes from one row to the next.
    pub(crate) stride: u32,
}

/// One plane of a picture. The last row may be shorter than `stride`, never than its pixels.
#[derive(Clone, Copy)]
pub(crate) struct Plane<'a> {
    /// Bytes from the first row's first pixel on.
    pub(crate) data: &'a [u8],
    /// Bytes from one row to the next.
    pub(crate) stride: usize,
}

/// What a backend's pictures are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RawFormat {
    /// Layout of the pixels.
    pub(crate) pixel: PixelFormat,
    /// Width in pixels.
    pub(crate) width: u32,
    /// Height in pixels.
    pub(crate) height: u32,
    /// Nominal frames per second.
    pub(crate) fps: f64,
    /// Meaning of the samples.
    pub(crate) color: Color,
    /// Bytes from one row of the first plane to the next; 0 where each picture says its own, as
    /// compressed ones do.
    pub(crate) stride: u32,
}

impl RawFormat {
    pub(crate) fn geometry(&self) -> StreamGeometry {
        StreamGeometry {
            width: self.width,
            height: self.height,
            fps: self.fps,
        }
    }
}

/// How Y, Cb and Cr stand for colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Color {
    /// The matrix between RGB and Y, Cb, Cr.
    pub(crate) matrix: Matrix,
    /// Samples use 0 to 255 rather than 16 to 235 (240 for chroma).
    pub(crate) full_range: bool,
}

impl Color {
    /// What is meant where a source does not say: standard definition is BT.601, more is BT.709.
    pub(crate) fn assumed(height: u32) -> Self {
        Self {
            matrix: if height < 720 {
                Matrix::Bt601
            } else {
                Matrix::Bt709
            },
            full_range: false,
        }
    }
}

/// A matrix between RGB and Y, Cb, Cr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Matrix {
    /// ITU-R BT.601, standard definition.
    Bt601,
    /// ITU-R BT.709, high definition.
    Bt709,
}

/// Why a backend ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct BackendError {
    /// What happened, naming the device, file or key.
    pub(crate) text: String,
    /// Trying again cannot help: the configuration or the file must change.
    pub(crate) permanent: bool,
    /// The device is not there. Looking for it costs next to nothing, so it is looked for often.
    pub(crate) absent: bool,
}

impl BackendError {
    /// A failure that may pass: a device that is gone, a read error.
    pub(crate) fn passing(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            permanent: false,
            absent: false,
        }
    }

    /// A device that is not there, or not any more, and may be plugged in at any time.
    #[allow(dead_code, reason = "only cameras are plugged in")]
    pub(crate) fn absent(text: impl Into<String>) -> Self {
        Self {
            absent: true,
            ..Self::passing(text)
        }
    }

    /// A failure that stays until somebody changes the configuration or the file.
    pub(crate) fn permanent(text: impl Into<String>) -> Self {
        Self {
            permanent: true,
            ..Self::passing(text)
        }
    }
}

/// Opens the backend that `params` names.
///
/// # Errors
/// The device or file is missing, refuses, or is not what the parameters say.
pub(crate) fn open(params: &CaptureParams) -> Result<Box<dyn CaptureBackend>, BackendError> {
    match params.backend.as_str() {
        testsrc::NAME => Ok(Box::new(testsrc::TestSource::new(params))),
        file::NAME => file::open(params),
        #[cfg(all(feature = "capture-v4l2", target_os = "linux"))]
        v4l2::NAME => v4l2::open(params),
        #[cfg(all(target_os = "linux", feature = "capture-libcamera"))]
        libcamera::NAME => libcamera::open(params),
        other => Err(BackendError::permanent(format!(
            "capture.backend = {other}: not built into this program"
        ))),
    }
}

//! The V4L2 encoder on the kernel's virtual devices: vivid's pictures, coded by vicodec.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::capture::{DmaBuf, DmaBufPlane, Picture, Plane, RawFormat, RawFrame};
use crate::encode::v4l2_m2m::{Coding, V4l2Encoder};
use crate::encode::{Encoded, EncoderBackend};
use crate::v4l2::{
    BufferType, Dequeued, Device, Direction, Fourcc, Interval, PixFormat, PlaneFormat, Queue,
};
use crate::{CaptureTime, EncoderParams, Error, PipelineStats, PixelFormat, VideoCodec};

/// Buffers of the camera.
const BUFFERS: u32 = 4;

/// Width, height and frames a second of `640x480@30`.
///
/// # Errors
/// It is something else.
pub fn size_and_rate(text: &str) -> Result<(u32, u32, u32), Error> {
    let numbers = || {
        let (size, fps) = text.split_once('@')?;
        let (width, height) = size.split_once('x')?;
        Some((width.parse().ok()?, height.parse().ok()?, fps.parse().ok()?))
    };
    numbers().ok_or_else(|| Error::Backend(format!("{text} is not WIDTHxHEIGHT@FPS")))
}

/// A camera whose pictures have one plane or two in one buffer: `yuyv` or `nv12`.
pub struct Camera {
    queue: Queue,
    format: RawFormat,
    size: u32,
    export: bool,
}

/// A picture of a [`Camera`].
pub struct Shot {
    frame: RawFrame,
    /// The driver's time stamp in nanoseconds of `CLOCK_MONOTONIC`.
    pub captured_ns: u64,
    /// The driver's number of the frame.
    pub sequence: u32,
}

/// What the encoder made of a picture.
pub struct Coded {
    /// The packet; empty if the rate control left the picture out.
    pub data: bytes::Bytes,
    /// Decoding can start here.
    pub key: bool,
    /// When the encoder gave it, in nanoseconds of `CLOCK_MONOTONIC`.
    pub done_ns: u64,
}

/// An encoder of the codec FWHT.
pub struct Fwht {
    encoder: V4l2Encoder,
    stats: Arc<PipelineStats>,
}

struct Taken {
    from: Dequeued,
    format: RawFormat,
    size: u32,
    export: bool,
}

impl Camera {
    /// Opens a camera. With `export` its pictures are DMA-BUFs, too.
    ///
    /// # Errors
    /// The device is missing, or does otherwise than asked.
    pub fn open(
        path: &Path,
        pixel: PixelFormat,
        (width, height, fps): (u32, u32, u32),
        export: bool,
    ) -> Result<Self, Error> {
        let device = Arc::new(Device::open(path).map_err(backend)?);
        let kind = BufferType {
            direction: Direction::Capture,
            multiplanar: device.capabilities().captures() == Some(true),
        };
        let [fourcc, ..] = Fourcc::of_pixels(pixel) else {
            return Err(Error::Backend(format!("{pixel} has no code")));
        };
        let ask = PixFormat::new(*fourcc, width, height);
        let made = device.set_format(kind, &ask).map_err(backend)?;
        let [PlaneFormat { size, stride }] = made.planes[..] else {
            return Err(Error::Backend("planes in several buffers".into()));
        };
        if (made.fourcc, made.width, made.height) != (*fourcc, width, height) {
            return Err(Error::Backend(format!("the camera gives {made:?}")));
        }
        let rate = Interval::of_fps(fps.into());
        device.set_interval(kind, rate).map_err(backend)?;
        let queue = Queue::mapped(&device, kind, 1, BUFFERS).map_err(backend)?;
        if export {
            queue.export().map_err(backend)?;
        }
        queue.start().map_err(backend)?;
        Ok(Self {
            queue,
            format: RawFormat {
                pixel,
                width,
                height,
                fps: fps.into(),
                color: made.color(),
                stride,
            },
            size,
            export,
        })
    }

    /// The next picture.
    ///
    /// # Errors
    /// The camera is gone, or gives none for two seconds.
    pub fn shoot(&self) -> Result<Shot, Error> {
        let limit = Duration::from_secs(2);
        let from = self.queue.wait(limit).map_err(backend)?;
        let from = from.ok_or_else(|| Error::Backend("the camera gives no picture".into()))?;
        let (captured, sequence) = (from.time, from.sequence);
        let picture = Arc::new(Taken {
            from,
            format: self.format,
            size: self.size,
            export: self.export,
        });
        Ok(Shot {
            frame: RawFrame { captured, picture },
            captured_ns: captured.as_nanos(),
            sequence,
        })
    }
}

impl Shot {
    /// Its bytes as the camera gave them.
    pub fn bytes(&self) -> Vec<u8> {
        let planes = (0..2).filter_map(|n| self.frame.picture.plane(n));
        planes.flat_map(|plane| plane.data.to_vec()).collect()
    }
}

impl Taken {
    /// Where a plane begins.
    fn offset(&self, index: usize) -> Option<u32> {
        match (self.format.pixel, index) {
            (_, 0) => Some(0),
            (PixelFormat::Nv12, 1) => Some(self.format.stride * self.format.height),
            _ => None,
        }
    }
}

impl Picture for Taken {
    fn plane(&self, index: usize) -> Option<Plane<'_>> {
        let start = self.offset(index)? as usize;
        let end = self.offset(index + 1).unwrap_or(self.size) as usize;
        Some(Plane {
            data: self.from.bytes(0)?.get(start..end)?,
            stride: self.format.stride as usize,
        })
    }

    fn dmabuf(&self) -> Option<DmaBuf<'_>> {
        if !self.export {
            return None;
        }
        let fd = self.from.buffer.dmabuf(0)?;
        let plane = |offset| DmaBufPlane {
            fd,
            length: self.size,
            offset,
            stride: self.format.stride,
        };
        let offsets = (0..2).filter_map(|n| self.offset(n));
        Some(DmaBuf {
            planes: offsets.map(plane).collect(),
        })
    }
}

impl Fwht {
    /// Opens the encoder `device` for pictures of `camera`, with a key frame every `gop`.
    ///
    /// # Errors
    /// It is not there, or cannot do that.
    pub fn open(device: &str, gop: u32, camera: &Camera) -> Result<Self, Error> {
        let params = EncoderParams {
            backend: "v4l2-m2m".into(),
            device: Some(device.into()),
            codec: VideoCodec::H264,
            bitrate: 30_000_000,
            min_bitrate: None,
            max_bitrate: None,
            profile: "42e01f".into(),
            level: None,
            gop,
        };
        let stats = Arc::default();
        let opened = V4l2Encoder::open(&params, Coding::Fwht, &camera.format, &stats);
        Ok(Self {
            encoder: opened.map_err(|e| Error::Backend(e.text))?,
            stats,
        })
    }

    /// Codes a picture.
    ///
    /// # Errors
    /// The device failed, is gone, or does not answer.
    pub fn encode(&mut self, shot: Shot, key: bool) -> Result<Coded, Error> {
        let made = self.encoder.encode(&shot.frame, key);
        let done_ns = CaptureTime::now().as_nanos();
        let (data, key) = match made.map_err(|e| Error::Backend(e.text))? {
            Encoded::Unit { data, key } => (data, key),
            Encoded::Skipped => (bytes::Bytes::new(), false),
            Encoded::Damaged(why) => return Err(Error::Backend(why)),
        };
        Ok(Coded { data, key, done_ns })
    }

    /// Changes the quality that stands for a bit rate.
    ///
    /// # Errors
    /// The device refuses it.
    pub fn set_bitrate(&mut self, bps: u32) -> Result<(), Error> {
        let set = self.encoder.set_bitrate(bps);
        set.map_err(|e| Error::Backend(e.text))
    }

    /// Full-frame copies so far.
    pub fn copies(&self) -> u64 {
        self.stats.frame_copies.load(Ordering::Relaxed)
    }
}

fn backend(e: impl std::fmt::Display) -> Error {
    Error::Backend(e.to_string())
}

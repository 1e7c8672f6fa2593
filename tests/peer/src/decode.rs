//! Decoding, and the strips of what was decoded; and a small camera to publish from.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use openh264::OpenH264API;
use openh264::decoder::{DecodeOptions, Decoder, DecoderConfig, Flush};
use openh264::encoder::{
    BitRate, Encoder, EncoderConfig, FrameRate, IntraFramePeriod, RateControlMode, UsageType,
};
use openh264::formats::{YUVBuffer, YUVSource};

use crate::publisher::{Publisher, PublisherShared};
use crate::receiver::AccessUnit;
use crate::strip::{self, Strip};
use crate::wall_ns;

/// One decoded picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Its strip, if it has a readable one.
    pub strip: Option<Strip>,
    /// Hash of the luma plane: equal pictures, equal hashes.
    pub luma_hash: u64,
}

/// An H.264 decoder that conceals nothing.
pub struct StripDecoder {
    decoder: Decoder,
}

impl StripDecoder {
    /// A fresh decoder.
    ///
    /// # Errors
    /// When openh264 refuses.
    pub fn new() -> Result<Self> {
        let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
        let decoder = Decoder::with_api_config(OpenH264API::from_source(), config)?;
        Ok(Self { decoder })
    }

    /// Decodes one access unit.
    ///
    /// # Errors
    /// When it does not decode, or yields no picture.
    pub fn decode(&mut self, unit: &AccessUnit) -> Result<Picture> {
        self.decode_bytes(&unit.data, unit.last_ns / 1_000_000)
    }

    /// Decodes Annex B bytes; `now_ms` is about when they were captured.
    ///
    /// # Errors
    /// See [`Self::decode`].
    pub fn decode_bytes(&mut self, data: &[u8], now_ms: u64) -> Result<Picture> {
        let options = DecodeOptions::new().flush_after_decode(Flush::NoFlush);
        let yuv = self
            .decoder
            .decode_with_options(data, options)?
            .ok_or_else(|| anyhow!("no picture out of {} bytes", data.len()))?;
        let ((width, height), (stride, _, _)) = (yuv.dimensions(), yuv.strides());
        let luma = yuv.y();
        let luma_hash = luma
            .chunks(stride)
            .flat_map(|row| row.iter().take(width))
            .fold(0xcbf2_9ce4_8422_2325, |h: u64, &v| {
                (h ^ u64::from(v)).wrapping_mul(0x100_0000_01b3)
            });
        Ok(Picture {
            width,
            height,
            strip: strip::read(luma, width, stride, now_ms),
            luma_hash,
        })
    }
}

/// Size and rate of a [`Camera`].
#[derive(Debug, Clone, Copy)]
pub struct CameraOptions {
    /// Width in pixels, even, at least 256.
    pub width: usize,
    /// Height in pixels, even.
    pub height: usize,
    /// Frames per second.
    pub fps: u32,
    /// Frames from one key frame to the next; requests come on top.
    pub gop: u32,
    /// Target in bit/s.
    pub bitrate: u32,
}

impl Default for CameraOptions {
    fn default() -> Self {
        Self {
            width: 320,
            height: 240,
            fps: 30,
            gop: 60,
            bitrate: 300_000,
        }
    }
}

/// A camera with a strip in its picture, publishing until dropped.
pub struct Camera {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
    /// What the server asked of the publisher.
    pub shared: Arc<PublisherShared>,
}

impl Camera {
    /// Starts publishing.
    ///
    /// # Errors
    /// When the encoder refuses the options.
    pub fn start(publisher: Publisher, options: CameraOptions) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&publisher.shared);
        let encoder = encoder(&options)?;
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("camera".into())
            .spawn(move || film(encoder, &publisher, &options, &stopped))?;
        Ok(Self {
            stop,
            thread: Some(thread),
            shared,
        })
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(Ok(Err(e))) = self.thread.take().map(JoinHandle::join) {
            eprintln!("camera: {e:#}");
        }
    }
}

fn encoder(o: &CameraOptions) -> Result<Encoder> {
    let config = EncoderConfig::new()
        .bitrate(BitRate::from_bps(o.bitrate))
        .max_frame_rate(FrameRate::from_hz(o.fps as f32))
        .usage_type(UsageType::CameraVideoRealTime)
        .rate_control_mode(RateControlMode::Off)
        .intra_frame_period(IntraFramePeriod::from_num_frames(o.gop));
    Ok(Encoder::with_api_config(
        OpenH264API::from_source(),
        config,
    )?)
}

fn film(
    mut encoder: Encoder,
    publisher: &Publisher,
    o: &CameraOptions,
    stop: &AtomicBool,
) -> Result<()> {
    let start = Instant::now();
    let interval = Duration::from_secs(1) / o.fps;
    let mut planes = vec![128u8; o.width * o.height * 3 / 2];
    for frame in 0u32.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let captured_ns = wall_ns();
        paint(&mut planes, o, frame, captured_ns);
        if publisher.shared.take_key_wanted() {
            encoder.force_intra_frame();
        }
        let picture = YUVBuffer::from_vec(planes.clone(), o.width, o.height);
        let coded = encoder.encode(&picture)?.to_vec();
        if !coded.is_empty() {
            let stamp = (u64::from(frame) * 90_000 / u64::from(o.fps)) as u32;
            publisher.send(coded, stamp, captured_ns);
        }
        std::thread::sleep(
            (start + interval * (frame + 1)).saturating_duration_since(Instant::now()),
        );
    }
    Ok(())
}

/// A moving gradient with the strip on top.
fn paint(planes: &mut [u8], o: &CameraOptions, frame: u32, captured_ns: u64) {
    let shift = frame as usize;
    for (y, row) in planes.chunks_mut(o.width).take(o.height).enumerate() {
        for (x, v) in row.iter_mut().enumerate() {
            *v = 16 + ((x + shift * 3 + y) % 200) as u8;
        }
    }
    let strip = Strip {
        frame,
        wall_ms: captured_ns / 1_000_000,
    };
    strip::draw(planes, o.width, o.width, strip);
}

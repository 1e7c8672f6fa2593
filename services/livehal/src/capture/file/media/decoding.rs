//! One media file, decoded picture by picture, over and over.

use std::num::NonZeroU16;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use livehal_ffmpeg::{
    Decoder, DecoderOptions, Demuxer, Error, Frame, Library, Received, VideoStream,
};

use super::super::{Shot, refused};
use super::convert::{Converter, FORMATS, Layout, Turn};
use super::timeline::Timeline;
use crate::PixelFormat;
use crate::capture::{BackendError, Color, Matrix, Picture, RawFormat};

/// A picture shown for longer is given out again: what waits for pictures is not to take a still
/// scene for a dead source.
const REPEAT: Duration = Duration::from_millis(500);

/// Pictures in use at a time: those decoded ahead, and one each being sent, waiting, being coded,
/// becoming a snapshot, kept to be repeated, and to spare.
const BUFFERS: usize = super::AHEAD + 6;

/// Frames per second where a file gives no hint of it.
const FALLBACK_FPS: f64 = 30.0;

/// An open file and where it is.
pub(super) struct Decoding {
    path: Box<Path>,
    file: Demuxer,
    video: VideoStream,
    decoder: Decoder,
    look: Look,
    format: RawFormat,
    converter: Converter,
    timeline: Timeline,
    /// Decoded and not given out.
    ahead: Option<Shot>,
    /// Given out last in this pass.
    last: Option<Repeatable>,
    /// A picture came in this pass.
    alive: bool,
}

/// What must not change within a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    width: u32,
    height: u32,
    format: &'static str,
}

/// What is needed to give a picture out again.
struct Repeatable {
    at: Duration,
    until: Duration,
    picture: Arc<dyn Picture>,
}

/// What the decoder gave.
enum Decoded {
    Frame(Frame),
    Damaged,
    End,
}

impl Decoding {
    pub(super) fn open(path: &Path) -> Result<Self, BackendError> {
        let library = Library::load().map_err(|e| missing(path, &e))?;
        let failed = |e: Error| refused(path, &reason(&e));
        let mut file = library.open(path).map_err(failed)?;
        let video = file.best_video().map_err(failed)?;
        let options = DecoderOptions {
            slice_threads: threads(),
            ..Default::default()
        };
        let mut decoder = file.decoder(&video, options).map_err(failed)?;
        let first = loop {
            match decode(&mut file, &video, &mut decoder).map_err(failed)? {
                Decoded::Frame(frame) => break frame,
                Decoded::Damaged => {}
                Decoded::End => return Err(refused(path, "no picture of it can be decoded")),
            }
        };
        let look = Look::of(&first);
        let layout = Layout::of(look.format).ok_or_else(|| {
            let format = look.format;
            refused(
                path,
                &format!("pixel format {format} is not supported; allowed are {FORMATS}"),
            )
        })?;
        if first.is_interlaced() {
            return Err(refused(
                path,
                "interlaced footage is not supported; deinterlace it first",
            ));
        }
        let turn = turn(path, &video);
        // An odd column or row at the edge cannot be coded as 4:2:0.
        let size = (look.width & !1, look.height & !1);
        if size.0 == 0 || size.1 == 0 {
            return Err(refused(path, "is a single pixel wide or high"));
        }
        if size != (look.width, look.height) {
            tracing::info!(
                file = %path.display(),
                width = look.width,
                height = look.height,
                "an odd column or row at the edge is not shown"
            );
        }
        let fps = video.frame_rate.map_or(FALLBACK_FPS, |rate| rate.to_f64());
        let (width, height) = turn.size(size);
        let mut decoding = Self {
            path: path.into(),
            format: RawFormat {
                pixel: PixelFormat::Yuv420,
                width,
                height,
                fps,
                color: color(path, &first),
                stride: width,
            },
            converter: Converter::new(layout, size, turn, BUFFERS),
            timeline: Timeline::new(Duration::from_secs_f64(1.0 / fps)),
            ahead: None,
            last: None,
            alive: false,
            file,
            video,
            decoder,
            look,
        };
        decoding.ahead = Some(decoding.shot(first)?);
        Ok(decoding)
    }

    pub(super) fn format(&self) -> RawFormat {
        self.format
    }

    /// The next picture, or one again; `None` at the end, after which the next is the first.
    pub(super) fn next(&mut self) -> Result<Option<Shot>, BackendError> {
        if self.ahead.is_none() {
            self.ahead = self.decode()?;
        }
        let horizon = self
            .ahead
            .as_ref()
            .map_or(self.timeline.end(), |shot| shot.at);
        if let Some(last) = &mut self.last
            && horizon.saturating_sub(last.at) > REPEAT
        {
            last.at += REPEAT;
            return Ok(Some(Shot {
                at: last.at,
                until: last.until.max(last.at),
                picture: Some(Arc::clone(&last.picture)),
            }));
        }
        let Some(shot) = self.ahead.take() else {
            self.rewind()?;
            return Ok(None);
        };
        if let Some(picture) = &shot.picture {
            self.last = Some(Repeatable {
                at: shot.at,
                until: shot.until,
                picture: Arc::clone(picture),
            });
        }
        Ok(Some(shot))
    }

    fn decode(&mut self) -> Result<Option<Shot>, BackendError> {
        let decoded = decode(&mut self.file, &self.video, &mut self.decoder);
        match decoded.map_err(|e| self.broken(&e))? {
            Decoded::Frame(frame) => self.shot(frame).map(Some),
            Decoded::Damaged => {
                // Which picture it would have been is not known: the next in line.
                let (at, until) = self.timeline.place(None, None);
                let picture = None;
                Ok(Some(Shot { at, until, picture }))
            }
            Decoded::End => Ok(None),
        }
    }

    fn shot(&mut self, frame: Frame) -> Result<Shot, BackendError> {
        let look = Look::of(&frame);
        if look != self.look {
            return Err(refused(
                &self.path,
                &format!("changes from {} to {look} on the way", self.look),
            ));
        }
        let base = self.video.time_base;
        let (at, until) = self.timeline.place(
            frame.pts().map(|pts| base.nanos(pts)),
            frame.duration().map(|ticks| base.nanos(ticks)),
        );
        let picture = if frame.is_damaged() {
            None
        } else {
            self.alive = true;
            let picture = self.converter.convert(frame).map_err(|why| {
                BackendError::passing(format!("capture.path = {}: {why}", self.path.display()))
            })?;
            Some(picture)
        };
        Ok(Shot { at, until, picture })
    }

    fn rewind(&mut self) -> Result<(), BackendError> {
        if !std::mem::take(&mut self.alive) {
            return Err(refused(&self.path, "no picture of it can be decoded"));
        }
        let sought = self.file.rewind(&self.video);
        sought.map_err(|e| self.broken(&e))?;
        self.decoder.flush();
        self.timeline.restart();
        self.last = None;
        Ok(())
    }

    fn broken(&self, error: &Error) -> BackendError {
        BackendError::passing(format!(
            "capture.path = {}: {}",
            self.path.display(),
            reason(error)
        ))
    }
}

/// Gives the decoder packets until something comes out.
fn decode(
    file: &mut Demuxer,
    video: &VideoStream,
    decoder: &mut Decoder,
) -> Result<Decoded, Error> {
    loop {
        match decoder.receive() {
            Ok(Received::Frame(frame)) => return Ok(Decoded::Frame(frame)),
            Ok(Received::End) => return Ok(Decoded::End),
            Ok(Received::NeedsPacket) => {}
            Err(_) => return Ok(Decoded::Damaged),
        }
        let packet = file.read()?;
        if packet.as_ref().is_some_and(|packet| !packet.is_of(video)) {
            continue;
        }
        if decoder.send(packet.as_ref()).is_err() {
            return Ok(Decoded::Damaged);
        }
    }
}

impl Look {
    fn of(frame: &Frame) -> Self {
        Self {
            width: frame.width(),
            height: frame.height(),
            format: frame.pixel_format(),
        }
    }
}

impl std::fmt::Display for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{} {}", self.width, self.height, self.format)
    }
}

/// How the container wants the picture turned.
fn turn(path: &Path, video: &VideoStream) -> Turn {
    if !video.rotation.is_multiple_of(90) {
        tracing::warn!(
            file = %path.display(),
            degrees = video.rotation,
            "turned by the nearest quarter only"
        );
    }
    Turn::from_degrees(video.rotation)
}

/// What the samples of `frame` mean.
fn color(path: &Path, frame: &Frame) -> Color {
    let assumed = Color::assumed(frame.height());
    let transfer = frame.transfer_characteristics();
    if matches!(transfer, 16 | 18) {
        tracing::warn!(
            file = %path.display(),
            transfer,
            "high dynamic range is shown without tone mapping: colours will look pale"
        );
    }
    let matrix = match frame.matrix_coefficients() {
        // BT.709, and what is nearer to it than to BT.601: SMPTE 240M, BT.2020.
        1 | 7 | 9 | 10 => Matrix::Bt709,
        // FCC and the two halves of BT.601.
        4..=6 => Matrix::Bt601,
        _ => assumed.matrix,
    };
    Color {
        matrix,
        full_range: frame.is_full_range(),
    }
}

/// Threads to decode with: more than four gain little, and the encoder wants some.
fn threads() -> NonZeroU16 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    NonZeroU16::new(cores.clamp(1, 4) as u16).unwrap_or(NonZeroU16::MIN)
}

/// The file's name is said already.
fn reason(error: &Error) -> String {
    match error {
        Error::Open { reason, .. } => reason.clone(),
        Error::NoVideo { .. } => "no video stream".into(),
        other => other.to_string(),
    }
}

fn missing(path: &Path, error: &Error) -> BackendError {
    // It may be installed while the server runs.
    BackendError::passing(format!(
        "capture.path = {}: needs FFmpeg's libraries to be read: {error}",
        path.display()
    ))
}

//! The kernel's protocol for stateful encoders: pictures in, packets out, start, stop and drain.
//!
//! <https://docs.kernel.org/userspace-api/media/v4l/dev-encoder.html>

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

use super::coding::{Coding, Unit, Units};
use super::copy::Copier;
use super::find::Encoder;
use super::formats::{Agreed, failed};
use super::input::{Input, Submitted};
use crate::CaptureTime;
use crate::capture::{BackendError, Picture, RawFrame};
use crate::v4l2::sys::*;
use crate::v4l2::{Dequeued, Failure, Queue, Ready};

/// How long a device may take for one picture. Below the pipeline's own limit, so that the device
/// is reset rather than left behind.
const LIMIT: Duration = Duration::from_secs(1);
/// How long a device may take to finish.
const DRAIN: Duration = Duration::from_millis(200);
/// Buffers for packets.
const PACKETS: u32 = 4;

/// A device that encodes, one picture at a time.
pub(super) struct Engine {
    encoder: Encoder,
    agreed: Agreed,
    copier: Copier,
    units: Units,
    /// Both queues stream; `None` before the first picture and after a failure.
    running: Option<Running>,
    /// A picture could not be read where it was: all are copied from then on.
    copies: bool,
    /// The time stamp of the last picture, by which its packet is known.
    last: CaptureTime,
}

struct Running {
    // Dropped first: the device must not read pictures when nobody takes its packets.
    input: Input,
    packets: Queue,
    /// No picture has been coded since the start: the next is a key frame.
    fresh: bool,
}

/// What became of a picture.
pub(super) enum Outcome {
    /// An access unit.
    Unit {
        /// Its bytes.
        data: bytes::Bytes,
        /// Decoding can start here.
        key: bool,
    },
    /// The device's rate control left it out.
    Skipped,
    /// It cannot be read; the next one may be.
    Damaged(String),
}

/// Why the device does not read a picture where it is.
enum Refusal {
    /// It is in memory that no device reads.
    NoDmaBuf,
    /// It lies otherwise than the device reads.
    Unfit(String),
    /// The device refused it.
    Failed(Failure),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDmaBuf => f.write_str("they are in no DMA-BUFs"),
            Self::Unfit(why) => f.write_str(why),
            Self::Failed(e) => e.fmt(f),
        }
    }
}

impl Engine {
    pub(super) fn new(encoder: Encoder, coding: Coding, agreed: Agreed, copier: Copier) -> Self {
        Self {
            encoder,
            agreed,
            copier,
            units: Units::new(coding),
            running: None,
            copies: false,
            last: CaptureTime::default(),
        }
    }

    /// Whether the next picture becomes a key frame by itself, because it is the first.
    pub(super) fn fresh(&self) -> bool {
        self.running.as_ref().is_none_or(|running| running.fresh)
    }

    /// Codes one picture. After an error the device is reset, and nothing of the capture device is
    /// held.
    ///
    /// # Errors
    /// The device failed, is gone, or does not answer.
    pub(super) fn encode(&mut self, frame: &RawFrame) -> Result<Outcome, BackendError> {
        let result = self.encode_one(frame);
        if result.is_err() {
            self.reset();
        }
        result
    }

    /// Begins anew: the next picture becomes a key frame.
    ///
    /// # Errors
    /// The device cannot start again.
    pub(super) fn restart(&mut self) -> Result<(), BackendError> {
        let Some(running) = &mut self.running else {
            return Ok(());
        };
        running.restart().map_err(|e| {
            self.reset();
            failed(e)
        })
    }

    /// Takes everything back from the device, which forgets what it did.
    fn reset(&mut self) {
        self.running = None;
    }

    fn encode_one(&mut self, frame: &RawFrame) -> Result<Outcome, BackendError> {
        let time = self.stamp(frame.captured);
        if let Some(running) = &mut self.running {
            running.input.reclaim()?;
        }
        if let Submitted::Damaged(why) = self.submit(&frame.picture, time)? {
            return Ok(Outcome::Damaged(why));
        }
        let outcome = self.wait_for(time)?;
        if let Some(running) = &mut self.running {
            running.fresh = false;
            // Nearly always the device is done with the picture when its packet is there.
            running.input.reclaim()?;
        }
        Ok(outcome)
    }

    /// The time of a picture as the device can hold it: whole microseconds, never twice the same.
    fn stamp(&mut self, captured: CaptureTime) -> CaptureTime {
        let whole = CaptureTime::from_nanos(captured.as_nanos() / 1_000 * 1_000);
        self.last = whole.max(self.last.after(Duration::from_micros(1)));
        self.last
    }

    fn submit(
        &mut self,
        picture: &Arc<dyn Picture>,
        time: CaptureTime,
    ) -> Result<Submitted, BackendError> {
        if !self.copies {
            let worked = !self.fresh();
            match self.import(picture, time) {
                Ok(()) => return Ok(Submitted::Taken),
                Err(Refusal::Failed(e)) if worked || e.gone() => return Err(failed(e)),
                Err(refusal) => self.copy_from_now_on(&refusal),
            }
        }
        let running = self.running(false).map_err(failed)?;
        let (running, copier) = running;
        running.input.copy(picture.as_ref(), copier, time)
    }

    /// Has the device read a picture where it is.
    fn import(&mut self, picture: &Arc<dyn Picture>, time: CaptureTime) -> Result<(), Refusal> {
        let from = picture.dmabuf().ok_or(Refusal::NoDmaBuf)?;
        if self.agreed.converted {
            let why = format!("it takes {}", self.agreed.pixel);
            return Err(Refusal::Unfit(why));
        }
        self.agreed
            .layout
            .importable(&from)
            .map_err(Refusal::Unfit)?;
        let layout = self.agreed.layout.clone();
        let (running, _) = self.running(true).map_err(Refusal::Failed)?;
        let sent = running.input.import(picture, &from, &layout, time);
        sent.map_err(Refusal::Failed)
    }

    fn copy_from_now_on(&mut self, refusal: &Refusal) {
        self.copies = true;
        self.reset();
        let device = self.encoder.device.path().display();
        match refusal {
            Refusal::NoDmaBuf => tracing::debug!(%device, "pictures are copied: {refusal}"),
            _ => tracing::info!(%device, "pictures are copied into the encoder: {refusal}"),
        }
    }

    /// The device, streaming.
    fn running(&mut self, imports: bool) -> Result<(&mut Running, &mut Copier), Failure> {
        let running = match self.running.take() {
            Some(running) => running,
            None => Running::start(&self.encoder, &self.agreed, imports)?,
        };
        Ok((self.running.insert(running), &mut self.copier))
    }

    /// Waits for the packet of the picture with this time, and hands it out the moment it is there.
    fn wait_for(&mut self, time: CaptureTime) -> Result<Outcome, BackendError> {
        let device = &self.encoder.device;
        let broken = |what: String| {
            BackendError::passing(format!(
                "encoder.backend = v4l2-m2m: {} ({}) {what}",
                device.path().display(),
                device.card()
            ))
        };
        let Some(running) = &mut self.running else {
            return Err(broken("is not running".into()));
        };
        let deadline = CaptureTime::now().after(LIMIT);
        let mut error = false;
        loop {
            while let Some(packet) = running.packets.dequeue().map_err(failed)? {
                if let Some(outcome) = outcome(&mut self.units, &packet, time).map_err(broken)? {
                    return Ok(outcome);
                }
            }
            running.input.reclaim()?;
            if error {
                return Err(broken("has failed".into()));
            }
            let left = deadline.since(CaptureTime::now());
            if left.is_zero() {
                let limit = LIMIT.as_millis();
                return Err(broken(format!("gave no packet within {limit} ms")));
            }
            let want = Ready {
                capture: true,
                output: true,
                ..Ready::default()
            };
            // What the error is, the queues tell; if they tell nothing, that is all there is.
            error = device.poll(want, left).map_err(failed)?.error;
        }
    }

    /// Lets the device finish, as the protocol wants it at the end.
    fn drain(&mut self) -> Result<(), Failure> {
        let device = &self.encoder.device;
        let Some(running) = &self.running else {
            return Ok(());
        };
        if running.fresh || !device.encoder_command(V4L2_ENC_CMD_STOP)? {
            return Ok(());
        }
        let deadline = CaptureTime::now().after(DRAIN);
        loop {
            let left = deadline.since(CaptureTime::now());
            match running.packets.wait(left) {
                Ok(Some(packet)) if packet.flags & V4L2_BUF_FLAG_LAST != 0 => return Ok(()),
                Ok(Some(packet)) => {
                    let bytes = packet.bytes(0).map_or(0, <[u8]>::len);
                    tracing::debug!(device = %device.path().display(), bytes, "packet at the end");
                }
                // The last buffer was one before.
                Err(e) if e.errno == Errno::PIPE => return Ok(()),
                Ok(None) if left.is_zero() => return Ok(()),
                Ok(None) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Err(e) = self.drain() {
            tracing::debug!("at the end of encoding: {e}");
        }
    }
}

impl Running {
    fn start(encoder: &Encoder, agreed: &Agreed, imports: bool) -> Result<Self, Failure> {
        let (device, layout) = (&encoder.device, &agreed.layout);
        let input = if imports {
            Input::importing(device, encoder.raw, layout)?
        } else {
            Input::copying(device, encoder.raw, layout)?
        };
        let packets = Queue::mapped(device, encoder.coded, agreed.coded_planes, PACKETS)?;
        let running = Self {
            input,
            packets,
            fresh: true,
        };
        running.input.start()?;
        running.packets.start()?;
        Ok(running)
    }

    fn restart(&mut self) -> Result<(), Failure> {
        self.input.stop()?;
        self.packets.stop()?;
        self.fresh = true;
        self.input.start()?;
        self.packets.start()
    }
}

/// What a packet means while one of `time` is waited for; `None` if that is still to come.
fn outcome(
    units: &mut Units,
    packet: &Dequeued,
    time: CaptureTime,
) -> Result<Option<Outcome>, String> {
    if packet.damaged() {
        return Err("could not code a picture".into());
    }
    let data = packet.bytes(0).unwrap_or_default();
    // A driver that does not copy time stamps gives one packet after the other.
    let other = packet.copied_time() && packet.time != time;
    if data.is_empty() {
        if packet.flags & V4L2_BUF_FLAG_LAST != 0 {
            return Err("stopped by itself".into());
        }
        return Ok((!other).then_some(Outcome::Skipped));
    }
    match units.take(data)? {
        Unit::Headers => Ok(None),
        Unit::Whole { .. } if other => Err("gave a packet of another picture".into()),
        Unit::Whole { data, key } => Ok(Some(Outcome::Unit { data, key })),
    }
}

//! Encoder backend `rdk`: the video unit of the D-Robotics RDK X5.
//!
//! It is no V4L2 device: the vendor's `libmultimedia.so.1` drives it, opened at run time, so that
//! the program is built and runs without it. One picture is in the encoder at a time. A picture is
//! copied once, from the capture buffer into an input buffer of the encoder: its memory manager
//! refuses the DMA-BUFs of other devices.

mod abi;
mod codec;
mod error;
mod library;

use std::ffi::c_int;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use self::abi::{EncodeParams, GOP_IPPP, H264_CBR, NV12, TRUE};
use self::codec::{Codec, CodecError, Packet};
use self::error::CallError;
use self::library::Library;
use super::{Encoded, EncoderBackend};
use crate::annexb::{kinds, nal_units, sps_of};
use crate::capture::{BackendError, RawFormat, RawFrame};
use crate::convert::{ConvertError, Converter};
use crate::params::validate::rdk_limits;
use crate::{EncoderParams, H264Profile, PipelineStats, ProfileLevel};

/// The backend's name in the configuration.
pub(crate) const NAME: &str = "rdk";

/// What the driver makes.
const DEVICE: &str = "/dev/vpu";
/// The encoder counts as hanging after this long; it takes a few milliseconds for a picture.
const LIMIT: Duration = Duration::from_secs(1);
/// Input and output buffers: one in work, and one of each to spare.
const BUFFERS: u32 = 3;
/// The rate control's buffer. The vendor's default of 10 ms leaves no room for a key frame.
const VBV_MS: i32 = 500;
/// Frames that a key frame may come late before the encoder is given up.
const KEY_PATIENCE: u32 = 30;

/// NAL unit types (H.264 table 7-1).
const SLICE: u8 = 1;
const IDR: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;

/// An encoder of the RDK X5.
pub(crate) struct RdkEncoder {
    codec: Codec,
    converter: Converter,
    asked: ProfileLevel,
    gop: u32,
    /// Frames since the last key frame; `gop` before the first.
    since_key: u32,
    /// Frames that the key frame asked for is late.
    key_late: u32,
    /// Sequence and picture parameter sets, each after a start code: the encoder gives them once.
    sets: Bytes,
    previous_pts: Option<u64>,
    told: Told,
}

/// Why a picture did not become an access unit.
#[derive(Debug, thiserror::Error)]
enum PassError {
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error(transparent)]
    Picture(#[from] ConvertError),
}

/// What was logged once.
#[derive(Default)]
struct Told {
    dmabuf: bool,
    pts: bool,
}

/// An access unit as it comes.
#[derive(Default)]
struct Unit {
    data: BytesMut,
    /// It has its picture.
    whole: bool,
    idr: bool,
    has_sets: bool,
    pts: u64,
}

impl RdkEncoder {
    /// Opens an encoder for pictures of `format`.
    ///
    /// # Errors
    /// The library or the device is missing, or they refuse the format or parameters.
    pub(crate) fn open(
        params: &EncoderParams,
        format: &RawFormat,
        stats: &Arc<PipelineStats>,
    ) -> Result<Self, BackendError> {
        let library = library::load().map_err(|e| BackendError::permanent(named(e)))?;
        Self::open_in(library, params, format, stats)
    }

    fn open_in(
        library: Arc<Library>,
        params: &EncoderParams,
        format: &RawFormat,
        stats: &Arc<PipelineStats>,
    ) -> Result<Self, BackendError> {
        let refused = |e: crate::ParamError| BackendError::permanent(e.to_string());
        rdk_limits(params, (format.width, format.height), format.fps).map_err(refused)?;
        let asked = params.profile_level().map_err(refused)?;
        let converter = Converter::new(format).map_err(|e| BackendError::permanent(named(e)))?;
        let codec = Codec::start(library, |p| configure(p, params, format, asked))
            .map_err(|e| not_started(e, Path::new(DEVICE)))?;
        Ok(Self {
            codec,
            converter: converter.counted(stats),
            asked,
            gop: params.gop,
            since_key: params.gop,
            key_late: 0,
            sets: Bytes::new(),
            previous_pts: None,
            told: Told::default(),
        })
    }

    /// Gives the encoder a picture and waits for what becomes of it.
    fn pass(&mut self, frame: &RawFrame, pts: u64) -> Result<Unit, PassError> {
        let (picture, converter) = (&*frame.picture, &mut self.converter);
        self.codec.submit(pts, LIMIT, |target| {
            Ok::<_, PassError>(converter.convert(picture, target)?)
        })?;
        let mut unit = Unit::default();
        while !unit.whole {
            self.codec.receive(LIMIT, |packet| unit.add(&packet))?;
        }
        Ok(unit)
    }

    /// Keeps parameter sets, and puts them before an IDR that comes without.
    fn with_sets(&mut self, unit: Unit) -> Result<Bytes, BackendError> {
        if unit.has_sets {
            if self.sets.is_empty() {
                self.verify(&unit.data)?;
            }
            self.sets = parameter_sets(&unit.data);
        } else if unit.idr {
            if self.sets.is_empty() {
                return Err(failed("the first key frame has no parameter sets"));
            }
            let mut whole = BytesMut::with_capacity(self.sets.len() + unit.data.len());
            whole.put_slice(&self.sets);
            whole.put_slice(&unit.data);
            return Ok(whole.freeze());
        }
        Ok(unit.data.freeze())
    }

    /// Checks the first parameter sets: what was asked for must be able to decode the stream.
    fn verify(&self, unit: &[u8]) -> Result<(), BackendError> {
        let Some([profile, constraints, level]) = sps_of(unit) else {
            return Err(failed("the first parameter sets cannot be read"));
        };
        let made = format!("{profile:02x}{constraints:02x}{level:02x}");
        let asked = self.asked.to_hex();
        if tools(profile) > tools(profile_idc(self.asked.profile)) {
            return Err(BackendError::permanent(format!(
                "encoder.profile asks for {asked}, the RDK X5's encoder makes {made}"
            )));
        }
        if level != self.asked.level.idc() {
            tracing::warn!("encoder.backend = rdk: asked for {asked}, it makes {made}");
        }
        Ok(())
    }

    /// Says once what is less than one might expect.
    fn tell(&mut self, frame: &RawFrame, pts: u64, unit: &Unit) -> Result<(), BackendError> {
        if !self.told.dmabuf && frame.picture.dmabuf().is_some() {
            self.told.dmabuf = true;
            tracing::info!(
                "encoder.backend = rdk: DMA-BUFs of other devices are refused by the RDK X5's memory \
                 manager; each picture is copied once"
            );
        }
        if unit.pts != pts {
            if self.previous_pts == Some(unit.pts) {
                return Err(failed("a packet of an earlier picture came"));
            }
            if !self.told.pts {
                self.told.pts = true;
                tracing::warn!(
                    "encoder.backend = rdk: packets do not carry the time stamps of their pictures; \
                     they are told by their order"
                );
            }
        }
        Ok(())
    }

    /// Counts frames since the last key frame. An encoder that never makes one is of no use.
    fn count(&mut self, wanted: bool, key: bool) -> Result<(), BackendError> {
        if key {
            self.since_key = 1;
            self.key_late = 0;
            return Ok(());
        }
        self.since_key = self.since_key.saturating_add(1);
        if wanted {
            self.key_late += 1;
            if self.key_late > KEY_PATIENCE {
                return Err(failed("no key frame came although it was asked for"));
            }
        }
        Ok(())
    }
}

impl EncoderBackend for RdkEncoder {
    fn encode(&mut self, frame: &RawFrame, key: bool) -> Result<Encoded, BackendError> {
        let wanted = key || self.key_late > 0 || self.since_key >= self.gop;
        if wanted {
            self.codec.request_idr().map_err(failed)?;
        }
        let pts = frame.captured.as_nanos() / 1000;
        let unit = match self.pass(frame, pts) {
            Ok(unit) => unit,
            Err(PassError::Picture(ConvertError::Damaged(why))) => {
                return Ok(Encoded::Damaged(why));
            }
            Err(e) => return Err(failed(e)),
        };
        self.tell(frame, pts, &unit)?;
        self.previous_pts = Some(pts);
        if unit.data.is_empty() {
            return Ok(Encoded::Skipped);
        }
        let key = unit.idr;
        self.count(wanted, key)?;
        Ok(Encoded::Unit {
            data: self.with_sets(unit)?,
            key,
        })
    }

    fn set_bitrate(&mut self, bps: u32) -> Result<(), BackendError> {
        self.codec.set_rate(kbps(bps)).map_err(failed)
    }
}

impl Unit {
    /// Takes a packet: parameter sets may come in one of their own. An empty one stands for a
    /// picture that the rate control left out.
    fn add(&mut self, packet: &Packet<'_>) {
        self.pts = packet.pts;
        self.data.extend_from_slice(packet.data);
        self.whole = packet.data.is_empty();
        for kind in kinds(packet.data) {
            match kind {
                SLICE | IDR => {
                    self.whole = true;
                    self.idr = kind == IDR;
                    // The rest is more of the same picture.
                    return;
                }
                SPS => self.has_sets = true,
                _ => {}
            }
        }
    }
}

fn configure(
    p: &mut EncodeParams,
    params: &EncoderParams,
    format: &RawFormat,
    asked: ProfileLevel,
) {
    (p.width, p.height) = (format.width as c_int, format.height as c_int);
    p.pixel_format = NV12;
    p.frame_buffers = BUFFERS;
    p.external_frames = 0;
    p.stream_buffers = BUFFERS;
    // No access unit is larger than its picture.
    let picture = format.width * format.height * 3 / 2;
    p.stream_buffer_size = picture.next_multiple_of(1024).max(64 * 1024);
    p.rate.mode = H264_CBR;
    p.rate.cbr.intra_period = params.gop;
    p.rate.cbr.bit_rate = kbps(params.bitrate);
    p.rate.cbr.frame_rate = (format.fps.round() as u32).clamp(1, 240);
    p.rate.cbr.vbv_ms = VBV_MS;
    p.gop.preset = GOP_IPPP;
    p.user_pts = TRUE;
    p.h264.profile = match asked.profile {
        H264Profile::Baseline | H264Profile::ConstrainedBaseline => abi::PROFILE_BASELINE,
        H264Profile::Main => abi::PROFILE_MAIN,
        H264Profile::ConstrainedHigh | H264Profile::High => abi::PROFILE_HIGH,
    };
    p.h264.level = c_int::from(asked.level.idc());
}

/// The library counts in thousands.
fn kbps(bps: u32) -> u32 {
    (bps.saturating_add(500) / 1000).max(1)
}

fn profile_idc(profile: H264Profile) -> u8 {
    match profile {
        H264Profile::Baseline | H264Profile::ConstrainedBaseline => 66,
        H264Profile::Main => 77,
        H264Profile::ConstrainedHigh | H264Profile::High => 100,
    }
}

/// Puts profiles in order: a decoder of one decodes all before it.
fn tools(profile_idc: u8) -> u8 {
    match profile_idc {
        66 => 0,
        77 => 1,
        100 => 2,
        _ => 3,
    }
}

/// The parameter sets of an access unit, each after a start code.
fn parameter_sets(unit: &[u8]) -> Bytes {
    let mut sets = BytesMut::new();
    for nal in nal_units(unit) {
        if nal
            .first()
            .is_some_and(|header| matches!(header & 0x1F, SPS | PPS))
        {
            sets.put_slice(&[0, 0, 0, 1]);
            sets.put_slice(nal);
        }
    }
    sets.freeze()
}

/// Why an encoder did not start. Without its device node the library says "unknown error" only.
fn not_started(error: CallError, device: &Path) -> BackendError {
    if !device.exists() {
        return BackendError::passing(format!(
            "encoder.backend = rdk: there is no {}: this is no RDK X5, or the driver of its video \
             unit is not loaded ({error})",
            device.display()
        ));
    }
    let text = named(error);
    if error.is_parameter() {
        BackendError::permanent(text)
    } else {
        BackendError::passing(text)
    }
}

fn failed(error: impl Display) -> BackendError {
    BackendError::passing(named(error))
}

fn named(error: impl Display) -> String {
    format!("encoder.backend = rdk: {error}")
}

#[cfg(test)]
mod contract;
#[cfg(test)]
mod standin;
#[cfg(test)]
mod tests;

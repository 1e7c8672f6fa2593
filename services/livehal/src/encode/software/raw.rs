//! A safe face for the OpenH264 encoder's C interface.
//!
//! The crate `openh264` has one too, but it hides what this backend needs: CABAC, the rate
//! control's overshoot fix, errors at opening rather than at the first frame, and a bit rate that
//! changes while running.

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

use openh264_sys2::{
    API, DynamicAPI, ENCODER_OPTION_BITRATE, ENCODER_OPTION_FRAME_RATE, ENCODER_OPTION_TRACE_LEVEL,
    ISVCEncoder, ISVCEncoderVtbl, SBitrateInfo, SEncParamExt, SFrameBSInfo, SPATIAL_LAYER_ALL,
    SSourcePicture, WELS_LOG_QUIET, videoFormatI420, videoFrameTypeIDR, videoFrameTypeInvalid,
    videoFrameTypeSkip,
};

use crate::capture::Plane;

/// An error code of OpenH264, and the call that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("OpenH264 {call} failed with code {code}")]
pub(super) struct RawError {
    call: &'static str,
    code: c_int,
}

/// A created encoder, not yet initialised.
pub(super) struct Created {
    api: DynamicAPI,
    ptr: *mut ISVCEncoder,
}

/// An initialised encoder.
pub(super) struct RawEncoder {
    created: Created,
    info: Box<SFrameBSInfo>,
    width: u32,
    height: u32,
}

/// What the encoder made of a picture.
pub(super) struct Unit {
    /// The access unit.
    pub(super) data: Vec<u8>,
    /// It is an IDR.
    pub(super) idr: bool,
}

impl Created {
    /// Makes an encoder.
    pub(super) fn new() -> Result<Self, RawError> {
        let api = DynamicAPI::from_source();
        let mut ptr: *mut ISVCEncoder = null_mut();
        // SAFETY: `ptr` is valid for a write of one pointer; the call keeps no reference to it.
        let code = unsafe { api.WelsCreateSVCEncoder(&raw mut ptr) };
        check("WelsCreateSVCEncoder", code)?;
        if ptr.is_null() {
            return Err(RawError {
                call: "WelsCreateSVCEncoder",
                code: -1,
            });
        }
        Ok(Self { api, ptr })
    }

    /// OpenH264's own defaults, to change before [`initialize`](Self::initialize).
    pub(super) fn default_params(&self) -> Result<SEncParamExt, RawError> {
        let mut params = SEncParamExt::default();
        let call = require("GetDefaultParams", self.vtable().GetDefaultParams)?;
        // SAFETY: `ptr` is a live encoder and `params` is valid for writes during the call.
        let code = unsafe { call(self.ptr, &raw mut params) };
        check("GetDefaultParams", code)?;
        Ok(params)
    }

    /// Readies the encoder for pictures of the size in `params`.
    pub(super) fn initialize(self, params: &SEncParamExt) -> Result<RawEncoder, RawError> {
        let (Ok(width), Ok(height)) = (
            u32::try_from(params.iPicWidth),
            u32::try_from(params.iPicHeight),
        ) else {
            return Err(RawError {
                call: "InitializeExt",
                code: -1,
            });
        };
        self.quiet()?;
        let call = require("InitializeExt", self.vtable().InitializeExt)?;
        // SAFETY: `ptr` is a live encoder; `params` outlives the call, which copies it.
        let code = unsafe { call(self.ptr, params) };
        check("InitializeExt", code)?;
        Ok(RawEncoder {
            created: self,
            info: Box::default(),
            width,
            height,
        })
    }

    /// Keeps the library from writing to standard error.
    fn quiet(&self) -> Result<(), RawError> {
        let mut level: c_int = WELS_LOG_QUIET;
        // SAFETY: this option takes a pointer to an int.
        unsafe { self.set_option(ENCODER_OPTION_TRACE_LEVEL, (&raw mut level).cast()) }
    }

    /// # Safety
    /// `value` must point to what the option takes.
    unsafe fn set_option(&self, option: c_int, value: *mut c_void) -> Result<(), RawError> {
        let call = require("SetOption", self.vtable().SetOption)?;
        // SAFETY: `ptr` is a live encoder; the caller vouches for `value`.
        let code = unsafe { call(self.ptr, option, value) };
        check("SetOption", code)
    }

    fn vtable(&self) -> &ISVCEncoderVtbl {
        // SAFETY: `ptr` is not null and points to a live encoder, whose first word is its table.
        unsafe { &**self.ptr }
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        // SAFETY: `ptr` came from WelsCreateSVCEncoder and is not used again. Destroying an
        // initialised encoder uninitialises it first.
        unsafe { self.api.WelsDestroySVCEncoder(self.ptr) };
    }
}

impl RawEncoder {
    /// Codes a picture; `None` if the encoder's rate control left it out.
    ///
    /// `millis` is the picture's time stamp, used by the rate control only. Planes too small for
    /// the encoder's size are refused.
    pub(super) fn encode(
        &mut self,
        planes: [Plane<'_>; 3],
        millis: i64,
    ) -> Result<Option<Unit>, RawError> {
        let source = self.source(planes, millis)?;
        let call = require("EncodeFrame", self.created.vtable().EncodeFrame)?;
        // SAFETY: the encoder is initialised. It only reads the planes, and reads no further than
        // the rows and columns `source` checked. `info` is valid for writes.
        let code = unsafe { call(self.created.ptr, &raw const source, &raw mut *self.info) };
        check("EncodeFrame", code)?;
        let kind = self.info.eFrameType;
        if kind == videoFrameTypeSkip {
            return Ok(None);
        }
        if kind == videoFrameTypeInvalid {
            return Err(RawError {
                call: "EncodeFrame",
                code: kind,
            });
        }
        Ok(Some(Unit {
            data: self.units(),
            idr: kind == videoFrameTypeIDR,
        }))
    }

    /// Makes the next picture an IDR.
    pub(super) fn force_idr(&mut self) -> Result<(), RawError> {
        let call = require("ForceIntraFrame", self.created.vtable().ForceIntraFrame)?;
        // SAFETY: the encoder is initialised.
        let code = unsafe { call(self.created.ptr, true) };
        check("ForceIntraFrame", code)
    }

    /// Changes the target bit rate.
    pub(super) fn set_bitrate(&mut self, bps: c_int) -> Result<(), RawError> {
        let mut info = SBitrateInfo {
            iLayer: SPATIAL_LAYER_ALL,
            iBitrate: bps,
        };
        // SAFETY: this option takes a pointer to an SBitrateInfo.
        unsafe {
            self.created
                .set_option(ENCODER_OPTION_BITRATE, (&raw mut info).cast())
        }
    }

    /// Tells the rate control how many frames a second really come.
    pub(super) fn set_frame_rate(&mut self, fps: f32) -> Result<(), RawError> {
        let mut fps = fps;
        // SAFETY: this option takes a pointer to a float.
        unsafe {
            self.created
                .set_option(ENCODER_OPTION_FRAME_RATE, (&raw mut fps).cast())
        }
    }

    fn source(&self, planes: [Plane<'_>; 3], millis: i64) -> Result<SSourcePicture, RawError> {
        const REFUSED: RawError = RawError {
            call: "EncodeFrame",
            code: -1,
        };
        let mut source = SSourcePicture {
            iColorFormat: videoFormatI420,
            iPicWidth: self.width as c_int,
            iPicHeight: self.height as c_int,
            uiTimeStamp: millis,
            ..SSourcePicture::default()
        };
        for (index, plane) in planes.iter().enumerate() {
            let shift = u32::from(index > 0);
            let columns = self.width.div_ceil(1 + shift) as usize;
            let rows = self.height.div_ceil(1 + shift) as usize;
            let needed = (rows - 1) * plane.stride + columns;
            if plane.stride < columns || plane.data.len() < needed {
                return Err(REFUSED);
            }
            source.iStride[index] = c_int::try_from(plane.stride).map_err(|_| REFUSED)?;
            source.pData[index] = plane.data.as_ptr().cast_mut();
        }
        Ok(source)
    }

    /// Copies the access unit out, into a buffer of just its size.
    fn units(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(self.layers().map(<[u8]>::len).sum());
        for layer in self.layers() {
            data.extend_from_slice(layer);
        }
        data
    }

    /// The bytes of each layer of the access unit: parameter sets first, if any.
    fn layers(&self) -> impl Iterator<Item = &[u8]> {
        let count = usize::try_from(self.info.iLayerNum).unwrap_or(0);
        self.info.sLayerInfo.iter().take(count).map(|layer| {
            let nals = usize::try_from(layer.iNalCount).unwrap_or(0);
            if nals == 0 || layer.pNalLengthInByte.is_null() || layer.pBsBuf.is_null() {
                return &[][..];
            }
            // SAFETY: the encoder filled in `nals` lengths, and their sum is the length of the
            // layer's bytes. Both live until the next call, which needs `&mut self`.
            unsafe {
                let lengths = std::slice::from_raw_parts(layer.pNalLengthInByte, nals);
                let total = lengths
                    .iter()
                    .map(|&l| usize::try_from(l).unwrap_or(0))
                    .sum();
                std::slice::from_raw_parts(layer.pBsBuf, total)
            }
        })
    }
}

// SAFETY: the encoder is owned by this value alone and has no tie to the thread that made it.
unsafe impl Send for Created {}

fn check(call: &'static str, code: c_int) -> Result<(), RawError> {
    if code == 0 {
        Ok(())
    } else {
        Err(RawError { call, code })
    }
}

fn require<T>(call: &'static str, function: Option<T>) -> Result<T, RawError> {
    function.ok_or(RawError { call, code: -1 })
}

//! A safe face for the part of the TurboJPEG interface that decodes to planes.
//!
//! The crate `turbojpeg` has one too, but it decodes to planes only in one buffer of its own layout,
//! from which luma would have to be copied.

use std::ffi::{CStr, c_int};
use std::ptr::{NonNull, null_mut};

use turbojpeg_sys as tj;

use crate::convert::PlaneMut;

/// What the library said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    /// There is no picture.
    #[error("{0}")]
    Fatal(String),
    /// There is one, of which something may be wrong.
    #[error("{0}")]
    Warning(String),
}

/// How chroma is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subsampling {
    Gray,
    Yuv420,
    Yuv422,
    Yuv440,
    Yuv444,
}

/// A JPEG whose header was read.
pub(super) struct Frame<'a> {
    data: &'a [u8],
    code: c_int,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) subsampling: Subsampling,
}

/// A decoder instance.
pub(super) struct RawDecoder(NonNull<std::ffi::c_void>);

/// Progressive frames of more scans than any encoder makes are only there to cost time.
const SCAN_LIMIT: c_int = 100;

impl RawDecoder {
    pub(super) fn new() -> Result<Self, Problem> {
        // SAFETY: the call has no precondition.
        let handle = unsafe { tj::tj3Init(tj::TJINIT_TJINIT_DECOMPRESS as c_int) };
        let decoder = NonNull::new(handle)
            .map(Self)
            .ok_or_else(|| Problem::Fatal("libjpeg-turbo could not be started".into()))?;
        // SAFETY: the handle is live; the call takes plain numbers.
        let code = unsafe {
            tj::tj3Set(
                decoder.0.as_ptr(),
                tj::TJPARAM_TJPARAM_SCANLIMIT as c_int,
                SCAN_LIMIT,
            )
        };
        decoder.check(code)?;
        Ok(decoder)
    }

    /// Reads the header of a JPEG.
    pub(super) fn header<'a>(&mut self, data: &'a [u8]) -> Result<Frame<'a>, Problem> {
        let length = data.len() as tj::size_t;
        // SAFETY: the handle is live, and `data` is readable for its length during the call.
        let code = unsafe { tj::tj3DecompressHeader(self.0.as_ptr(), data.as_ptr(), length) };
        self.check(code)?;
        let colorspace = self.get(tj::TJPARAM_TJPARAM_COLORSPACE);
        let code = self.get(tj::TJPARAM_TJPARAM_SUBSAMP);
        let subsampling = match code {
            tj::TJSAMP_TJSAMP_GRAY => Subsampling::Gray,
            tj::TJSAMP_TJSAMP_420 => Subsampling::Yuv420,
            tj::TJSAMP_TJSAMP_422 => Subsampling::Yuv422,
            tj::TJSAMP_TJSAMP_440 => Subsampling::Yuv440,
            tj::TJSAMP_TJSAMP_444 => Subsampling::Yuv444,
            _ => {
                return Err(Problem::Fatal(
                    "chroma is none of gray, 4:2:0, 4:2:2, 4:4:0 and 4:4:4".into(),
                ));
            }
        };
        let colors = [tj::TJCS_TJCS_YCbCr, tj::TJCS_TJCS_GRAY];
        if !colors.contains(&(colorspace as _)) {
            return Err(Problem::Fatal("its colours are not Y, Cb, Cr".into()));
        }
        Ok(Frame {
            data,
            code,
            width: usize::try_from(self.get(tj::TJPARAM_TJPARAM_JPEGWIDTH)).unwrap_or(0),
            height: usize::try_from(self.get(tj::TJPARAM_TJPARAM_JPEGHEIGHT)).unwrap_or(0),
            subsampling,
        })
    }

    /// Decodes to planes as large as the JPEG's own; those of chroma are not looked at if it has
    /// none.
    pub(super) fn decode(
        &mut self,
        frame: &Frame<'_>,
        mut planes: [PlaneMut<'_>; 3],
    ) -> Result<(), Problem> {
        let used = match frame.subsampling {
            Subsampling::Gray => 1,
            _ => 3,
        };
        let mut pointers = [null_mut(); 3];
        let mut strides: [c_int; 3] = [0; 3];
        for (index, plane) in planes.iter_mut().enumerate().take(used) {
            let (width, height) = plane_size(frame, index);
            let holds = plane.stride >= width
                && plane.data.len() >= plane.stride.saturating_mul(height)
                && width > 0
                && height > 0;
            let stride = c_int::try_from(plane.stride).ok().filter(|_| holds);
            strides[index] = stride
                .ok_or_else(|| Problem::Fatal(format!("plane {index} does not fit its place")))?;
            pointers[index] = plane.data.as_mut_ptr();
        }
        let length = frame.data.len() as tj::size_t;
        // SAFETY: the handle is live; `data` is the one whose header gave the planes' sizes, which
        // were just compared with what the pointers point to. The library writes no more than these.
        let code = unsafe {
            tj::tj3DecompressToYUVPlanes8(
                self.0.as_ptr(),
                frame.data.as_ptr(),
                length,
                pointers.as_mut_ptr(),
                strides.as_mut_ptr(),
            )
        };
        self.check(code)
    }

    fn get(&self, parameter: tj::TJPARAM) -> c_int {
        // SAFETY: the handle is live.
        unsafe { tj::tj3Get(self.0.as_ptr(), parameter as c_int) }
    }

    fn check(&self, code: c_int) -> Result<(), Problem> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: the handle is live, and the text stays until the next call.
        let (text, kind) = unsafe {
            let text = CStr::from_ptr(tj::tj3GetErrorStr(self.0.as_ptr()));
            let text = text.to_string_lossy().into_owned();
            (text, tj::tj3GetErrorCode(self.0.as_ptr()))
        };
        Err(if kind == tj::TJERR_TJERR_WARNING as c_int {
            Problem::Warning(text)
        } else {
            Problem::Fatal(text)
        })
    }
}

impl Drop for RawDecoder {
    fn drop(&mut self) {
        // SAFETY: the handle came from tj3Init and is not used again.
        unsafe { tj::tj3Destroy(self.0.as_ptr()) };
    }
}

// SAFETY: an instance is owned by this value alone and has no tie to the thread that made it; its
// error text is its own.
unsafe impl Send for RawDecoder {}

/// Columns and rows that the library writes of plane `index`.
fn plane_size(frame: &Frame<'_>, index: usize) -> (usize, usize) {
    let (index, width) = (index as c_int, frame.width as c_int);
    // SAFETY: both calls only compute.
    let (width, height) = unsafe {
        (
            tj::tj3YUVPlaneWidth(index, width, frame.code),
            tj::tj3YUVPlaneHeight(index, frame.height as c_int, frame.code),
        )
    };
    let size = |n: c_int| usize::try_from(n).unwrap_or(0);
    (size(width), size(height))
}

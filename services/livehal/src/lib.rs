//! Video capture and encoding: cameras, files and a built-in source in, encoded packets out.
//!
//! A [`NativePipeline`] owns one capture backend and one encoder backend, supervises both, and
//! hands every coded access unit to its owner as an [`EncodedPacket`]. Raw frames never leave this
//! crate. It knows nothing of RTP, HTTP or D-Bus.

#[cfg(any(
    feature = "encoder-software",
    all(target_os = "linux", feature = "encoder-v4l2-m2m"),
    encoder_rdk
))]
mod annexb;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
#[cfg(feature = "native-source")]
mod capture;
mod clock;
mod codec;
mod control;
#[cfg(feature = "native-source")]
mod convert;
#[cfg(feature = "native-source")]
mod encode;
mod error;
mod format;
#[cfg(all(feature = "fuzzing", feature = "native-source"))]
#[doc(hidden)]
pub mod fuzzing {
    //! Entry points for the fuzz targets.
    pub use crate::capture::file::fuzz_y4m as y4m;
}
mod h264;
#[cfg(feature = "native-source")]
mod jpeg;
mod packet;
mod params;
#[cfg(all(feature = "bench", feature = "capture-v4l2", target_os = "linux"))]
#[doc(hidden)]
pub mod probe {
    //! A look through a camera, for the tests in the VM.
    pub use crate::capture::v4l2::probe::{Seen, look};
}
mod pipeline;
mod stats;
mod still;
#[cfg(feature = "native-source")]
mod stop;
pub mod strip;
#[cfg(all(
    target_os = "linux",
    any(feature = "capture-v4l2", feature = "encoder-v4l2-m2m")
))]
#[cfg_attr(
    not(all(feature = "capture-v4l2", feature = "encoder-v4l2-m2m")),
    allow(
        dead_code,
        unused_imports,
        reason = "some of it is for the backend that this build leaves out"
    )
)]
mod v4l2;

pub use clock::CaptureTime;
pub use codec::VideoCodec;
pub use control::{CameraControl, ControlError, ControlKind, ControlValue};
pub use error::{Error, ParamError};
pub use format::PixelFormat;
pub use h264::{H264Level, H264Profile, ProfileLevel};
pub use packet::{EncodedPacket, PacketFlags, PacketTiming};
pub use params::{CaptureParams, EncoderParams, NativeSourceParams, OutputParams};
pub use pipeline::{NativePipeline, PacketReceiver};
pub use stats::{DropReason, Histogram, PipelineState, PipelineStats, StreamGeometry};
pub use still::jpeg_from_access_unit;

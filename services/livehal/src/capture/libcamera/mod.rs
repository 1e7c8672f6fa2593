//! Capture backend `libcamera`: cameras whose picture is made by libcamera's pipelines, such as
//! those at a Raspberry Pi's camera connector.
//!
//! The camera is driven by the capture thread. libcamera hands completed requests over on a thread
//! of its own; a picture that nobody reads any more comes back on whichever thread dropped it. Both
//! arrive in one inbox, and the capture thread queues the request again at once.

#[cfg(feature = "capture-libcamera")]
mod backend;
#[cfg(feature = "capture-libcamera")]
mod buffer;
#[cfg(feature = "capture-libcamera")]
mod controls;
// These four have no word of libcamera in them, and so are tested in every build.
mod devices;
#[cfg(feature = "capture-libcamera")]
mod manager;
mod names;
#[cfg(feature = "capture-libcamera")]
mod negotiate;
mod rate;
mod stamp;
#[cfg(feature = "capture-libcamera")]
mod value;

#[cfg(feature = "capture-libcamera")]
pub(crate) use backend::open;

/// The backend's name in the configuration.
#[cfg(feature = "capture-libcamera")]
pub(crate) const NAME: &str = "libcamera";

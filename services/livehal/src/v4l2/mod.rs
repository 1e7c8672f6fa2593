//! Video4Linux2: what capture and encoding share of it.
//!
//! [`sys`] is the kernel's interface as it is, [`device`] a device's requests with errors that say
//! which device and which request, [`controls`] its controls, [`queue`] the buffers of one
//! direction, [`discover`] finds devices. `unsafe` is in these modules only.

mod controls;
mod device;
mod discover;
mod format;
mod ioctl;
mod mapping;
mod queue;
mod requests;
pub(crate) mod sys;

pub(crate) use controls::{Control, ControlType, Value};
pub(crate) use device::{Capabilities, Device, Failure, Ready};
pub(crate) use discover::{by_capability, by_name};
#[cfg(any(test, feature = "bench"))]
pub(crate) use format::PlaneFormat;
pub(crate) use format::{
    BufferType, Direction, FormatInfo, Fourcc, FrameSizes, Interval, PixFormat,
};
pub(crate) use queue::{Dequeued, ExternalPlane, Queue};

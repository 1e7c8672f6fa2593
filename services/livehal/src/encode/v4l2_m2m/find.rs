//! Which device is to encode.

use std::sync::Arc;

use super::Coding;
use crate::capture::BackendError;
use crate::v4l2::{self, BufferType, Device, Direction};

/// A device that encodes, and its queues.
pub(super) struct Encoder {
    pub(super) device: Arc<Device>,
    /// Where pictures go in.
    pub(super) raw: BufferType,
    /// Where packets come out.
    pub(super) coded: BufferType,
}

/// The device `wanted`, a path or a card's name, or else the first that makes `coding`.
///
/// # Errors
/// There is none; what there is instead.
pub(super) fn find(wanted: Option<&str>, coding: Coding) -> Result<Encoder, BackendError> {
    let makes = coding.name();
    let transforms = |caps: v4l2::Capabilities| caps.transforms().is_some();
    let paths = match wanted {
        Some(name) => v4l2::by_name(name, transforms),
        None => v4l2::by_capability(transforms)
            .into_iter()
            .map(|found| found.path)
            .collect(),
    };
    let mut instead = Vec::new();
    for path in paths {
        match open(&path, coding) {
            Ok(encoder) => return Ok(encoder),
            Err(why) => instead.push(why),
        }
    }
    let there = if instead.is_empty() {
        "this machine has no V4L2 codec".to_owned()
    } else {
        instead.join("; ")
    };
    Err(BackendError::passing(match wanted {
        Some(name) => format!("encoder.device = {name}: cannot make {makes}: {there}"),
        None => format!("encoder.backend = v4l2-m2m: no device makes {makes}: {there}"),
    }))
}

/// Opens a device; why it is not the one, otherwise.
fn open(path: &std::path::Path, coding: Coding) -> Result<Encoder, String> {
    let device = Device::open(path).map_err(|e| e.to_string())?;
    let named = format!("{} ({})", path.display(), device.card());
    let Some(multiplanar) = device.capabilities().transforms() else {
        return Err(format!("{named} is no codec"));
    };
    let queue = |direction| BufferType {
        direction,
        multiplanar,
    };
    let (raw, coded) = (queue(Direction::Output), queue(Direction::Capture));
    // A decoder has the codec at its other queue.
    let formats = device.formats(coded).map_err(|e| e.to_string())?;
    if formats.iter().any(|f| f.fourcc == coding.fourcc()) {
        return Ok(Encoder {
            device: Arc::new(device),
            raw,
            coded,
        });
    }
    let made: Vec<_> = formats.iter().map(|f| f.fourcc.to_string()).collect();
    Err(format!("{named} makes {}", made.join(", ")))
}

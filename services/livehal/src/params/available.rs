//! What this program and this machine offer of the backends that can be named.

use std::path::Path;

use super::{CaptureParams, EncoderParams, NativeSourceParams};
use crate::ParamError;

/// A backend that can be named in a configuration.
struct Backend {
    name: &'static str,
    /// The cargo feature that brings it.
    feature: &'static str,
    /// That feature is in this build.
    enabled: bool,
    /// This version of the program has it at all.
    built: bool,
}

const CAPTURE: [Backend; 4] = [
    Backend {
        name: "testsrc",
        feature: "encoder-software",
        enabled: cfg!(feature = "native-source"),
        built: true,
    },
    Backend {
        name: "file",
        feature: "encoder-software",
        enabled: cfg!(feature = "native-source"),
        built: true,
    },
    Backend {
        name: "v4l2",
        feature: "capture-v4l2",
        enabled: cfg!(feature = "capture-v4l2"),
        built: false,
    },
    Backend {
        name: "libcamera",
        feature: "capture-libcamera",
        enabled: cfg!(feature = "capture-libcamera"),
        built: false,
    },
];

const ENCODE: [Backend; 4] = [
    Backend {
        name: "software",
        feature: "encoder-software",
        enabled: cfg!(feature = "encoder-software"),
        built: true,
    },
    Backend {
        name: "auto",
        feature: "encoder-software",
        enabled: cfg!(feature = "encoder-software"),
        built: true,
    },
    Backend {
        name: "v4l2-m2m",
        feature: "encoder-v4l2-m2m",
        enabled: cfg!(feature = "encoder-v4l2-m2m"),
        built: false,
    },
    Backend {
        name: "rdk",
        feature: "encoder-rdk",
        // The two exclude each other; build.rs says so.
        enabled: cfg!(all(
            feature = "encoder-rdk",
            not(feature = "capture-libcamera")
        )),
        built: false,
    },
];

pub(super) fn source(params: &NativeSourceParams) -> Result<(), ParamError> {
    capture(&params.capture)?;
    encoder(&params.encoder)
}

fn capture(capture: &CaptureParams) -> Result<(), ParamError> {
    let backend = find("capture.backend", &capture.backend, &CAPTURE)?;
    if let ("v4l2", Some(device)) = (backend.name, &capture.device)
        && !Path::new(device).exists()
    {
        return Err(ParamError {
            key: "capture.device".into(),
            value: device.clone(),
            reason: "no such device on this machine".into(),
        });
    }
    built("capture.backend", backend)
}

fn encoder(encoder: &EncoderParams) -> Result<(), ParamError> {
    let backend = find("encoder.backend", &encoder.backend, &ENCODE)?;
    built("encoder.backend", backend)
}

fn find<'a>(key: &str, name: &str, all: &'a [Backend]) -> Result<&'a Backend, ParamError> {
    let refused = |reason: String| ParamError {
        key: key.into(),
        value: name.into(),
        reason,
    };
    match all.iter().find(|backend| backend.name == name) {
        None => Err(refused("unknown".into())),
        Some(backend) if !backend.enabled => Err(refused(format!(
            "not in this build of the program; it needs the cargo feature {}",
            backend.feature
        ))),
        Some(backend) => Ok(backend),
    }
}

fn built(key: &str, backend: &Backend) -> Result<(), ParamError> {
    if backend.built {
        return Ok(());
    }
    Err(ParamError {
        key: key.into(),
        value: backend.name.into(),
        reason: "this version of the program does not have this backend yet".into(),
    })
}

//! The backends that can be named, and what of them this program and this machine offer.

use super::NativeSourceParams;
use crate::ParamError;

/// A backend that can be named in a configuration.
pub(crate) struct Backend {
    pub(crate) name: &'static str,
    /// The cargo feature that brings it.
    feature: &'static str,
    /// That feature is in this build.
    enabled: bool,
    /// This system has what it speaks to.
    here: bool,
}

/// Capture backends.
pub(crate) static CAPTURE: [Backend; 4] = [
    Backend {
        name: "testsrc",
        feature: "encoder-software",
        enabled: cfg!(feature = "native-source"),
        here: true,
    },
    Backend {
        name: "file",
        feature: "encoder-software",
        enabled: cfg!(feature = "native-source"),
        here: true,
    },
    Backend {
        name: "v4l2",
        feature: "capture-v4l2",
        enabled: cfg!(feature = "capture-v4l2"),
        // The kernel's interface; other systems have none.
        here: cfg!(target_os = "linux"),
    },
    Backend {
        name: "libcamera",
        feature: "capture-libcamera",
        enabled: cfg!(feature = "capture-libcamera"),
        here: cfg!(target_os = "linux"),
    },
];

/// Encoder backends.
pub(crate) static ENCODE: [Backend; 4] = [
    Backend {
        name: "software",
        feature: "encoder-software",
        enabled: cfg!(feature = "encoder-software"),
        here: true,
    },
    Backend {
        name: "auto",
        feature: "encoder-software",
        enabled: cfg!(feature = "encoder-software"),
        here: true,
    },
    Backend {
        name: "v4l2-m2m",
        feature: "encoder-v4l2-m2m",
        enabled: cfg!(feature = "encoder-v4l2-m2m"),
        here: cfg!(target_os = "linux"),
    },
    Backend {
        name: "rdk",
        feature: "encoder-rdk",
        // By build.rs: with capture-libcamera it is ignored, and it is for 64-bit Linux.
        enabled: cfg!(encoder_rdk),
        here: cfg!(target_os = "linux"),
    },
];

pub(super) fn check(params: &NativeSourceParams) -> Result<(), ParamError> {
    find("capture.backend", &params.capture.backend, &CAPTURE)?;
    find("encoder.backend", &params.encoder.backend, &ENCODE)
}

/// The backend of this name.
pub(crate) fn named(name: &str, all: &'static [Backend]) -> Option<&'static Backend> {
    all.iter().find(|backend| backend.name == name)
}

fn find(key: &str, name: &str, all: &'static [Backend]) -> Result<(), ParamError> {
    let refused = |reason: String| {
        Err(ParamError {
            key: key.into(),
            value: name.into(),
            reason,
        })
    };
    match named(name, all) {
        None => refused(unknown(all.iter().map(|backend| backend.name))),
        Some(backend) if !backend.here => refused("only on Linux".into()),
        Some(backend) if !backend.enabled => refused(format!(
            "not in this build of the program; it needs the cargo feature {}",
            backend.feature
        )),
        Some(_) => Ok(()),
    }
}

/// Says that a name is not one of those allowed.
pub(super) fn unknown(allowed: impl Iterator<Item = &'static str>) -> String {
    let allowed: Vec<_> = allowed.collect();
    format!("unknown; allowed are {}", allowed.join(", "))
}

//! Controls of a camera: exposure, focus, gain and the like.

use serde::{Deserialize, Serialize};

/// The value of a control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ControlValue {
    /// On or off; also pressed, for a button.
    Bool(bool),
    /// A number, as the driver counts.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// An entry of a menu by its name, or text.
    Text(String),
    /// Several numbers: a region, gains by colour.
    List(Vec<f64>),
}

/// What kind of value a control takes, and which.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum ControlKind {
    /// On or off.
    Bool,
    /// Does something once when set to `true`.
    Button,
    /// Whole numbers.
    Int {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
        /// From one allowed value to the next.
        step: i64,
    },
    /// Numbers.
    Float {
        /// The least.
        min: f64,
        /// The most.
        max: f64,
    },
    /// One of these names.
    Menu {
        /// The names.
        entries: Vec<String>,
    },
    /// Text of at most so many bytes.
    Text {
        /// Bytes.
        max_len: u32,
    },
    /// So many numbers.
    List {
        /// Numbers in it.
        len: u32,
    },
}

/// One control of a camera.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CameraControl {
    /// Its name, in lower case with underscores: `exposure_time_absolute`.
    pub name: String,
    /// What it takes.
    #[serde(flatten)]
    pub kind: ControlKind,
    /// What it is set to; `None` where the device does not tell.
    pub value: Option<ControlValue>,
    /// What it is set to when nobody sets it.
    pub default: Option<ControlValue>,
    /// It can be read only, or another control (an automatic) has it now.
    pub read_only: bool,
}

/// Why a control was not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The camera has none of this name.
    #[error("no control {name}; this camera has {}", .available.join(", "))]
    Unknown {
        /// The name given.
        name: String,
        /// Those there are.
        available: Vec<String>,
    },
    /// The value is not one it takes.
    #[error("control {name} = {value}: {reason}")]
    Refused {
        /// The control.
        name: String,
        /// The value given.
        value: String,
        /// Why not, and what is allowed.
        reason: String,
    },
    /// The device failed.
    #[error("control {name}: {reason}")]
    Device {
        /// The control.
        name: String,
        /// What it said.
        reason: String,
    },
    /// The source has no controls, or is not open.
    #[error("{0}")]
    NoCamera(String),
}

impl ControlValue {
    /// The whole number that this is, if it is one: 5.0 is, too, for JSON and TOML do not always
    /// tell them apart.
    #[cfg(all(
        target_os = "linux",
        any(feature = "capture-v4l2", feature = "capture-libcamera")
    ))]
    pub(crate) fn whole(&self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(*n),
            // Up to here every whole number has a float of its own.
            Self::Float(n) if n.fract() == 0.0 && n.abs() < 9e15 => Some(*n as i64),
            _ => None,
        }
    }
}

impl std::fmt::Display for ControlValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(v) => v.fmt(f),
            Self::Int(v) => v.fmt(f),
            Self::Float(v) => v.fmt(f),
            Self::Text(v) => v.fmt(f),
            Self::List(v) => write!(f, "{v:?}"),
        }
    }
}

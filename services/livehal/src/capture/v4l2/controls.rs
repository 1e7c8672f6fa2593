//! The controls of a camera, by the names that `v4l2-ctl` has for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::capture::{BackendError, CameraControls};
use crate::v4l2::sys::{V4L2_CTRL_FLAG_GRABBED, V4L2_CTRL_FLAG_INACTIVE, V4L2_CTRL_FLAG_READ_ONLY};
use crate::v4l2::{Control, ControlType, Device, Failure, Value};
use crate::{CameraControl, ControlError, ControlKind, ControlValue};

/// The controls of an open device.
pub(super) struct Controls {
    device: Arc<Device>,
}

impl Controls {
    pub(super) fn new(device: Arc<Device>) -> Self {
        Self { device }
    }

    /// Sets all of `wanted`. Automatics come first, and whatever is inactive waits until the others
    /// are set: a manual exposure can be set only when the automatic one is off.
    ///
    /// # Errors
    /// Permanent for a name or value that the camera does not have.
    pub(super) fn apply(
        &self,
        wanted: &BTreeMap<String, ControlValue>,
    ) -> Result<(), BackendError> {
        let mut left: Vec<_> = wanted.iter().collect();
        left.sort_by_key(|(name, _)| !name.contains("auto"));
        while !left.is_empty() {
            let before = left.len();
            let mut waiting = Vec::new();
            for (name, value) in left {
                match self.set_one(name, value) {
                    Err(Unset::Inactive(_)) => waiting.push((name, value)),
                    Err(Unset::Other(e)) => return Err(failed(e)),
                    Ok(_) => {}
                }
            }
            left = waiting;
            if left.len() == before {
                break;
            }
        }
        match left.first() {
            None => Ok(()),
            Some((name, value)) => match self.set_one(name, value) {
                Ok(_) => Ok(()),
                Err(Unset::Inactive(e) | Unset::Other(e)) => Err(failed(e)),
            },
        }
    }

    fn set_one(&self, name: &str, value: &ControlValue) -> Result<ControlValue, Unset> {
        let device = |e: Failure| ControlError::Device {
            name: name.to_owned(),
            reason: e.to_string(),
        };
        let refused = |reason: String| ControlError::Refused {
            name: name.to_owned(),
            value: value.to_string(),
            reason,
        };
        let all = self.device.controls().map_err(device)?;
        let Some(control) = all.iter().find(|control| variable(&control.name) == name) else {
            return Err(Unset::Other(ControlError::Unknown {
                name: name.to_owned(),
                available: all.iter().map(|control| variable(&control.name)).collect(),
            }));
        };
        let menu = self.menu(control).map_err(device)?;
        let raw = to_driver(control, &menu, value).map_err(refused)?;
        if control.flags & V4L2_CTRL_FLAG_READ_ONLY != 0 {
            return Err(Unset::Other(refused("it can only be read".into())));
        }
        if control.flags & V4L2_CTRL_FLAG_GRABBED != 0 {
            return Err(Unset::Other(refused(
                "it cannot be changed while streaming".into(),
            )));
        }
        if control.flags & V4L2_CTRL_FLAG_INACTIVE != 0 {
            return Err(Unset::Inactive(refused(
                "it is inactive: another control, such as an automatic, has it".into(),
            )));
        }
        let taken = self.device.set_value(control, &raw).map_err(device)?;
        Ok(from_driver(control, &menu, taken))
    }

    fn menu(&self, control: &Control) -> Result<Vec<(i64, String)>, Failure> {
        match control.kind {
            ControlType::Menu | ControlType::IntegerMenu => self.device.menu(control),
            _ => Ok(Vec::new()),
        }
    }

    fn describe(&self, control: &Control) -> Option<CameraControl> {
        let menu = self.menu(control).ok()?;
        let value = self.device.value(control).ok().flatten();
        let default = match control.kind {
            ControlType::Button | ControlType::Text | ControlType::Other(_) => None,
            _ => Some(Value::Number(control.default)),
        };
        let back = |value| from_driver(control, &menu, value);
        let locked = V4L2_CTRL_FLAG_READ_ONLY | V4L2_CTRL_FLAG_INACTIVE | V4L2_CTRL_FLAG_GRABBED;
        Some(CameraControl {
            name: variable(&control.name),
            kind: kind(control, &menu)?,
            value: value.map(back),
            default: default.map(back),
            read_only: control.flags & locked != 0,
        })
    }
}

impl CameraControls for Controls {
    fn list(&self) -> Vec<CameraControl> {
        let all = self.device.controls().unwrap_or_default();
        all.iter()
            .filter_map(|control| self.describe(control))
            .collect()
    }

    fn set(&self, name: &str, value: &ControlValue) -> Result<ControlValue, ControlError> {
        self.set_one(name, value).map_err(|e| match e {
            Unset::Inactive(e) | Unset::Other(e) => e,
        })
    }
}

/// Why a control was not set.
enum Unset {
    /// Another one has it; that may change.
    Inactive(ControlError),
    Other(ControlError),
}

impl From<ControlError> for Unset {
    fn from(e: ControlError) -> Self {
        Self::Other(e)
    }
}

fn failed(e: ControlError) -> BackendError {
    let text = format!("capture.controls: {e}");
    match e {
        ControlError::Device { .. } | ControlError::NoCamera(_) => BackendError::passing(text),
        ControlError::Unknown { .. } | ControlError::Refused { .. } => {
            BackendError::permanent(text)
        }
    }
}

/// A driver's name for a control as `v4l2-ctl` writes it: letters and digits in lower case, one
/// underscore for whatever is between them.
fn variable(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join("_").to_ascii_lowercase()
}

fn kind(control: &Control, menu: &[(i64, String)]) -> Option<ControlKind> {
    Some(match control.kind {
        ControlType::Integer => ControlKind::Int {
            min: control.min,
            max: control.max,
            step: i64::try_from(control.step).unwrap_or(1).max(1),
        },
        ControlType::Bitmask => ControlKind::Int {
            min: 0,
            max: control.max & i64::from(u32::MAX),
            step: 1,
        },
        ControlType::Boolean => ControlKind::Bool,
        ControlType::Button => ControlKind::Button,
        ControlType::Menu | ControlType::IntegerMenu => ControlKind::Menu {
            entries: menu.iter().map(|(_, name)| name.clone()).collect(),
        },
        ControlType::Text => ControlKind::Text {
            max_len: u32::try_from(control.max).unwrap_or(0),
        },
        // Nobody could set it.
        ControlType::Other(_) => return None,
    })
}

/// A value as the driver wants it, or what is allowed instead.
fn to_driver(
    control: &Control,
    menu: &[(i64, String)],
    value: &ControlValue,
) -> Result<Value, String> {
    let number = value.whole();
    match control.kind {
        ControlType::Integer => number
            .filter(|n| (control.min..=control.max).contains(n))
            .ok_or_else(|| {
                format!(
                    "allowed are whole numbers from {} to {} in steps of {}",
                    control.min, control.max, control.step
                )
            }),
        ControlType::Bitmask => {
            let most = control.max & i64::from(u32::MAX);
            number
                .filter(|n| (0..=most).contains(n) && n & !most == 0)
                // The kernel takes it as a signed number of the same bits.
                .map(|n| i64::from(n as u32 as i32))
                .ok_or_else(|| format!("allowed are the bits of {most:#x}"))
        }
        ControlType::Boolean => match (value, number) {
            (ControlValue::Bool(on), _) => Ok(i64::from(*on)),
            (_, Some(n @ (0 | 1))) => Ok(n),
            _ => Err("allowed are true and false".to_owned()),
        },
        ControlType::Button => match value {
            ControlValue::Bool(true) => Ok(1),
            _ => Err("it is a button: true presses it".to_owned()),
        },
        ControlType::Menu | ControlType::IntegerMenu => entry(menu, value, number),
        ControlType::Text => {
            let most = usize::try_from(control.max).unwrap_or(0);
            return match value {
                ControlValue::Text(text) if text.len() <= most && !text.contains('\0') => {
                    Ok(Value::Text(text.clone()))
                }
                _ => Err(format!("allowed is text of at most {most} bytes")),
            };
        }
        ControlType::Other(kind) => Err(format!("controls of V4L2 type {kind} cannot be set here")),
    }
    .map(Value::Number)
}

/// The number of a menu's entry, given by name or number.
fn entry(menu: &[(i64, String)], value: &ControlValue, number: Option<i64>) -> Result<i64, String> {
    let wanted = |(index, name): &&(i64, String)| match (value, number) {
        (ControlValue::Text(text), _) => name.eq_ignore_ascii_case(text),
        (_, Some(number)) => *index == number,
        _ => false,
    };
    menu.iter()
        .find(wanted)
        .map(|(index, _)| *index)
        .ok_or_else(|| {
            let all: Vec<_> = menu
                .iter()
                .map(|(n, name)| format!("\"{name}\" ({n})"))
                .collect();
            format!("allowed are {}", all.join(", "))
        })
}

/// A driver's value as it is shown.
fn from_driver(control: &Control, menu: &[(i64, String)], value: Value) -> ControlValue {
    let number = match value {
        Value::Text(text) => return ControlValue::Text(text),
        Value::Number(number) => number,
    };
    match control.kind {
        ControlType::Boolean | ControlType::Button => ControlValue::Bool(number != 0),
        ControlType::Bitmask => ControlValue::Int(i64::from(number as u32)),
        ControlType::Menu | ControlType::IntegerMenu => menu
            .iter()
            .find(|(index, _)| *index == number)
            .map_or(ControlValue::Int(number), |(_, name)| {
                ControlValue::Text(name.clone())
            }),
        _ => ControlValue::Int(number),
    }
}

#[cfg(test)]
#[path = "controls_tests.rs"]
mod tests;

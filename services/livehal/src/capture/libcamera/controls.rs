//! The camera's controls, by name.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use libcamera::control::{ControlInfo, ControlInfoMap, ControlList};
use libcamera::control_value::{ControlType, ControlValue as Native};
use libcamera::controls::ControlId;
use libcamera::request::Request;

use super::names;
use super::value::{Type, from_native, number, numbers, to_native};
use crate::capture::{BackendError, CameraControls};
use crate::{CameraControl, ControlError, ControlKind, ControlValue};

/// Names of the two that are no controls of libcamera but part of a camera's configuration.
pub(super) const FLIPS: [&str; 2] = ["horizontal_flip", "vertical_flip"];

/// One control of the camera.
struct Entry {
    id: u32,
    name: String,
    kind: ControlKind,
    of: Type,
    menu: Vec<(i32, String)>,
    bounds: Vec<(f64, f64)>,
    default: Option<ControlValue>,
}

impl Entry {
    fn new(id: u32, info: &ControlInfo) -> Option<Self> {
        // One that this libcamera knows and the crate does not, or one that is ours to set.
        let control = ControlId::try_from(id).ok()?;
        if control == ControlId::FrameDurationLimits {
            return None;
        }
        let of = kind_of_value(&control)?;
        let menu = menu(&control, info);
        let (min, max) = (info.min(), info.max());
        let bounds = bounds(of, &min, &max);
        let kind = match of {
            Type::Bool => ControlKind::Bool,
            Type::Int32 if !menu.is_empty() => ControlKind::Menu {
                entries: menu.iter().map(|(_, name)| name.clone()).collect(),
            },
            Type::Byte | Type::Int32 | Type::Int64 => ControlKind::Int {
                min: number(&min)? as i64,
                max: number(&max)? as i64,
                step: 1,
            },
            Type::Float => ControlKind::Float {
                min: number(&min)?,
                max: number(&max)?,
            },
            Type::Rectangle | Type::Int32s(_) | Type::Floats(_) => ControlKind::List {
                len: u32::try_from(bounds.len()).ok()?,
            },
        };
        let mut entry = Self {
            id,
            name: names::snake(&control.name()),
            kind,
            of,
            menu,
            bounds,
            default: None,
        };
        entry.default = entry.told(&info.def());
        Some(entry)
    }

    /// A value of the camera's in this program's words.
    fn told(&self, value: &Native) -> Option<ControlValue> {
        match (&self.kind, from_native(value)?) {
            (ControlKind::Menu { .. }, ControlValue::Int(n)) => {
                let found = self.menu.iter().find(|(value, _)| i64::from(*value) == n);
                found.map(|(_, name)| ControlValue::Text(name.clone()))
            }
            (ControlKind::Menu { .. }, _) => None,
            (_, value) => Some(value),
        }
    }

    fn native(&self, value: &ControlValue) -> Result<Native, ControlError> {
        to_native(value, &self.kind, self.of, &self.menu, &self.bounds).map_err(|reason| {
            ControlError::Refused {
                name: self.name.clone(),
                value: value.to_string(),
                reason,
            }
        })
    }
}

/// What a control takes; `None` for kinds that nobody sets by hand, such as lists of any length.
fn kind_of_value(control: &ControlId) -> Option<Type> {
    let len = control.is_array().then(|| control.size());
    // A list of one would go to libcamera as a plain number; one of any length has a huge size.
    if len.is_some_and(|len| !(2..=16).contains(&len)) {
        return None;
    }
    match (control.control_type(), len) {
        (ControlType::Bool, None) => Some(Type::Bool),
        (ControlType::Byte, None) => Some(Type::Byte),
        (ControlType::Int32, None) => Some(Type::Int32),
        (ControlType::Int64, None) => Some(Type::Int64),
        (ControlType::Float, None) => Some(Type::Float),
        (ControlType::Rectangle, None) => Some(Type::Rectangle),
        (ControlType::Int32, Some(len)) => Some(Type::Int32s(len)),
        (ControlType::Float, Some(len)) => Some(Type::Floats(len)),
        _ => None,
    }
}

/// The entries that the camera offers, of all that the control has.
fn menu(control: &ControlId, info: &ControlInfo) -> Vec<(i32, String)> {
    let mut all: Vec<(i32, String)> = control.enumerators_map().into_iter().collect();
    all.sort();
    let names: Vec<String> = all.iter().map(|(_, name)| name.clone()).collect();
    let offered: Vec<i64> = info
        .values()
        .iter()
        .filter_map(number)
        .map(|n| n as i64)
        .collect();
    all.into_iter()
        .zip(names::entries(&names))
        .map(|((value, _), name)| (value, name))
        .filter(|(value, _)| offered.is_empty() || offered.contains(&i64::from(*value)))
        .collect()
}

fn bounds(of: Type, min: &Native, max: &Native) -> Vec<(f64, f64)> {
    match (of, min, max) {
        (Type::Rectangle, Native::Rectangle(min), Native::Rectangle(max)) => {
            let (Some(min), Some(max)) = (min.first(), max.first()) else {
                return Vec::new();
            };
            // As far as the largest region reaches, for the corner, too.
            let right = f64::from(max.x) + f64::from(max.width);
            let bottom = f64::from(max.y) + f64::from(max.height);
            let mut bounds: Vec<_> = numbers(min).into_iter().zip(numbers(max)).collect();
            if let [x, y, ..] = bounds.as_mut_slice() {
                *x = (f64::from(max.x), right);
                *y = (f64::from(max.y), bottom);
            }
            bounds
        }
        (Type::Int32s(len) | Type::Floats(len), _, _) => {
            let least = number(min).unwrap_or(f64::from(i32::MIN));
            vec![(least, number(max).unwrap_or(f64::from(i32::MAX))); len]
        }
        _ => Vec::new(),
    }
}

/// The controls of an open camera.
pub(super) struct Controls {
    entries: Vec<Entry>,
    flips: [bool; 2],
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What the camera told last, or was told.
    values: HashMap<u32, ControlValue>,
    /// What the next request is to carry.
    wanted: Vec<(u32, Native)>,
}

impl Controls {
    /// The controls of a configured camera that flips the picture so.
    pub(super) fn new(camera: &ControlInfoMap, flips: [bool; 2]) -> Self {
        let mut entries: Vec<Entry> = camera
            .into_iter()
            .filter_map(|(id, info)| Entry::new(id, info))
            .collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            entries,
            flips,
            state: Mutex::default(),
        }
    }

    /// Puts what a configuration sets into the list that the camera starts with.
    ///
    /// # Errors
    /// The first that the camera does not have, or does not take.
    pub(super) fn configure(
        &self,
        wanted: &BTreeMap<String, ControlValue>,
        list: &mut ControlList,
    ) -> Result<(), BackendError> {
        let refused = |e: ControlError| BackendError::permanent(format!("capture.controls: {e}"));
        for (name, value) in wanted {
            // Those were part of the camera's configuration.
            if FLIPS.contains(&name.as_str()) {
                continue;
            }
            let entry = self.find(name).map_err(refused)?;
            let native = entry.native(value).map_err(refused)?;
            if let Some(told) = entry.told(&native) {
                self.lock().values.insert(entry.id, told);
            }
            set(list, entry.id, native);
        }
        Ok(())
    }

    /// Puts what was set since into a request.
    pub(super) fn apply(&self, request: &mut Request) {
        for (id, native) in std::mem::take(&mut self.lock().wanted) {
            set(request.controls_mut(), id, native);
        }
    }

    /// Notes what the camera tells about a picture.
    pub(super) fn learn(&self, told: &ControlList) {
        let mut state = self.lock();
        for (id, native) in told {
            if let Some(entry) = self.entries.iter().find(|entry| entry.id == id)
                && let Some(value) = entry.told(&native)
            {
                state.values.insert(id, value);
            }
        }
    }

    fn find(&self, name: &str) -> Result<&Entry, ControlError> {
        let found = self.entries.iter().find(|entry| entry.name == name);
        found.ok_or_else(|| ControlError::Unknown {
            name: name.to_owned(),
            available: self
                .entries
                .iter()
                .map(|entry| entry.name.clone())
                .chain(FLIPS.map(String::from))
                .collect(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// libcamera has no error for this.
fn set(list: &mut ControlList, id: u32, value: Native) {
    let _ = list.set_raw(id, value);
}

impl CameraControls for Controls {
    fn list(&self) -> Vec<CameraControl> {
        let state = self.lock();
        let flips = FLIPS
            .iter()
            .zip(self.flips)
            .map(|(name, flipped)| CameraControl {
                name: (*name).to_owned(),
                kind: ControlKind::Bool,
                value: Some(ControlValue::Bool(flipped)),
                default: Some(ControlValue::Bool(false)),
                read_only: true,
            });
        self.entries
            .iter()
            .map(|entry| CameraControl {
                name: entry.name.clone(),
                kind: entry.kind.clone(),
                value: state.values.get(&entry.id).cloned(),
                default: entry.default.clone(),
                read_only: false,
            })
            .chain(flips)
            .collect()
    }

    fn set(&self, name: &str, value: &ControlValue) -> Result<ControlValue, ControlError> {
        if FLIPS.contains(&name) {
            return Err(ControlError::Refused {
                name: name.to_owned(),
                value: value.to_string(),
                reason: "it is set before the camera starts: in capture.controls".into(),
            });
        }
        let entry = self.find(name)?;
        let native = entry.native(value)?;
        let taken = entry.told(&native).unwrap_or_else(|| value.clone());
        let mut state = self.lock();
        state.values.insert(entry.id, taken.clone());
        // Bounded by the number of controls: the last of each counts.
        state.wanted.retain(|(id, _)| *id != entry.id);
        state.wanted.push((entry.id, native));
        Ok(taken)
    }
}

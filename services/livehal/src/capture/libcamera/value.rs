//! Values of controls: libcamera's and this program's.

use libcamera::control_value::ControlValue as Native;
use libcamera::geometry::Rectangle;

use crate::{ControlKind, ControlValue};

/// What libcamera wants a value to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Byte,
    Int32,
    Int64,
    Float,
    /// X, y, width, height.
    Rectangle,
    /// So many whole numbers.
    Int32s(usize),
    /// So many numbers.
    Floats(usize),
}

/// A libcamera value as this program has them; `None` for kinds that no control here has.
pub(super) fn from_native(value: &Native) -> Option<ControlValue> {
    let list = |numbers: Vec<f64>| match numbers.as_slice() {
        [] => None,
        _ => Some(ControlValue::List(numbers)),
    };
    match value {
        Native::Bool(v) => v.first().copied().map(ControlValue::Bool),
        Native::Byte(v) if v.len() == 1 => v.first().map(|&n| ControlValue::Int(n.into())),
        Native::Int32(v) if v.len() == 1 => v.first().map(|&n| ControlValue::Int(n.into())),
        Native::Int64(v) if v.len() == 1 => v.first().map(|&n| ControlValue::Int(n)),
        Native::Float(v) if v.len() == 1 => v.first().map(|&n| ControlValue::Float(rounded(n))),
        Native::Int32(v) => list(v.iter().map(|&n| n.into()).collect()),
        Native::Float(v) => list(v.iter().map(|&n| rounded(n)).collect()),
        Native::Rectangle(v) => v.first().map(|r| ControlValue::List(numbers(r))),
        _ => None,
    }
}

/// As people write it: 0.1 rather than 0.10000000149.
fn rounded(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| value.into())
}

pub(super) fn numbers(r: &Rectangle) -> Vec<f64> {
    vec![r.x.into(), r.y.into(), r.width.into(), r.height.into()]
}

/// The one number in a value, whatever its type.
pub(super) fn number(value: &Native) -> Option<f64> {
    match from_native(value)? {
        ControlValue::Bool(v) => Some(v.into()),
        ControlValue::Int(v) => Some(v as f64),
        ControlValue::Float(v) => Some(v),
        ControlValue::Text(_) | ControlValue::List(_) => None,
    }
}

/// `value` as libcamera wants it, if the control takes it.
///
/// `menu` has the entries of a [`ControlKind::Menu`], `bounds` the least and the most of each number
/// of a list.
///
/// # Errors
/// What the control takes.
pub(super) fn to_native(
    value: &ControlValue,
    kind: &ControlKind,
    of: Type,
    menu: &[(i32, String)],
    bounds: &[(f64, f64)],
) -> Result<Native, String> {
    match kind {
        ControlKind::Bool => match value {
            ControlValue::Bool(v) => Ok(Native::from(*v)),
            _ => Err("allowed are true and false".into()),
        },
        ControlKind::Menu { entries } => match value {
            ControlValue::Text(name) => entry(name, menu),
            _ => None,
        }
        .map(Native::from)
        .ok_or_else(|| format!("allowed are {}", entries.join(", "))),
        ControlKind::Int { min, max, .. } => value
            .whole()
            .filter(|n| (min..=max).contains(&n))
            .and_then(|n| integer(n, of))
            .ok_or_else(|| format!("allowed are whole numbers from {min} to {max}")),
        ControlKind::Float { min, max } => one_number(value)
            .filter(|n| (min..=max).contains(&n))
            .map(|n| Native::from(n as f32))
            .ok_or_else(|| format!("allowed are numbers from {min} to {max}")),
        ControlKind::List { .. } => list(value, of, bounds),
        ControlKind::Button | ControlKind::Text { .. } => Err("it cannot be set".into()),
    }
}

fn entry(name: &str, menu: &[(i32, String)]) -> Option<i32> {
    menu.iter()
        .find(|(_, n)| n == name)
        .map(|(value, _)| *value)
}

fn one_number(value: &ControlValue) -> Option<f64> {
    match value {
        ControlValue::Int(n) => Some(*n as f64),
        ControlValue::Float(n) if n.is_finite() => Some(*n),
        _ => None,
    }
}

fn integer(n: i64, of: Type) -> Option<Native> {
    match of {
        Type::Byte => u8::try_from(n).ok().map(Native::from),
        Type::Int32 => i32::try_from(n).ok().map(Native::from),
        Type::Int64 => Some(Native::from(n)),
        _ => None,
    }
}

fn list(value: &ControlValue, of: Type, bounds: &[(f64, f64)]) -> Result<Native, String> {
    let taken = match value {
        ControlValue::List(numbers) if numbers.len() == bounds.len() => {
            let within = |(n, (min, max)): (&f64, &(f64, f64))| (min..=max).contains(&n);
            numbers.iter().zip(bounds).all(within).then_some(numbers)
        }
        _ => None,
    };
    taken
        .and_then(|numbers| native_list(numbers, of))
        .ok_or_else(|| {
            let ranges: Vec<_> = bounds.iter().map(|(a, b)| format!("{a} to {b}")).collect();
            format!(
                "allowed is a list of {} numbers: {}",
                bounds.len(),
                ranges.join(", ")
            )
        })
}

fn native_list(numbers: &[f64], of: Type) -> Option<Native> {
    match (of, numbers) {
        (Type::Rectangle, &[x, y, width, height]) => Some(Native::from(Rectangle {
            x: x as i32,
            y: y as i32,
            width: width as u32,
            height: height as u32,
        })),
        (Type::Floats(_), _) => Some(Native::from(
            numbers.iter().map(|&n| n as f32).collect::<Vec<_>>(),
        )),
        (Type::Int32s(_), _) => Some(Native::from(
            numbers.iter().map(|&n| n as i32).collect::<Vec<_>>(),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(
        value: ControlValue,
        kind: ControlKind,
        of: Type,
        bounds: &[(f64, f64)],
    ) -> Result<Option<ControlValue>, String> {
        let menu = [(0, "manual".to_owned()), (2, "continuous".to_owned())];
        to_native(&value, &kind, of, &menu, bounds).map(|native| from_native(&native))
    }

    fn int() -> ControlKind {
        ControlKind::Int {
            min: 1,
            max: 66_666,
            step: 1,
        }
    }

    fn float() -> ControlKind {
        ControlKind::Float {
            min: -1.0,
            max: 1.0,
        }
    }

    #[test]
    fn numbers_within_their_range_are_taken() {
        for (value, kind, of, told) in [
            (
                ControlValue::Int(500),
                int(),
                Type::Int32,
                ControlValue::Int(500),
            ),
            (
                ControlValue::Float(500.0),
                int(),
                Type::Int64,
                ControlValue::Int(500),
            ),
            (
                ControlValue::Int(1),
                float(),
                Type::Float,
                ControlValue::Float(1.0),
            ),
            (
                ControlValue::Float(0.1),
                float(),
                Type::Float,
                ControlValue::Float(0.1),
            ),
        ] {
            assert_eq!(set(value, kind, of, &[]), Ok(Some(told)));
        }
    }

    #[test]
    fn a_refusal_names_what_is_allowed() {
        let menu = || ControlKind::Menu {
            entries: vec!["manual".into(), "continuous".into()],
        };
        for (value, kind, of, reason) in [
            (
                ControlValue::Int(0),
                int(),
                Type::Int32,
                "whole numbers from 1 to 66666",
            ),
            (
                ControlValue::Float(1.5),
                int(),
                Type::Int32,
                "whole numbers from 1 to 66666",
            ),
            (
                ControlValue::Bool(true),
                int(),
                Type::Int32,
                "whole numbers",
            ),
            (
                ControlValue::Float(1.01),
                float(),
                Type::Float,
                "numbers from -1 to 1",
            ),
            (
                ControlValue::Float(f64::NAN),
                float(),
                Type::Float,
                "numbers from -1 to 1",
            ),
            (
                ControlValue::Int(1),
                ControlKind::Bool,
                Type::Bool,
                "true and false",
            ),
            (
                ControlValue::Text("auto".into()),
                menu(),
                Type::Int32,
                "manual, continuous",
            ),
            (
                ControlValue::Int(2),
                menu(),
                Type::Int32,
                "manual, continuous",
            ),
        ] {
            let refused = set(value.clone(), kind, of, &[]).unwrap_err();
            assert!(refused.contains(reason), "{value}: {refused}");
        }
    }

    #[test]
    fn menus_and_lists_are_taken() {
        let entries = vec!["manual".into(), "continuous".into()];
        let told = set(
            ControlValue::Text("continuous".into()),
            ControlKind::Menu { entries },
            Type::Int32,
            &[],
        );
        assert_eq!(told, Ok(Some(ControlValue::Int(2))));
        let gains = ControlValue::List(vec![1.5, 2.0]);
        let kind = ControlKind::List { len: 2 };
        let bounds = [(0.0, 32.0); 2];
        assert_eq!(
            set(gains.clone(), kind.clone(), Type::Floats(2), &bounds),
            Ok(Some(gains))
        );
        let refused = set(
            ControlValue::List(vec![1.5, 33.0]),
            kind,
            Type::Floats(2),
            &bounds,
        );
        assert_eq!(
            refused.unwrap_err(),
            "allowed is a list of 2 numbers: 0 to 32, 0 to 32"
        );
        let crop = ControlValue::List(vec![10.0, 0.0, 640.0, 480.0]);
        let bounds = [(0.0, 100.0), (0.0, 100.0), (64.0, 800.0), (64.0, 600.0)];
        let kind = ControlKind::List { len: 4 };
        assert_eq!(
            set(crop.clone(), kind, Type::Rectangle, &bounds),
            Ok(Some(crop))
        );
    }
}

//! A camera's controls as the bus has them.

use std::collections::HashMap;

use livehal::{CameraControl, ControlKind, ControlValue};
use zbus::Variant;

/// Controls by name, each a dictionary of what it takes and has.
pub(crate) type Controls = HashMap<String, HashMap<&'static str, Variant<'static>>>;

/// One control.
pub(crate) fn describe(
    control: CameraControl,
) -> (String, HashMap<&'static str, Variant<'static>>) {
    let mut told: HashMap<&'static str, Variant<'static>> = HashMap::new();
    told.insert("ReadOnly", control.read_only.into());
    if let Some(now) = control.value {
        told.insert("Value", variant(now));
    }
    if let Some(default) = control.default {
        told.insert("Default", variant(default));
    }
    let kind = match control.kind {
        ControlKind::Bool => "bool",
        ControlKind::Button => "button",
        ControlKind::Int { min, max, step } => {
            told.insert("Minimum", min.into());
            told.insert("Maximum", max.into());
            told.insert("Step", step.into());
            "int"
        }
        ControlKind::Float { min, max } => {
            told.insert("Minimum", min.into());
            told.insert("Maximum", max.into());
            "float"
        }
        ControlKind::Menu { entries } => {
            told.insert("Entries", entries.into());
            "menu"
        }
        ControlKind::Text { max_len } => {
            told.insert("Length", max_len.into());
            "text"
        }
        ControlKind::List { len } => {
            told.insert("Length", len.into());
            "list"
        }
    };
    told.insert("Type", kind.into());
    (control.name, told)
}

/// A value for the bus.
pub(crate) fn variant(value: ControlValue) -> Variant<'static> {
    match value {
        ControlValue::Bool(v) => v.into(),
        ControlValue::Int(v) => v.into(),
        ControlValue::Float(v) => v.into(),
        ControlValue::Text(v) => v.into(),
        ControlValue::List(v) => v.into(),
    }
}

/// A value from the bus. Every type of whole number will do: not everybody's tool can choose.
///
/// # Errors
/// What is taken.
pub(crate) fn value(value: &Variant<'_>) -> Result<ControlValue, String> {
    if let Some(number) = whole(value) {
        return Ok(ControlValue::Int(number));
    }
    match value {
        Variant::Bool(v) => Ok(ControlValue::Bool(*v)),
        Variant::F64(v) => Ok(ControlValue::Float(*v)),
        Variant::Str(v) => Ok(ControlValue::Text(v.as_str().to_owned())),
        Variant::Variant(inner) => self::value(inner),
        Variant::Array(numbers) => {
            let numbers: Option<Vec<f64>> = numbers.iter().map(number).collect();
            numbers.map(ControlValue::List).ok_or_else(refused)
        }
        _ => Err(refused()),
    }
}

fn refused() -> String {
    "a control takes b, s, d, a whole number, or an array of numbers".into()
}

fn whole(value: &Variant<'_>) -> Option<i64> {
    match value {
        Variant::U8(v) => Some((*v).into()),
        Variant::I16(v) => Some((*v).into()),
        Variant::U16(v) => Some((*v).into()),
        Variant::I32(v) => Some((*v).into()),
        Variant::U32(v) => Some((*v).into()),
        Variant::I64(v) => Some(*v),
        Variant::U64(v) => i64::try_from(*v).ok(),
        _ => None,
    }
}

fn number(value: &Variant<'_>) -> Option<f64> {
    match value {
        Variant::F64(v) => Some(*v),
        other => whole(other).map(|n| n as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_comes_back_as_it_was() {
        for told in [
            ControlValue::Bool(true),
            ControlValue::Int(-5),
            ControlValue::Float(0.25),
            ControlValue::Text("continuous".into()),
            ControlValue::List(vec![1.5, 2.0]),
        ] {
            assert_eq!(value(&variant(told.clone())), Ok(told));
        }
    }

    #[test]
    fn whole_numbers_of_every_type_are_taken() {
        let numbers = [
            Variant::from(7u8),
            Variant::from(7i16),
            Variant::from(7u16),
            Variant::from(7i32),
            Variant::from(7u32),
            Variant::from(7i64),
            Variant::from(7u64),
        ];
        for number in &numbers {
            assert_eq!(value(number), Ok(ControlValue::Int(7)), "{number:?}");
        }
        let list = Variant::from(vec![1i32, 2]);
        assert_eq!(value(&list), Ok(ControlValue::List(vec![1.0, 2.0])));
    }

    #[test]
    fn other_types_are_refused() {
        for other in [
            Variant::from(u64::MAX),
            Variant::from(vec!["a"]),
            Variant::from((1, 2)),
        ] {
            assert!(
                value(&other).unwrap_err().starts_with("a control takes b"),
                "{other:?}"
            );
        }
    }

    #[test]
    fn a_control_tells_what_it_takes() {
        let told = |kind, value| {
            let control = CameraControl {
                name: "x".into(),
                kind,
                value,
                default: None,
                read_only: false,
            };
            describe(control).1
        };
        let int = told(
            ControlKind::Int {
                min: -1,
                max: 9,
                step: 2,
            },
            Some(ControlValue::Int(3)),
        );
        assert_eq!(int["Type"], "int".into());
        assert_eq!(
            (&int["Minimum"], &int["Maximum"]),
            (&(-1i64).into(), &9i64.into())
        );
        assert_eq!((&int["Step"], &int["Value"]), (&2i64.into(), &3i64.into()));
        assert!(!int.contains_key("Default"));
        let menu = told(
            ControlKind::Menu {
                entries: vec!["auto".into()],
            },
            None,
        );
        assert_eq!(menu["Entries"], vec!["auto".to_owned()].into());
        assert!(!menu.contains_key("Value"));
    }
}

use super::*;

fn control(kind: ControlType, (min, max): (i64, i64)) -> Control {
    Control {
        id: 1,
        name: "Some Control".into(),
        kind,
        min,
        max,
        step: 1,
        default: min,
        flags: 0,
        elem_size: 4,
        wide: false,
    }
}

fn int(value: i64) -> ControlValue {
    ControlValue::Int(value)
}

fn text(value: &str) -> ControlValue {
    ControlValue::Text(value.into())
}

#[test]
fn names_are_those_of_v4l2_ctl() {
    for (name, variable_name) in [
        ("Exposure Time, Absolute", "exposure_time_absolute"),
        ("White Balance, Automatic", "white_balance_automatic"),
        ("Gain, 8-bit (raw)", "gain_8_bit_raw"),
        (" Brightness ", "brightness"),
    ] {
        assert_eq!(variable(name), variable_name);
    }
}

#[test]
fn numbers_out_of_range_are_refused_with_the_range() {
    let gain = control(ControlType::Integer, (-3, 100));
    assert_eq!(to_driver(&gain, &[], &int(-3)), Ok(Value::Number(-3)));
    assert_eq!(
        to_driver(&gain, &[], &ControlValue::Float(7.0)),
        Ok(Value::Number(7))
    );
    for bad in [
        int(-4),
        int(101),
        ControlValue::Float(0.5),
        text("7"),
        ControlValue::Bool(true),
    ] {
        let why = to_driver(&gain, &[], &bad).unwrap_err();
        assert!(why.contains("-3 to 100"), "{why}");
    }
}

#[test]
fn menus_take_names_and_numbers_and_show_names() {
    let menu = [
        (1, "Manual Mode".to_owned()),
        (3, "Aperture Priority Mode".to_owned()),
    ];
    let exposure = control(ControlType::Menu, (0, 3));
    for given in [text("manual mode"), int(1)] {
        assert_eq!(to_driver(&exposure, &menu, &given), Ok(Value::Number(1)));
    }
    // 2 is a gap in the menu.
    for bad in [text("Auto"), int(2), ControlValue::Bool(true)] {
        let why = to_driver(&exposure, &menu, &bad).unwrap_err();
        assert!(why.contains("\"Aperture Priority Mode\" (3)"), "{why}");
    }
    assert_eq!(
        from_driver(&exposure, &menu, Value::Number(3)),
        text("Aperture Priority Mode")
    );
    assert_eq!(from_driver(&exposure, &menu, Value::Number(2)), int(2));
}

#[test]
fn switches_buttons_bits_and_texts_take_their_own_only() {
    let switch = control(ControlType::Boolean, (0, 1));
    assert_eq!(
        to_driver(&switch, &[], &ControlValue::Bool(true)),
        Ok(Value::Number(1))
    );
    assert_eq!(to_driver(&switch, &[], &int(0)), Ok(Value::Number(0)));
    assert!(to_driver(&switch, &[], &int(2)).is_err());
    let button = control(ControlType::Button, (0, 0));
    assert!(to_driver(&button, &[], &ControlValue::Bool(true)).is_ok());
    assert!(to_driver(&button, &[], &ControlValue::Bool(false)).is_err());
    let bits = control(ControlType::Bitmask, (0, 0x8000_0001u32 as i32 as i64));
    let raw = to_driver(&bits, &[], &int(0x8000_0000)).unwrap();
    assert_eq!(from_driver(&bits, &[], raw), int(0x8000_0000));
    assert!(to_driver(&bits, &[], &int(2)).is_err());
    let name = control(ControlType::Text, (0, 4));
    assert_eq!(
        to_driver(&name, &[], &text("abcd")),
        Ok(Value::Text("abcd".into()))
    );
    assert!(to_driver(&name, &[], &text("abcde")).is_err());
}

//! Controls of a device.

use rustix::io::Errno;

use super::device::{Device, Failure, text};
use super::sys::*;

/// What kind of value a control takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ControlType {
    Integer,
    Boolean,
    /// One of named entries, by number.
    Menu,
    /// One of numbers, by its place.
    IntegerMenu,
    Button,
    Bitmask,
    Text,
    /// Structures and arrays, which nobody here sets.
    Other(u32),
}

/// A control as the driver describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) id: u32,
    /// The driver's name for it, such as "Exposure Time, Absolute".
    pub(crate) name: String,
    pub(crate) kind: ControlType,
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) step: u64,
    pub(crate) default: i64,
    /// `V4L2_CTRL_FLAG_…`
    pub(crate) flags: u32,
    /// Bytes of one element; a text takes this many with its zero.
    pub(crate) elem_size: u32,
    /// It is one of 64 bits.
    pub(crate) wide: bool,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Number(i64),
    Text(String),
}

impl Control {
    fn from_raw(raw: &v4l2_query_ext_ctrl) -> Self {
        // Arrays of numbers are no numbers.
        let kind = match raw.r#type {
            V4L2_CTRL_TYPE_STRING => ControlType::Text,
            other if raw.flags & V4L2_CTRL_FLAG_HAS_PAYLOAD != 0 || raw.nr_of_dims > 0 => {
                ControlType::Other(other)
            }
            V4L2_CTRL_TYPE_INTEGER | V4L2_CTRL_TYPE_INTEGER64 => ControlType::Integer,
            V4L2_CTRL_TYPE_BOOLEAN => ControlType::Boolean,
            V4L2_CTRL_TYPE_MENU => ControlType::Menu,
            V4L2_CTRL_TYPE_INTEGER_MENU => ControlType::IntegerMenu,
            V4L2_CTRL_TYPE_BUTTON => ControlType::Button,
            V4L2_CTRL_TYPE_BITMASK => ControlType::Bitmask,
            other => ControlType::Other(other),
        };
        Self {
            id: raw.id,
            name: text(&raw.name),
            kind,
            min: raw.minimum,
            max: raw.maximum,
            step: raw.step,
            default: raw.default_value,
            flags: raw.flags,
            elem_size: raw.elem_size,
            wide: raw.r#type == V4L2_CTRL_TYPE_INTEGER64,
        }
    }
}

impl Device {
    /// All controls, in the driver's order; titles of classes and disabled ones are none.
    pub(crate) fn controls(&self) -> Result<Vec<Control>, Failure> {
        /// As many as a broken driver may list.
        const MOST: usize = 1024;
        let mut all = Vec::new();
        let mut last = 0;
        while all.len() < MOST {
            let Some(raw) = self.query(last | V4L2_CTRL_FLAG_NEXT_CTRL)? else {
                break;
            };
            // The next is the one after; a driver that goes back would go round for ever.
            if raw.id <= last {
                break;
            }
            last = raw.id;
            if raw.r#type != V4L2_CTRL_TYPE_CTRL_CLASS && raw.flags & V4L2_CTRL_FLAG_DISABLED == 0 {
                all.push(Control::from_raw(&raw));
            }
        }
        Ok(all)
    }

    /// One control; `None` if the device has none of that id.
    pub(crate) fn control(&self, id: u32) -> Result<Option<Control>, Failure> {
        let raw = self.query(id)?;
        Ok(raw
            .filter(|raw| raw.flags & V4L2_CTRL_FLAG_DISABLED == 0)
            .map(|raw| Control::from_raw(&raw)))
    }

    fn query(&self, id: u32) -> Result<Option<v4l2_query_ext_ctrl>, Failure> {
        let mut raw = v4l2_query_ext_ctrl::zeroed();
        raw.id = id;
        match self.plain(&VIDIOC_QUERY_EXT_CTRL, &mut raw) {
            Ok(()) => Ok(Some(raw)),
            Err(e) if matches!(e.errno, Errno::INVAL | Errno::NOTTY) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Entries of a menu: their numbers and names. Menus may have gaps.
    pub(crate) fn menu(&self, control: &Control) -> Result<Vec<(i64, String)>, Failure> {
        let mut entries = Vec::new();
        // A menu has as many entries as a 64-bit mask can leave out.
        for index in control.min.max(0)..=control.max.min(i64::from(u32::MAX)).min(1023) {
            let mut raw = v4l2_querymenu::zeroed();
            (raw.id, raw.index) = (control.id, index as u32);
            match self.plain(&VIDIOC_QUERYMENU, &mut raw) {
                Ok(()) => entries.push((index, entry(control.kind, &raw))),
                Err(e) if e.errno == Errno::INVAL => {}
                Err(e) => return Err(e),
            }
        }
        Ok(entries)
    }

    /// What a control is set to; `None` for those that have no value to read.
    pub(crate) fn value(&self, control: &Control) -> Result<Option<Value>, Failure> {
        if control.kind == ControlType::Button || control.flags & V4L2_CTRL_FLAG_WRITE_ONLY != 0 {
            return Ok(None);
        }
        match control.kind {
            ControlType::Other(_) => Ok(None),
            ControlType::Text => {
                let mut room = vec![0; control.elem_size.max(1) as usize];
                self.text_request(&VIDIOC_G_EXT_CTRLS, control, &mut room)?;
                Ok(Some(Value::Text(text(&room))))
            }
            _ => self
                .number_request(&VIDIOC_G_EXT_CTRLS, control, 0)
                .map(|value| Some(Value::Number(value))),
        }
    }

    /// Sets a control; what comes back is what the driver made of a number. It clamps most.
    pub(crate) fn set_value(&self, control: &Control, value: &Value) -> Result<Value, Failure> {
        match value {
            Value::Number(number) => self
                .number_request(&VIDIOC_S_EXT_CTRLS, control, *number)
                .map(Value::Number),
            Value::Text(value) => {
                let mut room = vec![0; control.elem_size.max(1) as usize];
                let bytes = value.as_bytes();
                let Some(to) = room
                    .get_mut(..bytes.len())
                    .filter(|to| to.len() < control.elem_size as usize)
                else {
                    return Err(self.failure(VIDIOC_S_EXT_CTRLS.name, Errno::RANGE));
                };
                to.copy_from_slice(bytes);
                self.text_request(&VIDIOC_S_EXT_CTRLS, control, &mut room)?;
                Ok(Value::Text(text(&room)))
            }
        }
    }

    fn number_request(
        &self,
        request: &Request<v4l2_ext_controls>,
        control: &Control,
        number: i64,
    ) -> Result<i64, Failure> {
        if matches!(control.kind, ControlType::Text | ControlType::Other(_)) {
            return Err(self.failure(request.name, Errno::INVAL));
        }
        let mut one = v4l2_ext_control::zeroed();
        one.id = control.id;
        one.u = if control.wide {
            control_value { value64: number }
        } else {
            let Ok(value) = i32::try_from(number) else {
                return Err(self.failure(request.name, Errno::RANGE));
            };
            control_value { value }
        };
        self.one(request, &mut one)?;
        let back = one.u;
        Ok(if control.wide {
            // SAFETY: plain numbers.
            unsafe { back.value64 }
        } else {
            // SAFETY: plain numbers.
            i64::from(unsafe { back.value })
        })
    }

    fn text_request(
        &self,
        request: &Request<v4l2_ext_controls>,
        control: &Control,
        room: &mut [u8],
    ) -> Result<(), Failure> {
        if control.kind != ControlType::Text {
            return Err(self.failure(request.name, Errno::INVAL));
        }
        let mut one = v4l2_ext_control::zeroed();
        (one.id, one.size) = (control.id, room.len() as u32);
        one.u = control_value {
            string: room.as_mut_ptr(),
        };
        self.one(request, &mut one)
    }

    /// A request about one control. A control with a payload must point to `size` bytes that live
    /// during the call; both callers see to that, by the control's type.
    fn one(
        &self,
        request: &Request<v4l2_ext_controls>,
        one: &mut v4l2_ext_control,
    ) -> Result<(), Failure> {
        let mut raw = v4l2_ext_controls::zeroed();
        (raw.which, raw.count) = (V4L2_CTRL_WHICH_CUR_VAL, 1);
        raw.controls = one;
        // SAFETY: one control, which lives during the call. The kernel follows the address in it
        // only if `size` is not 0, and then it is that of a buffer of this size.
        unsafe { self.request(request, &mut raw) }
    }
}

fn entry(kind: ControlType, raw: &v4l2_querymenu) -> String {
    let name = raw.name;
    match (kind, name.first_chunk()) {
        (ControlType::IntegerMenu, Some(number)) => i64::from_ne_bytes(*number).to_string(),
        _ => text(&name),
    }
}

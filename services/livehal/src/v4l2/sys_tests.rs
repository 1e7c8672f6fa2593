//! Holds the structures, constants and requests against the system's `<linux/videodev2.h>`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::mem::{offset_of, size_of};
use std::process::{Command, Stdio};

use super::*;

/// Static assertions about a structure's size and the offsets of its fields. `a = b`: field `a` of
/// the header is `b` here.
macro_rules! same {
    ($to:ident; $($name:ident { $($c:ident $(= $($field:tt).+)?),* })*) => {$(
        assert_that($to, concat!("sizeof(struct ", stringify!($name), ")"), size_of::<$name>() as u64);
        $(assert_that(
            $to,
            concat!("offsetof(struct ", stringify!($name), ", ", stringify!($c), ")"),
            same!(@ $name $c $($($field).+)?) as u64,
        );)*
    )*};
    (@ $name:ident $c:ident) => { offset_of!($name, $c) };
    (@ $name:ident $c:ident $($field:tt).+) => { offset_of!($name, $($field).+) };
}

fn assert_that(to: &mut String, expression: &str, value: u64) {
    let expression = expression.replace("r#", "");
    writeln!(
        to,
        "_Static_assert(({expression}) == {value:#x}ull, \"{expression}\");"
    )
    .unwrap();
}

fn program() -> String {
    let mut c = String::from("#include <stddef.h>\n#include <linux/videodev2.h>\n");
    let to = &mut c;
    same! { to;
        v4l2_capability { driver, card, bus_info, version, capabilities, device_caps, reserved }
        v4l2_fmtdesc { index, r#type, flags, description, pixelformat, mbus_code, reserved }
        v4l2_frmsizeenum { index, pixel_format, r#type, discrete = stepwise, stepwise, reserved }
        v4l2_fract { numerator, denominator }
        v4l2_frmivalenum {
            index, pixel_format, width, height, r#type, discrete = stepwise, stepwise, reserved
        }
        v4l2_pix_format {
            width, height, pixelformat, field, bytesperline, sizeimage, colorspace, r#priv, flags,
            ycbcr_enc, quantization, xfer_func
        }
        v4l2_plane_pix_format { sizeimage, bytesperline, reserved }
        v4l2_pix_format_mplane {
            width, height, pixelformat, field, colorspace, plane_fmt, num_planes, flags, ycbcr_enc,
            quantization, xfer_func, reserved
        }
        v4l2_format { r#type, fmt }
        v4l2_captureparm {
            capability, capturemode, timeperframe, extendedmode, readbuffers, reserved
        }
        v4l2_streamparm { r#type, parm }
        v4l2_requestbuffers { count, r#type, memory, capabilities, flags, reserved }
        v4l2_plane { bytesused, length, m, data_offset, reserved }
        v4l2_timecode { r#type, flags, frames = digits }
        v4l2_buffer {
            index, r#type, bytesused, flags, field, timestamp, timecode, sequence, memory, m,
            length, reserved2, request_fd
        }
        v4l2_exportbuffer { r#type, index, plane, flags, fd, reserved }
        v4l2_query_ext_ctrl {
            id, r#type, name, minimum, maximum, step, default_value, flags, elem_size, elems,
            nr_of_dims, dims, reserved
        }
        v4l2_querymenu { id, index, name, value = name, reserved }
        v4l2_ext_control { id, size, reserved2, value = u, value64 = u, string = u }
        v4l2_ext_controls { which, count, error_idx, request_fd, reserved, controls }
        v4l2_encoder_cmd { cmd, flags, raw }
        v4l2_rect { left, top, width, height }
        v4l2_selection { r#type, target, flags, r, reserved }
    }
    // The other half of a union that is one structure here.
    assert_that(
        to,
        "sizeof(struct v4l2_outputparm)",
        size_of::<v4l2_captureparm>() as u64,
    );
    let interval = offset_of!(v4l2_captureparm, timeperframe) as u64;
    assert_that(
        to,
        "offsetof(struct v4l2_outputparm, timeperframe)",
        interval,
    );
    assert_that(to, "sizeof(struct timeval)", size_of::<timeval>() as u64);
    assert_that(
        to,
        "offsetof(struct timeval, tv_usec)",
        offset_of!(timeval, tv_usec) as u64,
    );
    assert_that(to, "VIDEO_MAX_PLANES", VIDEO_MAX_PLANES as u64);
    for (name, value) in constants() {
        assert_that(to, name, u64::from(value));
    }
    for (name, opcode) in requests() {
        assert_that(to, name, u64::from(opcode));
    }
    for (name, fourcc) in crate::v4l2::Fourcc::NAMED {
        assert_that(to, name, u64::from(fourcc.0));
    }
    c
}

/// What the compiler has to say about `program`.
fn compile(compiler: &str, program: &str) -> std::io::Result<String> {
    let mut child = Command::new(compiler)
        .args(["-fsyntax-only", "-x", "c", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().unwrap().write_all(program.as_bytes())?;
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        output.status.success(),
        said.is_empty(),
        "{compiler}: {said}"
    );
    Ok(said)
}

#[test]
fn the_interface_is_that_of_the_systems_header() {
    assert_eq!(compile("cc", &program()).unwrap(), "");
}

/// Skipped where there is no cross compiler.
#[test]
#[cfg(target_pointer_width = "64")]
fn the_interface_is_that_of_a_64_bit_arm_as_well() {
    if let Ok(said) = compile("aarch64-linux-gnu-gcc", &program()) {
        assert_eq!(said, "");
    }
}

#[test]
fn a_difference_is_seen() {
    let wrong = program().replace("0x68ull", "0x69ull");
    assert!(compile("cc", &wrong).unwrap().contains("v4l2_capability"));
}

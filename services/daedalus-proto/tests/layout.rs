//! Holds the structures and constants against the kernel module's header.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::mem::{offset_of, size_of};
use std::process::{Command, Stdio};

use daedalus_proto::wire::*;

const HEADERS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../kernel/daedalus-v4l2/uapi"
);

fn equal(to: &mut String, expression: &str, value: usize) {
    writeln!(
        to,
        "_Static_assert(({expression}) == {value:#x}u, \"{expression}\");"
    )
    .unwrap();
}

/// A structure that begins with the header there, and comes after it here.
macro_rules! body {
    ($to:ident; $($c:ident = $name:ident { $($field:ident),* })*) => {$(
        let header = size_of::<Header>();
        equal($to, concat!("sizeof(struct ", stringify!($c), ")"), header + size_of::<$name>());
        $(equal(
            $to,
            concat!("offsetof(struct ", stringify!($c), ", ", stringify!($field), ")"),
            header + offset_of!($name, $field),
        );)*
    )*};
}

/// A structure that is the same there and here. `a = b`: field `a` there is `b` here.
macro_rules! same {
    ($to:ident; $($c:ident = $name:ident { $($there:ident = $here:ident),* })*) => {$(
        equal($to, concat!("sizeof(struct ", stringify!($c), ")"), size_of::<$name>());
        $(equal(
            $to,
            concat!("offsetof(struct ", stringify!($c), ", ", stringify!($there), ")"),
            offset_of!($name, $here),
        );)*
    )*};
}

macro_rules! values {
    ($to:ident; $($c:literal = $value:expr,)*) => {$(
        equal($to, concat!("DAEDALUS_", $c), $value as usize);
    )*};
}

fn program() -> String {
    let mut c = String::from("#include <stddef.h>\n#include \"daedalus_v4l2_proto.h\"\n");
    let to = &mut c;
    same! { to;
        daedalus_msg_header = Header {
            len = len, type = kind, version = version, ctx = ctx, gen = generation, cookie = cookie
        }
        daedalus_control = ControlHead { id = id, size = size }
        daedalus_capture_fd = CaptureFd {
            ctx = ctx, index = index, serial = serial, fd = fd, size = size
        }
    }
    body! { to;
        daedalus_hello = Hello {
            version_min, version_max, contexts_max, job_timeout_ms, reserved, release
        }
        daedalus_hello_reply = HelloReply { version, codecs }
        daedalus_ctx_open = CtxOpen { codec, uid, flags, reserved }
        daedalus_ctx_format = CtxFormat {
            fourcc, width, height, bytesperline, sizeimage, uv_offset
        }
        daedalus_req_decode = ReqDecode {
            codec, flags, capture_index, capture_serial, timestamp, controls_len, bitstream_len
        }
        daedalus_resp_frame = RespFrame { status, bytesused, width, height, fourcc, digest }
    }
    values! { to;
        "PROTO_VERSION" = PROTO_VERSION,
        "MSG_HELLO" = msg::HELLO,
        "MSG_PING" = msg::PING,
        "MSG_CTX_OPEN" = msg::CTX_OPEN,
        "MSG_CTX_FORMAT" = msg::CTX_FORMAT,
        "MSG_CTX_RESET" = msg::CTX_RESET,
        "MSG_CTX_CLOSE" = msg::CTX_CLOSE,
        "MSG_CTX_BUFFERS" = msg::CTX_BUFFERS,
        "MSG_REQ_DECODE" = msg::REQ_DECODE,
        "MSG_ABORT" = msg::ABORT,
        "MSG_HELLO_REPLY" = msg::HELLO_REPLY,
        "MSG_PONG" = msg::PONG,
        "MSG_RESP_FRAME" = msg::RESP_FRAME,
        "CODEC_VP9" = codec::VP9,
        "CODEC_AV1" = codec::AV1,
        "CODEC_H264" = codec::H264,
        "CODEC_VP8" = codec::VP8,
        "DECODE_OK" = decode::OK,
        "DECODE_NO_FRAME" = decode::NO_FRAME,
        "DECODE_ERR_OPEN" = decode::ERR_OPEN,
        "DECODE_ERR_SEND" = decode::ERR_SEND,
        "DECODE_ERR_RECV" = decode::ERR_RECV,
        "DECODE_ERR_CODEC" = decode::ERR_CODEC,
        "CTX_RESUMED" = CTX_RESUMED,
        "REQ_DIGEST_ONLY" = REQ_DIGEST_ONLY,
        "IOC_GET_CAPTURE_FD" = IOC_GET_CAPTURE_FD,
    }
    c
}

/// Every `#define` of the header that has a value, so that none is forgotten above.
fn defined() -> Vec<String> {
    let header = std::fs::read_to_string(format!("{HEADERS}/daedalus_v4l2_proto.h")).unwrap();
    header
        .lines()
        .filter_map(|line| line.strip_prefix("#define "))
        .filter_map(|line| line.split_once(char::is_whitespace))
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn compile(compiler: &str, program: &str) -> std::io::Result<String> {
    let mut child = Command::new(compiler)
        .args(["-Wall", "-Wextra", "-Wpedantic", "-fsyntax-only", "-x", "c"])
        .args(["-I", HEADERS, "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().unwrap().write_all(program.as_bytes())?;
    let output = child.wait_with_output()?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn structures_and_values_are_those_of_the_header() {
    assert_eq!(compile("cc", &program()).unwrap(), "");
}

/// Skipped where there is no cross compiler.
#[test]
fn they_are_so_on_64_bit_arm_as_well() {
    if let Ok(said) = compile("aarch64-linux-gnu-gcc", &program()) {
        assert_eq!(said, "");
    }
}

#[test]
fn no_value_of_the_header_is_left_out() {
    let program = program();
    for name in defined() {
        assert!(program.contains(&format!("({name})")), "{name}");
    }
}

#[test]
fn a_difference_is_seen() {
    let wrong = program().replace(
        "(DAEDALUS_DECODE_ERR_SEND) == 0x65u",
        "(DAEDALUS_DECODE_ERR_SEND) == 0x66u",
    );
    assert!(
        compile("cc", &wrong)
            .unwrap()
            .contains("DAEDALUS_DECODE_ERR_SEND")
    );
}

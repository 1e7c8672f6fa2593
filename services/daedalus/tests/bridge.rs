//! The daemon against a stand-in for the kernel module.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::controls::Client;
use common::kernel::{Kernel, Request};
use common::{Clip, H264, ONE, VP8, VP9, VP9_DEEP, library, read, samples};
use daedalus::daemon::DaemonError;
use daedalus::decoder::codec_number;
use daedalus::digest;
use daedalus::picture::{NV12, P010};
use daedalus::stream::Stream;
use daedalus_proto::wire::{CtxFormat, PROTO_VERSION, REQ_DIGEST_ONLY, codec, decode, msg};
use livehal_ffmpeg::{Frame, Library, UnitCodec};

const TIMEOUT_MS: u32 = 20_000;

fn format(fourcc: u32, width: u32, height: u32) -> CtxFormat {
    let (width, height) = (width.next_multiple_of(2), height.next_multiple_of(2));
    let bytes = if fourcc == P010 { 2 } else { 1 };
    let bytesperline = (width * bytes).next_multiple_of(64);
    CtxFormat {
        fourcc,
        width,
        height,
        bytesperline,
        sizeimage: bytesperline * height * 3 / 2,
        uv_offset: bytesperline * height,
    }
}

/// A picture as it is to be in a buffer that was all zero: sample by sample, by the formats'
/// definitions.
fn expected(frame: &Frame, format: &CtxFormat) -> Vec<u8> {
    let bytes = if format.fourcc == P010 { 2 } else { 1 };
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let (across, down) = (width.div_ceil(2), height.div_ceil(2));
    let planar = samples(frame);
    let sample = |index: usize| -> Vec<u8> {
        let at = &planar[index * bytes..][..bytes];
        match *at {
            [low, high] => (u16::from_le_bytes([low, high]) << 6)
                .to_le_bytes()
                .to_vec(),
            _ => at.to_vec(),
        }
    };
    let stride = format.bytesperline as usize;
    let mut buffer = vec![0; format.sizeimage as usize];
    let mut put = |at: usize, value: Vec<u8>| buffer[at..at + bytes].copy_from_slice(&value);
    for y in 0..height {
        for x in 0..width {
            put(y * stride + x * bytes, sample(y * width + x));
        }
    }
    for y in 0..down {
        for x in 0..across {
            let row = format.uv_offset as usize + y * stride;
            let (u, v) = (width * height, width * height + across * down);
            put(row + 2 * x * bytes, sample(u + y * across + x));
            put(row + (2 * x + 1) * bytes, sample(v + y * across + x));
        }
    }
    buffer
}

#[test]
fn the_handshake_tells_version_and_codecs() {
    if library().is_none() {
        return;
    }
    let mut kernel = Kernel::greeted(TIMEOUT_MS);
    let all = [codec::H264, codec::VP8, codec::VP9];
    assert_eq!(kernel.codecs, all.iter().fold(0, |bits, c| bits | 1 << c));
    kernel.send(msg::PING, 0, &());
    let (header, ()) = kernel.receive::<()>();
    assert_eq!(header.kind, msg::PONG);
    kernel.stop().unwrap();
}

#[test]
fn another_version_is_refused() {
    if library().is_none() {
        return;
    }
    let mut kernel = Kernel::start();
    kernel.send_hello(PROTO_VERSION + 1, PROTO_VERSION + 3, TIMEOUT_MS);
    assert!(matches!(
        kernel.end(),
        Err(DaemonError::Version { min: 2, max: 4 })
    ));
}

#[test]
fn what_is_no_message_ends_the_daemon_with_an_error() {
    if library().is_none() {
        return;
    }
    let mut kernel = Kernel::greeted(TIMEOUT_MS);
    kernel.send_raw(&[0x55; 40]);
    assert!(matches!(kernel.end(), Err(DaemonError::Message(_))));
}

/// As Phase 8.4 of the original.
#[test]
fn bytes_of_debugfs_are_answered_with_a_digest() {
    let Some(library) = library() else { return };
    let dir = tempfile::tempdir().unwrap();
    let Some(path) = VP9.make(dir.path()) else {
        return;
    };
    let bytes = read(&path);
    let stream = Stream::read(&bytes).unwrap();
    let mut decoder = library.unit_decoder(UnitCodec::Vp9, ONE).unwrap();
    let picture = decoder.decode(stream.units[0]).unwrap().picture.unwrap();

    let mut kernel = Kernel::greeted(TIMEOUT_MS);
    let mut ask = |bitstream: &[u8]| {
        let request = Request {
            codec: codec::VP9,
            flags: REQ_DIGEST_ONLY,
            bitstream,
            ..Request::default()
        };
        kernel.decode(0, &request)
    };
    let first = ask(stream.units[0]);
    assert_eq!(first.status, decode::OK);
    assert_eq!((first.width, first.height), (323, 179));
    assert_eq!(&first.fourcc.to_le_bytes(), b"YU12");
    assert_eq!(first.digest, digest::fnv1a(&picture));
    let second = ask(stream.units[1]);
    assert_eq!(second.status, decode::OK);
    assert_ne!(second.digest, first.digest);
    assert_eq!(ask(stream.units[0]).digest, first.digest);

    // Not of VP9: its first two bits would be 1 and 0.
    let noise: Vec<u8> = (0..64u32).map(|i| (i * 37 + 11) as u8 & 0x7f).collect();
    let refused = ask(&noise);
    assert_eq!((refused.status, refused.digest), (decode::ERR_SEND, 0));
    assert_eq!(ask(stream.units[0]), first);
    kernel.stop().unwrap();
}

/// Every unit's picture is in its CAPTURE buffer, whether it is ever shown or not.
fn decode_to_buffers(library: &Library, clip: &Clip, fourcc: u32) -> Option<()> {
    const BUFFERS: u32 = 3;
    let dir = tempfile::tempdir().unwrap();
    let path = clip.make(dir.path())?;
    let bytes = read(&path);
    let stream = Stream::read(&bytes).unwrap();
    let mut decoder = library.unit_decoder(stream.codec, ONE).unwrap();
    let mut client = Client::default();
    let mut kernel = Kernel::greeted(TIMEOUT_MS);
    kernel.open(1, codec_number(stream.codec));
    let mut format_told = None;
    let mut last = None;
    for (count, unit) in stream.units.iter().enumerate() {
        let index = count as u32 % BUFFERS;
        // The second field of a picture has none of its own.
        let decoded = decoder.decode(unit).unwrap();
        let same = decoded.picture.is_none();
        let picture = decoded.picture.or(last.take()).unwrap();
        let layout = format(fourcc, picture.width(), picture.height());
        if format_told != Some(layout) {
            kernel.format(1, &layout, BUFFERS);
            format_told = Some(layout);
        }
        let request = Request {
            index,
            serial: index,
            controls: &[(0x00a4_0900 + 300, b"not looked at")],
            ..Request::default()
        };
        let response = kernel.decode_unit(1, stream.codec, &mut client, unit, request);
        let at = format!("{}: unit {count}, second field: {same}", clip.name);
        assert_eq!(response.status, decode::OK, "{at}");
        assert_eq!(response.bytesused, layout.sizeimage, "{at}");
        assert_eq!(
            (response.width, response.height, response.fourcc),
            (picture.width(), picture.height(), fourcc),
            "{at}"
        );
        assert!(
            kernel.buffer(1, index) == expected(&picture, &layout),
            "{at}"
        );
        last = Some(picture);
    }
    kernel.send(msg::CTX_CLOSE, 1, &());
    kernel.stop().unwrap();
    Some(())
}

#[test]
fn pictures_of_vp9_and_vp8_are_in_their_buffers() {
    let Some(library) = library() else { return };
    decode_to_buffers(&library, &VP9, NV12);
    decode_to_buffers(&library, &VP9_DEEP, P010);
    decode_to_buffers(&library, &VP8, NV12);
}

#[test]
fn pictures_of_h264_are_in_their_buffers() {
    let Some(library) = library() else { return };
    for clip in H264 {
        let fourcc = if clip.name.starts_with("high10") {
            P010
        } else {
            NV12
        };
        decode_to_buffers(&library, clip, fourcc);
    }
}

#[test]
fn a_picture_that_does_not_fit_is_refused_and_nothing_is_written() {
    if library().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let Some(path) = VP8.make(dir.path()) else {
        return;
    };
    let bytes = read(&path);
    let stream = Stream::read(&bytes).unwrap();
    let mut kernel = Kernel::greeted(TIMEOUT_MS);
    kernel.open(4, codec::VP8);
    for (layout, why) in [
        (format(NV12, 64, 64), "too small"),
        (format(P010, 176, 144), "deeper"),
        (
            CtxFormat {
                uv_offset: u32::MAX,
                ..format(NV12, 176, 144)
            },
            "its second plane is outside",
        ),
    ] {
        kernel.format(4, &layout, 1);
        kernel.send(msg::CTX_BUFFERS, 4, &());
        let request = Request {
            codec: codec::VP8,
            bitstream: stream.units[0],
            ..Request::default()
        };
        let response = kernel.decode(4, &request);
        assert_eq!(response.status, decode::ERR_CODEC, "{why}");
        assert!(kernel.buffer(4, 0).iter().all(|b| *b == 0), "{why}");
    }
    kernel.stop().unwrap();
}

#[test]
fn jobs_of_no_context_and_of_another_codec_fail_at_once() {
    if library().is_none() {
        return;
    }
    let mut kernel = Kernel::greeted(TIMEOUT_MS);
    let request = Request {
        codec: codec::VP9,
        flags: REQ_DIGEST_ONLY,
        bitstream: b"x",
        ..Request::default()
    };
    assert_eq!(kernel.decode(9, &request).status, decode::ERR_OPEN);
    kernel.open(9, codec::VP8);
    assert_eq!(kernel.decode(9, &request).status, decode::ERR_CODEC);
    kernel.open(9, codec::AV1);
    assert_eq!(kernel.decode(9, &request).status, decode::ERR_CODEC);
    assert!(kernel.receive_raw(Duration::from_millis(50)).is_none());
    kernel.stop().unwrap();
}

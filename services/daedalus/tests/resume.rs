//! What a context decodes after units of its stream have been lost.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use common::controls::Client;
use common::kernel::{Kernel, Request};
use common::{Clip, H264, ONE, VP8, library, read};
use daedalus::decoder::codec_number;
use daedalus::digest;
use daedalus::picture::NV12;
use daedalus::stream::Stream;
use daedalus_proto::wire::{CTX_RESUMED, CtxFormat, REQ_DIGEST_ONLY, codec, decode, msg};
use livehal_ffmpeg::UnitCodec;

const TIMEOUT_MS: u32 = 20_000;

/// Only a digest is wanted.
const DIGEST: Request = Request {
    codec: 0,
    flags: REQ_DIGEST_ONLY,
    index: 0,
    serial: 0,
    controls: &[],
    bitstream: &[],
};

/// The clip's beginning went to another daemon: nothing up to its next key frame is decoded, all after
/// it is right.
fn resumes(clip: &Clip, key: usize) -> Option<()> {
    let library = library()?;
    let dir = tempfile::tempdir().unwrap();
    let bytes = read(&clip.make(dir.path())?);
    let stream = Stream::read(&bytes).unwrap();
    let mut decoder = library.unit_decoder(stream.codec, ONE).unwrap();
    let mut client = Client::default();
    let mut kernel = Kernel::greeted(TIMEOUT_MS);
    kernel.open_with(1, codec_number(stream.codec), CTX_RESUMED);
    let mut lost = 0;
    for (number, unit) in stream.units.iter().enumerate() {
        let expected = decoder.decode(unit).unwrap().picture.unwrap();
        // The parameter sets are in the first.
        if number == 0 {
            if stream.codec == UnitCodec::H264 {
                client.job(unit);
            }
            continue;
        }
        let told = kernel.decode_unit(1, stream.codec, &mut client, unit, DIGEST);
        let at = format!("{}: unit {number}", clip.name);
        if number < key {
            assert_eq!(told.status, decode::ERR_RECV, "{at}");
            lost += 1;
        } else {
            assert_eq!(told.status, decode::OK, "{at}");
            assert_eq!(told.digest, digest::fnv1a(&expected), "{at}");
        }
    }
    assert_eq!(lost, key - 1);
    kernel.stop().unwrap();
    Some(())
}

#[test]
fn a_stream_that_another_daemon_began_waits_for_a_key_frame() {
    let baseline = H264.iter().find(|c| c.name == "baseline.h264").unwrap();
    resumes(baseline, 10);
    resumes(
        &Clip {
            args: &[
                "-c:v", "libvpx", "-pix_fmt", "yuv420p", "-b:v", "200k", "-g", "15",
            ],
            ..VP8
        },
        15,
    );
}

#[test]
fn what_begins_anew_waits_for_nothing() {
    if library().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let clip = H264
        .iter()
        .find(|c| c.name == "intra_refresh.h264")
        .unwrap();
    let Some(path) = clip.make(dir.path()) else {
        return;
    };
    let bytes = read(&path);
    let units = Stream::read(&bytes).unwrap().units;
    let mut client = Client::default();
    client.job(units[0]);
    let mut kernel = Kernel::greeted(TIMEOUT_MS);
    kernel.open_with(1, codec::H264, CTX_RESUMED);
    let told = kernel.decode_unit(1, UnitCodec::H264, &mut client, units[1], DIGEST);
    assert_eq!(told.status, decode::ERR_RECV);
    // The client has stopped streaming: it begins where it likes to.
    kernel.send(msg::CTX_RESET, 1, &());
    let told = kernel.decode_unit(1, UnitCodec::H264, &mut client, units[1], DIGEST);
    assert_eq!(told.status, decode::OK);
    kernel.stop().unwrap();
}

#[test]
fn a_unit_whose_buffer_cannot_be_had_is_there_for_those_that_refer_to_it() {
    let Some(library) = library() else { return };
    let dir = tempfile::tempdir().unwrap();
    let Some(path) = VP8.make(dir.path()) else {
        return;
    };
    let bytes = read(&path);
    let stream = Stream::read(&bytes).unwrap();
    let mut decoder = library.unit_decoder(stream.codec, ONE).unwrap();
    let mut client = Client::default();
    let mut kernel = Kernel::greeted(TIMEOUT_MS);
    kernel.open(1, codec::VP8);
    let layout = CtxFormat {
        fourcc: NV12,
        width: 176,
        height: 144,
        bytesperline: 192,
        sizeimage: 192 * 144 * 3 / 2,
        uv_offset: 192 * 144,
    };
    kernel.format(1, &layout, 0);
    decoder.decode(stream.units[0]).unwrap();
    let whole = Request::default();
    let told = kernel.decode_unit(1, stream.codec, &mut client, stream.units[0], whole);
    assert_eq!(told.status, decode::ERR_RECV);
    let second = decoder.decode(stream.units[1]).unwrap().picture.unwrap();
    let told = kernel.decode_unit(1, stream.codec, &mut client, stream.units[1], DIGEST);
    assert_eq!(told.status, decode::OK);
    assert_eq!(told.digest, digest::fnv1a(&second));
    kernel.stop().unwrap();
}

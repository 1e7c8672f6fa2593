//! What the library does, as this backend relies on it. Runs against the stand-in, the vendor's
//! library under emulation (the calls that need no hardware) and a board (`LIVEHAL_RDK_LIBRARY`).

use std::ptr::null_mut;

use super::abi::{
    Buffer, Context, GOP_IPPP, H264, H264_CBR, NV12, OutputInfo, RateControl, Startup, TRUE,
};
use super::codec::{Codec, CodecError};
use super::error::WAIT_TIMEOUT;
use super::library::Library;
use super::standin::{StandIn, library};
use super::*;
use crate::annexb::nal_units;
use crate::convert::Target;

const NOT_ALLOWED: c_int = -268_435_450;
const INVALID_PARAMS: c_int = -268_435_447;

/// Whether there is something that encodes; says what is left out if not.
pub(super) fn encodes(test: &str) -> bool {
    let encodes = StandIn::get().is_some() || Path::new(DEVICE).exists();
    if !encodes {
        println!("SKIPPED: rdk: {test}: the vendor's library without {DEVICE}");
    }
    encodes
}

fn default_context(library: &Library) -> Box<Context> {
    let mut context = Box::new(Context::empty());
    // SAFETY: the context is valid for writes of its whole size.
    let code = unsafe { (library.get_default_context)(H264, TRUE, &raw mut *context) };
    assert_eq!(code, 0);
    context
}

/// The defaults are found where the layout says: each is a value of its own.
#[test]
fn the_defaults_are_where_the_layout_puts_them() {
    let context = default_context(&library());
    let params = &context.params;
    assert_eq!((context.codec, context.encoder), (H264, TRUE));
    assert_eq!((params.width, params.height), (0, 0));
    let buffers = (
        params.frame_buffers,
        params.stream_buffers,
        params.stream_buffer_size,
    );
    assert_eq!(buffers, (1, 5, 10 << 20));
    assert_eq!(params.rate.mode, H264_CBR);
    let cbr = &params.rate.cbr;
    assert_eq!(
        (cbr.intra_period, cbr.intra_qp, cbr.bit_rate),
        (28, 30, 1000)
    );
    assert_eq!((cbr.frame_rate, cbr.initial_qp, cbr.vbv_ms), (30, 63, 10));
    assert_eq!((cbr.macroblock_level, cbr.qp), (0, [8, 51, 8, 51, 8, 51]));
    assert_eq!(
        (params.gop.preset, params.user_pts, params.external_frames),
        (2, 0, 0)
    );
    assert_eq!((params.h264.profile, params.h264.level), (0, 0));
}

/// Calls that need an encoder, each with its name.
fn calls(
    library: &Library,
    context: *mut Context,
    rate: &RateControl,
) -> Vec<(&'static str, c_int)> {
    let (mut buffer, mut info) = (Buffer::empty(), OutputInfo::empty());
    let startup = Startup { frames: 0 };
    // SAFETY: everything pointed to is live; the context may be null, which is what is tested.
    unsafe {
        vec![
            ("configure", (library.configure)(context)),
            ("start", (library.start)(context, &raw const startup)),
            ("stop", (library.stop)(context)),
            ("release", (library.release)(context)),
            ("request_idr", (library.request_idr)(context)),
            ("set_rate", (library.set_rate)(context, rate)),
            (
                "dequeue_input",
                (library.dequeue_input)(context, &raw mut buffer, 1),
            ),
            (
                "queue_input",
                (library.queue_input)(context, &raw mut buffer, 1),
            ),
            (
                "dequeue_output",
                (library.dequeue_output)(context, &raw mut buffer, &raw mut info, 1),
            ),
            (
                "queue_output",
                (library.queue_output)(context, &raw mut buffer, 1),
            ),
        ]
    }
}

#[test]
fn calls_before_the_encoder_is_initialised_are_not_allowed() {
    let library = library();
    let mut context = default_context(&library);
    let rate = context.params.rate;
    for (call, code) in calls(&library, &raw mut *context, &rate) {
        assert_eq!(code, NOT_ALLOWED, "{call}");
    }
}

#[test]
fn a_context_that_is_null_is_an_invalid_parameter() {
    let library = library();
    let rate = default_context(&library).params.rate;
    for (call, code) in calls(&library, null_mut(), &rate) {
        assert_eq!(code, INVALID_PARAMS, "{call}");
    }
    // SAFETY: null is what is tested.
    let codes = unsafe {
        [
            (library.initialize)(null_mut()),
            (library.get_default_context)(H264, TRUE, null_mut()),
        ]
    };
    assert_eq!(codes, [INVALID_PARAMS; 2]);
}

/// A small encoder for 320x240.
fn configured(params: &mut EncodeParams) {
    (params.width, params.height) = (320, 240);
    params.pixel_format = NV12;
    params.frame_buffers = 2;
    params.stream_buffers = 2;
    params.stream_buffer_size = 128 * 1024;
    params.rate.cbr.bit_rate = 500;
    params.gop.preset = GOP_IPPP;
    params.user_pts = TRUE;
    params.h264.profile = abi::PROFILE_BASELINE;
    params.h264.level = 31;
}

/// Starts an encoder, with one thing changed.
fn start(change: impl FnOnce(&mut EncodeParams)) -> Result<Codec, CallError> {
    Codec::start(library(), |params| {
        configured(params);
        change(params);
    })
}

fn submit(codec: &mut Codec, pts: u64, shade: u8) -> Result<(), CodecError> {
    codec.submit(pts, LIMIT, |target| {
        let Target::Nv12([y, uv]) = target else {
            panic!("not NV12");
        };
        y.data.fill(shade);
        uv.data.fill(128);
        Ok(())
    })
}

#[test]
fn groups_of_pictures_other_than_1_and_9_and_unfit_sizes_are_invalid() {
    if !encodes("groups of pictures and sizes") {
        return;
    }
    let refused = |change: fn(&mut EncodeParams)| start(change).err().map(|e| e.code);
    assert_eq!(refused(|p| p.gop.preset = 1), None);
    assert_eq!(refused(|p| p.gop.preset = 2), Some(INVALID_PARAMS));
    assert_eq!(refused(|p| p.width = 248), Some(INVALID_PARAMS));
    assert_eq!(refused(|p| p.width = 324), Some(INVALID_PARAMS));
    assert_eq!(refused(|p| p.height = 120), Some(INVALID_PARAMS));
    assert_eq!(
        refused(|p| p.rate.cbr.intra_period = 2048),
        Some(INVALID_PARAMS)
    );
    assert_eq!(
        refused(|p| p.stream_buffer_size = 1000),
        Some(INVALID_PARAMS)
    );
}

#[test]
fn packets_carry_the_time_stamps_of_their_frames_and_come_without_another_frame() {
    if !encodes("time stamps") {
        return;
    }
    let mut codec = start(|_| {}).unwrap();
    for pts in [7_000_001, 7_033_334, 9_000_000] {
        submit(&mut codec, pts, 60).unwrap();
        let got = codec.receive(LIMIT, |packet| (packet.pts, packet.data.is_empty()));
        assert_eq!(got, Ok((pts, false)));
    }
}

#[test]
fn an_idr_comes_when_asked_for_and_only_the_first_is_sure_to_have_parameter_sets() {
    if !encodes("IDR") {
        return;
    }
    let mut codec = start(|params| params.rate.cbr.intra_period = 100).unwrap();
    let mut idr = Vec::new();
    for n in 0..12u8 {
        if n == 7 {
            codec.request_idr().unwrap();
        }
        submit(&mut codec, u64::from(n), 20 * n).unwrap();
        let types: Vec<u8> = codec
            .receive(LIMIT, |packet| {
                nal_units(packet.data).map(|nal| nal[0] & 0x1F).collect()
            })
            .unwrap();
        if n == 0 {
            assert!(types.contains(&SPS) && types.contains(&PPS), "{types:?}");
        }
        if types.contains(&IDR) {
            idr.push(n);
        }
    }
    assert_eq!(idr, [0, 7]);
}

#[test]
fn buffers_run_out_and_waiting_for_one_ends_in_time() {
    if !encodes("pools of buffers") {
        return;
    }
    let library = library();
    let mut context = default_context(&library);
    configured(&mut context.params);
    let at = &raw mut *context;
    let (mut buffer, mut info) = (Buffer::empty(), OutputInfo::empty());
    // SAFETY: everything pointed to is live until the encoder is released.
    unsafe {
        assert_eq!((library.initialize)(at), 0);
        assert_ne!((library.initialize)(at), 0, "initialised twice");
        assert_eq!((library.configure)(at), 0);
        assert_eq!((library.start)(at, &Startup { frames: 0 }), 0);
        let begin = std::time::Instant::now();
        let nothing = (library.dequeue_output)(at, &raw mut buffer, &raw mut info, 50);
        assert_eq!(nothing, WAIT_TIMEOUT);
        assert!(begin.elapsed() >= Duration::from_millis(49));
        for _ in 0..2 {
            assert_eq!((library.dequeue_input)(at, &raw mut buffer, 100), 0);
        }
        let mut third = Buffer::empty();
        assert_eq!(
            (library.dequeue_input)(at, &raw mut third, 20),
            WAIT_TIMEOUT
        );
        assert_eq!((library.stop)(at), 0);
        assert_eq!((library.dequeue_input)(at, &raw mut third, 20), NOT_ALLOWED);
        assert_eq!((library.release)(at), 0);
        assert_eq!((library.release)(at), NOT_ALLOWED);
    }
}

#[test]
fn memory_of_others_is_refused() {
    if !encodes("foreign memory") {
        return;
    }
    let library = library();
    let mut context = default_context(&library);
    configured(&mut context.params);
    let at = &raw mut *context;
    let mut buffer = Buffer::empty();
    let mut foreign = vec![0u8; 1 << 20];
    // SAFETY: everything pointed to is live until the encoder is released.
    unsafe {
        assert_eq!((library.initialize)(at), 0);
        assert_eq!((library.configure)(at), 0);
        assert_eq!((library.start)(at, &Startup { frames: 0 }), 0);
        assert_eq!((library.dequeue_input)(at, &raw mut buffer, 100), 0);
        buffer.of.frame.planes[0] = foreign.as_mut_ptr();
        buffer.of.frame.fds = [0, -1, -1];
        assert_ne!((library.queue_input)(at, &raw mut buffer, 100), 0);
        assert_eq!((library.release)(at), 0);
    }
}

//! Stands in for `libmultimedia.so.1` of the RDK X5 where there is none: its functions for an
//! encoder, its layouts, states, error codes and limits, with OpenH264 behind them.
//!
//! As the hardware does, it works on its own thread, has few buffers of its own with rows longer
//! than pictures, gives parameter sets once, and takes only the groups of pictures 1 and 9.
//! Faults are ordered by `RDK_STANDIN_FAULTS`, or for a thread by `standin_faults`:
//!
//! | item | effect |
//! |---|---|
//! | `no-device`, `busy`, `configure`, `start`, `stop`, `release` | that step fails |
//! | `hang=N` | nothing comes out after N frames |
//! | `error=N` | waiting for a packet fails after N packets |
//! | `slow=MS` | a frame takes so long |
//! | `headers=split`, `every`, `none` | parameter sets by themselves, before every IDR, never |
//! | `no-idr` | key-frame requests are ignored |
//! | `no-pts` | packets do not carry the time stamps of their frames |
//! | `high` | High profile whatever was asked for |
//! | `empty` | packets have nothing in them |
//! | `small` | input buffers say that they are too small |
#![allow(
    clippy::missing_safety_doc,
    reason = "the contract is the vendor's header: pointers are null or point to live structures"
)]

mod coder;
mod faults;
mod layout;
mod task;

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use coder::Settings;
use faults::Faults;
use layout::{Fields, buffer, context, rate};
use task::{Config, Task};

/// Codes of `hb_media_error.h`.
mod code {
    pub(crate) const UNKNOWN: i32 = -268_435_455;
    pub(crate) const NO_ANSWER: i32 = -268_435_452;
    pub(crate) const NOT_ALLOWED: i32 = -268_435_450;
    pub(crate) const NO_RESOURCE: i32 = -268_435_449;
    pub(crate) const NO_INSTANCE: i32 = -268_435_448;
    pub(crate) const INVALID_PARAMS: i32 = -268_435_447;
    pub(crate) const INVALID_BUFFER: i32 = -268_435_445;
    pub(crate) const WAIT_TIMEOUT: i32 = -268_435_443;
}

/// The descriptor that our buffers claim to have.
const FD: i32 = 0x5D;

type Tasks = HashMap<usize, Arc<Task>>;

fn tasks() -> MutexGuard<'static, Tasks> {
    static MAP: OnceLock<Mutex<Tasks>> = OnceLock::new();
    MAP.get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// The encoder of a context.
fn task(context: *mut c_void) -> Result<Arc<Task>, i32> {
    if context.is_null() {
        return Err(code::INVALID_PARAMS);
    }
    let task = tasks().get(&(context as usize)).cloned();
    task.ok_or(code::NOT_ALLOWED)
}

fn answer(result: Result<(), i32>) -> c_int {
    result.err().unwrap_or(0)
}

/// See the vendor's header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hb_mm_mc_get_default_context(
    codec: c_int,
    encoder: c_int,
    at: *mut c_void,
) -> c_int {
    if at.is_null() || codec != 0 || encoder != 1 {
        return code::INVALID_PARAMS;
    }
    // SAFETY: not null, and a context by the contract.
    let fields = unsafe { Fields::at(at) };
    fields.clear(context::SIZE);
    fields.set(context::CODEC, codec);
    fields.set(context::ENCODER, encoder);
    fields.set(context::FRAME_BUFFERS, 1u32);
    fields.set(context::STREAM_BUFFERS, 5u32);
    fields.set(context::STREAM_SIZE, 10u32 << 20);
    for (n, value) in rate::DEFAULTS.into_iter().enumerate() {
        fields.set(context::RATE + 4 * n, value);
    }
    fields.set(context::REFRESH, 2u32);
    fields.set(context::GOP_PRESET, 2u32);
    0
}

/// See the vendor's header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hb_mm_mc_initialize(at: *mut c_void) -> c_int {
    static NUMBER: AtomicI32 = AtomicI32::new(0);
    if at.is_null() {
        return code::INVALID_PARAMS;
    }
    let faults = Faults::now();
    if faults.has("no-device") {
        return code::UNKNOWN;
    }
    if faults.has("busy") {
        return code::NO_INSTANCE;
    }
    let mut tasks = tasks();
    if tasks.contains_key(&(at as usize)) {
        return code::NOT_ALLOWED;
    }
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    // SAFETY: not null, and a context by the contract.
    unsafe { Fields::at(at) }.set(context::INSTANCE, number);
    tasks.insert(at as usize, Task::new(faults));
    faults::count(1);
    0
}

/// See the vendor's header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hb_mm_mc_configure(at: *mut c_void) -> c_int {
    answer(task(at).and_then(|task| {
        if task.faults.has("configure") {
            return Err(code::NO_RESOURCE);
        }
        // SAFETY: a context that was initialised.
        let fields = unsafe { Fields::at(at) };
        task.configure(config(&fields).ok_or(code::INVALID_PARAMS)?)
    }))
}

/// What the context says, if the hardware can do it.
fn config(fields: &Fields) -> Option<Config> {
    let number = |offset| fields.get::<u32>(offset);
    let rates = fields.part(context::RATE);
    let (width, height) = (number(context::WIDTH), number(context::HEIGHT));
    let stream_size = number(context::STREAM_SIZE);
    let kbps = bit_rate(&rates)?;
    let fps = rates.get::<u32>(rate::FRAME_RATE);
    let level = number(context::LEVEL);
    let fits = (256..=8192).contains(&width)
        && width % 8 == 0
        && (128..=8192).contains(&height)
        && height % 8 == 0
        && number(context::PIXEL_FORMAT) == 1
        && (1..=31).contains(&number(context::FRAME_BUFFERS))
        && number(context::STREAM_BUFFERS) > 0
        && stream_size >= 64 * 1024
        && stream_size % 1024 == 0
        && number(context::EXTERNAL) == 0
        && matches!(number(context::GOP_PRESET), 1 | 9)
        && number(context::PROFILE) <= 4
        && level <= 52;
    fits.then(|| Config {
        coder: Settings {
            width: width as usize,
            height: height as usize,
            // As after a picture processor: rows are padded.
            stride: width.next_multiple_of(64) as usize + 64,
            kbps,
            fps,
            intra_period: rates.get(rate::INTRA_PERIOD),
            all_intra: number(context::GOP_PRESET) == 1,
            profile: number(context::PROFILE) as i32,
            level: level as i32,
        },
        frame_buffers: number(context::FRAME_BUFFERS) as usize,
        stream_buffers: number(context::STREAM_BUFFERS) as usize,
        stream_size: stream_size as usize,
        user_pts: number(context::USER_PTS) == 1,
    })
}

/// The bit rate, if the rate control's parameters are allowed.
fn bit_rate(rates: &Fields) -> Option<u32> {
    let kbps = rates.get::<u32>(rate::BIT_RATE);
    let fits = rates.get::<i32>(rate::MODE) == 0
        && (1..=700_000).contains(&kbps)
        && (1..=240).contains(&rates.get::<u32>(rate::FRAME_RATE))
        && rates.get::<u32>(rate::INTRA_PERIOD) <= 2047
        && (10..=3000).contains(&rates.get::<i32>(rate::VBV));
    fits.then_some(kbps)
}

/// A structure of the caller's.
///
/// # Safety
/// `at` is null, or as [`Fields::at`] wants it.
unsafe fn fields(at: *const c_void) -> Result<Fields, c_int> {
    if at.is_null() {
        return Err(code::INVALID_PARAMS);
    }
    // SAFETY: not null, and the rest by the caller.
    Ok(unsafe { Fields::at(at.cast_mut()) })
}

/// A buffer given back, which must be of the kind that its queue has.
///
/// # Safety
/// As [`fields`].
unsafe fn buffer_of(at: *const c_void, kind: i32) -> Result<Fields, c_int> {
    // SAFETY: by the caller.
    let fields = unsafe { fields(at) }?;
    match fields.get::<i32>(buffer::KIND) == kind {
        true => Ok(fields),
        false => Err(code::INVALID_BUFFER),
    }
}

/// See the vendor's header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hb_mm_mc_start(at: *mut c_void, startup: *const c_void) -> c_int {
    answer(task(at).and_then(|task| {
        if startup.is_null() {
            return Err(code::INVALID_PARAMS);
        }
        if task.faults.has("start") {
            return Err(code::NO_RESOURCE);
        }
        task.start()
    }))
}

/// See the vendor's header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hb_mm_mc_stop(at: *mut c_void) -> c_int {
    answer(task(at).and_then(|task| {
        task.stop()?;
        match task.faults.has("stop") {
            true => Err(code::NO_ANSWER),
            false => Ok(()),
        }
    }))
}

/// See the vendor's header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hb_mm_mc_release(at: *mut c_void) -> c_int {
    answer(task(at).and_then(|task| {
        // Also where it was not stopped before.
        let _ = task.stop();
        tasks().remove(&(at as usize));
        faults::count(-1);
        match task.faults.has("release") {
            true => Err(code::NO_ANSWER),
            false => Ok(()),
        }
    }))
}

/// See the vendor's header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hb_mm_mc_request_idr_frame(at: *mut c_void) -> c_int {
    answer(task(at).and_then(|task| task.request_idr()))
}

/// See the vendor's header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hb_mm_mc_set_rate_control_config(
    at: *mut c_void,
    params: *const c_void,
) -> c_int {
    answer(task(at).and_then(|task| {
        // SAFETY: null, or rate-control parameters by the contract; only read.
        let rates = unsafe { fields(params) }?;
        task.set_rate(bit_rate(&rates).ok_or(code::INVALID_PARAMS)?)
    }))
}

/// See the vendor's header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hb_mm_mc_dequeue_input_buffer(
    at: *mut c_void,
    to: *mut c_void,
    timeout: c_int,
) -> c_int {
    answer(task(at).and_then(|task| {
        // SAFETY: null, or a buffer by the contract.
        let fields = unsafe { fields(to) }?;
        let (frame, config) = task.dequeue_input(timeout)?;
        let small = task.faults.has("small");
        fields.clear(buffer::SIZE);
        fields.set(buffer::frame::Y, frame.y);
        fields.set(buffer::frame::UV, frame.uv);
        fields.set(buffer::frame::BYTES, (frame.y_size + frame.uv_size) as u32);
        fields.set(
            buffer::frame::Y_BYTES,
            frame.y_size as u32 - u32::from(small),
        );
        fields.set(buffer::frame::UV_BYTES, frame.uv_size as u32);
        fields.set(buffer::frame::WIDTH, config.coder.width as u32);
        fields.set(buffer::frame::HEIGHT, config.coder.height as u32);
        fields.set(buffer::frame::PIXEL_FORMAT, 1u32);
        // The chroma stride stays 0, as the vendor's library leaves it for NV12.
        fields.set(buffer::frame::STRIDE, config.coder.stride as u32);
        fields.set(buffer::frame::FD, FD);
        fields.set(buffer::frame::INDEX, frame.index as u32);
        Ok(())
    }))
}

/// See the vendor's header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hb_mm_mc_queue_input_buffer(
    at: *mut c_void,
    from: *mut c_void,
    _timeout: c_int,
) -> c_int {
    answer(task(at).and_then(|task| {
        // SAFETY: null, or a buffer by the contract.
        let fields = unsafe { buffer_of(from, 0) }?;
        task.queue_input(
            fields.get(buffer::frame::INDEX),
            fields.get(buffer::frame::Y),
            fields.get(buffer::frame::FD),
            fields.get(buffer::frame::PTS),
        )
    }))
}

/// See the vendor's header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hb_mm_mc_dequeue_output_buffer(
    at: *mut c_void,
    to: *mut c_void,
    _info: *mut c_void,
    timeout: c_int,
) -> c_int {
    answer(task(at).and_then(|task| {
        // SAFETY: null, or a buffer by the contract.
        let fields = unsafe { fields(to) }?;
        if task.fails_now() {
            return Err(code::NO_ANSWER);
        }
        let packet = task.dequeue_output(timeout)?;
        fields.clear(buffer::SIZE);
        fields.set(buffer::KIND, 1u32);
        fields.set(buffer::stream::DATA, packet.data);
        fields.set(buffer::stream::BYTES, packet.size as u32);
        fields.set(buffer::stream::PTS, packet.pts);
        fields.set(buffer::stream::INDEX, packet.index as u32);
        Ok(())
    }))
}

/// See the vendor's header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hb_mm_mc_queue_output_buffer(
    at: *mut c_void,
    from: *mut c_void,
    _timeout: c_int,
) -> c_int {
    answer(task(at).and_then(|task| {
        // SAFETY: null, or a buffer by the contract.
        let fields = unsafe { buffer_of(from, 1) }?;
        task.queue_output(fields.get(buffer::stream::INDEX))
    }))
}

/// Sets the faults of encoders that the calling thread opens from now on. Not the vendor's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn standin_faults(list: *const c_char) {
    // SAFETY: a string that ends with zero, by the caller.
    let list = unsafe { CStr::from_ptr(list) };
    faults::set(list.to_string_lossy().into_owned());
}

/// Encoders that the calling thread opened and did not release. Not the vendor's.
#[unsafe(no_mangle)]
pub extern "C" fn standin_open() -> c_int {
    faults::count(0)
}

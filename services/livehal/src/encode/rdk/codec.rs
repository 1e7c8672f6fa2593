//! One encoder of the library, with its states and buffers.

use std::ffi::c_int;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::abi::{
    Buffer, Context, EncodeParams, FRAME_BUFFER, H264, OutputInfo, STREAM_BUFFER, Startup, TRUE,
};
use super::error::{CallError, WAIT_TIMEOUT};
use super::library::Library;
use crate::convert::{PlaneMut, Target};

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CodecError {
    /// The library said so.
    #[error("{0}")]
    Call(CallError),
    /// A buffer is not what its description says it must be.
    #[error("{0}")]
    Buffer(String),
    /// The encoder did not answer.
    #[error("{what} for {limit:?}")]
    Hangs {
        /// What did not come.
        what: &'static str,
        /// The time given.
        limit: Duration,
    },
}

/// How long one call may wait. Short: a call into a driver that hangs for good cannot be ended.
const STEP: Duration = Duration::from_millis(100);

/// How far the encoder is, by the library's own states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Uninitialized,
    Initialized,
    Started,
}

/// An encoder. Dropping it stops and releases it, whatever became of it.
pub(super) struct Codec {
    library: Arc<Library>,
    /// The library knows an encoder by its context's address, and writes to it.
    context: Box<Context>,
    stage: Stage,
    /// An input buffer that no picture came into: there is no giving it back without one.
    spare: Option<Buffer>,
}

/// What the encoder gave.
pub(super) struct Packet<'a> {
    /// The bytes, in the encoder's own buffer.
    pub(super) data: &'a [u8],
    /// The time stamp that it carries.
    pub(super) pts: u64,
}

impl Codec {
    /// Makes an encoder and starts it. `set` changes the library's defaults.
    pub(super) fn start(
        library: Arc<Library>,
        set: impl FnOnce(&mut EncodeParams),
    ) -> Result<Self, CallError> {
        let mut codec = Self {
            library,
            context: Box::new(Context::empty()),
            stage: Stage::Uninitialized,
            spare: None,
        };
        let get = codec.library.get_default_context;
        // SAFETY: the context is valid for writes of its whole size.
        let code = unsafe { get(H264, TRUE, &raw mut *codec.context) };
        check("hb_mm_mc_get_default_context", code)?;
        set(&mut codec.context.params);
        codec.call("hb_mm_mc_initialize", codec.library.initialize)?;
        codec.stage = Stage::Initialized;
        codec.call("hb_mm_mc_configure", codec.library.configure)?;
        let (start, endless) = (codec.library.start, Startup { frames: 0 });
        // SAFETY: the context is live and its address constant; `endless` is only read.
        let code = unsafe { start(&raw mut *codec.context, &raw const endless) };
        check("hb_mm_mc_start", code)?;
        codec.stage = Stage::Started;
        Ok(codec)
    }

    /// Makes the next frame an IDR.
    pub(super) fn request_idr(&mut self) -> Result<(), CallError> {
        self.call("hb_mm_mc_request_idr_frame", self.library.request_idr)
    }

    /// Changes the bit rate, in kilobits a second.
    pub(super) fn set_rate(&mut self, kbps: u32) -> Result<(), CallError> {
        let mut rate = self.context.params.rate;
        rate.cbr.bit_rate = kbps;
        let set = self.library.set_rate;
        // SAFETY: the context is live; `rate` is only read.
        let code = unsafe { set(&raw mut *self.context, &raw const rate) };
        check("hb_mm_mc_set_rate_control_config", code)?;
        self.context.params.rate = rate;
        Ok(())
    }

    /// Gives the encoder a picture, which `fill` puts into a free input buffer, as NV12.
    ///
    /// # Errors
    /// Those of `fill` too, after which another picture may be given.
    pub(super) fn submit<E: From<CodecError>>(
        &mut self,
        pts: u64,
        limit: Duration,
        fill: impl FnOnce(Target<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut buffer = match self.spare.take() {
            Some(buffer) => buffer,
            None => self.free_input(limit)?,
        };
        if let Err(e) = fill(self.planes(&buffer)?) {
            self.spare = Some(buffer);
            return Err(e);
        }
        // SAFETY: checked to be of this kind; every byte of the union is initialised.
        let frame = unsafe { &mut buffer.of.frame };
        frame.pts = pts;
        frame.end = 0;
        let queue = self.library.queue_input;
        self.wait("the encoder took no picture", limit, |context, step| {
            // SAFETY: the context is live; the buffer is the one it gave.
            let code = unsafe { queue(context, &raw mut buffer, step) };
            check("hb_mm_mc_queue_input_buffer", code)
        })?;
        Ok(())
    }

    fn free_input(&mut self, limit: Duration) -> Result<Buffer, CodecError> {
        let mut buffer = Buffer::empty();
        let dequeue = self.library.dequeue_input;
        self.wait("no input buffer came free", limit, |context, step| {
            // SAFETY: the context is live, the buffer valid for writes.
            let code = unsafe { dequeue(context, &raw mut buffer, step) };
            check("hb_mm_mc_dequeue_input_buffer", code)
        })?;
        if buffer.kind != FRAME_BUFFER {
            return Err(CodecError::Buffer(format!(
                "an input buffer of kind {}",
                buffer.kind
            )));
        }
        Ok(buffer)
    }

    /// The planes of an input buffer.
    fn planes<'a>(&self, buffer: &'a Buffer) -> Result<Target<'a>, CodecError> {
        // SAFETY: of this kind by `free_input`; every byte of the union is initialised.
        let frame = unsafe { &buffer.of.frame };
        let params = &self.context.params;
        let layout = Layout::of(frame, params.width, params.height).map_err(CodecError::Buffer)?;
        let [y, uv, _] = frame.planes;
        // SAFETY: the library gave this buffer to us alone until it is queued. Both planes have at
        // least the bytes that `Layout` reckons, by the sizes that the library says, and do not
        // overlap, which `Layout` checked.
        let [y, uv] = unsafe {
            [
                std::slice::from_raw_parts_mut(y, layout.y_size),
                std::slice::from_raw_parts_mut(uv, layout.uv_size),
            ]
        };
        Ok(Target::Nv12([
            PlaneMut {
                data: y,
                stride: layout.y_stride,
            },
            PlaneMut {
                data: uv,
                stride: layout.uv_stride,
            },
        ]))
    }

    /// Waits for a packet and lets `take` have it.
    pub(super) fn receive<T>(
        &mut self,
        limit: Duration,
        take: impl FnOnce(Packet<'_>) -> T,
    ) -> Result<T, CodecError> {
        let (mut buffer, mut info) = (Buffer::empty(), OutputInfo::empty());
        let dequeue = self.library.dequeue_output;
        self.wait("no packet came", limit, |context, step| {
            // SAFETY: the context is live; buffer and info are valid for writes.
            let code = unsafe { dequeue(context, &raw mut buffer, &raw mut info, step) };
            check("hb_mm_mc_dequeue_output_buffer", code)
        })?;
        let taken = packet(&buffer, self.context.params.stream_buffer_size).map(take);
        let queue = self.library.queue_output;
        self.wait("the encoder took no buffer back", limit, |context, step| {
            // SAFETY: the context is live; the buffer is the one it gave.
            let code = unsafe { queue(context, &raw mut buffer, step) };
            check("hb_mm_mc_queue_output_buffer", code)
        })?;
        taken.map_err(CodecError::Buffer)
    }

    /// Repeats a call that may run out of time, up to `limit`.
    fn wait(
        &mut self,
        what: &'static str,
        limit: Duration,
        mut call: impl FnMut(*mut Context, c_int) -> Result<(), CallError>,
    ) -> Result<(), CodecError> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let step = left.min(STEP).as_millis() as c_int;
            match call(&raw mut *self.context, step) {
                Ok(()) => return Ok(()),
                Err(e) if e.code != WAIT_TIMEOUT => return Err(CodecError::Call(e)),
                Err(_) if left.is_zero() => return Err(CodecError::Hangs { what, limit }),
                Err(_) => {}
            }
        }
    }

    fn call(
        &mut self,
        name: &'static str,
        function: unsafe extern "C" fn(*mut Context) -> c_int,
    ) -> Result<(), CallError> {
        // SAFETY: the context is live and its address constant; the function is the library's.
        check(name, unsafe { function(&raw mut *self.context) })
    }
}

impl Drop for Codec {
    fn drop(&mut self) {
        let steps = [
            (Stage::Started, "hb_mm_mc_stop", self.library.stop),
            (Stage::Initialized, "hb_mm_mc_release", self.library.release),
        ];
        for (from, call, function) in steps {
            if self.stage >= from
                && let Err(e) = self.call(call, function)
            {
                tracing::warn!("encoder.backend = rdk: while it is closed: {e}");
            }
        }
    }
}

/// Where rows lie in an input buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) y_stride: usize,
    pub(super) y_size: usize,
    pub(super) uv_stride: usize,
    pub(super) uv_size: usize,
}

impl Layout {
    /// Reads and checks the description of an NV12 buffer for pictures of a size.
    pub(super) fn of(
        frame: &super::abi::FrameBuffer,
        width: c_int,
        height: c_int,
    ) -> Result<Self, String> {
        let [y, uv, _] = frame.planes;
        let wrong = |what: &str| {
            Err(format!(
                "an input buffer for {width}x{height} {what}: stride {}, chroma stride {}, planes of {:?} bytes",
                frame.stride, frame.chroma_stride, frame.plane_sizes
            ))
        };
        let chroma_stride = match frame.chroma_stride {
            0 => frame.stride,
            own => own,
        };
        let (Ok(y_stride), Ok(uv_stride), Ok(width_), Ok(height_)) = (
            usize::try_from(frame.stride),
            usize::try_from(chroma_stride),
            usize::try_from(width),
            usize::try_from(height),
        ) else {
            return wrong("has a negative stride");
        };
        if y.is_null() || uv.is_null() {
            return wrong("lacks a plane");
        }
        if y_stride < width_ || uv_stride < width_ {
            return wrong("has rows too short");
        }
        let layout = Self {
            y_stride,
            y_size: y_stride * height_,
            uv_stride,
            uv_size: uv_stride * height_.div_ceil(2),
        };
        let [y_room, uv_room, _] = frame.plane_sizes.map(|size| size as usize);
        if y_room < layout.y_size || uv_room < layout.uv_size {
            return wrong("is too small");
        }
        let (y, uv) = (y as usize, uv as usize);
        if y < uv + layout.uv_size && uv < y + layout.y_size {
            return wrong("has planes that overlap");
        }
        Ok(layout)
    }
}

/// The packet in an output buffer.
fn packet(buffer: &Buffer, room: u32) -> Result<Packet<'_>, String> {
    if buffer.kind != STREAM_BUFFER {
        return Err(format!("an output buffer of kind {}", buffer.kind));
    }
    // SAFETY: checked to be of this kind; every byte of the union is initialised.
    let stream = unsafe { &buffer.of.stream };
    if stream.size > room || (stream.size > 0 && stream.data.is_null()) {
        return Err(format!(
            "an output buffer of {room} bytes with {} in it",
            stream.size
        ));
    }
    let data = match stream.size {
        0 => &[][..],
        // SAFETY: the library says that so many bytes are there, no more than the buffer's size;
        // they stay as they are until the buffer is queued again, after the packet's last use.
        size => unsafe { std::slice::from_raw_parts(stream.data, size as usize) },
    };
    Ok(Packet {
        data,
        pts: stream.pts,
    })
}

fn check(call: &'static str, code: c_int) -> Result<(), CallError> {
    if code == 0 {
        Ok(())
    } else {
        Err(CallError { call, code })
    }
}

//! Coded frames.

use std::ptr::NonNull;
use std::sync::Arc;

use crate::api::Api;
use crate::context::out_of_memory;
use crate::demux::VideoStream;
use crate::error::{Error, Result};
use crate::sys::AVPacket;

/// One packet of a file: a coded frame, as a rule.
#[derive(Debug)]
pub struct Packet {
    api: Arc<Api>,
    inner: NonNull<AVPacket>,
}

// SAFETY: owned data with an atomic reference count.
unsafe impl Send for Packet {}

impl Packet {
    pub(crate) fn new(api: &Arc<Api>) -> Result<Self> {
        // SAFETY: allocates; null if it cannot.
        let inner = unsafe { api.codec.av_packet_alloc() };
        match NonNull::new(inner) {
            Some(inner) => Ok(Self {
                api: Arc::clone(api),
                inner,
            }),
            None => Err(out_of_memory("av_packet_alloc")),
        }
    }

    /// A packet with these bytes.
    pub(crate) fn copy_of(api: &Arc<Api>, bytes: &[u8]) -> Result<Self> {
        let packet = Self::new(api)?;
        let size = i32::try_from(bytes.len()).map_err(|_| Error::Call {
            call: "av_new_packet",
            reason: format!("{} bytes are too many", bytes.len()),
        })?;
        // SAFETY: an empty packet, which gets memory for as many bytes as are written, and padding.
        unsafe {
            let code = api.codec.av_new_packet(packet.as_ptr(), size);
            api.check("av_new_packet", code)?;
            let data = api.layout.packet.data.get(packet.as_ptr());
            data.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        Ok(packet)
    }

    /// Whether the packet is of `stream`.
    pub fn is_of(&self, stream: &VideoStream) -> bool {
        // SAFETY: a live packet.
        let index = unsafe { self.api.layout.packet.stream_index.get(self.inner.as_ptr()) };
        usize::try_from(index) == Ok(stream.index)
    }

    pub(crate) fn as_ptr(&self) -> *mut AVPacket {
        self.inner.as_ptr()
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        let mut packet = self.inner.as_ptr();
        // SAFETY: allocated by `new`, freed once.
        unsafe { self.api.codec.av_packet_free(&mut packet) };
    }
}

//! The structures as they are on the wire, in the machine's byte order.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Version of the protocol.
pub const PROTO_VERSION: u16 = 1;

/// Types of messages; the high bit says that the daemon sends it.
pub mod msg {
    #![allow(missing_docs, reason = "the header describes them")]
    pub const HELLO: u16 = 0x0001;
    pub const PING: u16 = 0x0002;
    pub const CTX_OPEN: u16 = 0x0010;
    pub const CTX_FORMAT: u16 = 0x0011;
    pub const CTX_RESET: u16 = 0x0012;
    pub const CTX_CLOSE: u16 = 0x0013;
    pub const CTX_BUFFERS: u16 = 0x0014;
    pub const REQ_DECODE: u16 = 0x0020;
    pub const ABORT: u16 = 0x0021;
    pub const HELLO_REPLY: u16 = 0x8001;
    pub const PONG: u16 = 0x8002;
    pub const RESP_FRAME: u16 = 0x8020;
}

/// Codecs.
pub mod codec {
    #![allow(missing_docs, reason = "the header describes them")]
    pub const VP9: u32 = 1;
    pub const AV1: u32 = 2;
    pub const H264: u32 = 3;
    pub const VP8: u32 = 4;
}

/// What became of an access unit.
pub mod decode {
    #![allow(missing_docs, reason = "the header describes them")]
    pub const OK: u32 = 0;
    pub const NO_FRAME: u32 = 1;
    pub const ERR_OPEN: u32 = 100;
    pub const ERR_SEND: u32 = 101;
    pub const ERR_RECV: u32 = 102;
    pub const ERR_CODEC: u32 = 103;
}

/// In [`CtxOpen::flags`]: what the stream began with was decoded by another daemon, or not at all: until
/// a picture that refers to none before, nothing can be decoded.
pub const CTX_RESUMED: u32 = 0x1;

/// In [`ReqDecode::flags`]: no CAPTURE buffer; only a digest is wanted.
pub const REQ_DIGEST_ONLY: u32 = 0x1;

/// Number of the request for a CAPTURE buffer's descriptor: `_IOWR('D', 0x40, CaptureFd)`.
pub const IOC_GET_CAPTURE_FD: u32 = 3 << 30 | (size_of::<CaptureFd>() as u32) << 16 | 0x4440;

macro_rules! wire {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
        #[repr(C)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
        }
    )*};
}

wire! {
    /// How every message begins.
    Header {
        /// Size of the whole message in bytes, this included.
        len: u32,
        /// One of [`msg`].
        kind: u16,
        /// [`PROTO_VERSION`].
        version: u16,
        /// The context it is about; 0 for none.
        ctx: u32,
        /// The bridge's generation: which opening of the device this is.
        generation: u32,
        /// The job it is about; 0 for none.
        cookie: u64,
    }
    /// What follows the header of [`msg::HELLO`].
    Hello {
        /// Oldest version understood.
        version_min: u16,
        /// Newest version understood.
        version_max: u16,
        /// Contexts that may decode at a time.
        contexts_max: u32,
        /// Milliseconds that a job may take.
        job_timeout_ms: u32,
        /// 0.
        reserved: u32,
        /// Version of the module, ended by a zero.
        release: [u8; 32],
    }
    /// What follows the header of [`msg::HELLO_REPLY`].
    HelloReply {
        /// The version both will use.
        version: u32,
        /// Bit n stands for the [`codec`] n.
        codecs: u32,
    }
    /// What follows the header of [`msg::CTX_OPEN`].
    CtxOpen {
        /// One of [`codec`].
        codec: u32,
        /// The user who opened the video node.
        uid: u32,
        /// [`CTX_RESUMED`] or 0.
        flags: u32,
        /// 0.
        reserved: u32,
    }
    /// What follows the header of [`msg::CTX_FORMAT`].
    CtxFormat {
        /// `V4L2_PIX_FMT_…`
        fourcc: u32,
        /// Width of a buffer in pixels.
        width: u32,
        /// Height of a buffer in pixels.
        height: u32,
        /// Bytes from one row to the next, in both planes.
        bytesperline: u32,
        /// Size of a buffer in bytes.
        sizeimage: u32,
        /// Where the chroma plane begins, in bytes.
        uv_offset: u32,
    }
    /// What follows the header of [`msg::REQ_DECODE`], before controls and bitstream.
    ReqDecode {
        /// One of [`codec`].
        codec: u32,
        /// [`REQ_DIGEST_ONLY`] or 0.
        flags: u32,
        /// The CAPTURE buffer that takes the picture.
        capture_index: u32,
        /// That buffer's serial number.
        capture_serial: u32,
        /// Of the OUTPUT buffer, in ns.
        timestamp: u64,
        /// Bytes of controls that follow.
        controls_len: u32,
        /// Bytes of bitstream that follow the controls.
        bitstream_len: u32,
    }
    /// How each control begins.
    ControlHead {
        /// `V4L2_CID_STATELESS_…`
        id: u32,
        /// Bytes of the V4L2 structure that follows, padded to a multiple of 8.
        size: u32,
    }
    /// What follows the header of [`msg::RESP_FRAME`].
    RespFrame {
        /// One of [`decode`].
        status: u32,
        /// Bytes of the CAPTURE buffer that hold the picture.
        bytesused: u32,
        /// Width of the picture in pixels.
        width: u32,
        /// Height of the picture in pixels.
        height: u32,
        /// `V4L2_PIX_FMT_…` of what was decoded; 0 for none.
        fourcc: u32,
        /// With [`REQ_DIGEST_ONLY`]: FNV-1a, 32 bits, of the decoded planes' visible bytes; else 0.
        digest: u32,
    }
    /// Argument of the request for a CAPTURE buffer's descriptor.
    CaptureFd {
        /// The context.
        ctx: u32,
        /// The buffer.
        index: u32,
        /// Its serial number.
        serial: u32,
        /// The descriptor (out).
        fd: i32,
        /// The buffer's size in bytes (out).
        size: u64,
    }
}

/// A whole message of the daemon: header and what follows.
///
/// `body` is one of this module's structures that the daemon sends, or `()` for none.
pub fn message<T: IntoBytes + Immutable>(
    kind: u16,
    generation: u32,
    (ctx, cookie): (u32, u64),
    body: &T,
) -> Vec<u8> {
    let body = body.as_bytes();
    let header = Header {
        len: (size_of::<Header>() + body.len()) as u32,
        kind,
        version: PROTO_VERSION,
        ctx,
        generation,
        cookie,
    };
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(body);
    bytes
}

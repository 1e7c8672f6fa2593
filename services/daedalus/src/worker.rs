//! The process that decodes for one context. It has a socket and nothing else.

use std::io::{self, Write};
use std::num::NonZeroU16;
use std::os::unix::net::UnixStream;

use daedalus_proto::wire::{
    CtxFormat, Header, HelloReply, PROTO_VERSION, REQ_DIGEST_ONLY, RespFrame, decode, message, msg,
};
use daedalus_proto::{Decode, Message};
use livehal_ffmpeg::{Frame, Library, UnitCodec};
use zerocopy::{FromBytes, IntoBytes};

use crate::buffers::Buffers;
use crate::channel::{Delivery, receive};
use crate::decoder::{ContextDecoder, Failure, codec_number};
use crate::{digest, picture, verify};

/// How a worker decodes.
#[derive(Debug, Clone, Copy)]
pub struct WorkerOptions {
    /// Threads that share the slices or tiles of a picture.
    pub threads: NonZeroU16,
    /// Say on standard error why a unit was not decoded.
    pub verbose: bool,
}

/// The codecs of a library, bit by bit as the bridge numbers them.
pub fn codecs(library: &Library) -> u32 {
    UnitCodec::ALL
        .into_iter()
        .filter(|codec| library.has_decoder(*codec))
        .fold(0, |bits, codec| bits | 1 << codec_number(codec))
}

/// Says which codecs there are, and from which libraries.
///
/// # Errors
/// The socket's.
pub fn greet(library: &Library, mut socket: &UnixStream) -> io::Result<()> {
    let hello = HelloReply {
        version: PROTO_VERSION.into(),
        codecs: codecs(library),
    };
    socket.write_all(&message(msg::HELLO_REPLY, 0, (0, 0), &hello))?;
    socket.write_all(&Libraries::of(library).0)
}

/// After the hello: which release of FFmpeg there is, in words, filled up with zeros.
#[derive(Debug)]
pub(crate) struct Libraries([u8; Self::LEN]);

impl Libraries {
    /// Bytes of it.
    pub(crate) const LEN: usize = 128;

    fn of(library: &Library) -> Self {
        let mut bytes = [0; Self::LEN];
        let words = library.versions().to_string();
        for (to, from) in bytes.iter_mut().zip(words.bytes()) {
            *to = from;
        }
        Self(bytes)
    }
}

/// Decodes what comes by `socket` until that is closed.
///
/// # Errors
/// What ends it: the socket's errors, or messages that no daemon sends.
pub fn run(library: &Library, socket: UnixStream, options: WorkerOptions) -> io::Result<()> {
    let mut worker = Worker {
        library,
        options,
        decoder: None,
        format: None,
        buffers: Buffers::default(),
        pictures: 0,
        copies: 0,
    };
    while let Some(delivery) = receive(&socket)? {
        if let Some(answer) = worker.take(delivery)? {
            (&socket).write_all(&answer)?;
        }
    }
    Ok(())
}

struct Worker<'a> {
    library: &'a Library,
    options: WorkerOptions,
    /// None before the context is open; why not, where that failed.
    decoder: Option<Result<ContextDecoder, Failure>>,
    format: Option<CtxFormat>,
    buffers: Buffers,
    /// Answered, and written into a CAPTURE buffer as a whole: each once.
    pictures: u64,
    copies: u64,
}

impl Worker<'_> {
    fn take(&mut self, delivery: Delivery) -> io::Result<Option<Vec<u8>>> {
        if delivery.is_stream {
            let codecs = u32::read_from_bytes(&delivery.message).ok();
            let (Some(codecs), Some(stream)) = (codecs, delivery.buffer) else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            let answer = verify::Answer::to(self.library, codecs, &stream);
            return Ok(Some(answer.as_bytes().to_vec()));
        }
        let (header, message) = Message::parse(&delivery.message)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        match message {
            Message::Open(open) => {
                self.decoder = Some(ContextDecoder::open(
                    self.library,
                    open.codec,
                    self.options.threads,
                    delivery.resumed,
                ));
            }
            Message::Format(format) => self.format = Some(format),
            Message::Buffers => self.buffers.clear(),
            Message::Reset => {
                if self.options.verbose {
                    let (ctx, pictures, copies) = (header.ctx, self.pictures, self.copies);
                    // By one write: this process may be ended at any time.
                    let line = format!("context {ctx}: {pictures} pictures, {copies} copies\n");
                    let _ = io::stderr().write_all(line.as_bytes());
                }
                if let Some(Ok(decoder)) = &mut self.decoder {
                    decoder.reset();
                }
            }
            Message::Decode(job) => {
                let key = (job.request.capture_index, job.request.capture_serial);
                if let Some(buffer) = delivery.buffer {
                    self.buffers.add(key, buffer)?;
                }
                return Ok(Some(self.decode(header, &job)));
            }
            Message::Hello(_) | Message::Ping | Message::Close | Message::Abort => {}
        }
        Ok(None)
    }

    fn decode(&mut self, header: Header, job: &Decode) -> Vec<u8> {
        let response = self.picture(job).unwrap_or_else(|failure| {
            if self.options.verbose {
                eprintln!(
                    "context {}: job {}: {}",
                    header.ctx, header.cookie, failure.reason
                );
            }
            response(failure.status)
        });
        let about = (header.ctx, header.cookie);
        message(msg::RESP_FRAME, header.generation, about, &response)
    }

    fn picture(&mut self, job: &Decode) -> Result<RespFrame, Failure> {
        let decoder = match &mut self.decoder {
            Some(Ok(decoder)) => decoder,
            Some(Err(failure)) => return Err(failure.clone()),
            None => return Err(Failure::new(decode::ERR_OPEN, "the context is not open")),
        };
        if decoder.number() != job.request.codec {
            let reason = format_args!("codec {} in a context of another", job.request.codec);
            return Err(Failure::new(decode::ERR_CODEC, reason));
        }
        let Some(frame) = decoder.decode(job)? else {
            return Ok(response(decode::NO_FRAME));
        };
        if job.request.flags & REQ_DIGEST_ONLY != 0 {
            return Ok(digest_of(frame));
        }
        let Some(format) = &self.format else {
            let reason = "what buffers look like was not told";
            return Err(Failure::new(decode::ERR_OPEN, reason));
        };
        let key = (job.request.capture_index, job.request.capture_serial);
        self.pictures += 1;
        let copies = &mut self.copies;
        self.buffers
            .write(key, |buffer| {
                *copies += 1;
                picture::copy(frame, format, buffer)
            })
            .map_err(|e| Failure::new(decode::ERR_RECV, e))?
            .map_err(|e| Failure::new(decode::ERR_CODEC, e))?;
        Ok(RespFrame {
            bytesused: format.sizeimage,
            width: frame.width(),
            height: frame.height(),
            fourcc: format.fourcc,
            ..response(decode::OK)
        })
    }
}

fn digest_of(frame: &Frame) -> RespFrame {
    RespFrame {
        width: frame.width(),
        height: frame.height(),
        fourcc: match frame.pixel_format() {
            "yuv420p" | "yuvj420p" => picture::YUV420,
            _ => 0,
        },
        digest: digest::fnv1a(frame),
        ..response(decode::OK)
    }
}

/// An answer with nothing but a status, one of [`decode`].
pub(crate) fn response(status: u32) -> RespFrame {
    RespFrame {
        status,
        bytesused: 0,
        width: 0,
        height: 0,
        fourcc: 0,
        digest: 0,
    }
}

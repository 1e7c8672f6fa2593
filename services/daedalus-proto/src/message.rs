//! What the kernel sends, read with every length checked.

use zerocopy::FromBytes;

use crate::wire::{ControlHead, CtxFormat, CtxOpen, Header, Hello, PROTO_VERSION, ReqDecode, msg};

/// A message of the kernel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Message<'a> {
    /// The first one.
    Hello(Hello),
    /// To be answered by a PONG.
    Ping,
    /// A client begins to decode.
    Open(CtxOpen),
    /// What its CAPTURE buffers look like.
    Format(CtxFormat),
    /// The client stopped to decode; what comes next refers to nothing before.
    Reset,
    /// The client is gone.
    Close,
    /// CAPTURE buffers are no more.
    Buffers,
    /// An access unit.
    Decode(Decode<'a>),
    /// Nobody waits for the job with this cookie any more.
    Abort,
}

/// An access unit to decode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decode<'a> {
    /// Codec, buffer and lengths.
    pub request: ReqDecode,
    /// What describes the picture.
    pub controls: Controls<'a>,
    /// The coded bytes.
    pub bitstream: &'a [u8],
}

/// The controls of an access unit, whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Controls<'a>(&'a [u8]);

/// One control.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Control<'a> {
    /// `V4L2_CID_STATELESS_…`
    pub id: u32,
    /// The V4L2 structure, or structures.
    pub data: &'a [u8],
}

/// Why a message cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It ends too early, or goes on after its end.
    #[error("a message of type {kind:#06x} has {len} bytes, not {expected}")]
    Length {
        /// Its type; 0 where not even that is there.
        kind: u16,
        /// Bytes there are.
        len: usize,
        /// Bytes there should be.
        expected: usize,
    },
    /// It is of a version not understood.
    #[error("a message of version {0}; only {PROTO_VERSION} is understood")]
    Version(u16),
    /// It is of a type that is not known.
    #[error("a message of the unknown type {0:#06x}")]
    Type(u16),
    /// A control is longer than what is left of all controls.
    #[error("control {id:#x} has {size} bytes, more than there are")]
    Control {
        /// Its number.
        id: u32,
        /// Its size.
        size: u32,
    },
}

impl<'a> Message<'a> {
    /// Reads one message, and only one, from `bytes`.
    ///
    /// # Errors
    /// See [`ParseError`].
    pub fn parse(bytes: &'a [u8]) -> Result<(Header, Self), ParseError> {
        let (header, body) = split::<Header>(bytes, 0)?;
        if header.version != PROTO_VERSION {
            return Err(ParseError::Version(header.version));
        }
        if usize::try_from(header.len) != Ok(bytes.len()) {
            return Err(ParseError::Length {
                kind: header.kind,
                len: bytes.len(),
                expected: header.len as usize,
            });
        }
        let kind = header.kind;
        let message = match kind {
            msg::HELLO => Self::Hello(only(body, kind)?),
            msg::CTX_OPEN => Self::Open(only(body, kind)?),
            msg::CTX_FORMAT => Self::Format(only(body, kind)?),
            msg::REQ_DECODE => Self::Decode(Decode::parse(body)?),
            msg::PING => nothing(body, kind, Self::Ping)?,
            msg::CTX_RESET => nothing(body, kind, Self::Reset)?,
            msg::CTX_CLOSE => nothing(body, kind, Self::Close)?,
            msg::CTX_BUFFERS => nothing(body, kind, Self::Buffers)?,
            msg::ABORT => nothing(body, kind, Self::Abort)?,
            other => return Err(ParseError::Type(other)),
        };
        Ok((header, message))
    }
}

impl<'a> Decode<'a> {
    fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let (request, rest) = split::<ReqDecode>(body, msg::REQ_DECODE)?;
        let controls = request.controls_len as usize;
        let expected = controls.saturating_add(request.bitstream_len as usize);
        let wrong = ParseError::Length {
            kind: msg::REQ_DECODE,
            len: rest.len(),
            expected,
        };
        if rest.len() != expected {
            return Err(wrong);
        }
        let (controls, bitstream) = rest.split_at_checked(controls).ok_or(wrong)?;
        Ok(Self {
            request,
            controls: Controls::parse(controls)?,
            bitstream,
        })
    }
}

impl<'a> Controls<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            (_, rest) = next(rest)?;
        }
        Ok(Self(bytes))
    }

    /// All of them, in the order of the message.
    pub fn iter(self) -> impl Iterator<Item = Control<'a>> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            // Whole: `parse` went through all of them.
            let (control, after) = next(rest).ok()?;
            rest = after;
            Some(control)
        })
    }

    /// The data of the control with this number.
    pub fn get(self, id: u32) -> Option<&'a [u8]> {
        self.iter().find(|c| c.id == id).map(|c| c.data)
    }
}

fn next(bytes: &[u8]) -> Result<(Control<'_>, &[u8]), ParseError> {
    let (head, rest) = split::<ControlHead>(bytes, msg::REQ_DECODE)?;
    let ControlHead { id, size } = head;
    let too_long = ParseError::Control { id, size };
    let length = size as usize;
    let padded = length.checked_next_multiple_of(8).ok_or(too_long)?;
    let (padded, rest) = rest.split_at_checked(padded).ok_or(too_long)?;
    let data = padded.get(..length).ok_or(too_long)?;
    Ok((Control { id, data }, rest))
}

fn split<T: FromBytes>(bytes: &[u8], kind: u16) -> Result<(T, &[u8]), ParseError> {
    T::read_from_prefix(bytes).map_err(|_| ParseError::Length {
        kind,
        len: bytes.len(),
        expected: size_of::<T>(),
    })
}

fn only<T: FromBytes>(bytes: &[u8], kind: u16) -> Result<T, ParseError> {
    T::read_from_bytes(bytes).map_err(|_| ParseError::Length {
        kind,
        len: bytes.len() + size_of::<Header>(),
        expected: size_of::<T>() + size_of::<Header>(),
    })
}

fn nothing<'a>(body: &[u8], kind: u16, message: Message<'a>) -> Result<Message<'a>, ParseError> {
    only::<[u8; 0]>(body, kind).map(|_| message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::message;

    fn request(controls: &[(u32, &[u8])], bitstream: &[u8]) -> Vec<u8> {
        let mut tail = Vec::new();
        for (id, data) in controls {
            tail.extend_from_slice(&id.to_ne_bytes());
            tail.extend_from_slice(&(data.len() as u32).to_ne_bytes());
            tail.extend_from_slice(data);
            tail.resize(tail.len().next_multiple_of(8), 0);
        }
        let body = ReqDecode {
            codec: 1,
            flags: 0,
            capture_index: 3,
            capture_serial: 7,
            timestamp: 5,
            controls_len: tail.len() as u32,
            bitstream_len: bitstream.len() as u32,
        };
        let mut bytes = message(msg::REQ_DECODE, 1, (2, 9), &body);
        bytes.extend_from_slice(&tail);
        bytes.extend_from_slice(bitstream);
        let len = bytes.len() as u32;
        bytes[..4].copy_from_slice(&len.to_ne_bytes());
        bytes
    }

    #[test]
    fn a_request_comes_with_its_controls_and_bitstream() {
        let bytes = request(&[(10, b"abc"), (11, b"")], b"stream");
        let (header, message) = Message::parse(&bytes).unwrap();
        assert_eq!((header.ctx, header.cookie), (2, 9));
        let Message::Decode(decode) = message else {
            panic!("{message:?}");
        };
        assert_eq!(decode.request.capture_serial, 7);
        assert_eq!(decode.controls.get(10), Some(&b"abc"[..]));
        assert_eq!(decode.controls.get(11), Some(&b""[..]));
        assert_eq!(decode.controls.get(12), None);
        assert_eq!(decode.bitstream, b"stream");
    }

    #[test]
    fn whatever_is_cut_off_is_refused() {
        let bytes = request(&[(10, b"abc"), (11, b"defg")], b"stream");
        for end in 0..bytes.len() {
            let mut cut = bytes[..end].to_vec();
            assert!(Message::parse(&cut).is_err(), "{end}");
            // Also when the header agrees.
            if end >= 4 {
                cut[..4].copy_from_slice(&(end as u32).to_ne_bytes());
                assert!(Message::parse(&cut).is_err(), "{end}, told");
            }
        }
    }

    #[test]
    fn a_control_longer_than_the_rest_is_named() {
        let mut bytes = request(&[(10, b"abc")], b"stream");
        let size = size_of::<Header>() + size_of::<ReqDecode>() + 4;
        for wrong in [9, u32::MAX - 3, u32::MAX] {
            bytes[size..size + 4].copy_from_slice(&wrong.to_ne_bytes());
            assert_eq!(
                Message::parse(&bytes),
                Err(ParseError::Control {
                    id: 10,
                    size: wrong
                })
            );
        }
    }

    #[test]
    fn messages_without_a_body_have_none() {
        let ping = message(msg::PING, 1, (0, 0), &());
        assert_eq!(Message::parse(&ping).unwrap().1, Message::Ping);
        let long = message(msg::PING, 1, (0, 0), &1u8);
        assert!(matches!(
            Message::parse(&long),
            Err(ParseError::Length { len: 25, .. })
        ));
        let unknown = message(0x7fff, 1, (0, 0), &());
        assert_eq!(Message::parse(&unknown), Err(ParseError::Type(0x7fff)));
    }
}

//! Whole streams that somebody wants to know decodable: checked here, decoded by a worker.
//!
//! Who sends one is believed as little as what is in it: the worker reads it, too, so that a file
//! that never answers costs a worker and no more.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use livehal_ffmpeg::{Library, UnitCodec};
use rustix::fs::{AtFlags, FileType, OFlags, StatxFlags, fcntl_getfl, statx};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::channel::{Buffer, answer, deliver_stream};
use crate::decoder::codec_number;
use crate::digest::Pictures;
use crate::offline::{self, Count, OfflineError};
use crate::pool::Pool;
use crate::stream::{Stream, StreamError};

/// Longest stream, in bytes.
pub const STREAM_MAX: u64 = 32 << 20;
/// Longest that it may take, with the start of a worker. A caller would give up a call that takes
/// much longer.
pub const TIME_MAX: Duration = Duration::from_secs(8);
/// Bytes of the text that a worker may send.
const TEXT_MAX: usize = 256;

/// A stream that was decoded from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Pictures.
    pub frames: u32,
    /// MD5 of the visible bytes of all pictures in order of presentation, in hexadecimal digits.
    pub digest: String,
    /// How long decoding took.
    pub took: Duration,
}

/// Why there is no [`Verified`].
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// What was sent is no file, or cannot be read.
    #[error("the stream has to be in a file or a memfd that can be read: {0}")]
    File(String),
    /// It is too long, or empty.
    #[error("the stream has {0} bytes; allowed is 1 to {STREAM_MAX}")]
    Length(u64),
    /// It is neither IVF nor H.264 with start codes, or cut off.
    #[error("{0}")]
    Stream(String),
    /// It is of a codec that is not decoded here.
    #[error("{0}")]
    Codec(String),
    /// It does not decode.
    #[error("the stream is damaged: {0}")]
    Damaged(String),
    /// Decoding took too long.
    #[error("the stream was not decoded within {TIME_MAX:?}")]
    Slow,
    /// There is no worker, or none any more.
    #[error("the worker for the stream {0}")]
    Worker(String),
}

/// Has a worker of its own decode what is in `stream`, if it is of one of `codecs`, bit by bit as
/// the bridge numbers them. Blocks, for [`TIME_MAX`] at most.
///
/// # Errors
/// See [`VerifyError`].
pub fn verify(pool: &Pool, codecs: u32, stream: &OwnedFd) -> Result<Verified, VerifyError> {
    let deadline = Instant::now() + TIME_MAX;
    let size = size(stream.as_fd())?;
    let mut worker = pool.take(TIME_MAX).map_err(|e| match e.kind() {
        io::ErrorKind::TimedOut => VerifyError::Slow,
        _ => VerifyError::Worker(format!("could not be started: {e}")),
    })?;
    let buffer = Buffer {
        fd: stream.as_fd(),
        size,
    };
    let answered = deliver_stream(&worker.socket, codecs, buffer)
        .and_then(|()| answer::<{ size_of::<Answer>() }>(&worker.socket, deadline));
    match answered {
        Ok(bytes) => Answer::read_from_bytes(&bytes)
            .map_err(|e| VerifyError::Worker(format!("answered nonsense: {e}")))?
            .read(),
        Err(e) if e.kind() == io::ErrorKind::TimedOut => Err(VerifyError::Slow),
        Err(_) => Err(VerifyError::Worker(worker.end())),
    }
}

/// The length of a file that can be read.
fn size(stream: BorrowedFd) -> Result<u64, VerifyError> {
    let refuse = |why: &str| Err(VerifyError::File(why.into()));
    let failed = |e: rustix::io::Errno| VerifyError::File(io::Error::from(e).to_string());
    let flags = fcntl_getfl(stream).map_err(failed)?;
    if flags.contains(OFlags::PATH) || flags & OFlags::ACCMODE == OFlags::WRONLY {
        return refuse("it is not open for reading");
    }
    // What the kernel knows: to ask a file system of somebody's own could take for ever.
    let how = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let about = statx(stream, c"", how, StatxFlags::TYPE | StatxFlags::SIZE).map_err(failed)?;
    if FileType::from_raw_mode(about.stx_mode.into()) != FileType::RegularFile {
        return refuse("it is no regular file");
    }
    match about.stx_size {
        size @ 1..=STREAM_MAX => Ok(size),
        other => Err(VerifyError::Length(other)),
    }
}

// --- The worker's side.

/// What a worker says of a stream.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Answer {
    /// One of [`outcome`].
    outcome: u32,
    frames: u32,
    took_ns: u64,
    md5: [u8; 16],
    /// Why, where there is no digest; UTF-8, filled up with zeros.
    text: [u8; TEXT_MAX],
}

mod outcome {
    pub(super) const DECODED: u32 = 0;
    pub(super) const FILE: u32 = 1;
    pub(super) const STREAM: u32 = 2;
    pub(super) const CODEC: u32 = 3;
    pub(super) const DAMAGED: u32 = 4;
}

impl Answer {
    /// Reads a stream and decodes it, if it is of one of `codecs`.
    pub(crate) fn to(library: &Library, codecs: u32, stream: &Buffer<OwnedFd>) -> Self {
        let bytes = match read(stream) {
            Ok(bytes) => bytes,
            Err(e) => return Self::refusal(outcome::FILE, &e),
        };
        match Stream::read(&bytes) {
            Ok(stream) if codecs & 1 << codec_number(stream.codec) != 0 => {
                Self::decode(library, stream)
            }
            Ok(stream) => {
                let why = format_args!("{} is not decoded here", stream.codec.name());
                Self::refusal(outcome::CODEC, &why)
            }
            Err(e @ StreamError::Codec(_)) => Self::refusal(outcome::CODEC, &e),
            Err(e) => Self::refusal(outcome::STREAM, &e),
        }
    }

    fn decode(library: &Library, stream: Stream) -> Self {
        let began = Instant::now();
        let mut pictures = Pictures::default();
        let decoder = match library.strict_unit_decoder(stream.codec) {
            Ok(decoder) => decoder,
            Err(e) => return Self::refusal(outcome::CODEC, &e),
        };
        let decoded = offline::decode(decoder, &stream.units, |number, frame| {
            pictures.add(frame);
            match frame.is_damaged() {
                true => Err(OfflineError::Picture(number)),
                false => Ok(()),
            }
        });
        match decoded {
            // FFmpeg keeps to itself what refers to a picture that never came.
            Ok(Count { decoded, shown }) if decoded != shown && stream.codec == UnitCodec::H264 => {
                Self::refusal(outcome::DAMAGED, &OfflineError::Lost { decoded, shown })
            }
            Ok(Count { shown, .. }) => Self {
                outcome: outcome::DECODED,
                frames: u32::try_from(shown).unwrap_or(u32::MAX),
                took_ns: u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX),
                md5: pictures.md5(),
                ..Self::new_zeroed()
            },
            Err(e) => Self::refusal(outcome::DAMAGED, &e),
        }
    }

    fn refusal(outcome: u32, why: &dyn std::fmt::Display) -> Self {
        let mut answer = Self {
            outcome,
            ..Self::new_zeroed()
        };
        for (to, from) in answer.text.iter_mut().zip(why.to_string().bytes()) {
            *to = from;
        }
        answer
    }

    /// What the worker says, in the daemon, which believes it as little as the stream.
    fn read(self) -> Result<Verified, VerifyError> {
        let text = self.text.split(|b| *b == 0).next().unwrap_or_default();
        let text: String = String::from_utf8_lossy(text)
            .chars()
            .filter(|c| !c.is_control())
            .collect();
        match self.outcome {
            outcome::DECODED => Ok(Verified {
                frames: self.frames,
                digest: self.md5.iter().map(|b| format!("{b:02x}")).collect(),
                took: Duration::from_nanos(self.took_ns).min(TIME_MAX),
            }),
            outcome::FILE => Err(VerifyError::File(text)),
            outcome::STREAM => Err(VerifyError::Stream(text)),
            outcome::CODEC => Err(VerifyError::Codec(text)),
            outcome::DAMAGED => Err(VerifyError::Damaged(text)),
            other => Err(VerifyError::Worker(format!("answered nonsense: {other}"))),
        }
    }
}

/// The whole stream. Not from where the file's position is: who sent it may move that.
fn read(stream: &Buffer<OwnedFd>) -> io::Result<Vec<u8>> {
    let len = usize::try_from(stream.size.min(STREAM_MAX)).map_err(io::Error::other)?;
    let mut bytes = vec![0; len];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|r| !r.is_empty()) {
        match rustix::io::pread(&stream.fd, rest, filled as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => filled += read,
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn size_of_file(bytes: u64) -> Result<u64, VerifyError> {
        let file = tempfile::tempfile().unwrap();
        file.set_len(bytes).unwrap();
        size(file.as_fd())
    }

    #[test]
    fn lengths_are_bounded() {
        assert_eq!(size_of_file(1).unwrap(), 1);
        assert_eq!(size_of_file(STREAM_MAX).unwrap(), STREAM_MAX);
        for wrong in [0, STREAM_MAX + 1, 1 << 40] {
            let error = size_of_file(wrong).unwrap_err();
            assert!(
                matches!(error, VerifyError::Length(n) if n == wrong),
                "{error}"
            );
        }
    }

    #[test]
    fn only_files_that_can_be_read_are_taken() {
        let (pipe, _other) = rustix::pipe::pipe().unwrap();
        let (socket, _other) = UnixStream::pair().unwrap();
        let null = File::open("/dev/null").unwrap();
        let directory = File::open("/").unwrap();
        for fd in [
            pipe.as_fd(),
            socket.as_fd(),
            null.as_fd(),
            directory.as_fd(),
        ] {
            let error = size(fd).unwrap_err().to_string();
            assert!(error.contains("no regular file"), "{error}");
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stream");
        let written = File::create(&path).unwrap();
        let only_named = rustix::fs::open(&path, OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
        for fd in [written.as_fd(), only_named.as_fd()] {
            let error = size(fd).unwrap_err().to_string();
            assert!(error.contains("not open for reading"), "{error}");
        }
    }

    #[test]
    fn a_file_that_became_shorter_is_told() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(10).unwrap();
        let buffer = Buffer {
            fd: file.into(),
            size: 11,
        };
        let error = read(&buffer).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_worker_that_lies_has_no_say_over_what_is_printed() {
        let mut answer = Answer::refusal(outcome::DAMAGED, &"a\nb\u{1b}[2Jc");
        answer.text[250..].fill(0xff);
        let Err(VerifyError::Damaged(text)) = answer.read() else {
            panic!("{answer:?}");
        };
        assert_eq!(text, "ab[2Jc");
        answer.text.fill(0xff);
        assert!(answer.read().is_err());
        answer.outcome = 77;
        assert!(matches!(answer.read(), Err(VerifyError::Worker(_))));
        answer.outcome = outcome::DECODED;
        answer.took_ns = u64::MAX;
        assert_eq!(answer.read().unwrap().took, TIME_MAX);
    }
}

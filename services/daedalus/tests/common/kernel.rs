//! A stand-in for the kernel module: the other end of the bridge, by the rules of its header.
//!
//! It believes nothing of the daemon: every answer is held against what was asked.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use daedalus::bridge::{Bridge, read_message};
use daedalus::channel::Buffer;
use daedalus::daemon::{DaemonError, DaemonOptions, run};
use daedalus::decoder::codec_number;
use daedalus::h264::controls::{CID_PPS, CID_SCALING_MATRIX, CID_SPS};
use daedalus::pool::WorkerProgram;
use daedalus_proto::wire::{
    CtxFormat, CtxOpen, Header, Hello, HelloReply, PROTO_VERSION, ReqDecode, RespFrame, decode,
    message, msg,
};
use livehal_ffmpeg::UnitCodec;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::Pid;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::DAEMON;
use super::controls::Client;

const GENERATION: u32 = 7;
/// The daemon must answer everything in this time, whatever the machine does besides.
const LONG: Duration = Duration::from_secs(60);

type Buffers = Arc<Mutex<HashMap<(u32, u32, u32), File>>>;

/// The daemon's end.
struct Link {
    socket: File,
    buffers: Buffers,
}

impl Bridge for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        read_message(&self.socket)
    }

    fn write(&self, message: &[u8]) -> io::Result<()> {
        (&self.socket).write_all(message)
    }

    fn capture(&self, ctx: u32, index: u32, serial: u32) -> io::Result<Buffer<OwnedFd>> {
        let buffers = self.buffers.lock().unwrap();
        let file = buffers
            .get(&(ctx, index, serial))
            .ok_or(rustix::io::Errno::NOENT)?;
        Ok(Buffer {
            fd: file.try_clone()?.into(),
            size: file.metadata()?.len(),
        })
    }
}

/// The stand-in, and the daemon in a thread of its own.
pub struct Kernel {
    socket: File,
    buffers: Buffers,
    daemon: Option<JoinHandle<Result<(), DaemonError>>>,
    stop: UnixStream,
    cookie: u64,
    waiting: HashSet<u64>,
    pub codecs: u32,
}

/// What a job is.
#[derive(Default)]
pub struct Request<'a> {
    pub codec: u32,
    pub flags: u32,
    pub index: u32,
    pub serial: u32,
    pub controls: &'a [(u32, &'a [u8])],
    pub bitstream: &'a [u8],
}

pub fn program() -> WorkerProgram {
    let arguments = [
        "worker",
        "--threads",
        "2",
        "--memory-mb",
        "1024",
        "--verbose",
    ];
    WorkerProgram {
        program: DAEMON.into(),
        arguments: arguments.map(Into::into).to_vec(),
    }
}

impl Kernel {
    /// Starts a daemon; the handshake is yet to come.
    pub fn start() -> Self {
        Self::start_on(None)
    }

    fn start_on(bus: Option<livehal_bus::Bus>) -> Self {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        rustix::io::ioctl_fionbio(&theirs, true).unwrap();
        let (stop, stopped) = UnixStream::pair().unwrap();
        let buffers = Buffers::default();
        let link = Link {
            socket: theirs.into(),
            buffers: Arc::clone(&buffers),
        };
        let options = DaemonOptions {
            program: program(),
            codecs: u32::MAX,
            bus,
        };
        let daemon = std::thread::spawn(move || run(link, stopped.as_fd(), &options));
        Self {
            socket: ours.into(),
            buffers,
            daemon: Some(daemon),
            stop,
            cookie: 0,
            waiting: HashSet::new(),
            codecs: 0,
        }
    }

    /// Starts a daemon and greets it.
    pub fn greeted(job_timeout_ms: u32) -> Self {
        Self::greeted_on(job_timeout_ms, None)
    }

    /// The same with a bus for it.
    pub fn greeted_on(job_timeout_ms: u32, bus: Option<livehal_bus::Bus>) -> Self {
        let mut kernel = Self::start_on(bus);
        kernel.send_hello(1, PROTO_VERSION, job_timeout_ms);
        let (header, reply) = kernel.receive::<HelloReply>();
        assert_eq!(header.kind, msg::HELLO_REPLY);
        assert_eq!(reply.version, u32::from(PROTO_VERSION));
        kernel.codecs = reply.codecs;
        kernel
    }

    pub fn send_hello(&mut self, version_min: u16, version_max: u16, job_timeout_ms: u32) {
        let mut release = [0; 32];
        release[..4].copy_from_slice(b"test");
        let hello = Hello {
            version_min,
            version_max,
            contexts_max: 16,
            job_timeout_ms,
            reserved: 0,
            release,
        };
        self.send(msg::HELLO, 0, &hello);
    }

    pub fn send<T: IntoBytes + Immutable>(&mut self, kind: u16, ctx: u32, body: &T) {
        self.send_raw(&message(kind, GENERATION, (ctx, 0), body));
    }

    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    pub fn open(&mut self, ctx: u32, codec: u32) {
        self.open_with(ctx, codec, 0);
    }

    pub fn open_with(&mut self, ctx: u32, codec: u32, flags: u32) {
        let open = CtxOpen {
            codec,
            uid: 1000,
            flags,
            reserved: 0,
        };
        self.send(msg::CTX_OPEN, ctx, &open);
    }

    /// Tells a format, and makes `count` buffers for it with serial numbers as their indices.
    pub fn format(&mut self, ctx: u32, format: &CtxFormat, count: u32) {
        self.send(msg::CTX_FORMAT, ctx, format);
        let mut buffers = self.buffers.lock().unwrap();
        for index in 0..count {
            let file = tempfile::tempfile().unwrap();
            file.set_len(format.sizeimage.into()).unwrap();
            buffers.insert((ctx, index, index), file);
        }
    }

    /// What is in a buffer.
    pub fn buffer(&self, ctx: u32, index: u32) -> Vec<u8> {
        let buffers = self.buffers.lock().unwrap();
        let mut file = &buffers[&(ctx, index, index)];
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Sends a job and gives its cookie.
    pub fn ask(&mut self, ctx: u32, request: &Request) -> u64 {
        let mut tail = Vec::new();
        for (id, data) in request.controls {
            tail.extend_from_slice(&id.to_ne_bytes());
            tail.extend_from_slice(&(data.len() as u32).to_ne_bytes());
            tail.extend_from_slice(data);
            tail.resize(tail.len().next_multiple_of(8), 0);
        }
        self.cookie += 1;
        let body = ReqDecode {
            codec: request.codec,
            flags: request.flags,
            capture_index: request.index,
            capture_serial: request.serial,
            timestamp: self.cookie,
            controls_len: tail.len() as u32,
            bitstream_len: request.bitstream.len() as u32,
        };
        tail.extend_from_slice(request.bitstream);
        let mut bytes = message(msg::REQ_DECODE, GENERATION, (ctx, self.cookie), &body);
        bytes.extend_from_slice(&tail);
        let len = bytes.len() as u32;
        bytes[..4].copy_from_slice(&len.to_ne_bytes());
        self.send_raw(&bytes);
        self.waiting.insert(self.cookie);
        self.cookie
    }

    /// The next answer: to a job that waits, and not for the second time.
    pub fn answer(&mut self) -> (u64, RespFrame) {
        let (header, response) = self.receive::<RespFrame>();
        assert_eq!(header.kind, msg::RESP_FRAME);
        assert!(self.waiting.remove(&header.cookie), "{header:?}");
        assert!(
            matches!(response.status, decode::OK | decode::NO_FRAME | 100..=103),
            "{response:?}"
        );
        (header.cookie, response)
    }

    /// Sends a job and waits for its answer.
    pub fn decode(&mut self, ctx: u32, request: &Request) -> RespFrame {
        let cookie = self.ask(ctx, request);
        let (answered, response) = self.answer();
        assert_eq!(answered, cookie);
        response
    }

    /// Has a unit decoded as a client of its codec does: of H.264 the slices, with the parameter sets that
    /// `client` has seen as controls.
    pub fn decode_unit(
        &mut self,
        ctx: u32,
        codec: UnitCodec,
        client: &mut Client,
        unit: &[u8],
        request: Request,
    ) -> RespFrame {
        let codec_of = codec_number(codec);
        if codec != UnitCodec::H264 {
            let request = Request {
                codec: codec_of,
                bitstream: unit,
                ..request
            };
            return self.decode(ctx, &request);
        }
        let job = client.job(unit);
        let controls = [
            (CID_SPS, job.sps.as_bytes()),
            (CID_PPS, job.pps.as_bytes()),
            (CID_SCALING_MATRIX, job.scaling.as_bytes()),
        ];
        let request = Request {
            codec: codec_of,
            flags: request.flags,
            index: request.index,
            serial: request.serial,
            controls: &controls,
            bitstream: &job.slices,
        };
        self.decode(ctx, &request)
    }

    pub fn receive<T: FromBytes>(&mut self) -> (Header, T) {
        let bytes = self.receive_raw(LONG).expect("an answer");
        let (header, rest) = Header::read_from_prefix(&bytes).unwrap();
        assert_eq!(header.len as usize, bytes.len());
        assert_eq!(header.version, PROTO_VERSION);
        assert_eq!(header.generation, GENERATION);
        let body = T::read_from_bytes(rest);
        (header, body.unwrap_or_else(|_| panic!("{header:?}")))
    }

    /// The next message, if there is one in time.
    pub fn receive_raw(&mut self, wait: Duration) -> Option<Vec<u8>> {
        let until = Instant::now() + wait;
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: left.subsec_nanos().into(),
        };
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        if poll(&mut fds, Some(&timeout)).unwrap() == 0 {
            return None;
        }
        let mut bytes = vec![0; 4096];
        let read = self.socket.read(&mut bytes).unwrap();
        bytes.truncate(read);
        (read > 0).then_some(bytes)
    }

    /// Asks the daemon to end, and gives how it did.
    pub fn stop(mut self) -> Result<(), DaemonError> {
        assert!(self.waiting.is_empty(), "jobs without an answer");
        self.stop.write_all(&[0]).unwrap();
        self.daemon.take().unwrap().join().unwrap()
    }

    /// How the daemon ends, which it is about to.
    pub fn end(mut self) -> Result<(), DaemonError> {
        self.daemon.take().unwrap().join().unwrap()
    }
}

/// What workers are copies of: children of this process, the oldest first.
pub fn templates() -> Vec<Pid> {
    processes(&children_of(&[me()]))
}

/// Worker processes, the oldest first: children of templates.
pub fn workers() -> Vec<Pid> {
    workers_of(me())
}

/// Those of another daemon.
pub fn workers_of(daemon: i32) -> Vec<Pid> {
    processes(&children_of(&children_of(&[daemon])))
}

fn me() -> i32 {
    std::process::id().cast_signed()
}

fn processes(numbers: &[i32]) -> Vec<Pid> {
    numbers.iter().filter_map(|n| Pid::from_raw(*n)).collect()
}

/// Of the daemon's program, the oldest first.
fn children_of(parents: &[i32]) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        // After the name: state, parent, and the 19th of these is the time of its start.
        let rest = stat.rsplit(')').next().unwrap();
        let fields: Vec<_> = rest.split_whitespace().collect();
        let parent: i32 = fields[1].parse().unwrap();
        if parents.contains(&parent) && fields[0] != "Z" && stat.contains("daedalus_v4l2") {
            let started: u64 = fields[19].parse().unwrap();
            found.push((started, pid));
        }
    }
    found.sort_unstable();
    found.into_iter().map(|(_, pid)| pid).collect()
}

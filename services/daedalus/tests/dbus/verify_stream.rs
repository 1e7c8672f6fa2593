//! VerifyStream, from a caller's end of the bus.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use livehal_bus::testing::{Bus, Program, bus_installed, until};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use zbus::Connection;

use crate::common::kernel::workers_of;
use crate::common::{DAEMON, H264, VP8, VP9, VP9_DEEP, ffmpeg, library};
use crate::{MANAGER, NAME, ROOT, busctl, verify, without_module};

/// A daemon on a bus, and somebody to call it.
struct Called {
    runtime: Runtime,
    client: Connection,
    daemon: Program,
    bus: Bus,
    dir: TempDir,
}

type Answer = Result<(u32, String, f64), (String, String)>;

impl Called {
    fn start(test: &str) -> Option<Self> {
        if !bus_installed(test) || library().is_none() {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let bus = Bus::session();
        let daemon = without_module(bus.command(DAEMON), dir.path(), "session");
        daemon.until_logged("on the session bus as");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let address = bus.address();
        let client = runtime.block_on(async {
            let builder = zbus::connection::Builder::address(address.as_str());
            builder.build().await.unwrap()
        });
        Some(Self {
            runtime,
            client,
            daemon,
            bus,
            dir,
        })
    }

    fn verify(&self, stream: impl Into<OwnedFd>) -> Answer {
        self.runtime
            .block_on(call(self.client.clone(), stream.into()))
    }

    /// Calls, but does not wait for the answer.
    fn begin(&self, stream: impl Into<OwnedFd>) -> tokio::task::JoinHandle<Answer> {
        self.runtime.spawn(call(self.client.clone(), stream.into()))
    }

    /// The workers there are, the newest last.
    fn workers(&self) -> Vec<Pid> {
        workers_of(self.daemon.id().cast_signed())
    }
}

async fn call(client: Connection, stream: OwnedFd) -> Answer {
    let stream = (zbus::Fd::from(stream),);
    let reply = client
        .call_method(Some(NAME), ROOT, Some(MANAGER), "VerifyStream", &stream)
        .await;
    match reply {
        Ok(reply) => Ok(reply.body().deserialize().unwrap()),
        Err(zbus::Error::MethodError(name, text, _)) => {
            Err((name.to_string(), text.unwrap_or_default()))
        }
        Err(other) => panic!("{other}"),
    }
}

/// Refused by this error, with these words.
fn assert_refused(answer: Answer, name: &str, words: &str) {
    let (found, text) = answer.unwrap_err();
    assert_eq!(found, format!("org.livehal.Error.{name}"), "{text}");
    assert!(text.contains(words), "{text}");
}

fn sealed(bytes: &[u8]) -> OwnedFd {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create(c"stream", flags).unwrap());
    file.write_all(bytes).unwrap();
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    fcntl_add_seals(&file, seals).unwrap();
    file.into()
}

/// Number and digest of the pictures by FFmpeg's program.
fn reference(path: &Path) -> Option<(u32, String)> {
    let path = path.to_str().unwrap();
    let of = |format| ffmpeg(&["-i", path, "-fps_mode", "passthrough", "-f", format, "-"]);
    let frames = String::from_utf8(of("framemd5")?).unwrap();
    let frames = frames.lines().filter(|l| !l.starts_with('#')).count();
    let md5 = String::from_utf8(of("md5")?).unwrap();
    let md5 = md5.trim().strip_prefix("MD5=").unwrap().to_owned();
    Some((frames as u32, md5))
}

#[test]
fn a_stream_decodes_to_the_pictures_that_ffmpeg_gives() {
    let Some(called) = Called::start("VerifyStream") else {
        return;
    };
    for clip in [&VP8, &VP9, &VP9_DEEP, &H264[1], &H264[4]] {
        let Some(path) = clip.make(called.dir.path()) else {
            return;
        };
        let expected = reference(&path).unwrap();
        // Whatever the descriptor's position is.
        let mut file = File::open(&path).unwrap();
        file.seek(SeekFrom::End(0)).unwrap();
        let (frames, digest, ms) = called.verify(file).unwrap();
        assert_eq!(
            (frames, &digest),
            (expected.0, &expected.1),
            "{}",
            clip.name
        );
        assert!(ms > 0.0, "{ms}");
        let again = called.verify(sealed(&std::fs::read(&path).unwrap()));
        assert_eq!(again.unwrap().1, expected.1);
        let (frames, digest) = &expected;
        let printed = verify(&called.bus, &path).unwrap();
        assert!(
            printed.starts_with(&format!("{frames} frames md5={digest} ")),
            "{printed}"
        );
    }
    let (status, _) = called.daemon.terminate();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn what_is_damaged_has_no_digest() {
    let Some(called) = Called::start("a damaged stream") else {
        return;
    };
    let Some(path) = H264[0].make(called.dir.path()) else {
        return;
    };
    let whole = std::fs::read(&path).unwrap();
    assert_eq!(called.verify(sealed(&whole)).unwrap().0, H264[0].frames);
    // In the midst of slices, far from any header.
    for at in [whole.len() / 3, whole.len() / 2, whole.len() * 2 / 3] {
        let noise: Vec<u8> = (0..40u32).map(|i| (i * 73 + 129) as u8).collect();
        for pattern in [noise, vec![0xff; 40], vec![0; 40]] {
            let mut damaged = whole.clone();
            damaged[at..at + 40].copy_from_slice(&pattern);
            assert_refused(called.verify(sealed(&damaged)), "Failed", "damaged");
        }
    }
    let Some(path) = VP8.make(called.dir.path()) else {
        return;
    };
    let mut damaged = std::fs::read(&path).unwrap();
    damaged[32 + 12..][..8].fill(0xff);
    assert_refused(called.verify(sealed(&damaged)), "Failed", "unit 0 of");
    assert!(called.verify(sealed(&whole)).is_ok());
}

#[test]
fn what_is_no_stream_is_refused_with_its_reason() {
    let Some(called) = Called::start("what is no stream") else {
        return;
    };
    for (bytes, name, words) in [
        (
            &b""[..],
            "InvalidArgument",
            "0 bytes; allowed is 1 to 33554432",
        ),
        (b"no stream", "InvalidArgument", "neither IVF nor H.264"),
        (
            b"DKIF\0\0\x20\0VP90",
            "InvalidArgument",
            "frame 0 is cut off",
        ),
        (
            b"DKIF\0\0\x20\0AV01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            "NotSupported",
            "AV01",
        ),
    ] {
        assert_refused(called.verify(sealed(bytes)), name, words);
    }
    let huge = tempfile::tempfile().unwrap();
    huge.set_len(1 << 40).unwrap();
    assert_refused(
        called.verify(huge),
        "InvalidArgument",
        "1099511627776 bytes",
    );
    let (pipe, _writer) = rustix::pipe::pipe().unwrap();
    assert_refused(called.verify(pipe), "InvalidArgument", "no regular file");
    let written = File::create(called.dir.path().join("x")).unwrap();
    assert_refused(
        called.verify(written),
        "InvalidArgument",
        "not open for reading",
    );
}

#[test]
fn a_codec_that_the_configuration_leaves_out_is_refused() {
    let Some(called) = Called::start("decoder.codecs and VerifyStream") else {
        return;
    };
    let Some(path) = VP8.make(called.dir.path()) else {
        return;
    };
    let bus = Bus::session();
    let config = called.dir.path().join("h264.toml");
    let text = "[bridge]\nenabled = false\n[decoder]\ncodecs = [\"h264\"]\n";
    std::fs::write(&config, text).unwrap();
    let mut command = bus.command(DAEMON);
    command
        .args(["daemon", "--bus", "session", "--config"])
        .arg(&config);
    let daemon = Program::start(command);
    daemon.until_logged("on the session bus as");
    let said = verify(&bus, &path).unwrap_err();
    assert!(said.contains("vp8 is not decoded here"), "{said}");
    assert_eq!(
        crate::property(&bus, ROOT, MANAGER, "Codecs"),
        "as 1 \"h264\""
    );
}

/// More than can be decoded in the time that there is: a stream over and over.
fn endless(dir: &Path) -> Option<OwnedFd> {
    let path = H264[2].make(dir)?;
    let one = std::fs::read(path).unwrap();
    Some(sealed(&one.repeat((30 << 20) / one.len())))
}

#[test]
fn one_stream_at_a_time_and_none_for_ever() {
    let Some(called) = Called::start("limits of VerifyStream") else {
        return;
    };
    let Some(stream) = endless(called.dir.path()) else {
        return;
    };
    let short = std::fs::read(called.dir.path().join(H264[2].name)).unwrap();
    let spare = called.workers().len();
    // Stopped, it is as slow as a worker can be.
    let slow = called.begin(stream.try_clone().unwrap());
    until("its worker", || called.workers().len() > spare);
    kill_process(*called.workers().last().unwrap(), Signal::STOP).unwrap();
    let began = Instant::now();
    assert_refused(
        called.verify(sealed(&short)),
        "Unavailable",
        "one is at a time",
    );
    // Others are answered all the while.
    assert!(busctl(&called.bus, &["introspect", NAME, ROOT]).is_ok());
    let answer = called.runtime.block_on(slow).unwrap();
    assert_refused(answer, "Failed", "not decoded within 8s");
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(called.workers().len(), spare, "it is gone");

    let killed = called.begin(stream);
    until("its worker", || called.workers().len() > spare);
    kill_process(*called.workers().last().unwrap(), Signal::KILL).unwrap();
    let answer = called.runtime.block_on(killed).unwrap();
    assert_refused(answer, "Failed", "ended by signal 9");
    assert_eq!(called.verify(sealed(&short)).unwrap().0, H264[2].frames);
}

#[test]
fn without_a_module_it_runs_only_where_it_is_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("d.toml");
    for (text, bus, code, words) in [
        (
            "[bridge]\ndevice = \"/dev/none\"\n",
            "none",
            1,
            "bridge.device = /dev/none: ",
        ),
        ("[bridge]\nenabled = false\n", "none", 2, "nobody could ask"),
    ] {
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(DAEMON);
        command
            .args(["daemon", "--bus", bus, "--config"])
            .arg(&config);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(words), "{said}");
    }
}

//! What can be done in the sandbox, tried in a process each.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

/// Tells the child what to try.
const TRY: &str = "DAEDALUS_SANDBOX_TRY";
const MEMORY: u64 = 1 << 30;

/// What a codec that was taken over might want to do.
fn attempt(what: &str) {
    match what {
        "nothing" => {}
        "threads" => {
            let sum: u32 = (0..4)
                .map(|i| std::thread::spawn(move || i))
                .map(|t| t.join().unwrap())
                .sum();
            assert_eq!(sum, 6);
        }
        "memory" => assert!(std::hint::black_box(vec![1u8; 100 << 20]).len() > 1),
        "open" => drop(std::fs::File::open("/etc/passwd")),
        "socket" => drop(std::net::UdpSocket::bind("127.0.0.1:0")),
        "unix socket" => drop(std::os::unix::net::UnixStream::connect("/run/x")),
        "program" => drop(Command::new("/bin/true").spawn()),
        "signal" => {
            let parent = rustix::process::getppid().unwrap();
            let _ = rustix::process::test_kill_process(parent);
        }
        "executable memory" => {
            use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
            // SAFETY: a new mapping that nobody uses.
            let _ = unsafe {
                mmap_anonymous(
                    std::ptr::null_mut(),
                    4096,
                    ProtFlags::READ | ProtFlags::EXEC,
                    MapFlags::PRIVATE,
                )
            };
        }
        "another ioctl" => drop(rustix::io::ioctl_fionread(std::io::stdin())),
        "limits" => drop(rustix::process::getrlimit(rustix::process::Resource::As)),
        "too much memory" => drop(std::hint::black_box(vec![1u8; 2 << 30])),
        other => panic!("{other}"),
    }
}

/// Only does something in a child.
#[test]
fn child() {
    let Ok(what) = std::env::var(TRY) else { return };
    let file = std::fs::File::open("/dev/null").unwrap();
    daedalus::sandbox::enter(MEMORY).unwrap();
    drop(file);
    attempt(&what);
    // The other threads of the test program are outside.
    std::process::exit(33);
}

fn child_that(what: &str) -> std::process::ExitStatus {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(TRY, what)
        // To read which it would open files.
        .env_remove("RUST_BACKTRACE")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
}

#[test]
fn to_decode_is_allowed() {
    for what in ["nothing", "threads", "memory"] {
        let status = child_that(what);
        assert_eq!(status.code(), Some(33), "{what}: {status}");
    }
}

#[test]
fn anything_else_ends_the_process() {
    for what in [
        "open",
        "socket",
        "unix socket",
        "program",
        "signal",
        "executable memory",
        "another ioctl",
        "limits",
    ] {
        let status = child_that(what);
        assert_eq!(status.signal(), Some(libc::SIGSYS), "{what}: {status}");
    }
}

#[test]
fn memory_is_limited() {
    let status = child_that("too much memory");
    assert_eq!(status.signal(), Some(libc::SIGABRT), "{status}");
}

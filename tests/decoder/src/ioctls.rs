//! Random ioctls on the node, by processes that a wrong pointer of theirs may end.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use crate::node;
use crate::sys;

const PROCESSES: u64 = 3;
/// More than any structure of V4L2 has.
const ARGUMENT: usize = 4096;

/// `ioctls`
pub fn run(seconds: u64, seed: u64, alone: bool) -> Result<()> {
    if alone {
        return storm(Duration::from_secs(seconds), seed);
    }
    let myself = std::env::current_exe()?;
    let start = |n: u64| {
        let seed = (seed + n).to_string();
        Command::new(&myself)
            .args(["--seed", &seed, "ioctls", &seconds.to_string(), "--alone"])
            .spawn()
    };
    let children: Vec<Child> = (0..PROCESSES).map(start).collect::<io::Result<_>>()?;
    for mut child in children {
        let status = child.wait()?;
        ensure!(status.success(), "a process of random ioctls: {status}");
    }
    Ok(())
}

fn storm(time: Duration, seed: u64) -> Result<()> {
    let (video, media) = node::find()?;
    let mut rng = fastrand::Rng::with_seed(seed);
    let open = |path| {
        let mut options = OpenOptions::new();
        // So that DQBUF waits for nothing.
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        options.read(true).write(true).custom_flags(nonblocking);
        options.open(path)
    };
    let media = open(&media)?;
    let until = Instant::now() + time;
    let (mut calls, mut taken) = (0_u64, 0_u64);
    while Instant::now() < until {
        // A file of its own for some thousand calls: what they leave is taken down by close().
        let file = open(&video).context("the node")?;
        let mut request = -1_i32;
        // SAFETY: the request's number says an int.
        let _ = unsafe { sys::ioctl(&media, sys::REQUEST_ALLOC, &raw mut request) };
        // By one thread, or by two at a time.
        let rngs: Vec<_> = (0..rng.u8(1..3)).map(|_| rng.fork()).collect();
        let done: Vec<_> = std::thread::scope(|scope| {
            let file = &file;
            let start = |rng| scope.spawn(move || calls_by(rng, file, request));
            let threads: Vec<_> = rngs.into_iter().map(start).collect();
            threads.into_iter().map(ScopedJoinHandle::join).collect()
        });
        for thread in done {
            let (made, good) = thread.map_err(|_| anyhow!("a thread panicked"))?;
            calls += made;
            taken += good;
        }
        if request >= 0 {
            // SAFETY: made above, and nobody else's.
            drop(unsafe { <std::os::fd::OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(request) });
        }
    }
    println!("ioctls: calls={calls} taken={taken}");
    ensure!(taken > 0, "none was taken");
    Ok(())
}

/// Some thousand calls; how many, and how many of them were taken.
fn calls_by(mut rng: fastrand::Rng, file: &File, request: i32) -> (u64, u64) {
    let mut scratch = vec![0_u64; ARGUMENT / 8];
    let calls = rng.u64(1..3000);
    let mut taken = 0;
    for _ in 0..calls {
        let (number, mut argument) = random(&mut rng, &mut scratch, request);
        // SAFETY: the argument is larger than any structure; pointers in it are null, or to `scratch`,
        // or to nothing that is mapped but by a chance of one in thousands of millions.
        let done = unsafe { sys::ioctl(file, number, argument.as_mut_ptr()) };
        taken += u64::from(done.is_ok());
    }
    (calls, taken)
}

/// A call's number and what it is given: most often one of V4L2's with fields of about the right size.
fn random(rng: &mut fastrand::Rng, scratch: &mut [u64], request: i32) -> (u32, Vec<u64>) {
    let known = [
        (sys::G_FMT, 1),
        (sys::S_FMT, 1),
        (sys::REQBUFS, 1),
        (sys::QUERYBUF, 3),
        (sys::QBUF, 3),
        (sys::DQBUF, 3),
        (sys::STREAMON, 1),
        (sys::STREAMOFF, 1),
        (sys::G_EXT_CTRLS, 2),
        (sys::S_EXT_CTRLS, 2),
        (sys::REQUEST_QUEUE, 1),
        (sys::REQUEST_REINIT, 1),
    ];
    let mut argument: Vec<u64> = (0..ARGUMENT / 8).map(|_| field(rng)).collect();
    let Some((number, kind)) = rng.choice(known).filter(|_| rng.u8(..8) != 0) else {
        // Any of V4L2's numbers, with any size up to what is there.
        let number = rng.u32(1..4) << 30 | rng.u32(..512) << 16 | 0x5600 | rng.u32(..112);
        return (number, argument);
    };
    for word in scratch.iter_mut() {
        *word = field(rng);
    }
    let inside = scratch.as_mut_ptr() as u64;
    let queue = u64::from(*rng.choice(&[sys::CAPTURE, sys::OUTPUT]).unwrap_or(&0));
    let memory = *rng.choice(&[1_u64, 1, 4, 0, 2, 3]).unwrap_or(&1);
    let words = argument.as_mut_slice();
    match kind {
        // struct v4l2_buffer: index and type; memory; planes; length; request_fd
        3 => {
            words[0] = rng.u64(..6) | queue << 32;
            words[7] = rng.u64(..4) | memory << 32;
            words[8] = inside;
            words[9] = rng.u64(..3);
            words[10] = u64::from(request.cast_unsigned());
            if rng.bool() {
                words[1] = u64::from(sys::FLAG_REQUEST_FD) << 32;
            }
        }
        // struct v4l2_ext_controls
        2 => {
            let which = *rng
                .choice(&[0, sys::WHICH_REQUEST, 0x0f00_0000])
                .unwrap_or(&0);
            words[0] = u64::from(which) | rng.u64(..4) << 32;
            words[1] = u64::from(request.cast_unsigned()) << 32;
            words[2] = 0;
            words[3] = inside;
            // The first control: its number, its size, its memory.
            let id = 0x00a4_0900 + rng.u32(..320);
            scratch[0] = u64::from(id) | rng.u64(..1200) << 32;
            scratch[1] = (inside + 512) << 32;
            scratch[2] = (inside + 512) >> 32;
        }
        // A type first, and small numbers.
        _ if number == sys::REQBUFS => {
            words[0] = rng.u64(..5) | queue << 32;
            words[1] = memory;
        }
        _ => words[0] = queue | (words[0] & !0xffff_ffff),
    }
    (number, argument)
}

/// Numbers as they are met in structures: small, extreme, or any.
fn field(rng: &mut fastrand::Rng) -> u64 {
    match rng.u8(..6) {
        0 | 1 => 0,
        2 => rng.u64(..16) | rng.u64(..16) << 32,
        3 => rng.u64(..8192) | rng.u64(..8192) << 32,
        4 => u64::MAX,
        // No address of a process: see the kernel's Documentation/arch/x86/x86_64/mm.rst.
        _ => rng.u64(..) | 1 << 63,
    }
}

//! The process that workers are copies of: it has loaded FFmpeg, and waits.
//!
//! To load the libraries takes longer than a client may wait; to copy a process that has them, a few
//! milliseconds. It sees no stream: its only words are `Order` and `Report`, on a socket. It is the
//! workers' parent, so a process number stays theirs until it has reported how they ended.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, waitpid};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::passing;

/// In [`Order::what`]: a copy for the socket that comes with it.
const START: u32 = 1;
/// In [`Order::what`]: end the copy `pid` and say how it ended, which may have been before.
const END: u32 = 2;

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Order {
    what: u32,
    pid: i32,
}

/// The answer: a process number or a status as of wait(2); `error` is 0 or the system's.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Report {
    value: i32,
    error: i32,
}

/// Asks for a copy that works on `socket`; its process number.
///
/// # Errors
/// The system's, here or there.
pub fn start(control: &UnixStream, socket: BorrowedFd) -> io::Result<i32> {
    let order = Order {
        what: START,
        pid: 0,
    };
    passing::send(control, &[IoSlice::new(order.as_bytes())], Some(socket))?;
    reported(control)
}

/// Asks for the end of a copy; how it ended.
///
/// # Errors
/// The system's, here or there.
pub fn end(control: &UnixStream, pid: i32) -> io::Result<ExitStatus> {
    (&mut &*control).write_all(Order { what: END, pid }.as_bytes())?;
    reported(control).map(ExitStatus::from_raw)
}

fn reported(mut control: &UnixStream) -> io::Result<i32> {
    let mut report = Report::new_zeroed();
    control.read_exact(report.as_mut_bytes())?;
    match report.error {
        0 => Ok(report.value),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Does what the daemon orders until it is gone. Returns in each copy, with its socket; in this process
/// when there is nothing more to do.
///
/// # Errors
/// The control socket's; or that this process has more than one thread, and so cannot be copied.
pub fn serve(control: UnixStream) -> io::Result<Option<UnixStream>> {
    while let Some((order, socket)) = passing::receive::<Order>(&control)? {
        let done = match (order.what, socket) {
            (START, Some(socket)) => match fork()? {
                Fork::Copy => {
                    drop(control);
                    // The control socket was standard input, too.
                    rustix::stdio::dup2_stdin(&socket)?;
                    return Ok(Some(socket.into()));
                }
                Fork::Original(pid) => Ok(pid),
            },
            (END, None) => reap(order.pid),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        let report = match done {
            Ok(value) => Report { value, error: 0 },
            Err(e) => Report {
                value: 0,
                error: e.raw_os_error().unwrap_or(libc::EIO),
            },
        };
        (&control).write_all(report.as_bytes())?;
    }
    Ok(None)
}

fn reap(pid: i32) -> io::Result<i32> {
    // Not a group, and not every child.
    let pid = Pid::from_raw(pid)
        .filter(|_| pid > 0)
        .ok_or(io::ErrorKind::InvalidInput)?;
    // What is ending on its own shall be seen to have done so.
    let ended = match waitpid(Some(pid), WaitOptions::NOHANG)? {
        Some((_, status)) => status,
        None => {
            kill_process(pid, Signal::KILL)?;
            wait(pid)?
        }
    };
    Ok(ended.as_raw())
}

fn wait(pid: Pid) -> io::Result<WaitStatus> {
    loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => return Ok(status),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

enum Fork {
    /// This is the copy.
    Copy,
    /// This is not; the copy has this number.
    Original(i32),
}

fn fork() -> io::Result<Fork> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        let reason = format!("the libraries have started {} threads", threads - 1);
        return Err(io::Error::other(reason));
    }
    // SAFETY: this is the only thread, so the copy has nothing that a thread it lacks was about to do.
    match unsafe { libc::fork() } {
        0 => Ok(Fork::Copy),
        pid if pid > 0 => Ok(Fork::Original(pid)),
        _ => Err(io::Error::last_os_error()),
    }
}

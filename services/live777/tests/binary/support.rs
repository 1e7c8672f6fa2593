//! Starts the program and talks to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A server on free ports of this machine with one WHIP stream.
pub const QUIET: &str = "\
[http]
listen = \"127.0.0.1:0\"
[webrtc]
listen = \"127.0.0.1:0\"
[stream.studio]
";

pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_live777"));
    // Nothing of the environment that the tests run in.
    for name in [
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
        "JOURNAL_STREAM",
    ] {
        command.env_remove(name);
    }
    command
}

/// Runs to the end.
pub fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

/// A file with `text` in a directory of its own.
pub struct File {
    pub path: PathBuf,
    pub directory: TempDir,
}

pub fn file(text: &str) -> File {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("live777.toml");
    std::fs::write(&path, text).unwrap();
    File { path, directory }
}

/// A running server; killed when dropped.
pub struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// Host and port of the page.
    pub address: String,
}

impl Running {
    /// Starts with a configuration file and waits for the address of the page.
    pub fn start(config: &Path, prepare: impl FnOnce(&mut Command)) -> Self {
        let mut command = program();
        command.arg("--config").arg(config).stdout(Stdio::piped());
        prepare(&mut command);
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url = line
            .trim()
            .strip_prefix("live777: ")
            .unwrap_or_else(|| panic!("{line:?}"));
        let (_, rest) = url.split_once("://").unwrap();
        let address = rest.trim_end_matches('/').to_owned();
        Self {
            child,
            stdout,
            address,
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the end, five seconds at most; returns how long it took.
    pub fn ended(&mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, begun.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("still running after five seconds");
    }

    /// A GET; returns the whole answer.
    pub fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let host = &self.address;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// What it printed on standard output after the address; call after the end.
    pub fn rest(&mut self) -> String {
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Exit code; a signal is a failure of the test.
#[track_caller]
pub fn code(status: ExitStatus) -> i32 {
    assert_eq!(status.signal(), None, "killed by a signal");
    status.code().unwrap()
}

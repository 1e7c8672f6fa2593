//! From start to end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{QUIET, Running, code, file};

/// Streams of every kind: one that runs, one that waits.
const DEMO: &str = "
[stream.demo]
[[stream.demo.sources]]
[stream.demo.sources.capture]
backend = \"testsrc\"
width = 320
height = 180
fps = 30
[stream.demo.sources.encoder]
backend = \"software\"
codec = \"h264\"
bitrate = 300_000
profile = \"42001f\"
gop = 60
";

/// systemd's end of sd_notify.
struct Systemd {
    socket: UnixDatagram,
}

impl Systemd {
    fn listen(directory: &Path) -> Self {
        let socket = UnixDatagram::bind(directory.join("notify")).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        Self { socket }
    }

    fn environment(directory: &Path, command: &mut Command) {
        command.env("NOTIFY_SOCKET", directory.join("notify"));
    }

    /// The next message that begins with `start`; others are passed over.
    #[track_caller]
    fn wait(&self, start: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            let n = self
                .socket
                .recv(&mut buffer)
                .unwrap_or_else(|e| panic!("{start}: {e}"));
            let message = String::from_utf8_lossy(&buffer[..n]).into_owned();
            if message.starts_with(start) {
                return message;
            }
        }
    }
}

#[test]
fn serves_until_it_is_told_to_stop() {
    for signal in [Signal::TERM, Signal::INT] {
        let config = file(QUIET);
        let mut server = Running::start(&config.path, |_| {});
        assert!(server.get("/healthz").starts_with("HTTP/1.1 200 "));
        assert!(server.get("/api/streams").contains("\"name\":\"studio\""));
        // A listener to events and an idle connection do not hold it up.
        let mut events = TcpStream::connect(&server.address).unwrap();
        write!(
            events,
            "GET /api/events HTTP/1.1\r\nhost: {}\r\n\r\n",
            server.address
        )
        .unwrap();
        let mut first = String::new();
        BufReader::new(&mut events).read_line(&mut first).unwrap();
        assert!(first.contains("200"), "{first}");
        let _idle = TcpStream::connect(&server.address).unwrap();
        server.signal(signal);
        let (status, took) = server.ended();
        assert_eq!(code(status), 0);
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert_eq!(server.rest(), "");
    }
}

#[test]
#[cfg(feature = "encoder-software")]
fn stops_in_time_while_it_encodes() {
    let config = file(&format!("{QUIET}{DEMO}"));
    let mut server = Running::start(&config.path, |_| {});
    until("healthy", || {
        server.get("/healthz").starts_with("HTTP/1.1 200 ")
    });
    server.signal(Signal::TERM);
    let (status, took) = server.ended();
    assert_eq!(code(status), 0);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn systemd_hears_of_start_reload_and_end() {
    let config = file(QUIET);
    let directory = config.directory.path();
    let systemd = Systemd::listen(directory);
    let mut server = Running::start(&config.path, |c| Systemd::environment(directory, c));
    systemd.wait("READY=1");
    assert!(
        server.get("/healthz").starts_with("HTTP/1.1 200 "),
        "ready before it serves"
    );
    server.signal(Signal::HUP);
    let reloading = systemd.wait("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    systemd.wait("READY=1");
    server.signal(Signal::TERM);
    systemd.wait("STOPPING=1");
    assert_eq!(code(server.ended().0), 0);
}

#[test]
#[cfg(feature = "encoder-software")]
fn the_watchdog_is_fed_while_frames_flow() {
    let config = file(&format!("{QUIET}{DEMO}"));
    let directory = config.directory.path();
    let systemd = Systemd::listen(directory);
    let mut server = Running::start(&config.path, |command| {
        Systemd::environment(directory, command);
        command.env("WATCHDOG_USEC", "600000");
    });
    let status = systemd.wait("STATUS=1 of 2 streams running");
    assert!(status.contains("0 viewers"), "{status}");
    for _ in 0..5 {
        systemd.wait("WATCHDOG=1");
    }
    server.signal(Signal::TERM);
    assert_eq!(code(server.ended().0), 0);
}

#[test]
fn the_log_is_json_or_text_and_holds_no_token() {
    for (format, check) in [("json", true), ("text", false)] {
        let config = file(&format!(
            "{QUIET}[log]\nformat = \"{format}\"\nlevel = \"trace\"\n"
        ));
        let mut child = None;
        let mut server = Running::start(&config.path, |command| {
            let (read, write) = std::io::pipe().unwrap();
            command.stderr(Stdio::from(write));
            child = Some(read);
        });
        server.get("/?token=secret-in-the-query");
        server.get("/api/streams?token=secret-in-the-query");
        server.signal(Signal::TERM);
        assert_eq!(code(server.ended().0), 0);
        let mut log = String::new();
        child.unwrap().read_to_string(&mut log).unwrap();
        assert!(log.contains("/api/streams"), "{log}");
        assert!(!log.contains("secret-in-the-query"), "{log}");
        let json = log
            .lines()
            .all(|l| serde_json::from_str::<serde_json::Value>(l).is_ok());
        assert_eq!(json, check, "{log}");
    }
}

#[test]
fn the_command_line_overrides_the_level() {
    let config = file(&format!(
        "{QUIET}[log]\nlevel = \"debug\"\nformat = \"text\"\n"
    ));
    let mut read = None;
    let mut server = Running::start(&config.path, |command| {
        let (reader, writer) = std::io::pipe().unwrap();
        command
            .args(["--log-level", "error"])
            .stderr(Stdio::from(writer));
        read = Some(reader);
    });
    server.get("/healthz");
    server.signal(Signal::TERM);
    assert_eq!(code(server.ended().0), 0);
    let mut log = String::new();
    read.unwrap().read_to_string(&mut log).unwrap();
    assert_eq!(log, "");
}

#[test]
fn no_bus_is_no_failure() {
    let config = file(QUIET);
    let mut server = Running::start(&config.path, |command| {
        command
            .args(["--bus", "session"])
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus");
    });
    assert!(server.get("/healthz").starts_with("HTTP/1.1 200 "));
    server.signal(Signal::TERM);
    let (status, took) = server.ended();
    assert_eq!(code(status), 0);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[cfg(feature = "encoder-software")]
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "not {what} within ten seconds"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

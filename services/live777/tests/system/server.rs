//! The binary under test.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{LIMIT, until};

/// A running live777 with the shipped configuration, on ports of its own.
pub struct Server {
    child: Child,
    log: Arc<Mutex<String>>,
    _directory: TempDir,
}

/// Top of the source tree.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Server {
    /// Starts it by `command`, which has the environment and may be a wrapper around the binary.
    pub fn start(mut command: Command, bus: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let shipped = fs::read_to_string(root().join("conf/live777.toml")).unwrap();
        let config = directory.path().join("live777.toml");
        fs::write(&config, shipped.replace("127.0.0.1:7777", "127.0.0.1:0")).unwrap();
        let readable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), readable).unwrap();
        let mut child = command
            .arg("--config")
            .arg(&config)
            .args(["--bus", bus])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        collect(child.stderr.take().unwrap(), Arc::clone(&log));
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut first)
            .unwrap();
        let server = Self {
            child,
            log,
            _directory: directory,
        };
        assert!(
            first.contains("http://"),
            "it did not start: {}",
            server.log()
        );
        server
    }

    /// The binary, without anything set.
    pub fn binary() -> &'static str {
        env!("CARGO_BIN_EXE_live777")
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log has this.
    pub fn until_logged(&self, text: &str) {
        until(&format!("{text:?} in the log"), || {
            self.log().contains(text)
        });
    }

    /// SIGTERM; how it ended and how long that took.
    pub fn terminate(mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        let killed = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        assert!(killed.unwrap().success());
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, begun.elapsed());
            }
            assert!(begun.elapsed() < LIMIT, "it does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(mut from: impl std::io::Read + Send + 'static, to: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut chunk) {
            to.lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&chunk[..n]));
        }
    });
}

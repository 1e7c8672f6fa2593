//! The binary under test.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use livehal_bus::testing::Program;
use tempfile::TempDir;

/// A running live777 with the shipped configuration, on ports of its own.
pub struct Server {
    program: Program,
    _directory: TempDir,
}

/// Top of the source tree.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Server {
    /// Starts it by `command`, which has the environment and may be a wrapper around the binary.
    pub fn start(command: Command, bus: &str) -> Self {
        let shipped = fs::read_to_string(root().join("conf/live777.toml")).unwrap();
        Self::start_with(&shipped, command, bus)
    }

    /// As [`start`](Self::start), with another configuration.
    pub fn start_with(configuration: &str, mut command: Command, bus: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("live777.toml");
        fs::write(
            &config,
            configuration.replace("127.0.0.1:7777", "127.0.0.1:0"),
        )
        .unwrap();
        let readable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), readable).unwrap();
        command.arg("--config").arg(&config).args(["--bus", bus]);
        let mut program = Program::start(command);
        let mut first = String::new();
        BufReader::new(program.stdout())
            .read_line(&mut first)
            .unwrap();
        assert!(
            first.contains("http://"),
            "it did not start: {}",
            program.log()
        );
        Self {
            program,
            _directory: directory,
        }
    }

    /// The binary, without anything set.
    pub fn binary() -> &'static str {
        env!("CARGO_BIN_EXE_live777")
    }

    /// SIGTERM; how it ended and how long that took.
    pub fn terminate(self) -> (ExitStatus, Duration) {
        self.program.terminate()
    }
}

impl Deref for Server {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

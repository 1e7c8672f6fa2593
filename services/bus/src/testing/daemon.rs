//! A bus of one's own: dbus-daemon.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::until;

/// A running bus daemon with its socket in a directory that everybody may enter.
#[derive(Debug)]
pub struct Bus {
    child: Option<Child>,
    socket: PathBuf,
    /// None where somebody else's process is the bus.
    _directory: Option<TempDir>,
}

/// What a system bus allows by itself, as dbus-daemon's system.conf has it: signals and replies.
const SYSTEM_DEFAULTS: &str = r#"
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>"#;

/// What a session bus allows: everything.
const SESSION_DEFAULTS: &str = r#"
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>"#;

impl Bus {
    /// A bus like a login session's.
    pub fn session() -> Self {
        Self::start(SESSION_DEFAULTS)
    }

    /// A bus like the system's, with policy files.
    pub fn system(policies: &[&Path]) -> Self {
        let include = |file: &&Path| format!("\n  <include>{}</include>", file.display());
        let includes: String = policies.iter().map(include).collect();
        Self::start(&format!("{SYSTEM_DEFAULTS}{includes}"))
    }

    /// The bus of the test that started this process, by [`command`](Self::command).
    pub fn inherited() -> Self {
        let address = std::env::var("DBUS_SESSION_BUS_ADDRESS").unwrap();
        Self {
            child: None,
            socket: address.strip_prefix("unix:path=").unwrap().into(),
            _directory: None,
        }
    }

    fn start(rules: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut bus = Self {
            child: None,
            socket: directory.path().join("bus"),
            _directory: Some(directory),
        };
        let config = format!(
            r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path={}</listen>
  <auth>EXTERNAL</auth>{rules}
</busconfig>"#,
            bus.socket.display()
        );
        fs::write(bus.config(), config).unwrap();
        bus.resume();
        bus
    }

    /// Ends the daemon, as in a crash.
    pub fn kill(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        child.kill().unwrap();
        child.wait().unwrap();
        let _ = fs::remove_file(&self.socket);
    }

    /// Starts it again, at the same address.
    pub fn resume(&mut self) {
        let child = Command::new("dbus-daemon")
            .arg("--nofork")
            .arg("--nosyslog")
            .arg(format!("--config-file={}", self.config().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // It tells of every refusal.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        until("the bus", || {
            std::os::unix::net::UnixStream::connect(&self.socket).is_ok()
        });
    }

    /// Its address.
    pub fn address(&self) -> String {
        format!("unix:path={}", self.socket.display())
    }

    fn config(&self) -> PathBuf {
        self.socket.with_extension("conf")
    }

    /// A command that finds this bus, as the system's and as the session's.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("DBUS_SYSTEM_BUS_ADDRESS", self.address())
            .env("DBUS_SESSION_BUS_ADDRESS", self.address());
        command
    }

    /// Whether somebody has this name on the bus.
    pub fn has(&self, name: &str) -> bool {
        let asked = self
            .command("busctl")
            .args(["--list", "tree", name])
            .output();
        asked.unwrap().status.success()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.kill();
    }
}

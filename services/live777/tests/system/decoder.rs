//! The decoder's daemon, built from the same tree.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use livehal_bus::testing::{Bus, Program, bus_installed, installed, skip};

pub const NAME: &str = "org.livehal.Decoder1";
pub const ROOT: &str = "/org/livehal/Decoder1";
pub const MANAGER: &str = "org.livehal.Decoder1.Manager";

/// Where cargo put the daemon, built now in the profile of this test.
pub fn binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--quiet", "--package", "daedalus"]);
        command.arg("--message-format=json-render-diagnostics");
        if !cfg!(debug_assertions) {
            command.arg("--release");
        }
        let built = command.stderr(Stdio::inherit()).output().unwrap();
        assert!(built.status.success(), "cargo build: {}", built.status);
        String::from_utf8_lossy(&built.stdout)
            .lines()
            .filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok())
            .filter(|m| m["target"]["name"] == "daedalus_v4l2_daemon")
            .find_map(|m| m["executable"].as_str().map(PathBuf::from))
            .expect("cargo names no daemon")
    })
}

/// A daemon on a bus, decoding for the bus alone; none where there is no FFmpeg.
pub fn start(bus: &Bus, test: &str) -> Option<Program> {
    start_by(bus.command(binary().to_str().unwrap()), "session", test)
}

/// The same by a command, which may be a wrapper around the program.
pub fn start_by(mut command: Command, bus: &str, test: &str) -> Option<Program> {
    if !bus_installed(test) {
        return None;
    }
    let probe = Command::new(binary()).arg("probe").output().unwrap();
    if !probe.status.success() {
        skip(test, &String::from_utf8_lossy(&probe.stderr));
        return None;
    }
    // Read before the name is there.
    let directory = tempfile::tempdir().unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open).unwrap();
    let config = directory.path().join("daedalus.toml");
    std::fs::write(&config, "[bridge]\nenabled = false\n").unwrap();
    command.arg("--config").arg(&config);
    command.args(["daemon", "--bus", bus]);
    let daemon = Program::start(command);
    daemon.until_logged("bus as org.livehal.Decoder1");
    Some(daemon)
}

/// Makes a stream of 40 frames; false where there is no ffmpeg.
pub fn make_stream(path: &Path, test: &str) -> bool {
    if !installed("ffmpeg", "ffmpeg", test) {
        return false;
    }
    let source = "testsrc2=size=320x240:rate=30";
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", source])
        .args(["-frames:v", "40", "-pix_fmt", "yuv420p", "-c:v", "libx264"])
        .arg(path)
        .status()
        .unwrap();
    assert!(made.success());
    true
}

//! The unit and its companions, checked by systemd's own tools.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::server::{Server, root};
use crate::skip;

/// Exposure by `systemd-analyze security`, in tenths, that the unit may have at most. 0 is a
/// service that can do nothing, 100 one without any protection.
const EXPOSURE: &str = "16";

/// The unit with the binary of this build, where it can be checked without being installed.
fn unit(directory: &TempDir) -> PathBuf {
    let shipped = fs::read_to_string(root().join("systemd/live777.service")).unwrap();
    let unit = shipped.replace("/usr/bin/live777", Server::binary());
    assert_ne!(unit, shipped, "the unit starts something else");
    let path = directory.path().join("live777.service");
    fs::write(&path, unit).unwrap();
    path
}

fn run(command: &mut Command) -> Option<Output> {
    match command.output() {
        Ok(output) => Some(output),
        Err(e) => {
            skip(
                &format!("{command:?}"),
                &format!("{e} (apt-get install systemd)"),
            );
            None
        }
    }
}

#[test]
fn the_unit_is_free_of_faults() {
    let directory = tempfile::tempdir().unwrap();
    let verify = run(Command::new("systemd-analyze")
        .arg("verify")
        .arg(unit(&directory)));
    let Some(verify) = verify else { return };
    let said = String::from_utf8_lossy(&verify.stderr);
    // Unknown settings are warnings that do not change the exit code.
    let about_us: Vec<_> = said
        .lines()
        .filter(|line| line.contains("live777.service"))
        .collect();
    assert!(verify.status.success() && about_us.is_empty(), "{said}");
}

#[test]
fn the_unit_is_sandboxed() {
    let directory = tempfile::tempdir().unwrap();
    let security = run(Command::new("systemd-analyze")
        .args(["security", "--no-pager", "--offline=true"])
        .arg(format!("--threshold={EXPOSURE}"))
        .arg(unit(&directory)));
    let Some(security) = security else { return };
    let report = String::from_utf8_lossy(&security.stdout);
    assert!(report.contains("Overall exposure level"), "{report}");
    assert!(security.status.success(), "{report}");
}

#[test]
fn the_user_of_the_unit_and_of_the_policy_is_made() {
    let read = |file: &str| fs::read_to_string(root().join(file)).unwrap();
    let sysusers = root()
        .join("systemd/sysusers.d/livehal.conf")
        .canonicalize()
        .unwrap();
    let empty = tempfile::tempdir().unwrap();
    let made = run(Command::new("systemd-sysusers")
        .arg("--dry-run")
        .arg(format!("--root={}", empty.path().display()))
        .arg(sysusers));
    assert!(read("systemd/live777.service").contains("\nUser=livehal\nGroup=livehal\n"));
    assert!(read("dbus/org.livehal.Capture1.conf").contains("<policy group=\"livehal\">"));
    let Some(made) = made else { return };
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
    for line in ["Creating group 'livehal'", "Creating user 'livehal'"] {
        assert!(said.contains(line), "{said}");
    }
}

#[test]
fn a_call_on_the_bus_starts_the_unit() {
    let service = fs::read_to_string(root().join("dbus/org.livehal.Capture1.service")).unwrap();
    let unit = fs::read_to_string(root().join("systemd/live777.service")).unwrap();
    let value = |key: &str| service.lines().find_map(|line| line.strip_prefix(key));
    assert_eq!(value("Name="), Some("org.livehal.Capture1"));
    let started = value("SystemdService=").unwrap();
    assert!(
        unit.lines().any(|line| line == format!("Alias={started}")),
        "{started}"
    );
}

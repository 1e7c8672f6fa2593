//! The unit and its companions, checked by systemd's own tools.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::bus::Bus;
use crate::server::{Server, root};
use crate::{installed, skip, until};

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

/// The system calls of a group as systemd knows it, `@system-service` for one.
fn calls_of(group: &str) -> BTreeSet<String> {
    let listed = Command::new("systemd-analyze")
        .args(["--no-pager", "syscall-filter", group])
        .output()
        .unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let members = listed.lines().skip(1).map(str::trim);
    let members = members.filter(|m| !m.is_empty() && !m.starts_with('#'));
    members
        .flat_map(|member| match member.starts_with('@') {
            true => calls_of(member),
            false => BTreeSet::from([member.to_owned()]),
        })
        .collect()
}

/// The system calls that the unit lets through.
fn allowed_calls() -> BTreeSet<String> {
    let unit = fs::read_to_string(root().join("systemd/live777.service")).unwrap();
    let mut allowed = BTreeSet::new();
    for filter in unit
        .lines()
        .filter_map(|l| l.strip_prefix("SystemCallFilter="))
    {
        let (denied, groups) = match filter.strip_prefix('~') {
            Some(groups) => (true, groups),
            None => (false, filter),
        };
        for call in groups.split_whitespace().flat_map(calls_of) {
            if denied {
                allowed.remove(&call);
            } else {
                allowed.insert(call);
            }
        }
    }
    allowed
}

/// The name of the call in a line of `strace -f -o`, such as `123 read(3, …`.
fn call(line: &str) -> Option<&str> {
    let rest = line
        .trim_start_matches(|c: char| c.is_ascii_digit())
        .trim_start();
    let rest = rest.strip_prefix("<... ").unwrap_or(rest);
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
    (end > 0 && rest[end..].starts_with(['(', ' '])).then(|| &rest[..end])
}

#[test]
fn the_server_does_nothing_that_the_unit_forbids() {
    const TEST: &str = "system calls of the server";
    let needed = [
        ("strace", "strace"),
        ("systemd-analyze", "systemd"),
        ("busctl", "systemd"),
        ("dbus-daemon", "dbus-daemon"),
    ];
    if !needed
        .iter()
        .all(|(program, package)| installed(program, package, TEST))
    {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("trace");
    let bus = Bus::session();
    let mut command = bus.command("strace");
    // -D: the server is our child and gets the signal, strace looks on from the side.
    command
        .args(["-D", "-f", "-o"])
        .arg(&trace)
        .arg(Server::binary());
    let server = Server::start(command, "session");
    server.until_logged("state=\"running\"");
    until("the name", || bus.has_live777());
    server.terminate();

    let read = || fs::read_to_string(&trace).unwrap();
    until("the end of the trace", || {
        read().trim_end().ends_with("+++ exited with 0 +++")
    });
    let trace = read();
    let made: BTreeSet<_> = trace.lines().filter_map(call).map(str::to_owned).collect();
    let allowed = allowed_calls();
    assert!(made.len() > 20 && allowed.len() > 100, "{made:?}");
    let forbidden: Vec<_> = made.difference(&allowed).collect();
    assert!(
        forbidden.is_empty(),
        "SystemCallFilter forbids {forbidden:?}"
    );
    // MemoryDenyWriteExecute.
    let both = |line: &&str| line.contains("PROT_WRITE") && line.contains("PROT_EXEC");
    assert_eq!(trace.lines().find(both), None);
}

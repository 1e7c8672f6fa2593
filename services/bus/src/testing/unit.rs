//! Units by systemd's own tools.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::skip;

fn run(command: &mut Command) -> Option<Output> {
    match command.output() {
        Ok(output) => Some(output),
        Err(e) => {
            let why = format!("{e} (apt-get install systemd)");
            skip(&format!("{command:?}"), &why);
            None
        }
    }
}

/// A shipped unit with the binary of this build in the place of `installed`, in `directory`, where it can be
/// checked without being installed.
pub fn of_this_build(directory: &Path, shipped: &Path, installed: &str, binary: &str) -> PathBuf {
    let text = fs::read_to_string(shipped).unwrap();
    let unit = text.replace(installed, binary);
    assert_ne!(unit, text, "the unit starts something else");
    let path = directory.join(shipped.file_name().unwrap());
    fs::write(&path, unit).unwrap();
    path
}

/// The bus starts the unit for a call to `name`.
pub fn assert_started_by_a_call(service: &Path, name: &str, unit: &Path) {
    let service = fs::read_to_string(service).unwrap();
    let unit = fs::read_to_string(unit).unwrap();
    let value = |key: &str| service.lines().find_map(|line| line.strip_prefix(key));
    assert_eq!(value("Name="), Some(name));
    let alias = format!("Alias={}", value("SystemdService=").unwrap());
    assert!(unit.lines().any(|line| line == alias), "{alias}");
}

/// systemd has nothing to say against the unit.
pub fn assert_free_of_faults(unit: &Path) {
    let verify = run(Command::new("systemd-analyze").arg("verify").arg(unit));
    let Some(verify) = verify else { return };
    let said = String::from_utf8_lossy(&verify.stderr);
    // Unknown settings are warnings that do not change the exit code.
    let name = unit.file_name().unwrap().to_str().unwrap();
    let about_us: Vec<_> = said.lines().filter(|line| line.contains(name)).collect();
    assert!(verify.status.success() && about_us.is_empty(), "{said}");
}

/// The exposure by `systemd-analyze security` is so many tenths at most. 0 is a service that can do
/// nothing, 100 one without any protection.
pub fn assert_exposed_at_most(tenths: u32, unit: &Path) {
    let security = run(Command::new("systemd-analyze")
        .args(["security", "--no-pager", "--offline=true"])
        .arg(format!("--threshold={tenths}"))
        .arg(unit));
    let Some(security) = security else { return };
    let report = String::from_utf8_lossy(&security.stdout);
    assert!(report.contains("Overall exposure level"), "{report}");
    assert!(security.status.success(), "{report}");
}

/// The file has systemd make these users, and groups of the same names.
pub fn assert_makes_users(sysusers: &Path, users: &[&str]) {
    let empty = tempfile::tempdir().unwrap();
    let made = run(Command::new("systemd-sysusers")
        .arg("--dry-run")
        .arg(format!("--root={}", empty.path().display()))
        .arg(sysusers.canonicalize().unwrap()));
    let Some(made) = made else { return };
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
    for user in users {
        for line in [
            format!("Creating group '{user}'"),
            format!("Creating user '{user}'"),
        ] {
            assert!(said.contains(&line), "{said}");
        }
    }
}

/// What a program did, by `strace -f -o`, is allowed by its unit, but for calls that it can do
/// without.
pub fn assert_allowed(trace: &str, unit: &str, needless: &[&str]) {
    let made: BTreeSet<_> = trace.lines().filter_map(call).map(str::to_owned).collect();
    let allowed = allowed_calls(unit);
    assert!(made.len() > 20 && allowed.len() > 100, "{made:?}");
    let forbidden = made.difference(&allowed);
    let forbidden: Vec<_> = forbidden
        .filter(|c| !needless.contains(&c.as_str()))
        .collect();
    assert!(
        forbidden.is_empty(),
        "SystemCallFilter forbids {forbidden:?}"
    );
    // MemoryDenyWriteExecute.
    let both = |line: &&str| line.contains("PROT_WRITE") && line.contains("PROT_EXEC");
    assert_eq!(trace.lines().find(both), None);
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
fn allowed_calls(unit: &str) -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    for filter in unit
        .lines()
        .filter_map(|l| l.strip_prefix("SystemCallFilter="))
    {
        let (denied, groups) = match filter.strip_prefix('~') {
            Some(groups) => (true, groups),
            None => (false, filter),
        };
        let named = |name: &str| match name.starts_with('@') {
            true => calls_of(name),
            false => BTreeSet::from([name.to_owned()]),
        };
        for call in groups.split_whitespace().flat_map(named) {
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

//! A bus policy against real users.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Bus;

/// A shipped policy with users and groups of every Debian system: `user` in the place of its server's,
/// `group` in that of `livehal`. In `directory`, by the name of `shipped`.
pub fn policy_of(
    directory: &Path,
    shipped: &Path,
    server: &str,
    user: &str,
    group: &str,
) -> PathBuf {
    let text = fs::read_to_string(shipped).unwrap();
    let user = format!("user=\"{user}\"");
    let group = format!("group=\"{group}\"");
    let ours = text
        .replace(&format!("user=\"{server}\""), &user)
        .replace("group=\"livehal\"", &group);
    assert!(ours.contains(&user) && ours.contains(&group), "{ours}");
    let file = directory.join(shipped.file_name().unwrap());
    fs::write(&file, ours).unwrap();
    file
}

/// A command run as a user with one group.
pub fn run_as(bus: &Bus, uid: u32, gid: u32, program: &str) -> Command {
    let mut command = bus.command("setpriv");
    command
        .arg(format!("--reuid={uid}"))
        .arg(format!("--regid={gid}"))
        .args(["--clear-groups", "--", program]);
    command
}

/// A program where every user may run it: the build directory may be private.
pub fn public_copy(directory: &Path, binary: &Path) -> String {
    fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
    let copy = directory.join(binary.file_name().unwrap());
    fs::copy(binary, &copy).unwrap();
    copy.to_str().unwrap().to_owned()
}

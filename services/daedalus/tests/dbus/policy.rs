//! The bus policy, enforced by a real dbus-daemon against real users.

use livehal_bus::testing::users::{policy_of, public_copy, run_as};
use livehal_bus::testing::{Bus, bus_installed, installed, said, skip, until};

use crate::common::{DAEMON, library};
use crate::{MANAGER, NAME, ROOT, root, without_module};

/// Users and groups of every Debian system, in the place of those that the packages make.
const SERVER: (&str, u32) = ("daemon", 1);
const GROUP: (&str, u32) = ("games", 60);
const STRANGER: u32 = 65534;

fn may_call(bus: &Bus, (uid, gid): (u32, u32), call: &[&str]) -> Result<(), String> {
    let mut command = run_as(bus, uid, gid, call[0]);
    let output = command.args(&call[1..]).output().unwrap();
    said(&output).map(drop)
}

#[test]
fn only_the_group_and_root_may_look_and_verify_and_nobody_else_may_own_the_name() {
    const TEST: &str = "bus policy of the decoder";
    if !rustix::process::geteuid().is_root() {
        skip(TEST, "needs root, to act as several users");
        return;
    }
    if !bus_installed(TEST) || !installed("setpriv", "util-linux", TEST) || library().is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let binary = &public_copy(directory.path(), DAEMON.as_ref());
    let shipped = root().join("dbus/org.livehal.Decoder1.conf");
    let policy = policy_of(directory.path(), &shipped, "daedalus", SERVER.0, GROUP.0);
    let bus = Bus::system(&[&policy]);

    let stranger = run_as(&bus, STRANGER, GROUP.1, binary);
    let stranger = without_module(stranger, directory.path(), "system");
    stranger.until_logged("not on the system bus");
    drop(stranger);

    let daemon = run_as(&bus, SERVER.1, SERVER.1, binary);
    let daemon = without_module(daemon, directory.path(), "system");
    daemon.until_logged("on the system bus as");
    let read = ["busctl", "get-property", NAME, ROOT, MANAGER, "Version"];
    let verify = [binary, "verify", "--bus", "system", "/etc/hostname"];
    until("the object", || may_call(&bus, (0, 0), &read).is_ok());
    for allowed in [(0, 0), (STRANGER, GROUP.1)] {
        may_call(&bus, allowed, &read).unwrap();
        // It is no stream: who gets so far may call.
        let refused = may_call(&bus, allowed, &verify).unwrap_err();
        assert!(refused.contains("neither IVF nor H.264"), "{refused}");
    }
    for call in [&read[..], &verify] {
        let refused = may_call(&bus, (STRANGER, STRANGER), call).unwrap_err();
        assert!(
            refused.contains("denied")
                || refused.contains("AccessDenied")
                || refused.contains("ender is not authorized"),
            "{refused}"
        );
    }
}

//! The unit and its companions, checked by systemd's own tools.

use std::fs;
use std::path::PathBuf;

use livehal_bus::testing::unit::{
    assert_allowed, assert_exposed_at_most, assert_free_of_faults, assert_makes_users,
    assert_started_by_a_call, of_this_build,
};
use tempfile::TempDir;

use crate::server::{Server, root};
use crate::{Bus, NAME, installed, until};

/// In tenths.
const EXPOSURE: u32 = 16;

fn unit(directory: &TempDir) -> PathBuf {
    let shipped = root().join("systemd/live777.service");
    of_this_build(
        directory.path(),
        &shipped,
        "/usr/bin/live777",
        Server::binary(),
    )
}

#[test]
fn the_unit_is_free_of_faults() {
    let directory = tempfile::tempdir().unwrap();
    assert_free_of_faults(&unit(&directory));
}

#[test]
fn the_unit_is_sandboxed() {
    let directory = tempfile::tempdir().unwrap();
    assert_exposed_at_most(EXPOSURE, &unit(&directory));
}

#[test]
fn the_user_of_the_unit_and_of_the_policy_is_made() {
    let read = |file: &str| fs::read_to_string(root().join(file)).unwrap();
    assert!(read("systemd/live777.service").contains("\nUser=livehal\nGroup=livehal\n"));
    assert!(read("dbus/org.livehal.Capture1.conf").contains("<policy group=\"livehal\">"));
    assert_makes_users(
        &root().join("systemd/sysusers.d/livehal.conf"),
        &["livehal"],
    );
}

#[test]
fn a_call_on_the_bus_starts_the_unit() {
    assert_started_by_a_call(
        &root().join("dbus/org.livehal.Capture1.service"),
        NAME,
        &root().join("systemd/live777.service"),
    );
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
    until("the name", || bus.has(NAME));
    server.terminate();

    let read = || fs::read_to_string(&trace).unwrap();
    until("the end of the trace", || {
        read().trim_end().ends_with("+++ exited with 0 +++")
    });
    let unit = fs::read_to_string(root().join("systemd/live777.service")).unwrap();
    assert_allowed(&read(), &unit, &[]);
}

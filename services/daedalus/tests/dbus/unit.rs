//! The unit and its companions, checked by systemd's own tools.

use std::fs;
use std::path::PathBuf;

use livehal_bus::testing::unit::{
    assert_allowed, assert_exposed_at_most, assert_free_of_faults, assert_makes_users,
    assert_started_by_a_call, of_this_build,
};
use livehal_bus::testing::{Bus, bus_installed, installed, until};
use tempfile::TempDir;

use crate::common::{DAEMON, H264, library};
use crate::{NAME, root, verify, without_module};

/// In tenths.
const EXPOSURE: u32 = 5;

fn shipped(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}

fn unit(directory: &TempDir) -> PathBuf {
    let shipped = root().join("systemd/daedalus-v4l2.service");
    of_this_build(
        directory.path(),
        &shipped,
        "/usr/bin/daedalus_v4l2_daemon",
        DAEMON,
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
fn the_user_of_unit_policy_and_device_is_made() {
    let unit = shipped("systemd/daedalus-v4l2.service");
    assert!(unit.contains("\nUser=daedalus\nGroup=daedalus\n"));
    assert!(shipped("dbus/org.livehal.Decoder1.conf").contains("<policy user=\"daedalus\">"));
    let rules = shipped("systemd/udev/71-daedalus.rules");
    assert!(rules.contains("OWNER=\"daedalus\", GROUP=\"daedalus\", MODE=\"0600\""));
    assert_makes_users(
        &root().join("systemd/sysusers.d/daedalus.conf"),
        &["daedalus"],
    );
}

#[test]
fn a_call_on_the_bus_starts_the_unit() {
    assert_started_by_a_call(
        &root().join("dbus/org.livehal.Decoder1.service"),
        NAME,
        &root().join("systemd/daedalus-v4l2.service"),
    );
}

#[test]
fn the_daemon_and_its_workers_do_nothing_that_the_unit_forbids() {
    const TEST: &str = "system calls of the daemon";
    if !bus_installed(TEST)
        || !installed("strace", "strace", TEST)
        || !installed("systemd-analyze", "systemd", TEST)
        || library().is_none()
    {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let Some(stream) = H264[2].make(directory.path()) else {
        return;
    };
    let trace = directory.path().join("trace");
    let bus = Bus::session();
    let mut command = bus.command("strace");
    // -D: the daemon is our child and gets the signal, strace looks on from the side.
    command.args(["-D", "-f", "-o"]).arg(&trace).arg(DAEMON);
    let daemon = without_module(command, directory.path(), "session");
    until("the name", || bus.has(NAME));
    assert!(verify(&bus, &stream).unwrap().starts_with("24 frames "));
    daemon.terminate();

    let read = || fs::read_to_string(&trace).unwrap();
    until("the end of the trace", || {
        read().trim_end().ends_with("+++ exited with 0 +++")
    });
    let trace = read();
    // Workers are in it.
    assert!(trace.contains("SECCOMP_SET_MODE_FILTER") && trace.contains("pread64"));
    // libnuma, which Debian's libavcodec comes with, tries this to see whether it works.
    let needless = ["set_mempolicy"];
    assert_allowed(&trace, &shipped("systemd/daedalus-v4l2.service"), &needless);
}

//! The bus policy, enforced by a real dbus-daemon against real users.

use std::fs;
use std::path::PathBuf;
use std::process::Child;

use livehal_bus::testing::said;
use livehal_bus::testing::users::{policy_of, public_copy, run_as};
use tempfile::TempDir;

use crate::decoder;
use crate::server::{Server, root};
use crate::{Bus, installed, skip, until};

/// Users and groups of every Debian system, in the place of those that the package makes. The
/// server's user is none of its group's members here, so that the two rules are told apart.
const SERVER: (&str, u32) = ("daemon", 1);
const GROUP: (&str, u32) = ("games", 60);
const DECODER: (&str, u32) = ("bin", 2);
const STRANGER: u32 = 65534;

/// A shipped policy with another user in the place of its server's, and the group.
fn policy_with(directory: &TempDir, file: &str, server: &str, user: &str) -> PathBuf {
    let shipped = root().join("dbus").join(file);
    policy_of(directory.path(), &shipped, server, user, GROUP.0)
}

/// Ours with those names.
fn policy(directory: &TempDir) -> PathBuf {
    policy_with(directory, "org.livehal.Capture1.conf", "livehal", SERVER.0)
}

/// What a user gets for a busctl call: its output, or the error.
fn busctl(bus: &Bus, (uid, gid): (u32, u32), arguments: &[&str]) -> Result<String, String> {
    let output = run_as(bus, uid, gid, "busctl")
        .args(arguments)
        .output()
        .unwrap();
    said(&output)
}

const DEMO: &str = "/org/livehal/Capture1/stream/demo";
const STREAM: &str = "org.livehal.Capture1.Stream";
const READ: &[&str] = &["get-property", "org.livehal.Capture1", DEMO, STREAM, "Name"];
const WRITE: &[&str] = &[
    "set-property",
    "org.livehal.Capture1",
    DEMO,
    STREAM,
    "BitrateBps",
    "u",
    "1500000",
];
const CALL: &[&str] = &[
    "call",
    "org.livehal.Capture1",
    DEMO,
    STREAM,
    "RequestKeyframe",
];

/// Whether everything needed is here.
fn possible(test: &str) -> bool {
    if !rustix::process::geteuid().is_root() {
        skip(test, "needs root, to act as several users");
        return false;
    }
    installed("dbus-daemon", "dbus-daemon", test)
        && installed("busctl", "systemd", test)
        && installed("setpriv", "util-linux", test)
}

fn public_binary(directory: &TempDir) -> String {
    public_copy(directory.path(), Server::binary().as_ref())
}

#[test]
fn only_the_group_and_root_may_look_and_control() {
    if !possible("bus policy") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let bus = Bus::system(&[&policy(&directory)]);
    let binary = public_binary(&directory);
    let server = Server::start(run_as(&bus, SERVER.1, SERVER.1, &binary), "system");
    server.until_logged("on the system bus as");
    until("the stream", || busctl(&bus, (0, 0), READ).is_ok());

    for allowed in [(0, 0), (STRANGER, GROUP.1), (SERVER.1, SERVER.1)] {
        for arguments in [READ, WRITE, CALL] {
            let result = busctl(&bus, allowed, arguments);
            assert!(
                result.is_ok(),
                "uid {} gid {}: {arguments:?}: {result:?}",
                allowed.0,
                allowed.1
            );
        }
    }
    for arguments in [READ, WRITE, CALL] {
        let result = busctl(&bus, (STRANGER, STRANGER), arguments);
        let error = result.expect_err("a stranger got in");
        // "Access denied", in busctl's words for org.freedesktop.DBus.Error.AccessDenied.
        assert!(
            error.contains("denied") || error.contains("Sender is not authorized"),
            "{error}"
        );
    }
    server.terminate();
}

#[test]
fn nobody_else_may_own_the_name() {
    if !possible("ownership of the bus name") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let bus = Bus::system(&[&policy(&directory)]);
    let binary = public_binary(&directory);
    for (uid, gid) in [(STRANGER, STRANGER), (STRANGER, GROUP.1)] {
        let server = Server::start(run_as(&bus, uid, gid, &binary), "system");
        server.until_logged("not on the system bus");
        assert!(
            !server.log().contains("on the system bus as"),
            "{}",
            server.log()
        );
    }
}

#[test]
fn live777_may_ask_the_decoder_under_both_policies() {
    const TEST: &str = "SelfTest under the bus policies";
    if !possible(TEST) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let ours = policy(&directory);
    let decoders = policy_with(
        &directory,
        "org.livehal.Decoder1.conf",
        "daedalus",
        DECODER.0,
    );
    let bus = Bus::system(&[&ours, &decoders]);
    let binary = public_copy(directory.path(), decoder::binary());
    let decoder = run_as(&bus, DECODER.1, DECODER.1, &binary);
    let Some(_decoder) = decoder::start_by(decoder, "system", TEST) else {
        return;
    };
    let binary = public_binary(&directory);
    // As the unit has it: its group is the one that may call the decoder.
    let server = Server::start(run_as(&bus, SERVER.1, GROUP.1, &binary), "system");
    server.until_logged("on the system bus as");
    until("the stream", || busctl(&bus, (0, 0), READ).is_ok());
    let call = ["call", "org.livehal.Capture1", DEMO, STREAM, "SelfTest"];
    let answer = busctl(&bus, (0, 0), &call).unwrap();
    assert!(answer.starts_with("uusd "), "{answer}");
    server.terminate();
}

/// A `gdbus monitor` of the server's signals.
struct Monitor {
    child: Child,
    output: PathBuf,
}

impl Monitor {
    fn start(bus: &Bus, directory: &TempDir, (uid, gid): (u32, u32)) -> Self {
        let output = directory.path().join(format!("signals-{gid}"));
        let child = run_as(bus, uid, gid, "gdbus")
            .args(["monitor", "--system", "--dest", "org.livehal.Capture1"])
            .stdout(fs::File::create(&output).unwrap())
            .spawn()
            .unwrap();
        let monitor = Self { child, output };
        until("the monitor", || monitor.heard().contains("is owned by"));
        monitor
    }

    fn heard(&self) -> String {
        fs::read_to_string(&self.output).unwrap()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn strangers_get_no_signals() {
    const TEST: &str = "signals under the bus policy";
    if !possible(TEST) || !installed("gdbus", "libglib2.0-bin", TEST) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let bus = Bus::system(&[&policy(&directory)]);
    let binary = public_binary(&directory);
    let server = Server::start(run_as(&bus, SERVER.1, SERVER.1, &binary), "system");
    server.until_logged("on the system bus as");
    let member = Monitor::start(&bus, &directory, (STRANGER, GROUP.1));
    let stranger = Monitor::start(&bus, &directory, (STRANGER, STRANGER));

    // The second signal comes when the bus has dealt with the first one for everybody.
    for method in ["Stop", "Start"] {
        let call = ["call", "org.livehal.Capture1", DEMO, STREAM, method];
        busctl(&bus, (0, 0), &call).unwrap();
    }
    until("the signals", || {
        member.heard().matches("StateChanged").count() >= 2
    });
    let heard = stranger.heard();
    assert!(
        !heard.contains("StateChanged") && !heard.contains("PropertiesChanged"),
        "{heard}"
    );
    server.terminate();
}

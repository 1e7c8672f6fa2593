//! No bus, a bus that goes away, a name that is taken.

use std::process::Command;
use std::time::Duration;

use crate::server::Server;
use crate::{Bus, NAME, installed, until};

fn live777(bus: &Bus) -> Server {
    Server::start(bus.command(Server::binary()), "session")
}

#[test]
fn without_a_bus_it_runs_warns_and_ends_well() {
    let mut command = Command::new(Server::binary());
    command
        .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus")
        .args(["--log-level", "debug"]);
    let server = Server::start(command, "system");
    server.until_logged("not on the system bus");
    // The second attempt has nothing new to say.
    server.until_logged("still not on the system bus");
    assert_eq!(
        server.log().matches("; trying again").count(),
        1,
        "{}",
        server.log()
    );
    let (status, took) = server.terminate();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn a_bus_that_comes_back_finds_it_there() {
    if !installed("dbus-daemon", "dbus-daemon", "loss of the bus")
        || !installed("busctl", "systemd", "loss of the bus")
    {
        return;
    }
    let mut bus = Bus::session();
    let server = live777(&bus);
    until("the name", || bus.has(NAME));
    for _ in 0..2 {
        bus.kill();
        server.until_logged("the connection was lost");
        bus.resume();
        until("the name after the loss", || bus.has(NAME));
    }
    let (status, took) = server.terminate();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(!bus.has(NAME));
}

#[test]
fn a_second_server_waits_for_the_name() {
    if !installed("dbus-daemon", "dbus-daemon", "second server")
        || !installed("busctl", "systemd", "second server")
    {
        return;
    }
    let bus = Bus::session();
    let first = live777(&bus);
    until("the name", || bus.has(NAME));
    let second = live777(&bus);
    second.until_logged("not on the session bus");
    assert!(
        !second.log().contains("on the session bus as"),
        "{}",
        second.log()
    );
    first.terminate();
    second.until_logged("on the session bus as org.livehal.Capture1");
    assert!(bus.has(NAME));
}

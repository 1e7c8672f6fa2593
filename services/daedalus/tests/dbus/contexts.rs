//! What clients of the video node have decoded, seen from the bus.

use std::process::Command;

use daedalus::stream::Stream;
use daedalus_proto::wire::{CtxFormat, REQ_DIGEST_ONLY, codec, decode, msg};
use livehal_bus::testing::{Bus, bus_installed, contract, until};

use crate::common::kernel::{Kernel, Request};
use crate::common::{VP8, library, read};
use crate::{CONTEXT, CONTRACT, MANAGER, NAME, ROOT, busctl, property};

/// Set in a process of its own, whose session bus is the test's.
const INSIDE: &str = "DAEDALUS_TEST_BUS";

/// Runs a test again in a process that has a bus; true in that process.
fn inside(test: &str) -> Option<Bus> {
    if std::env::var_os(INSIDE).is_some() {
        return Some(Bus::inherited());
    }
    if !bus_installed(test) || library().is_none() {
        return None;
    }
    let bus = Bus::session();
    let path = std::env::current_exe().unwrap();
    let mut again: Command = bus.command(path.to_str().unwrap());
    let again = again
        .env(INSIDE, "1")
        .args(["--exact", "--nocapture", test])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(
        again.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&again.stderr)
    );
    None
}

fn context(id: u32) -> String {
    format!("{ROOT}/context/{id}")
}

fn format(width: u32, height: u32) -> CtxFormat {
    CtxFormat {
        fourcc: daedalus::picture::NV12,
        width,
        height,
        bytesperline: width,
        sizeimage: width * height * 3 / 2,
        uv_offset: width * height,
    }
}

/// A figure of GetStats.
fn figure(bus: &Bus, id: u32, name: &str) -> f64 {
    let path = context(id);
    let call = ["--json=short", "call", NAME, &path, CONTEXT, "GetStats"];
    let stats = busctl(bus, &call).unwrap();
    let after = stats.split(&format!("\"{name}\":")).nth(1);
    let after = after.unwrap_or_else(|| panic!("no {name} in {stats}"));
    let value = after.split("\"data\":").nth(1).unwrap();
    let end = value.find('}').unwrap();
    value[..end].parse().unwrap()
}

#[test]
fn the_daemon_is_what_the_contract_says() {
    let Some(bus) = inside("contexts::the_daemon_is_what_the_contract_says") else {
        return;
    };
    let mut kernel = Kernel::greeted_on(20_000, Some(livehal_bus::Bus::Session));
    kernel.open(1, codec::VP9);
    until("the context", || {
        busctl(&bus, &["introspect", NAME, &context(1)]).is_ok()
    });
    let objects = [(ROOT.to_owned(), MANAGER), (context(1), CONTEXT)];
    assert_eq!(
        contract::interfaces(CONTRACT),
        objects.iter().map(|(_, name)| (*name).to_owned()).collect(),
        "an interface in the contract that nothing is compared with"
    );
    for (path, name) in objects {
        let live = busctl(&bus, &["introspect", "--xml-interface", NAME, &path]).unwrap();
        contract::assert_same(CONTRACT, &live, name);
    }
    contract::assert_annotated_and_explained(CONTRACT);

    let of_manager = |name| property(&bus, ROOT, MANAGER, name);
    assert_eq!(
        of_manager("Version"),
        format!("s {:?}", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(of_manager("ModuleVersion"), "s \"test\"");
    let libraries = library().unwrap().versions().to_string();
    assert_eq!(of_manager("Libraries"), format!("s {libraries:?}"));
    assert_eq!(of_manager("Codecs"), "as 3 \"h264\" \"vp8\" \"vp9\"");
    assert_eq!(of_manager("MaxContexts"), "u 16");
    assert_eq!(of_manager("JobTimeoutMs"), "u 20000");
    kernel.stop().unwrap();
    assert!(!bus.has(NAME));
}

#[test]
fn a_context_is_there_while_its_client_is_and_tells_its_figures() {
    let Some(bus) =
        inside("contexts::a_context_is_there_while_its_client_is_and_tells_its_figures")
    else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let Some(path) = VP8.make(dir.path()) else {
        return;
    };
    let bytes = read(&path);
    let units = Stream::read(&bytes).unwrap().units;

    let mut kernel = Kernel::greeted_on(20_000, Some(livehal_bus::Bus::Session));
    kernel.open(3, codec::VP8);
    kernel.open(4, codec::H264);
    let of = |id, name| property(&bus, &context(id), CONTEXT, name);
    until("both contexts", || {
        [3, 4]
            .iter()
            .all(|id| busctl(&bus, &["introspect", NAME, &context(*id)]).is_ok())
    });
    assert_eq!(
        (of(3, "Codec"), of(4, "Codec")),
        ("s \"vp8\"".into(), "s \"h264\"".into())
    );
    assert_eq!(
        (of(3, "UserId"), of(3, "Width")),
        ("u 1000".into(), "u 0".into())
    );
    let mut heard = Monitor::start(&bus);
    kernel.send(msg::CTX_FORMAT, 3, &format(176, 144));
    until("the size", || {
        of(3, "Width") == "u 176" && of(3, "Height") == "u 144"
    });
    heard.until("PropertiesChanged");

    let mut ask = |bitstream: &[u8]| {
        let request = Request {
            codec: codec::VP8,
            flags: REQ_DIGEST_ONLY,
            bitstream,
            ..Request::default()
        };
        kernel.decode(3, &request).status
    };
    assert_eq!(ask(units[0]), decode::OK);
    assert_eq!(ask(units[1]), decode::OK);
    assert_ne!(ask(&[0x55; 3]), decode::OK);
    until("the figures", || figure(&bus, 3, "Errors") == 1.0);
    assert_eq!(figure(&bus, 3, "Frames"), 2.0);
    assert_eq!(figure(&bus, 3, "WorkersLost"), 0.0);
    let (average, longest) = (
        figure(&bus, 3, "LatencyMs"),
        figure(&bus, 3, "LatencyMaxMs"),
    );
    assert!(0.0 < average && average <= longest, "{average} {longest}");
    assert_eq!(figure(&bus, 4, "Frames"), 0.0);

    kernel.send(msg::CTX_CLOSE, 3, &());
    until("the end of the context", || {
        !busctl(&bus, &["tree", "--list", NAME])
            .unwrap()
            .contains("context/3")
    });
    assert_eq!(of(4, "Codec"), "s \"h264\"");
    kernel.stop().unwrap();
}

/// Listens to the daemon's signals.
struct Monitor {
    program: livehal_bus::testing::Program,
}

impl Monitor {
    fn start(bus: &Bus) -> Self {
        let mut command = bus.command("sh");
        command.args(["-c", &format!("exec busctl --user monitor {NAME} >&2")]);
        let program = livehal_bus::testing::Program::start(command);
        program.until_logged("Monitoring bus");
        Self { program }
    }

    fn until(&mut self, signal: &str) {
        self.program.until_logged(signal);
    }
}

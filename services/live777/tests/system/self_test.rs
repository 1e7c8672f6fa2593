//! SelfTest: the real server and the real decoder on one bus.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex};

use livehal_bus::testing::{Bus, bus_installed, said, until};
use tokio::runtime::Runtime;
use zbus::{Connection, DBusError, interface};

use crate::server::{Server, root};
use crate::{NAME, decoder};

const STREAM: &str = "org.livehal.Capture1.Stream";

/// The shipped stream, on demand and small, and one that somebody publishes.
fn configuration() -> String {
    let shipped = std::fs::read_to_string(root().join("conf/live777.toml")).unwrap();
    let ours = shipped
        .replace("#on_demand = true", "on_demand = true")
        .replace("#grace_s = 10", "grace_s = 1")
        .replace("#[stream.studio]", "[stream.studio]")
        .replace("width = 1280\nheight = 720", "width = 320\nheight = 240");
    for wanted in ["\non_demand = true", "\n[stream.studio]", "\nwidth = 320"] {
        assert!(ours.contains(wanted), "{wanted}");
    }
    ours
}

fn serve(bus: &Bus) -> Server {
    let command = bus.command(Server::binary());
    let server = Server::start_with(&configuration(), command, "session");
    until("the name", || bus.has(NAME));
    server
}

/// What busctl prints for a stream's method or property, or says against it.
fn busctl(bus: &Bus, action: &str, stream: &str, member: &str) -> Result<String, String> {
    let path = format!("/org/livehal/Capture1/stream/{stream}");
    let output = bus
        .command("busctl")
        .args(["--user", action, NAME, &path, STREAM, member])
        .output()
        .unwrap();
    said(&output)
}

fn self_test(bus: &Bus, stream: &str) -> Result<String, String> {
    busctl(bus, "call", stream, "SelfTest")
}

fn state(bus: &Bus) -> String {
    busctl(bus, "get-property", "demo", "State").unwrap()
}

#[test]
fn what_is_encoded_is_decoded_frame_by_frame() {
    const TEST: &str = "SelfTest";
    let bus = Bus::session();
    let Some(_decoder) = decoder::start(&bus, TEST) else {
        return;
    };
    let server = serve(&bus);
    // Nobody watches: it is started for the test, and stopped after it.
    assert_eq!(state(&bus), "s \"stopped\"");
    let answer = self_test(&bus, "demo").unwrap();
    let fields: Vec<_> = answer.split(' ').collect();
    assert_eq!(fields[..3], ["uusd", "30", "30"], "{answer}");
    assert_eq!(fields[3].len(), 34, "{answer}");
    assert!(fields[4].parse::<f64>().unwrap() > 0.0, "{answer}");
    until("the end of the stream", || state(&bus) == "s \"stopped\"");

    let refused = self_test(&bus, "studio").unwrap_err();
    assert!(refused.contains("encoded by its publisher"), "{refused}");
    busctl(&bus, "call", "demo", "Stop").unwrap();
    let refused = self_test(&bus, "demo").unwrap_err();
    assert!(refused.contains("stream demo is stopped"), "{refused}");
    server.terminate();
}

#[test]
fn one_test_of_a_stream_at_a_time() {
    const TEST: &str = "two self-tests";
    let bus = Bus::session();
    let Some(_decoder) = decoder::start(&bus, TEST) else {
        return;
    };
    let server = serve(&bus);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| self_test(&bus, "demo"));
        until("the first", || state(&bus) != "s \"stopped\"");
        let refused = self_test(&bus, "demo").unwrap_err();
        assert!(refused.contains("being recorded already"), "{refused}");
        first.join().unwrap().unwrap();
    });
    server.terminate();
}

#[test]
fn without_a_decoder_it_says_so() {
    const TEST: &str = "SelfTest without a decoder";
    if !bus_installed(TEST) {
        return;
    }
    let bus = Bus::session();
    let server = serve(&bus);
    let refused = self_test(&bus, "demo").unwrap_err();
    assert!(refused.contains("there is no decoder"), "{refused}");
    assert!(refused.contains(decoder::NAME), "{refused}");
    server.terminate();
}

/// What somebody between the server and the decoder does to a stream.
type Change = fn(&mut Vec<u8>);

/// The real one's refusals, passed on.
#[derive(Debug, DBusError)]
#[zbus(prefix = "org.livehal.Error")]
enum Refusal {
    #[zbus(error)]
    ZBus(zbus::Error),
    Failed(String),
}

/// Has the decoder's name on the server's bus, and passes streams on to the real one on another.
struct Between {
    change: Arc<Mutex<Change>>,
    decoder: Connection,
}

#[interface(name = "org.livehal.Decoder1.Manager")]
impl Between {
    async fn verify_stream(&self, stream: zbus::OwnedFd) -> Result<(u32, String, f64), Refusal> {
        let file = File::from(std::os::fd::OwnedFd::from(stream));
        // Nobody can have changed it on its way here.
        assert!(file.write_all_at(b"x", 0).is_err() && file.set_len(0).is_err());
        let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        (self.change.lock().unwrap())(&mut bytes);
        let mut changed = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut changed, &bytes).unwrap();
        let stream = (zbus::Fd::from(std::os::fd::OwnedFd::from(changed)),);
        let answer = self
            .decoder
            .call_method(
                Some(decoder::NAME),
                decoder::ROOT,
                Some(decoder::MANAGER),
                "VerifyStream",
                &stream,
            )
            .await;
        match answer {
            Ok(answer) => Ok(answer.body().deserialize()?),
            Err(zbus::Error::MethodError(name, text, _)) => {
                assert_eq!(name, "org.livehal.Error.Failed");
                Err(Refusal::Failed(text.unwrap()))
            }
            Err(other) => Err(other.into()),
        }
    }
}

async fn client(bus: &Bus) -> Connection {
    let address = bus.address();
    let builder = zbus::connection::Builder::address(address.as_str());
    builder.build().await.unwrap()
}

#[test]
fn damage_is_noticed() {
    const TEST: &str = "SelfTest of a damaged stream";
    let (bus, beyond) = (Bus::session(), Bus::session());
    let Some(_decoder) = decoder::start(&beyond, TEST) else {
        return;
    };
    let runtime = Runtime::new().unwrap();
    let change = Arc::new(Mutex::new((|_| {}) as Change));
    let _between = runtime.block_on(async {
        let between = Between {
            change: Arc::clone(&change),
            decoder: client(&beyond).await,
        };
        let connection = client(&bus).await;
        let objects = connection.object_server();
        objects.at(decoder::ROOT, between).await.unwrap();
        connection.request_name(decoder::NAME).await.unwrap();
        connection
    });
    let server = serve(&bus);
    let test = |what: Change| {
        *change.lock().unwrap() = what;
        self_test(&bus, "demo")
    };
    assert!(test(|_| {}).unwrap().starts_with("uusd 30 30 "));
    let refused = test(|bytes| {
        let middle = bytes.len() / 2;
        bytes[middle..middle + 60].fill(0xff);
    });
    assert!(
        refused.as_ref().unwrap_err().contains("does not decode"),
        "{refused:?}"
    );
    // Whole frames that are missing.
    let refused = test(|bytes| {
        let starts = slices_of(bytes);
        let last = starts[starts.len() - 2];
        bytes.truncate(last);
    });
    assert!(
        refused
            .as_ref()
            .unwrap_err()
            .contains("30 frames were encoded, and 28 decoded"),
        "{refused:?}"
    );
    assert!(test(|_| {}).unwrap().starts_with("uusd 30 30 "));
    server.terminate();
}

/// Where the slices of a stream begin.
fn slices_of(bytes: &[u8]) -> Vec<usize> {
    let mut slices = Vec::new();
    for (at, window) in bytes.windows(4).enumerate() {
        if window[..3] == [0, 0, 1] && matches!(window[3] & 0x1f, 1 | 5) {
            slices.push(at);
        }
    }
    slices
}

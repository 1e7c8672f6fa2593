//! Over a socket pair, without a bus: the objects themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use futures_util::StreamExt as _;
use livehal::{CaptureParams, EncoderParams, NativeSourceParams, OutputParams, VideoCodec};
use livehal_bus::Objects as _;
use livehal_bus::testing::contract;
use liveion::{Live, LiveConfig, SourceConfig, StreamConfig};
use tokio::time::timeout;
use zbus::connection::Builder;
use zbus::fdo::{IntrospectableProxy, ObjectManagerProxy, PropertiesProxy};
use zbus::{Connection, Guid, OwnedObjectPath, OwnedVariant, Proxy, Variant};

use super::path::{ROOT, of_stream};
use super::tree::{Tree, roots};

const CONTRACT: &str = include_str!("../../../../dbus/org.livehal.Capture1.xml");
const MANAGER: &str = "org.livehal.Capture1.Manager";
const STREAM: &str = "org.livehal.Capture1.Stream";
const LIMIT: Duration = Duration::from_secs(20);

/// A small moving picture.
fn native(name: &str) -> StreamConfig {
    let params = NativeSourceParams {
        capture: CaptureParams {
            backend: "testsrc".into(),
            device: None,
            path: None,
            width: Some(256),
            height: Some(144),
            fps: Some(30),
            pixel_format: None,
            prefer_dmabuf: false,
            controls: Default::default(),
        },
        encoder: EncoderParams {
            backend: "software".into(),
            device: None,
            codec: VideoCodec::H264,
            bitrate: 300_000,
            min_bitrate: Some(100_000),
            max_bitrate: Some(1_000_000),
            profile: "baseline".into(),
            level: Some("3.1".into()),
            gop: 60,
        },
        output: OutputParams::default(),
    };
    stream(name, SourceConfig::Native(Box::new(params)))
}

fn whip(name: &str) -> StreamConfig {
    stream(name, SourceConfig::Whip)
}

fn stream(name: &str, source: SourceConfig) -> StreamConfig {
    StreamConfig {
        name: name.into(),
        source,
        on_demand: false,
        grace: Duration::from_secs(5),
    }
}

fn live(streams: Vec<StreamConfig>) -> Live {
    let config = LiveConfig {
        udp_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        candidates: Vec::new(),
        idle_timeout: Duration::from_secs(10),
        max_sessions: 4,
    };
    Live::start(config, streams).unwrap()
}

/// A server of `live` and a client of it.
struct Pair {
    live: Live,
    tree: Tree,
    client: Connection,
}

impl Pair {
    async fn new(streams: Vec<StreamConfig>) -> Self {
        let live = live(streams);
        let (here, there) = UnixStream::pair().unwrap();
        let server = Builder::unix_stream(here).server(Guid::generate()).p2p();
        let server = roots(server, &live).build();
        let client = Builder::unix_stream(there).p2p().build();
        let (server, client) = tokio::try_join!(server, client).unwrap();
        let tree = Tree::new(&server, &live).await.unwrap();
        Self { live, tree, client }
    }

    /// Follows the streams from now on.
    fn follow(self) -> (Live, Connection) {
        let mut tree = self.tree;
        tokio::spawn(async move { tree.keep().await });
        (self.live, self.client)
    }
}

async fn proxy(
    client: &Connection,
    path: OwnedObjectPath,
    interface: &'static str,
) -> Proxy<'static> {
    zbus::proxy::Builder::new(client)
        .destination("org.livehal.Capture1")
        .path(path)
        .interface(interface)
        .cache_properties(zbus::proxy::CacheProperties::No)
        .build()
        .await
        .unwrap()
}

async fn stream_proxy(client: &Connection, name: &str) -> Proxy<'static> {
    proxy(client, of_stream(name).unwrap(), STREAM).await
}

/// The name of the D-Bus error a call or a property was refused with, and its text.
fn refusal(result: zbus::Result<()>) -> (String, String) {
    match result.unwrap_err() {
        zbus::Error::MethodError(name, text, _) => (name.to_string(), text.unwrap_or_default()),
        other => panic!("not refused by the service: {other:?}"),
    }
}

/// Waits for a stream to be in a state.
async fn until(client: &Connection, name: &str, state: &str) {
    let proxy = stream_proxy(client, name).await;
    let reached = async {
        while proxy.get_property::<String>("State").await.unwrap() != state {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LIMIT, reached)
        .await
        .unwrap_or_else(|_| panic!("{name} never was {state}"));
}

// --- The contract.

#[tokio::test]
async fn the_server_is_what_the_contract_says() {
    let pair = Pair::new(vec![whip("studio")]).await;
    let objects = [
        (ROOT.to_owned(), MANAGER),
        (of_stream("studio").unwrap().to_string(), STREAM),
    ];
    assert_eq!(
        contract::interfaces(CONTRACT),
        objects.iter().map(|(_, name)| (*name).to_owned()).collect(),
        "an interface in the contract that nothing is compared with"
    );
    for (path, name) in objects {
        let proxy = IntrospectableProxy::builder(&pair.client)
            .destination("org.livehal.Capture1")
            .path(path)
            .build()
            .await
            .unwrap();
        let live = proxy.introspect().await.unwrap();
        contract::assert_same(CONTRACT, &live, name);
    }
}

#[test]
fn the_contract_annotates_and_explains_everything() {
    contract::assert_annotated_and_explained(CONTRACT);
}

// --- Objects.

#[tokio::test]
async fn every_stream_is_an_object() {
    let pair = Pair::new(vec![whip("front-door"), whip("2nd")]).await;
    let manager = ObjectManagerProxy::builder(&pair.client)
        .destination("org.livehal.Capture1")
        .path("/")
        .build()
        .await
        .unwrap();
    let objects = manager.get_managed_objects().await.unwrap();
    let named: BTreeMap<String, String> = objects
        .iter()
        .filter_map(|(path, interfaces)| {
            let properties = interfaces.get(STREAM)?;
            let name = String::try_from(properties["Name"].clone()).unwrap();
            Some((path.to_string(), name))
        })
        .collect();
    let expected = [
        ("/org/livehal/Capture1/stream/front_2ddoor", "front-door"),
        ("/org/livehal/Capture1/stream/_32nd", "2nd"),
    ];
    assert_eq!(
        named,
        expected.map(|(p, n)| (p.to_owned(), n.to_owned())).into()
    );
    assert!(objects.keys().any(|path| path.as_str() == ROOT));
}

#[tokio::test]
async fn objects_come_and_go_with_their_streams() {
    let mut pair = Pair::new(vec![whip("stays"), whip("goes")]).await;
    let manager = ObjectManagerProxy::builder(&pair.client)
        .destination("org.livehal.Capture1")
        .path("/")
        .build()
        .await
        .unwrap();
    let mut added = manager.receive_interfaces_added().await.unwrap();
    let mut removed = manager.receive_interfaces_removed().await.unwrap();
    pair.tree.replace(&live(vec![whip("comes")])).await.unwrap();

    let signal = timeout(LIMIT, added.next()).await.unwrap().unwrap();
    assert_eq!(
        signal.args().unwrap().object_path(),
        &of_stream("comes").unwrap().as_ref()
    );
    let mut gone = BTreeSet::new();
    while gone.len() < 2 {
        let signal = timeout(LIMIT, removed.next()).await.unwrap().unwrap();
        let args = signal.args().unwrap();
        assert!(args.interfaces().iter().any(|i| i.as_str() == STREAM));
        gone.insert(args.object_path().to_string());
    }
    let expected = ["stays", "goes"].map(|n| of_stream(n).unwrap().to_string());
    assert_eq!(gone, expected.into());
    // Nodes on the way to an object are listed, too, with nothing in them.
    let objects = manager.get_managed_objects().await.unwrap();
    let real = objects.values().filter(|interfaces| !interfaces.is_empty());
    assert_eq!(real.count(), 2, "the manager and one stream");
}

#[tokio::test]
async fn streams_are_listed_and_found_by_name() {
    let pair = Pair::new(vec![whip("front-door")]).await;
    let manager = proxy(&pair.client, ROOT.try_into().unwrap(), MANAGER).await;
    let version: String = manager.get_property("Version").await.unwrap();
    assert_eq!(version, env!("CARGO_PKG_VERSION"));

    let path = of_stream("front-door").unwrap();
    let listed: Vec<(String, OwnedObjectPath, String)> =
        manager.call("ListStreams", &()).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].0.as_str(), &listed[0].1), ("front-door", &path));
    let found: OwnedObjectPath = manager.call("FindStream", &("front-door")).await.unwrap();
    assert_eq!(found, path);

    let missing = manager
        .call::<_, _, OwnedObjectPath>("FindStream", &("back door"))
        .await;
    let (name, text) = refusal(missing.map(drop));
    assert_eq!(name, "org.livehal.Error.NotFound");
    assert!(text.contains("\"back door\""), "{text}");
}

#[test]
fn names_become_paths_as_systemd_has_them() {
    let paths = [
        ("cam", "cam"),
        ("Cam2", "Cam2"),
        ("2nd", "_32nd"),
        ("front-door", "front_2ddoor"),
        ("a_b", "a_5fb"),
        ("Küche", "K_c3_bcche"),
        ("a/b.c", "a_2fb_2ec"),
        ("", "_"),
    ];
    for (name, path) in paths {
        assert_eq!(
            of_stream(name).unwrap().as_str(),
            format!("{ROOT}/stream/{path}")
        );
    }
}

// --- Properties, methods and signals of a stream.

#[tokio::test(flavor = "multi_thread")]
async fn a_running_stream_tells_about_itself() {
    let (live, client) = Pair::new(vec![native("cam")]).await.follow();
    until(&client, "cam", "running").await;
    let properties = PropertiesProxy::builder(&client)
        .destination("org.livehal.Capture1")
        .path(of_stream("cam").unwrap())
        .build()
        .await
        .unwrap();
    let all = properties
        .get_all(STREAM.try_into().unwrap())
        .await
        .unwrap();
    let text = |key: &str| String::try_from(all[key].clone()).unwrap();
    let number = |key: &str| u32::try_from(all[key].clone()).unwrap();
    assert_eq!(text("Name"), "cam");
    assert_eq!(text("SourceKind"), "native");
    assert_eq!(text("CaptureBackend"), "testsrc");
    assert_eq!(text("EncoderBackend"), "software");
    assert_eq!(text("Codec"), "h264");
    assert_eq!(
        (text("StateReason"), text("LastError")),
        (String::new(), String::new())
    );
    assert_eq!((number("Width"), number("Height")), (256, 144));
    assert_eq!(f64::try_from(all["FrameRate"].clone()).unwrap(), 30.0);
    assert_eq!((number("BitrateBps"), number("Viewers")), (300_000, 0));
    live.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_and_start_are_signalled_in_order() {
    let (live, client) = Pair::new(vec![native("cam")]).await.follow();
    until(&client, "cam", "running").await;
    let cam = stream_proxy(&client, "cam").await;
    let mut signals = cam.receive_signal("StateChanged").await.unwrap();

    cam.call::<_, _, ()>("Stop", &()).await.unwrap();
    cam.call::<_, _, ()>("Start", &()).await.unwrap();
    let mut states = Vec::new();
    while states.last().is_none_or(|s| s != "running") {
        let signal = timeout(LIMIT, signals.next()).await.unwrap().unwrap();
        let (state, reason): (String, String) = signal.body().deserialize().unwrap();
        assert_eq!(reason, "");
        states.push(state);
    }
    assert_eq!(states, ["stopped", "starting", "running"]);
    live.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bit_rate_is_set_and_announced_once() {
    let (live, client) = Pair::new(vec![native("cam")]).await.follow();
    until(&client, "cam", "running").await;
    let cam = stream_proxy(&client, "cam").await;
    let properties = PropertiesProxy::builder(&client)
        .destination("org.livehal.Capture1")
        .path(of_stream("cam").unwrap())
        .build()
        .await
        .unwrap();
    let mut changes = properties.receive_properties_changed().await.unwrap();

    cam.set_property("BitrateBps", 400_000u32).await.unwrap();
    assert_eq!(
        cam.get_property::<u32>("BitrateBps").await.unwrap(),
        400_000
    );
    cam.call::<_, _, ()>("Stop", &()).await.unwrap();

    // Everything up to the end of the stop, which comes after it.
    let mut announced = Vec::new();
    loop {
        let signal = timeout(LIMIT, changes.next()).await.unwrap().unwrap();
        let args = signal.args().unwrap();
        if let Some(bps) = args.changed_properties().get("BitrateBps") {
            announced.push(u32::try_from(bps).unwrap());
        }
        if args.changed_properties().contains_key("State") {
            break;
        }
    }
    assert_eq!(announced, [400_000]);
    live.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_allowed_is_refused_by_name() {
    let (live, client) = Pair::new(vec![native("cam"), whip("studio")])
        .await
        .follow();
    until(&client, "cam", "running").await;
    let cam = stream_proxy(&client, "cam").await;
    let studio = stream_proxy(&client, "studio").await;

    let too_much = cam.set_property("BitrateBps", u32::MAX).await;
    let (name, text) = refusal(too_much.map_err(Into::into));
    assert_eq!(name, "org.livehal.Error.InvalidArgument");
    assert!(text.contains(&u32::MAX.to_string()), "{text}");
    assert_eq!(
        cam.get_property::<u32>("BitrateBps").await.unwrap(),
        300_000
    );

    let of_publisher = studio.set_property("BitrateBps", 400_000u32).await;
    assert_eq!(
        refusal(of_publisher.map_err(Into::into)).0,
        "org.livehal.Error.NotSupported"
    );
    for method in ["Start", "Stop"] {
        let (name, text) = refusal(studio.call::<_, _, ()>(method, &()).await);
        assert_eq!(name, "org.livehal.Error.NotSupported", "{method}");
        assert!(text.contains("studio"), "{text}");
    }
    for (proxy, reason) in [(&cam, "testsrc is no camera"), (&studio, "publisher")] {
        let listed: HashMap<String, HashMap<String, OwnedVariant>> =
            proxy.call("ListControls", &()).await.unwrap();
        assert!(listed.is_empty(), "{listed:?}");
        for (value, error, text) in [
            (Variant::from(1u8), "NotSupported", reason),
            (Variant::from("auto"), "NotSupported", reason),
            (Variant::from((1, 2)), "InvalidArgument", "a control takes"),
        ] {
            let set = proxy
                .call::<_, _, OwnedVariant>("SetControl", &("exposure", value))
                .await;
            let (name, told) = refusal(set.map(drop));
            assert_eq!(name, format!("org.livehal.Error.{error}"));
            assert!(told.contains(text), "{told}");
        }
    }
    live.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_those_the_contract_lists() {
    let (live, client) = Pair::new(vec![native("cam")]).await.follow();
    until(&client, "cam", "running").await;
    let cam = stream_proxy(&client, "cam").await;
    cam.call::<_, _, ()>("RequestKeyframe", &()).await.unwrap();
    let stats = with_frames(&cam).await;

    let listed = documented_figures();
    for (key, value) in &stats {
        let known = if key.starts_with("Drops") && key != "Drops" {
            "DropsREASON"
        } else {
            key
        };
        let signature = value.value_signature().to_string();
        assert_eq!(listed.get(known), Some(&signature), "{key}");
    }
    let simple = listed.keys().filter(|key| *key != "DropsREASON");
    for key in simple {
        assert!(stats.contains_key(key), "{key}");
    }
    let frames = u64::try_from(stats["Frames"].clone()).unwrap();
    let keyframes = u64::try_from(stats["Keyframes"].clone()).unwrap();
    assert!(
        frames >= keyframes && keyframes >= 1,
        "{frames} {keyframes}"
    );
    live.shutdown().await;
}

/// Figures of a stream that has brought a frame.
async fn with_frames(stream: &Proxy<'_>) -> HashMap<String, OwnedVariant> {
    let flowing = async {
        loop {
            let stats: HashMap<String, OwnedVariant> = stream.call("GetStats", &()).await.unwrap();
            if u64::try_from(stats["Frames"].clone()).unwrap() > 0 {
                return stats;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LIMIT, flowing).await.unwrap()
}

/// Name and type of each figure in the comment on GetStats.
fn documented_figures() -> BTreeMap<String, String> {
    let (_, rest) = CONTRACT.split_once("GetStats:\n").unwrap();
    let (comment, _) = rest.split_once("-->").unwrap();
    let figures = comment.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (name, kind) = (words.next()?, words.next()?);
        (kind.len() == 1 && !name.starts_with('@')).then(|| (name.to_owned(), kind.to_owned()))
    });
    figures.collect()
}

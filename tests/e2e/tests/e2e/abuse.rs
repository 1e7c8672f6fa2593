//! Malformed and hostile input of every kind, with a healthy viewer watching all the time.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use e2e::config::{Stream, whip};
use peer::decode::StripDecoder;
use peer::sdp::{Direction, Offer};
use peer::{PublisherOptions, Server, Swarm, Viewer, ViewerOptions};

use crate::support::{LIMIT, assert_gaps_are_counted, delivering, pictures, wait};

/// A server with a viewer that must not notice anything.
struct Scene {
    server: Server,
    swarm: Swarm,
    healthy: Viewer,
    decoder: StripDecoder,
}

impl Scene {
    fn new() -> Self {
        let config = Stream::default().toml() + &whip("live");
        let server = Server::start_with("idle_timeout_s = 5\n", &config).unwrap();
        let swarm = Swarm::start(None).unwrap();
        let healthy = swarm.view(&server.client(), "cam", delivering()).unwrap();
        let mut scene = Self {
            server,
            swarm,
            healthy,
            decoder: StripDecoder::new().unwrap(),
        };
        scene.undisturbed();
        scene
    }

    /// Everything delivered so far decodes without a gap; the server lives.
    fn undisturbed(&mut self) {
        let waiting = self.healthy.stats().frames;
        let seen = pictures(&self.healthy, &mut self.decoder, 30);
        assert_gaps_are_counted(&self.server, "cam", &seen);
        self.healthy
            .wait("more media", LIMIT, |s| s.frames > waiting + 10)
            .unwrap();
        let stats = self.healthy.stats();
        assert_eq!((stats.untaken, stats.counters.lost), (0, 0), "{stats:?}");
        assert!(self.server.alive().unwrap(), "{}", self.server.log());
    }
}

fn good_offer() -> String {
    Offer {
        direction: Direction::Receive,
        ufrag: "abcdefgh".into(),
        pwd: "0123456789abcdef01234567".into(),
        fingerprint: vec!["AB"; 32].join(":"),
        ssrc: 5,
        rtx_ssrc: 6,
        rtx: true,
        transport_cc: true,
        profile: "42e01f".into(),
    }
    .to_sdp()
}

/// One to eight random edits.
fn mutate(random: &mut fastrand::Rng, seed: &[u8]) -> Vec<u8> {
    let mut data = seed.to_vec();
    for _ in 0..random.usize(1..8) {
        let at = random.usize(..=data.len());
        match random.u8(..6) {
            0 => data.truncate(at),
            1 => data.insert(at, random.u8(..)),
            2 if at < data.len() => data[at] = random.u8(..),
            3 if at < data.len() => data[at] ^= 1 << random.u8(..8),
            4 if at < data.len() => {
                let end = random.usize(at..=data.len().min(at + 40));
                let piece = data[at..end].to_vec();
                data.splice(at..at, piece);
            }
            _ if at < data.len() => {
                data.remove(at);
            }
            _ => data.push(0),
        }
    }
    data
}

#[test]
fn malformed_sdp_is_refused_with_a_reason() {
    let mut scene = Scene::new();
    let client = scene.server.client();
    let mut random = fastrand::Rng::with_seed(7);
    let good = good_offer();
    let mut sessions = 0;
    for round in 0..400 {
        let body = mutate(&mut random, good.as_bytes());
        let path = if round % 4 == 0 {
            "/whip/live"
        } else {
            "/whep/cam"
        };
        let reply = client
            .request("POST", path, Some("application/sdp"), &body)
            .unwrap();
        let text = String::from_utf8_lossy(&body);
        match reply.status {
            201 => sessions += 1,
            400..=499 => assert!(!reply.text().is_empty(), "a reason for\n{text}"),
            503 => {}
            other => panic!("{other} {} for\n{text}", reply.text()),
        }
    }
    println!("{sessions} of 400 mutated offers were still good");
    scene.undisturbed();
    let known_bad = [
        ("", "empty"),
        ("v=0\r\n", "no media"),
        (&*good.replace("m=video", "m=audio"), "audio only"),
        (&*good.replace("H264/90000", "AV1/90000"), "a codec we lack"),
        (&*good.replace("a=ice-ufrag:abcdefgh\r\n", ""), "no ufrag"),
        (
            &*good.replace("actpass", "passive"),
            "a role that leaves us none",
        ),
        (&*good.replace("sha-256", "md5"), "weak hash"),
        (&*good.replace("a=rtcp-mux\r\n", ""), "no mux"),
        // A little over the limit: the server need not read to the end of what it refuses.
        (&*good.repeat(64 * 1024 / good.len() + 1), "too large"),
    ];
    for (body, what) in known_bad {
        let reply = client
            .request(
                "POST",
                "/whep/cam",
                Some("application/sdp"),
                body.as_bytes(),
            )
            .unwrap();
        assert_eq!(reply.status / 100, 4, "{what}: {}", reply.text());
    }
    let wrong_type = client
        .request("POST", "/whep/cam", Some("text/plain"), good.as_bytes())
        .unwrap();
    assert_eq!(wrong_type.status, 415, "{}", wrong_type.text());
}

/// Sends raw bytes to the HTTP port and returns what comes back within a moment.
fn raw_http(scene: &Scene, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", scene.server.port())).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    // The server may hang up on garbage before all of it is written.
    let _ = stream.write_all(bytes);
    let mut reply = Vec::new();
    let _ = stream.take(65536).read_to_end(&mut reply);
    reply
}

#[test]
fn malformed_http_is_refused() {
    let mut scene = Scene::new();
    let good = "POST /whep/cam HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\n\
         Content-Length: 4\r\nConnection: close\r\n\r\nv=0\n";
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..150 {
        let reply = raw_http(&scene, &mutate(&mut random, good.as_bytes()));
        let text = String::from_utf8_lossy(&reply);
        assert!(reply.is_empty() || text.starts_with("HTTP/1."), "{text}");
        assert!(!text.starts_with("HTTP/1.1 500"), "{text}");
    }
    let long = "a".repeat(1 << 20);
    for bytes in [
        format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n"),
        "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(),
        "GET /api/streams/%2e%2e%2f%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(),
        "POST /whep/cam HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\n\
         Content-Length: 99999999999\r\n\r\n"
            .to_owned(),
    ] {
        let reply = raw_http(&scene, bytes.as_bytes());
        let text = String::from_utf8_lossy(&reply);
        assert!(!text.starts_with("HTTP/1.1 2"), "{text}");
        assert!(!text.contains("root:"), "{text}");
    }
    scene.undisturbed();
}

#[test]
fn clients_that_never_finish_their_request_block_nobody() {
    let mut scene = Scene::new();
    let hanging: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut s = TcpStream::connect(("127.0.0.1", scene.server.port())).unwrap();
            s.write_all(b"POST /whep/cam HTTP/1.1\r\nContent-Le")
                .unwrap();
            s
        })
        .collect();
    let viewer = scene
        .swarm
        .view(&scene.server.client(), "cam", ViewerOptions::default())
        .unwrap();
    viewer.wait("media", LIMIT, |s| s.frames > 10).unwrap();
    scene.undisturbed();
    drop(hanging);
}

/// Datagrams of each protocol, real enough to get past the first check.
fn datagram_seeds() -> Vec<Vec<u8>> {
    let stun = [
        &[0, 1, 0, 20, 0x21, 0x12, 0xa4, 0x42][..],
        &[7; 12],
        &[0, 6, 0, 13],
        b"abcdefgh:wxyz\0\0\0",
    ]
    .concat();
    let hello = [
        &[
            22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60, 1, 0, 0, 48, 0, 0, 0, 0, 0, 0, 0, 48,
        ][..],
        &[254, 253],
        &[9; 46],
    ]
    .concat();
    let rtp = [&[0x80, 102, 0, 1, 0, 0, 0, 1, 0, 0, 0, 5][..], &[0x65; 60]].concat();
    let rtcp = [&[0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 5][..], &[3; 20]].concat();
    vec![stun, hello, rtp, rtcp]
}

#[test]
fn datagrams_from_strangers_are_ignored() {
    let mut scene = Scene::new();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger
        .connect(("127.0.0.1", scene.server.port()))
        .unwrap();
    let mut random = fastrand::Rng::with_seed(13);
    let seeds = datagram_seeds();
    for i in 0..20_000 {
        let seed = &seeds[random.usize(..seeds.len())];
        // A full socket buffer drops some; there are enough.
        let _ = stranger.send(&mutate(&mut random, seed));
        if i % 100 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    scene.undisturbed();
    // A server that answered each would be an amplifier.
    stranger.set_nonblocking(true).unwrap();
    let (mut answered, mut buffer) = (0, [0; 2048]);
    while stranger.recv(&mut buffer).is_ok() {
        answered += 1;
    }
    assert!(
        answered < 2000,
        "{answered} answers to 20000 datagrams of garbage"
    );
}

/// Compounds a viewer may send, to be mutated.
fn rtcp_seeds(ssrc: u32) -> Vec<Vec<u8>> {
    use peer::feedback;
    let mut twcc = feedback::TransportFeedback::default();
    for i in 0..60u64 {
        twcc.arrived((i * 2) as u16, 1_000_000_000 + i * 1_000_000);
    }
    vec![
        feedback::pli(ssrc).unwrap(),
        feedback::fir(ssrc, 1).unwrap(),
        feedback::nack(ssrc, &[1, 2, 3, 900, 60_000]).unwrap(),
        feedback::remb(ssrc, 1_000_000).unwrap(),
        twcc.report(ssrc).unwrap().unwrap(),
    ]
}

#[test]
fn a_viewer_sending_malformed_feedback_harms_nobody() {
    let mut scene = Scene::new();
    let bad = scene
        .swarm
        .view(&scene.server.client(), "cam", ViewerOptions::default())
        .unwrap();
    bad.wait("media", LIMIT, |s| s.frames > 5).unwrap();
    let mut random = fastrand::Rng::with_seed(17);
    let seeds = rtcp_seeds(5);
    for i in 0..5_000 {
        let seed = &seeds[random.usize(..seeds.len())];
        let mutated = mutate(&mut random, seed);
        if i % 3 == 0 {
            bad.send_raw(mutated);
        } else {
            bad.send_rtcp(mutated);
        }
        if i % 50 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    // Every retransmission it can ask for, over and over.
    let all: Vec<u16> = (0..=u16::MAX).step_by(3).collect();
    for part in all.chunks(200) {
        bad.send_rtcp(peer::feedback::nack(0, part).unwrap());
    }
    scene.undisturbed();
    bad.wait("the session to go on", LIMIT, |s| {
        s.frames > 60 || s.failed.is_some()
    })
    .unwrap();
}

#[test]
fn a_publisher_sending_malformed_media_harms_nobody() {
    let mut scene = Scene::new();
    let client = scene.server.client();
    let publisher = scene
        .swarm
        .publish(&client, "live", PublisherOptions::default())
        .unwrap();
    publisher.wait_secured(LIMIT).unwrap();
    let mut random = fastrand::Rng::with_seed(19);
    let payloads: [&[u8]; 6] = [
        &[0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 2],
        &[0x7c, 0x85, 0xaa],
        &[0x7c, 0x45, 0xbb],
        &[0x65, 1, 2, 3],
        &[0x67, 0x42, 0xe0, 0x1f, 0x8c, 0x8d, 0x40],
        &[],
    ];
    for i in 0..5_000u32 {
        let payload = payloads[random.usize(..payloads.len())];
        let mut packet = vec![0x80, publisher.answer.h264 | (random.u8(..) & 0x80)];
        packet.extend_from_slice(&(i as u16).to_be_bytes());
        packet.extend_from_slice(&(i / 3 * 3000).to_be_bytes());
        packet.extend_from_slice(&5u32.to_be_bytes());
        packet.extend_from_slice(payload);
        publisher.send_rtp(mutate(&mut random, &packet));
        if i % 50 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    scene.undisturbed();
    publisher.delete().unwrap();
    // The stream takes a sane publisher afterwards.
    wait("the next publisher", LIMIT, || {
        scene
            .swarm
            .publish(&client, "live", PublisherOptions::default())
            .is_ok_and(|p| p.wait_secured(LIMIT).is_ok())
    });
}

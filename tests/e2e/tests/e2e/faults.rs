//! Sources that die, viewers that misbehave, a server told to stop.

use std::path::Path;
use std::time::{Duration, Instant};

use e2e::config::Stream;
use peer::decode::StripDecoder;
use peer::http::Client;
use peer::process::Sizes;
use peer::strip::{self, Strip};
use peer::{Server, Swarm, Viewer, ViewerOptions};

use crate::support::{LIMIT, assert_gaps_are_counted, delivering, number, pictures, viewers, wait};

/// Writes Y4M footage with a strip in every frame.
fn footage(path: &Path, frames: u32) {
    let (width, height) = (320usize, 240usize);
    let mut out = b"YUV4MPEG2 W320 H240 F30:1 Ip A1:1 C420jpeg\n".to_vec();
    for frame in 0..frames {
        let mut planes = vec![128u8; width * height * 3 / 2];
        for (i, v) in planes.iter_mut().take(width * height).enumerate() {
            *v = ((i + frame as usize * 5) % 200) as u8 + 20;
        }
        let strip = Strip { frame, wall_ms: 0 };
        strip::draw(&mut planes, width, width, strip);
        out.extend_from_slice(b"FRAME\n");
        out.extend_from_slice(&planes);
    }
    let partial = path.with_extension("part");
    std::fs::write(&partial, out).unwrap();
    std::fs::rename(&partial, path).unwrap();
}

#[test]
fn a_file_that_goes_away_degrades_the_stream_until_it_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("footage.y4m");
    footage(&path, 30);
    let stream = Stream {
        file: Some(path.clone()),
        ..Stream::default()
    };
    let server = Server::start(&stream.toml()).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let viewer = swarm.view(&server.client(), "cam", delivering()).unwrap();
    let seen = pictures(&viewer, &mut StripDecoder::new().unwrap(), 60);
    for pair in seen.windows(2) {
        let (a, b) = (pair[0].strip.unwrap(), pair[1].strip.unwrap());
        // A busy machine may drop a frame; none comes twice or out of order.
        let step = (30 + b.frame - a.frame) % 30;
        assert!((1..=5).contains(&step), "{a:?} then {b:?}");
    }
    // The source opens it again for each round, so this is a source that dies.
    std::fs::write(&path, b"not footage any more").unwrap();
    let limit = Duration::from_secs(20);
    let detail = server
        .wait_stream("cam", "degraded state", limit, |d| d["state"] == "degraded")
        .unwrap();
    let said = detail.to_string();
    assert!(
        said.contains("footage.y4m"),
        "the reason names the file: {said}"
    );
    footage(&path, 30);
    server
        .wait_stream("cam", "recovery", limit, |d| d["state"] == "running")
        .unwrap();
    assert!(number(&server, "cam", "restarts") >= 1);
    let before = viewer.stats().frames;
    let after = viewer
        .wait("media after the recovery", limit, |s| {
            s.frames > before + 30
        })
        .unwrap();
    assert_eq!(after.counters.broken, 0, "{after:?}");
}

#[test]
fn a_viewer_that_vanished_is_removed_and_one_that_answers_stays() {
    let server = Server::start_with("idle_timeout_s = 5\n", &Stream::default().toml()).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let join = || {
        swarm
            .view(&server.client(), "cam", ViewerOptions::default())
            .unwrap()
    };
    let (stays, vanishes) = (join(), join());
    for v in [&stays, &vanishes] {
        v.wait("media", LIMIT, |s| s.frames > 5).unwrap();
    }
    assert_eq!(viewers(&server, "cam"), 2);
    vanishes.vanish();
    wait(
        "removal of the one that vanished",
        Duration::from_secs(20),
        || viewers(&server, "cam") == 1,
    );
    let before = stays.stats().frames;
    stays
        .wait("media for the one that stays", LIMIT, |s| {
            s.frames > before + 30
        })
        .unwrap();
}

#[test]
fn an_offer_never_followed_up_is_removed() {
    let server = Server::start_with("idle_timeout_s = 5\n", &Stream::default().toml()).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let viewer = swarm
        .view(&server.client(), "cam", ViewerOptions::default())
        .unwrap();
    viewer.vanish();
    wait("removal", Duration::from_secs(20), || {
        let reply = server
            .client()
            .request("DELETE", "/session/none", None, b"")
            .unwrap();
        assert_eq!(reply.status, 404);
        viewers(&server, "cam") == 0
    });
}

#[test]
fn a_viewer_that_stops_reading_disturbs_no_other() {
    let server = Server::start(&Stream::default().toml()).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let stuck: Vec<Viewer> = (0..3)
        .map(|_| {
            swarm
                .view(&server.client(), "cam", ViewerOptions::default())
                .unwrap()
        })
        .collect();
    for v in &stuck {
        v.wait("media", LIMIT, |s| s.frames > 5).unwrap();
        v.set_reading(false);
    }
    let healthy = swarm.view(&server.client(), "cam", delivering()).unwrap();
    let seen = pictures(&healthy, &mut StripDecoder::new().unwrap(), 120);
    assert_gaps_are_counted(&server, "cam", &seen);
    assert_eq!(healthy.stats().counters.gaps, 0);
}

#[test]
fn sigterm_tells_the_viewers_and_ends_with_zero_within_two_seconds() {
    let mut server = Server::start(&Stream::default().toml()).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let all: Vec<Viewer> = (0..20)
        .map(|_| {
            swarm
                .view(&server.client(), "cam", ViewerOptions::default())
                .unwrap()
        })
        .collect();
    for v in &all {
        v.wait("media", LIMIT, |s| s.frames > 0).unwrap();
    }
    let (status, took) = server.terminate(Duration::from_secs(10)).unwrap();
    assert_eq!(status.code(), Some(0), "{}", server.log());
    assert!(took < Duration::from_secs(2), "{took:?}\n{}", server.log());
    for v in &all {
        v.wait("close_notify", LIMIT, |s| s.closed).unwrap();
    }
}

/// Viewers join and leave at random, `most` at a time, until `end`; returns how many joined.
fn churn(server: &Server, swarm: &Swarm, most: usize, end: Instant, seed: u64) -> u64 {
    let client = server.client();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut present: Vec<Viewer> = Vec::new();
    let mut joined = 0;
    while Instant::now() < end {
        if present.len() < most && random.u8(..10) < 6 {
            present.push(join(&client, swarm));
            joined += 1;
        } else if !present.is_empty() {
            let leaving = present.swap_remove(random.usize(..present.len()));
            match random.u8(..3) {
                0 => leaving.delete().unwrap(),
                1 => leaving.vanish(),
                _ => {}
            }
        }
        std::thread::sleep(Duration::from_millis(random.u64(..20)));
    }
    joined
}

fn join(client: &Client, swarm: &Swarm) -> Viewer {
    let options = ViewerOptions {
        skip_decryption: true,
        ..ViewerOptions::default()
    };
    swarm.view(client, "cam", options).unwrap()
}

/// Seconds from the environment, for the long form of a test.
fn seconds(variable: &str, default: u64) -> Duration {
    let given = std::env::var(variable).ok().and_then(|v| v.parse().ok());
    Duration::from_secs(given.unwrap_or(default))
}

#[test]
fn two_hundred_viewers_coming_and_going_leave_nothing_behind() {
    let server = Server::start_with(
        "idle_timeout_s = 8\nmax_sessions = 1000\n",
        &Stream::default().toml(),
    )
    .unwrap();
    let swarm = Swarm::start(None).unwrap();
    let watcher = swarm.view(&server.client(), "cam", delivering()).unwrap();
    let mut decoder = StripDecoder::new().unwrap();
    // Warm: allocator, caches and socket buffers have seen the full load once. It takes half of
    // this to come to 200; the heap's high-water mark is reached only then.
    churn(
        &server,
        &swarm,
        200,
        Instant::now() + Duration::from_secs(30),
        1,
    );
    let before = settled(&server);
    let length = seconds("CHURN_SECONDS", 60);
    let joined = churn(&server, &swarm, 200, Instant::now() + length, 2);
    assert!(joined > 200, "{joined} viewers");
    let after = settled(&server);
    assert_flat(before, after, &server);
    // The one who watched all along lost nothing and still plays.
    let stats = watcher.stats();
    assert_eq!((stats.counters.lost, stats.after_gap), (0, 0), "{stats:?}");
    drain(&watcher);
    decoder_catches_up(&server, &watcher, &mut decoder);
}

fn drain(viewer: &Viewer) {
    let units = viewer.units.as_ref().unwrap();
    while units.try_recv().is_ok() {}
}

/// Decoding starts at a key frame; from there on no frame is missing.
fn decoder_catches_up(server: &Server, viewer: &Viewer, decoder: &mut StripDecoder) {
    let key = loop {
        let unit = crate::support::unit(viewer);
        if unit.is_complete_key() {
            break unit;
        }
    };
    let mut seen = vec![decoder.decode(&key).unwrap()];
    seen.extend(pictures(viewer, decoder, 30));
    assert_gaps_are_counted(server, "cam", &seen);
}

/// Sizes once only the watcher is left.
fn settled(server: &Server) -> Sizes {
    wait("the others to be gone", Duration::from_secs(30), || {
        viewers(server, "cam") == 1
    });
    // Keep-alive connections of HTTP clients end on their own.
    std::thread::sleep(Duration::from_secs(2));
    server.process().sizes().unwrap()
}

fn assert_flat(before: Sizes, after: Sizes, server: &Server) {
    println!("before {before:?}, after {after:?}");
    assert!(after.threads <= before.threads, "{before:?} -> {after:?}");
    assert!(after.fds <= before.fds + 2, "{before:?} -> {after:?}");
    // A session is some tens of KiB with its keys and history: hundreds that stayed would show.
    let growth = after.rss_kib.saturating_sub(before.rss_kib);
    assert!(
        growth < 4096,
        "{growth} KiB more: {before:?} -> {after:?}\n{}",
        server.log()
    );
}

/// A minute in `make test`; `make soak` sets ten.
#[test]
fn memory_is_flat_while_viewers_watch() {
    let length = seconds("SOAK_SECONDS", 45);
    let server = Server::start(&Stream::default().toml()).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let watching: Vec<Viewer> = (0..10).map(|_| join(&server.client(), &swarm)).collect();
    let warm = Duration::from_secs(15);
    std::thread::sleep(warm);
    let process = server.process();
    let first = process.sizes().unwrap();
    let (start, mut last_print, mut most) = (Instant::now(), Instant::now(), first.rss_kib);
    while start.elapsed() < length {
        std::thread::sleep(Duration::from_secs(1));
        let now = process.sizes().unwrap();
        most = most.max(now.rss_kib);
        if last_print.elapsed() > Duration::from_secs(30) {
            last_print = Instant::now();
            eprintln!("{:?}: {now:?}", start.elapsed());
        }
    }
    let last = process.sizes().unwrap();
    println!("first {first:?}, last {last:?}, most {most} KiB");
    assert!(
        most < first.rss_kib + 3072,
        "{first:?} -> {last:?}, most {most}"
    );
    assert!(last.threads <= first.threads && last.fds <= first.fds + 2);
    for v in &watching {
        let s = v.stats();
        assert!(s.failed.is_none() && s.counters.packets > 100, "{s:?}");
    }
}

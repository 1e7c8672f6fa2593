//! What the modules share.

use std::time::{Duration, Instant};

use peer::decode::{Picture, StripDecoder};
use peer::{AccessUnit, Server, Viewer, ViewerOptions};

/// Nothing here takes longer unless it is broken.
pub const LIMIT: Duration = Duration::from_secs(15);

/// A viewer that hands its access units out.
pub fn delivering() -> ViewerOptions {
    ViewerOptions {
        deliver: true,
        ..ViewerOptions::default()
    }
}

/// The next access unit of a viewer.
pub fn unit(viewer: &Viewer) -> AccessUnit {
    let units = viewer.units.as_ref().unwrap();
    units
        .recv_timeout(LIMIT)
        .unwrap_or_else(|e| panic!("no access unit: {e}: {:?}", viewer.stats()))
}

/// The next `count` pictures of a viewer.
pub fn pictures(viewer: &Viewer, decoder: &mut StripDecoder, count: usize) -> Vec<Picture> {
    (0..count)
        .map(|_| decoder.decode(&unit(viewer)).unwrap())
        .collect()
}

/// Frame numbers rise by one, wall clocks do not go back.
pub fn assert_no_gap(pictures: &[Picture]) {
    for pair in pictures.windows(2) {
        let (a, b) = (pair[0].strip.unwrap(), pair[1].strip.unwrap());
        assert_eq!(b.frame, a.frame + 1, "{a:?} then {b:?}");
        assert!(b.wall_ms >= a.wall_ms, "{a:?} then {b:?}");
    }
}

/// Waits until `done`.
pub fn wait(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !done() {
        assert!(Instant::now() < deadline, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Viewers the server counts on a stream.
pub fn viewers(server: &Server, stream: &str) -> u64 {
    server.stream(stream).unwrap()["viewers"].as_u64().unwrap()
}

/// A number in a stream's detail.
pub fn number(server: &Server, stream: &str, key: &str) -> u64 {
    let detail = server.stream(stream).unwrap();
    detail[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{key} in {detail}"))
}

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
    assert_eq!(missing(pictures), 0, "{pictures:?}");
}

/// As [`assert_no_gap`], but for frames the server says it dropped before they were coded: on a
/// busy machine the newest frame is what counts, and every drop is counted.
pub fn assert_gaps_are_counted(server: &Server, stream: &str, pictures: &[Picture]) {
    let (missing, counted) = (missing(pictures), drops(server, stream));
    assert!(
        missing <= counted,
        "{missing} frames missing, {counted} counted as dropped"
    );
}

/// Frames of a stream dropped so far, whatever the reason.
pub fn drops(server: &Server, stream: &str) -> u64 {
    let detail = server.stream(stream).unwrap();
    let all = detail["drops"].as_array().unwrap();
    all.iter().filter_map(|d| d["count"].as_u64()).sum()
}

/// Frames that are not there although later ones are.
fn missing(pictures: &[Picture]) -> u64 {
    let steps = pictures.windows(2).map(|pair| {
        let (a, b) = (pair[0].strip.unwrap(), pair[1].strip.unwrap());
        assert!(b.frame > a.frame, "{a:?} then {b:?}");
        assert!(b.wall_ms >= a.wall_ms, "{a:?} then {b:?}");
        u64::from(b.frame - a.frame - 1)
    });
    steps.sum()
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

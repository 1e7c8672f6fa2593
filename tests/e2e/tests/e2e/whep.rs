//! Viewers: what they get, from when on, and what the server does with their feedback.

use std::time::Duration;

use e2e::config::Stream;
use peer::decode::{Picture, StripDecoder};
use peer::session::Protection;
use peer::{Server, Swarm, Viewer, ViewerOptions};

const LIMIT: Duration = Duration::from_secs(10);

fn delivering() -> ViewerOptions {
    ViewerOptions {
        deliver: true,
        ..ViewerOptions::default()
    }
}

/// The next `count` pictures of a viewer.
fn pictures(viewer: &Viewer, decoder: &mut StripDecoder, count: usize) -> Vec<Picture> {
    let units = viewer.units.as_ref().unwrap();
    (0..count)
        .map(|i| {
            let unit = units
                .recv_timeout(LIMIT)
                .unwrap_or_else(|e| panic!("picture {i}: {e}: {:?}", viewer.stats()));
            decoder.decode(&unit).unwrap()
        })
        .collect()
}

fn assert_no_gap(pictures: &[Picture]) {
    for pair in pictures.windows(2) {
        let (a, b) = (pair[0].strip.unwrap(), pair[1].strip.unwrap());
        assert_eq!(b.frame, a.frame + 1, "{a:?} then {b:?}");
        assert!(b.wall_ms >= a.wall_ms, "{a:?} then {b:?}");
    }
}

#[test]
fn every_frame_decodes_under_both_srtp_protections() {
    let server = Server::start(&Stream::default().toml()).unwrap();
    let swarm = Swarm::start(None).unwrap();
    for (protection, name) in [
        (Protection::Any, "Srtp_Aead_Aes_128_Gcm"),
        (Protection::Sha1, "Srtp_Aes128_Cm_Hmac_Sha1_80"),
    ] {
        let options = ViewerOptions {
            protection,
            ..delivering()
        };
        let viewer = swarm.view(&server.client(), "cam", options).unwrap();
        let seen = pictures(&viewer, &mut StripDecoder::new().unwrap(), 90);
        assert_no_gap(&seen);
        assert_eq!((seen[0].width, seen[0].height), (640, 360));
        let stats = viewer.stats();
        assert_eq!(stats.profile, name);
        assert_eq!(stats.counters.broken, 0, "{stats:?}");
        assert_eq!(stats.oddities.srtp_bad, 0, "{stats:?}");
        viewer.delete().unwrap();
    }
}

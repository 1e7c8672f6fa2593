//! Publishers: what they send is what viewers get, and what viewers ask reaches them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use e2e::config::whip;
use peer::decode::{Camera, CameraOptions, StripDecoder};
use peer::session::Protection;
use peer::{PublisherOptions, Server, Swarm, ViewerOptions};

use crate::support::{LIMIT, assert_no_gap, delivering, pictures, wait};

fn publish(server: &Server, swarm: &Swarm, options: PublisherOptions, gop: u32) -> Camera {
    let publisher = swarm.publish(&server.client(), "live", options).unwrap();
    publisher.wait_secured(LIMIT).unwrap();
    let camera = CameraOptions {
        gop,
        ..CameraOptions::default()
    };
    Camera::start(publisher, camera).unwrap()
}

#[test]
fn what_is_published_is_what_is_viewed() {
    let server = Server::start(&whip("live")).unwrap();
    let swarm = Swarm::start(None).unwrap();
    for protection in [Protection::Any, Protection::Sha1] {
        let options = PublisherOptions {
            protection,
            ..PublisherOptions::default()
        };
        let camera = publish(&server, &swarm, options, 60);
        server
            .wait_stream("live", "frames", LIMIT, |d| d["state"] == "running")
            .unwrap();
        let viewer = swarm.view(&server.client(), "live", delivering()).unwrap();
        let seen = pictures(&viewer, &mut StripDecoder::new().unwrap(), 60);
        assert_no_gap(&seen);
        assert_eq!((seen[0].width, seen[0].height), (320, 240));
        viewer.delete().unwrap();
        drop(camera);
        server
            .wait_stream("live", "end of the publication", LIMIT, |d| {
                d["state"] != "running"
            })
            .unwrap();
    }
}

#[test]
fn packets_lost_on_the_way_in_are_asked_for_and_viewers_see_no_gap() {
    let server = Server::start(&whip("live")).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let options = PublisherOptions {
        drop_every: 17,
        ..PublisherOptions::default()
    };
    let camera = publish(&server, &swarm, options, 60);
    server
        .wait_stream("live", "frames", LIMIT, |d| d["state"] == "running")
        .unwrap();
    let viewer = swarm.view(&server.client(), "live", delivering()).unwrap();
    let seen = pictures(&viewer, &mut StripDecoder::new().unwrap(), 90);
    assert_no_gap(&seen);
    let nacked = camera.shared.nacked.load(Ordering::Relaxed);
    assert!(nacked > 3, "{nacked} packets asked for");
}

#[test]
fn a_viewers_request_reaches_the_publisher() {
    let server = Server::start(&whip("live")).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let camera = publish(&server, &swarm, PublisherOptions::default(), 3000);
    let viewer = swarm
        .view(&server.client(), "live", ViewerOptions::default())
        .unwrap();
    viewer
        .wait("a key frame", LIMIT, |s| {
            s.first_key_ns > 0 && s.frames > 30
        })
        .unwrap();
    let asked = &camera.shared.keyframe_requests;
    let (before, keys) = (asked.load(Ordering::Relaxed), viewer.stats().keys);
    viewer.send_pli();
    viewer
        .wait("a new key frame", LIMIT, |s| s.keys > keys)
        .unwrap();
    assert!(asked.load(Ordering::Relaxed) > before);
}

#[test]
fn a_stream_has_one_publisher_at_a_time() {
    let server = Server::start(&whip("live")).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let first = swarm
        .publish(&server.client(), "live", PublisherOptions::default())
        .unwrap();
    first.wait_secured(LIMIT).unwrap();
    let second = swarm.publish(&server.client(), "live", PublisherOptions::default());
    let refused = format!("{:#}", second.unwrap_err());
    assert!(refused.contains("409"), "{refused}");
    first.delete().unwrap();
    let third = swarm
        .publish(&server.client(), "live", PublisherOptions::default())
        .unwrap();
    third.wait_secured(LIMIT).unwrap();
}

#[test]
fn a_publisher_that_vanished_makes_room_and_the_state_says_so() {
    let server = Server::start_with("idle_timeout_s = 5\n", &whip("live")).unwrap();
    let swarm = Swarm::start(None).unwrap();
    let publisher = swarm
        .publish(&server.client(), "live", PublisherOptions::default())
        .unwrap();
    publisher.wait_secured(LIMIT).unwrap();
    publisher.vanish();
    wait(
        "room for another publisher",
        Duration::from_secs(20),
        || {
            swarm
                .publish(&server.client(), "live", PublisherOptions::default())
                .is_ok()
        },
    );
}

//! A session against a peer of its own kind, with no socket and a clock that the test moves.

mod link;

use std::time::Duration;

use super::rtcp::{self, Feedback};
use super::*;
use link::*;

#[test]
fn a_viewer_that_connects_gets_live_frames_with_their_capture_times() {
    let mut link = Link::viewer(true);
    link.connect();
    assert!(link.events.contains(&SessionEvent::Address(peer_address())));
    assert!(link.events.contains(&SessionEvent::Connected));
    let times: Vec<u32> = (0..3).map(|n| link.frame(n, n == 0, 3)).collect();
    link.take();
    assert_eq!(numbers(&link.received), [0, 1, 2]);
    let sent: Vec<u32> = link
        .received
        .iter()
        .filter(|r| r.marker)
        .map(|r| r.timestamp)
        .collect();
    assert_eq!(sent, times);
    assert!(
        link.received
            .windows(2)
            .all(|w| w[1].sequence == w[0].sequence + 1)
    );
}

#[test]
fn nothing_is_sent_before_a_key_frame() {
    let mut link = Link::viewer(true);
    link.connect();
    link.frame(0, false, 1);
    link.frame(1, true, 1);
    link.frame(2, false, 1);
    link.take();
    assert_eq!(numbers(&link.received), [1, 2]);
}

#[test]
fn a_late_viewer_gets_the_key_frame_at_once_and_the_rest_just_behind_the_present() {
    let mut link = Link::viewer(true);
    for n in 0..40 {
        link.frame(n, n == 0, 5);
    }
    link.connect();
    assert_eq!(
        numbers(&link.received)[0],
        0,
        "with the handshake's last flight"
    );
    let mut live = 40;
    for tick in 0..60u64 {
        if tick % 8 == 0 {
            link.frame(live, false, 5);
            live += 1;
        }
        link.advance(4 * MS).unwrap();
    }
    let expected: Vec<u8> = (0..live as u8).collect();
    assert_eq!(
        numbers(&link.received),
        expected,
        "every frame once, in order"
    );
    let times: Vec<u32> = link.received.iter().map(|r| r.timestamp).collect();
    assert!(times.is_sorted(), "RTP time never goes back");
    let newest_cached = frame(39, false, 1).rtp_time;
    let oldest = link.received[0].timestamp;
    assert!(
        newest_cached.wrapping_sub(oldest) <= 40 * 90,
        "the whole cache lies within 40 ms before the present"
    );
    let last = link.received.last().unwrap().timestamp;
    assert_eq!(
        last,
        frame(live - 1, false, 1).rtp_time,
        "and ends in true time"
    );
}

#[test]
fn catching_up_is_paced() {
    let mut link = Link::viewer(true);
    for n in 0..60 {
        link.frame(n, n == 0, 10);
    }
    link.connect();
    let mut most = 0;
    for _ in 0..80 {
        let before = link.received.len();
        link.advance(4 * MS).unwrap();
        most = most.max(link.received.len() - before);
    }
    assert_eq!(link.received.len(), 600);
    assert!((10..=40).contains(&most), "{most} packets in 4 ms");
}

#[test]
fn a_key_frame_during_catching_up_makes_the_rest_superfluous() {
    let mut link = Link::viewer(true);
    for n in 0..60 {
        link.frame(n, n == 0, 10);
    }
    link.connect();
    link.advance(4 * MS).unwrap();
    link.frame(60, true, 10);
    for _ in 0..10 {
        link.advance(4 * MS).unwrap();
    }
    let got = numbers(&link.received);
    assert_eq!(*got.last().unwrap(), 60);
    assert!(
        got.len() < 40,
        "frames before the new key frame were left out"
    );
}

#[test]
fn a_nack_is_answered_on_the_rtx_stream_once_per_interval() {
    let mut link = Link::viewer(true);
    link.connect();
    link.frame(0, true, 4);
    link.take();
    let lost = link.received[2].clone();
    let nack = |link: &mut Link| link.give_rtcp(rtcp::nack(9, SSRC, &[lost.sequence]));
    nack(&mut link);
    nack(&mut link);
    link.take();
    assert_eq!(
        link.received.len(),
        5,
        "the second NACK came within the interval"
    );
    let again = link.received[4].clone();
    assert_eq!(again.ssrc, RTX_SSRC);
    assert_eq!(again.payload[..2], lost.sequence.to_be_bytes());
    assert_eq!(again.payload.slice(2..), lost.payload);
    link.now += 30 * MS;
    nack(&mut link);
    link.take();
    assert_eq!(link.received.len(), 6);
    assert_ne!(
        link.received[5].sequence, again.sequence,
        "never the same nonce"
    );
}

#[test]
fn without_rtx_the_very_same_bytes_go_out_again() {
    let mut link = Link::viewer(false);
    link.connect();
    link.frame(0, true, 4);
    link.take();
    let lost = link.received[1].clone();
    link.give_rtcp(rtcp::nack(9, SSRC, &[lost.sequence]));
    link.take();
    assert_eq!(link.received[4], lost);
}

#[test]
fn what_is_too_old_or_never_was_is_not_retransmitted() {
    let mut link = Link::viewer(true);
    link.connect();
    link.frame(0, true, 2);
    link.take();
    let old = link.received[0].sequence;
    link.now += Duration::from_secs(2);
    link.frame(1, false, 1);
    link.take();
    link.give_rtcp(rtcp::nack(9, SSRC, &[old, old.wrapping_sub(7), old + 500]));
    link.take();
    assert_eq!(link.received.len(), 3);
}

#[test]
fn retransmission_cannot_be_used_to_multiply_traffic() {
    let mut link = Link::viewer(true);
    link.connect();
    link.frame(0, true, 400);
    link.take();
    let all: Vec<u16> = link.received.iter().map(|r| r.sequence).collect();
    let before = link.received.len();
    for _ in 0..20 {
        link.now += 25 * MS;
        for part in all.chunks(100) {
            link.give_rtcp(rtcp::nack(9, SSRC, part));
        }
        link.take();
    }
    let resent = link.received.len() - before;
    assert!(
        resent <= before,
        "{resent} packets resent in half a second for {before} sent"
    );
    assert!(resent > 0);
}

#[test]
fn pli_asks_for_a_key_frame_and_a_strangers_does_not() {
    let mut link = Link::viewer(true);
    link.connect();
    link.give_rtcp(rtcp::picture_loss(9, SSRC));
    assert_eq!(link.events.last(), Some(&SessionEvent::KeyFrame));
    link.events.clear();
    link.give_rtcp(rtcp::picture_loss(9, 0x9999));
    assert!(link.events.is_empty());
}

#[test]
fn the_first_frame_brings_a_sender_report_and_every_second_another() {
    let mut link = Link::viewer(true);
    link.connect();
    link.frame(0, true, 1);
    for _ in 0..25 {
        link.advance(100 * MS).unwrap();
    }
    let reports = link
        .feedback
        .iter()
        .filter(|f| matches!(f, Feedback::Sender(r) if r.ssrc == SSRC && r.packet_count == 1))
        .count();
    assert_eq!(reports, 3, "at 0, 1 and 2 seconds");
}

#[test]
fn a_peer_that_is_not_heard_of_is_given_up_and_one_that_is_stays() {
    let mut link = Link::viewer(true);
    link.connect();
    for _ in 0..9 {
        link.advance(Duration::from_secs(1)).unwrap();
    }
    link.check("us:them").unwrap();
    for _ in 0..9 {
        link.advance(Duration::from_secs(1)).unwrap();
    }
    let e = link.advance(Duration::from_secs(2)).unwrap_err();
    assert!(e.contains("nothing heard"), "{e}");
}

#[test]
fn a_session_that_never_connects_ends() {
    let mut link = Link::viewer(true);
    let mut end = None;
    for s in 0..30 {
        // Checks go on, but no handshake.
        if link.check("us:them").is_err() || link.advance(Duration::from_secs(1)).is_err() {
            end = Some(s);
            break;
        }
    }
    assert!((10..=20).contains(&end.unwrap()), "{end:?}");
}

#[test]
fn a_restart_changes_the_credentials_and_media_flows_on() {
    let mut link = Link::viewer(true);
    link.connect();
    link.session
        .transport
        .restart(credentials("new"), "them2".into());
    assert_eq!(link.session.transport.ufrag(), "new");
    link.frame(0, true, 1);
    link.take();
    assert_eq!(link.received.len(), 1);
    assert!(link.check("us:them").is_err(), "the old name is void");
    link.check("new:them2").unwrap();
}

#[test]
fn the_peer_is_told_of_the_end() {
    let mut link = Link::viewer(true);
    link.connect();
    link.frame(0, true, 1);
    link.session.close(link.now, &mut link.batch);
    let datagrams = link.datagrams();
    let handshake = |d: &Vec<u8>| (20..=63).contains(&d[0]);
    assert!(datagrams.iter().any(handshake), "close_notify");
    let rtcp = |d: &Vec<u8>| (192..=223).contains(&d[1]);
    assert!(datagrams.iter().any(rtcp), "RTCP BYE");
}

#[test]
fn forged_datagrams_change_nothing() {
    let mut link = Link::viewer(true);
    link.connect();
    let mut forged = vec![0x80, 200];
    forged.extend_from_slice(&[7; 60]);
    for first in [0x16, 0x17, 0x80, 0x90] {
        forged[0] = first;
        for second in [96, 200, 0xfe] {
            forged[1] = second;
            let r = link
                .session
                .on_datagram(link.now, &forged, &link.cache, &mut link.batch);
            assert!(!matches!(r, Ok(Some(_))), "{first:#x} {second}: {r:?}");
        }
    }
    link.datagrams();
    link.frame(0, true, 1);
    link.take();
    assert_eq!(link.received.len(), 1);
}

#[test]
fn a_publishers_packets_become_units_and_its_gaps_are_asked_for() {
    let publisher = Publisher::new(&negotiated(true), 0x77, "demo".into());
    let mut link = Link::new(Role::Publisher(Box::new(publisher)));
    link.connect();
    let send = |link: &mut Link, sequence: u16, payload: &[u8]| {
        let mut p = vec![0x80, 0x80 | 96];
        p.extend_from_slice(&sequence.to_be_bytes());
        p.extend_from_slice(&(u32::from(sequence) * 3_000).to_be_bytes());
        p.extend_from_slice(&0x5555u32.to_be_bytes());
        p.extend_from_slice(payload);
        let d = link.srtp.as_mut().unwrap().0.encrypt_rtp(&p).unwrap();
        link.give(&d);
    };
    send(&mut link, 1, &[0x65, 1]);
    assert!(matches!(link.events.last(), Some(SessionEvent::Units(u)) if u[0].key));
    send(&mut link, 3, &[0x41, 3]);
    link.advance(MS).unwrap();
    let nacked = |f: &Feedback| matches!(f, Feedback::Nack(0x5555, lost) if lost == &[2]);
    assert!(link.feedback.iter().any(nacked));
    for _ in 0..60 {
        link.advance(10 * MS).unwrap();
    }
    let asked = |f: &Feedback| matches!(f, Feedback::KeyFrame(0x5555));
    assert!(
        link.feedback.iter().any(asked),
        "given up, so a key frame is needed"
    );
    let reported = |f: &Feedback| matches!(f, Feedback::Reception(r) if r.ssrc == 0x5555);
    assert!(link.feedback.iter().any(reported));
}

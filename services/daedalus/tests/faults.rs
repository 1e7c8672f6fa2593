//! Workers that crash, hang or are in bad hands.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::kernel::{Kernel, Request, templates, workers};
use common::{VP8, library, read};
use daedalus::stream::Stream;
use daedalus_proto::wire::{REQ_DIGEST_ONLY, RespFrame, codec, decode, msg};
use rustix::process::{Signal, kill_process};

/// Processes are told apart by their age only: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn request(bitstream: &[u8]) -> Request<'_> {
    Request {
        codec: codec::VP8,
        flags: REQ_DIGEST_ONLY,
        bitstream,
        ..Request::default()
    }
}

fn until(done: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < patience);
        std::thread::yield_now();
    }
}

/// Sends a unit until it is decoded: a context waits a little before it takes another worker.
fn until_ok(kernel: &mut Kernel, ctx: u32, unit: &[u8]) -> RespFrame {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        let response = kernel.decode(ctx, &request(unit));
        if response.status == decode::OK {
            return response;
        }
        assert!(Instant::now() < patience, "{response:?}");
        std::thread::yield_now();
    }
}

/// A stream's units, for one test at a time; none where one cannot be made.
fn units() -> Option<(MutexGuard<'static, ()>, Vec<Vec<u8>>)> {
    let alone = alone();
    library()?;
    let dir = tempfile::tempdir().unwrap();
    let bytes = read(&VP8.make(dir.path())?);
    let units = Stream::read(&bytes).unwrap().units;
    Some((alone, units.into_iter().map(<[u8]>::to_vec).collect()))
}

#[test]
fn a_crash_costs_its_own_context_what_follows_up_to_a_key_frame() {
    let Some((_alone, units)) = units() else {
        return;
    };
    let mut kernel = Kernel::greeted(2000);
    // The first to be opened gets the oldest.
    for ctx in [1, 2] {
        kernel.open(ctx, codec::VP8);
        let key = kernel.decode(ctx, &request(&units[0]));
        assert_eq!(key.status, decode::OK, "{ctx}");
    }
    let mut expected = Vec::new();
    for unit in &units[1..4] {
        expected.push(kernel.decode(2, &request(unit)));
    }
    kill_process(workers()[0], Signal::KILL).unwrap();
    let began = Instant::now();
    assert_eq!(
        kernel.decode(1, &request(&units[1])).status,
        decode::ERR_RECV
    );
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    // The other goes on.
    assert_eq!(kernel.decode(2, &request(&units[4])).status, decode::OK);
    // Nothing that refers to what was lost, whenever the next worker is there.
    let patience = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < patience {
        let status = kernel.decode(1, &request(&units[1])).status;
        assert!(
            matches!(status, decode::ERR_OPEN | decode::ERR_RECV),
            "{status}"
        );
    }
    let key = until_ok(&mut kernel, 1, &units[0]);
    assert_ne!(key.digest, 0);
    let again: Vec<_> = units[1..4]
        .iter()
        .map(|unit| kernel.decode(1, &request(unit)))
        .collect();
    assert_eq!(again, expected);
    kernel.stop().unwrap();
}

#[test]
fn a_worker_that_hangs_is_given_up() {
    let Some((_alone, units)) = units() else {
        return;
    };
    // Which makes 2 s for a worker.
    let mut kernel = Kernel::greeted(500);
    kernel.open(1, codec::VP8);
    until_ok(&mut kernel, 1, &units[0]);
    let stopped = workers()[0];
    kill_process(stopped, Signal::STOP).unwrap();
    let began = Instant::now();
    assert_eq!(
        kernel.decode(1, &request(&units[1])).status,
        decode::ERR_RECV
    );
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert!(!workers().contains(&stopped));
    until_ok(&mut kernel, 1, &units[0]);
    kernel.stop().unwrap();
}

#[test]
fn every_job_has_one_answer_while_workers_are_killed() {
    let Some((_alone, units)) = units() else {
        return;
    };
    let mut kernel = Kernel::greeted(5000);
    for ctx in 1..=3 {
        kernel.open(ctx, codec::VP8);
    }
    for round in 0..15 {
        for ctx in 1..=3 {
            kernel.ask(ctx, &request(&units[round % units.len()]));
        }
        if let Some(victim) = workers().get(round % 3) {
            // It may have ended already.
            let _ = kill_process(*victim, Signal::KILL);
        }
        // Once each, which the stand-in sees to.
        for _ in 1..=3 {
            kernel.answer();
        }
    }
    for ctx in 1..=3 {
        until_ok(&mut kernel, ctx, &units[0]);
    }
    kernel.stop().unwrap();
}

#[test]
fn a_crash_is_followed_by_workers_of_another_template() {
    let Some((_alone, units)) = units() else {
        return;
    };
    let mut kernel = Kernel::greeted(2000);
    for ctx in [1, 2] {
        kernel.open(ctx, codec::VP8);
        until_ok(&mut kernel, ctx, &units[0]);
    }
    let [first] = templates()[..] else {
        panic!("{:?}", templates());
    };
    // SIGSEGV that no fault is behind, Rust takes for nothing.
    kill_process(workers()[0], Signal::ILL).unwrap();
    assert_eq!(
        kernel.decode(1, &request(&units[1])).status,
        decode::ERR_RECV
    );
    until(|| templates().iter().any(|t| *t != first));
    // The first one stays for as long as a worker of it does.
    assert!(templates().contains(&first));
    assert_eq!(kernel.decode(2, &request(&units[1])).status, decode::OK);
    kernel.send(msg::CTX_CLOSE, 2, &());
    until(|| !templates().contains(&first));
    until_ok(&mut kernel, 1, &units[0]);
    kernel.stop().unwrap();
}

#[test]
fn the_end_of_the_template_is_survived() {
    let Some((_alone, units)) = units() else {
        return;
    };
    let mut kernel = Kernel::greeted(2000);
    kernel.open(1, codec::VP8);
    until_ok(&mut kernel, 1, &units[0]);
    kill_process(templates()[0], Signal::KILL).unwrap();
    // Its workers go with it.
    until(|| workers().is_empty());
    until_ok(&mut kernel, 1, &units[0]);
    kernel.stop().unwrap();
}

#[test]
fn no_worker_is_left_when_the_daemon_ends() {
    let Some((_alone, units)) = units() else {
        return;
    };
    let mut kernel = Kernel::greeted(5000);
    kernel.open(1, codec::VP8);
    until_ok(&mut kernel, 1, &units[0]);
    assert!(!workers().is_empty());
    kernel.stop().unwrap();
    until(|| workers().is_empty() && templates().is_empty());
}

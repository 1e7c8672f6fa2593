//! A hostile daemon, and clients beside it that must not notice more than errors.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Scope;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use daedalus_proto::wire::{PROTO_VERSION, decode, msg};

use crate::fake::{BRIDGE, Fake, Job, mutated, refused};
use crate::node::{Node, Outcome};
use crate::sys;

/// Pictures of these tests, in pixels each way, and a buffer's bytes: NV12 with rows of 64.
pub const SIZE: u32 = 64;
pub const BYTES: u32 = SIZE * SIZE * 3 / 2;
/// Any unit: nobody decodes it.
pub const UNIT: &[u8] = &[0x82, 0x49, 0x83, 0x42, 0, 3, 0xf0, 3, 0xf6];
/// Contexts that decode at a time, by the module's default.
const CONTEXTS_MAX: usize = 16;

/// A client in a thread of its own: a unit for each message, an outcome for each unit.
struct Client {
    ask: Sender<()>,
    outcome: Receiver<Result<Outcome>>,
}

impl Client {
    fn start<'s>(scope: &'s Scope<'s, '_>, limit: Duration) -> Result<Self> {
        let mut node = Node::open(SIZE, SIZE)?;
        node.buffers(2)?;
        node.stream()?;
        let (ask, asked) = channel();
        let (tell, outcome) = channel();
        scope.spawn(move || {
            while asked.recv().is_ok() {
                if tell.send(node.decode(UNIT, limit)).is_err() {
                    return;
                }
            }
        });
        Ok(Self { ask, outcome })
    }

    fn begin(&self) -> Result<()> {
        self.ask.send(()).context("the client has ended")
    }

    /// How its unit ended, within the client's limit.
    fn end(&self) -> Result<Outcome> {
        let ended = self.outcome.recv_timeout(Duration::from_secs(60));
        ended.context("the client hangs")?.context("the client")
    }

    /// Its unit must end with a picture, or without one.
    fn expect(&self, picture: bool) -> Result<Duration> {
        let outcome = self.end()?;
        ensure!(
            outcome.picture.is_some() == picture,
            "a picture: {}; wanted: {picture}",
            outcome.picture.is_some()
        );
        Ok(outcome.took)
    }
}

/// `hostile`
pub fn messages(count: u64, limit: Duration, seed: u64) -> Result<()> {
    handshake()?;
    let mut rng = fastrand::Rng::with_seed(seed);
    std::thread::scope(|scope| {
        let client = Client::start(scope, limit)?;
        let fake = Fake::greeted()?;
        wrong_messages(&fake, &client, count, &mut rng, limit)?;
        punctuality(&fake, &client, limit)?;
        gone(fake, &client, limit)
    })
}

/// Before HELLO_REPLY nothing is taken, and only one can be the daemon.
fn handshake() -> Result<()> {
    let fake = Fake::silent().context(BRIDGE)?;
    let Err(second) = Fake::silent() else {
        bail!("the bridge can be open twice");
    };
    ensure!(second.raw_os_error() == Some(libc::EBUSY), "{second}");
    let (hello, kind) = fake.next(Duration::from_secs(5))?;
    ensure!(kind == msg::HELLO, "message {kind:#x} before HELLO");
    let job = Job {
        header: hello,
        capture: (0, 0),
    };
    refused(
        "an answer before the handshake",
        fake.answer(&job, 0, 0),
        libc::EPROTO,
    )?;
    refused("version 9", fake.greet(&hello, 9), libc::EPROTO)?;
    let version = u32::from(PROTO_VERSION);
    fake.greet(&hello, version).context("HELLO_REPLY")?;
    refused(
        "a second greeting",
        fake.greet(&hello, version),
        libc::EPROTO,
    )?;
    println!("handshake: in order");
    Ok(())
}

/// Between a job and its answer: what must have no effect.
fn wrong_messages(
    fake: &Fake,
    client: &Client,
    count: u64,
    rng: &mut fastrand::Rng,
    limit: Duration,
) -> Result<()> {
    let (mut written, mut jobs, mut taken) = (0, 0, 0);
    let mut before = None;
    while written < count {
        client.begin()?;
        let job = fake.job(limit)?;
        let begin = Instant::now();
        // The kernel waits so long and no longer.
        while written < count && begin.elapsed() < limit / 4 {
            let message = mutated(rng, &job, before.as_ref(), BYTES);
            // PONG is welcome at any time, and nothing comes of it.
            if fake.write(&message).is_ok() {
                let pong = message.get(4..6) == Some(&msg::PONG.to_ne_bytes());
                ensure!(pong, "job {:?}: taken: {message:02x?}", job.header);
                taken += 1;
            }
            wrong_buffer(fake, &job, rng)?;
            written += 1;
            if rng.u8(..100) == 0 {
                break;
            }
        }
        let status = *rng
            .choice(&[decode::OK, decode::OK, decode::NO_FRAME, decode::ERR_RECV])
            .unwrap_or(&decode::OK);
        let used = rng.u32(..=BYTES);
        fake.answer(&job, status, used)
            .context("the right answer")?;
        client.expect(status == decode::OK)?;
        refused(
            "the answer again",
            fake.answer(&job, status, used),
            libc::ESTALE,
        )?;
        before = Some(job);
        jobs += 1;
    }
    println!("wrong messages: messages={written} jobs={jobs} pongs={taken}");
    Ok(())
}

/// Buffers are given by their context, index and serial number together.
fn wrong_buffer(fake: &Fake, job: &Job, rng: &mut fastrand::Rng) -> Result<()> {
    let (index, serial) = job.capture;
    let wrong = match rng.u8(..20) {
        0 => (rng.u32(..), index, serial),
        1 => (job.header.ctx, rng.u32(2..), serial),
        2 => (job.header.ctx, index, rng.u32(..)),
        3 => {
            let right = fake.capture(job.header.ctx, index, serial);
            return right.map(drop).context("the right buffer");
        }
        _ => return Ok(()),
    };
    if wrong == (job.header.ctx, index, serial) {
        return Ok(());
    }
    ensure!(
        fake.capture(wrong.0, wrong.1, wrong.2).is_err(),
        "there is a buffer {wrong:?}"
    );
    Ok(())
}

/// An answer that is late, and none at all.
fn punctuality(fake: &Fake, client: &Client, limit: Duration) -> Result<()> {
    for mute in [false, true, true] {
        client.begin()?;
        let job = fake.job(limit)?;
        let took = client.expect(false)?;
        if !mute {
            let late = fake.answer(&job, decode::OK, BYTES);
            refused("a late answer", late, libc::ESTALE)?;
        }
        fake.until(msg::ABORT, job.header.ctx, limit)?;
        println!("no answer: error_ms={}", took.as_millis());
    }
    client.begin()?;
    let job = fake.job(limit)?;
    fake.answer(&job, decode::OK, BYTES)?;
    client.expect(true)?;
    Ok(())
}

/// The daemon ends with a job under way, and comes back.
fn gone(fake: Fake, client: &Client, limit: Duration) -> Result<()> {
    client.begin()?;
    let old = fake.job(limit)?;
    drop(fake);
    let took = client.expect(false)?;
    client.begin()?;
    let without = client.expect(false)?;
    println!(
        "the daemon gone: error_ms={}, without one: error_ms={}",
        took.as_millis(),
        without.as_millis()
    );
    let fake = Fake::greeted()?;
    client.begin()?;
    let job = fake.job(limit)?;
    let stale = fake.answer(&old, decode::OK, BYTES);
    refused("an answer of the last opening", stale, libc::ESTALE)?;
    fake.answer(&job, decode::OK, BYTES)?;
    client.expect(true)?;
    Ok(())
}

/// `in-flight`
pub fn in_flight(limit: Duration) -> Result<()> {
    let fake = Fake::greeted()?;
    let mut node = Node::open(SIZE, SIZE)?;
    for kind in [sys::CAPTURE, sys::OUTPUT] {
        node.buffers(4)?;
        node.stream()?;
        let job = fill(&fake, &mut node, limit)?;
        for queue in [sys::CAPTURE, sys::OUTPUT] {
            refused("REQBUFS(0) while streaming", node.free(queue), libc::EBUSY)?;
        }
        let begin = Instant::now();
        node.stop(kind)?;
        let took = begin.elapsed();
        ensure!(took < limit, "STREAMOFF took {took:?}");
        let stale = fake.answer(&job, decode::OK, BYTES);
        refused("an answer after STREAMOFF", stale, libc::ESTALE)?;
        println!(
            "STREAMOFF of queue {kind} with jobs: ms={}",
            took.as_millis()
        );
        node.stop(sys::OUTPUT)?;
        node.stop(sys::CAPTURE)?;
        for index in 0..4 {
            node.wait(index, limit).context("after STREAMOFF")?;
        }
        node.buffers(0)?;
    }
    // It goes on with the same file.
    node.buffers(4)?;
    node.stream()?;
    node.submit(0, UNIT)?;
    let job = fake.job(limit)?;
    fake.answer(&job, decode::OK, BYTES)?;
    node.wait(0, limit)?;
    let (_, failed) = node.take(sys::CAPTURE)?;
    ensure!(!failed, "no picture after STREAMOFF and STREAMON");

    let job = fill_rest(&fake, &mut node, limit)?;
    let begin = Instant::now();
    drop(node);
    let took = begin.elapsed();
    ensure!(took < limit, "close() took {took:?}");
    println!("close with jobs: ms={}", took.as_millis());
    let stale = fake.answer(&job, decode::OK, BYTES);
    refused("an answer after close()", stale, libc::ESTALE)?;
    fake.until(msg::CTX_CLOSE, job.header.ctx, limit)
}

/// Queues all four units; the first job.
fn fill(fake: &Fake, node: &mut Node, limit: Duration) -> Result<Job> {
    for index in 0..4 {
        node.submit(index, UNIT)?;
    }
    fake.job(limit)
}

/// The same, but for the first.
fn fill_rest(fake: &Fake, node: &mut Node, limit: Duration) -> Result<Job> {
    for index in 1..4 {
        node.submit(index, UNIT)?;
    }
    fake.job(limit)
}

/// `contexts`
pub fn contexts(limit: Duration, seed: u64) -> Result<()> {
    let fake = Fake::greeted()?;
    let mut nodes = Vec::new();
    for _ in 0..64 {
        let mut node = Node::open(SIZE, SIZE)?;
        node.buffers(2)?;
        nodes.push(node);
    }
    let (first, others) = nodes.split_at_mut(CONTEXTS_MAX);
    for node in first.iter_mut() {
        node.stream()?;
    }
    for node in others.iter() {
        refused("one context too many", node.start(sys::OUTPUT), libc::EBUSY)?;
    }
    println!("contexts: open=64 decoding={CONTEXTS_MAX}");

    let mut rng = fastrand::Rng::with_seed(seed);
    for round in 0..20 {
        for node in first.iter_mut() {
            node.submit(0, UNIT)?;
        }
        let mut jobs = Vec::new();
        for _ in 0..first.len() {
            jobs.push(fake.job(limit).with_context(|| format!("round {round}"))?);
        }
        rng.shuffle(&mut jobs);
        // One is never answered, and holds up nobody.
        let answered = jobs.get(1..).unwrap_or_default();
        for job in answered {
            fake.answer(job, decode::OK, BYTES)
                .with_context(|| format!("round {round}"))?;
        }
        let mut failures = 0;
        for node in first.iter_mut() {
            node.wait(0, limit)?;
            node.take(sys::OUTPUT)?;
            let (_, failed) = node.take(sys::CAPTURE)?;
            failures += usize::from(failed);
        }
        ensure!(failures == 1, "round {round}: {failures} contexts failed");
    }
    println!("one of them never answered, 20 times: the others decoded");

    // One ends, one of those refused begins.
    let (Some(ends), Some(begins)) = (first.first(), others.first()) else {
        bail!("no contexts");
    };
    ends.stop(sys::OUTPUT)?;
    begins.stream().context("in place of one that ended")?;
    ensure!(
        ends.start(sys::OUTPUT).is_err(),
        "more contexts decode than may"
    );
    Ok(())
}

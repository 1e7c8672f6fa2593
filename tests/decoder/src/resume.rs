//! What the kernel tells a daemon of a stream whose beginning that has not seen.

use std::time::Duration;

use anyhow::{Result, ensure};
use daedalus_proto::wire::{CTX_RESUMED, decode, msg};

use crate::fake::Fake;
use crate::hostile::{BYTES, SIZE, UNIT};
use crate::node::Node;
use crate::sys;

/// `resume`
pub fn run(limit: Duration) -> Result<()> {
    let mut node = Node::open(SIZE, SIZE)?;
    node.buffers(2)?;
    node.stream()?;
    let fake = Fake::greeted()?;
    unit(&mut node, &fake, Some(0), limit)?;
    unit(&mut node, &fake, None, limit)?;

    drop(fake);
    let fake = Fake::greeted()?;
    unit(&mut node, &fake, Some(CTX_RESUMED), limit)?;

    // The daemon does not read: the unit is taken back, and the next one is told to lack it.
    node.submit(0, UNIT)?;
    ensure!(!end(&mut node, limit)?, "decoded by nobody");
    node.submit(0, UNIT)?;
    let (closed, kind) = fake.next(limit)?;
    ensure!(kind == msg::CTX_CLOSE, "message {kind:#x} after a loss");
    let (opened, open) = fake.opened(limit)?;
    ensure!(
        opened.ctx == closed.ctx && open.flags == CTX_RESUMED,
        "{open:?}"
    );
    fake.answer(&fake.job(limit)?, decode::OK, BYTES)?;
    ensure!(end(&mut node, limit)?, "no picture after a loss");

    // What follows STREAMOFF refers to nothing before.
    node.stop(sys::OUTPUT)?;
    node.stop(sys::CAPTURE)?;
    drop(fake);
    let fake = Fake::greeted()?;
    node.stream()?;
    unit(&mut node, &fake, Some(0), limit)?;
    println!("resume: as it was");
    Ok(())
}

/// Has one unit decoded; with which flags its context is opened for that, if it is.
fn unit(node: &mut Node, fake: &Fake, opened: Option<u32>, limit: Duration) -> Result<()> {
    node.submit(0, UNIT)?;
    if let Some(flags) = opened {
        let (_, open) = fake.opened(limit)?;
        ensure!(open.flags == flags, "{open:?}; wanted: {flags:#x}");
    }
    let job = fake.job(limit)?;
    fake.answer(&job, decode::OK, BYTES)?;
    ensure!(end(node, limit)?, "no picture");
    Ok(())
}

/// Waits for the unit; whether there is a picture.
fn end(node: &mut Node, limit: Duration) -> Result<bool> {
    node.wait(0, limit)?;
    node.take(sys::OUTPUT)?;
    let (_, failed) = node.take(sys::CAPTURE)?;
    Ok(!failed)
}

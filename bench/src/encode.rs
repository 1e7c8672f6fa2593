//! The encode path against openh264 called directly.

use anyhow::Result;

use crate::report::Report;

pub fn run(report: &mut Report) -> Result<()> {
    report.note("encode: not wired yet");
    Ok(())
}

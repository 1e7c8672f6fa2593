//! The encode path against openh264 called directly: livehal's own bench, which sees its inside.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::report::{Bound, Report};

const BENCH: [&str; 8] = [
    "bench",
    "--quiet",
    "-p",
    "livehal",
    "--features",
    "bench",
    "--bench",
    "encode_ratio",
];

pub fn run(report: &mut Report) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(BENCH)
        .current_dir(peer::harness::workspace())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo bench")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("cargo bench -p livehal: {}\n{text}", output.status);
    }
    for line in text.lines().filter(|l| l.starts_with("encode path")) {
        let (size, ratio, cost) = parse(line).with_context(|| format!("{line:?}"))?;
        let what = format!("encode path {size}: frames a second, ratio to bare openh264");
        report.figure(&what, ratio, "", Bound::AtLeast, 0.95);
        report.plain("  by processor time", cost, "");
    }
    report
        .note("encode: both sides by turns in one process on the same pictures, medians of turns");
    Ok(())
}

/// (size, ratio of frames a second, ratio of processor time).
fn parse(line: &str) -> Option<(&str, f64, f64)> {
    let size = line.strip_prefix("encode path ")?.split(':').next()?;
    let number = |after: &str| {
        let rest = line.split(after).nth(1)?.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        rest.get(..end)?.parse().ok()
    };
    Some((size, number("ratio ")?, number("by processor time ")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_bench_is_read() {
        let line = "encode path 1280x720: 300 fps of 310 fps bare OpenH264, ratio 0.968; \
                    by processor time 0.99 (medians of 12)";
        assert_eq!(parse(line), Some(("1280x720", 0.968, 0.99)));
    }
}

//! Capture and coding on devices, against programs that do the same with them: in the VM of
//! `tests/vm`, whose kernel has them.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::report::Report;

/// Exit status of `tests/vm/vm` where no VM can be had.
const SKIPPED: i32 = 77;

/// Ours, the peer's, what it is called, and what both do.
const PAIRS: [(&str, &str, &str, &str); 3] = [
    (
        "h264-paced-ours",
        "h264-paced-ffmpeg",
        "ffmpeg, libx264",
        "640x480 YUYV at 15 fps to H.264",
    ),
    (
        "h264-full-ours",
        "h264-full-ffmpeg",
        "ffmpeg, libx264",
        "640x480 YUYV at 60 fps to H.264",
    ),
    (
        "fwht-ours",
        "fwht-gstreamer",
        "GStreamer",
        "640x480 NV12 at 15 fps to FWHT",
    ),
];

pub fn run(report: &mut Report) -> Result<()> {
    let output = Command::new("tests/vm/vm")
        .args(["run", "bench-devices"])
        .current_dir(peer::harness::workspace())
        .stderr(Stdio::inherit())
        .output()
        .context("tests/vm/vm")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.code() == Some(SKIPPED) {
        report.note(&format!("devices: {}", text.trim()));
        return Ok(());
    }
    if !output.status.success() {
        bail!("tests/vm/vm run bench-devices: {}\n{text}", output.status);
    }
    let runs = figures(&text)?;
    for (ours, peers, peer, what) in PAIRS {
        let (ours, peers) = (Medians::of(&runs, ours)?, Medians::of(&runs, peers)?);
        let one = |report: &mut Report, name: &str, unit, pick: fn(&Figures) -> Option<f64>| {
            if let Some(value) = ours.of_each(pick) {
                report.plain(&format!("{what}: {name}"), value, unit);
                if let Some(value) = peers.of_each(pick) {
                    report.against(peer, value);
                }
            }
        };
        one(report, "frames a second", "", |f| Some(f.fps));
        one(report, "  CPU a frame", "ms", |f| Some(f.cost));
        one(report, "  capture to packet, p50", "ms", |f| f.latency);
        one(report, "  p95", "ms", |f| f.latency_p95);
    }
    report.note(
        "devices: in an emulated machine, whose processor does without AVX and is many times slower \
         than this one, so the ratios count; vivid is the camera, vicodec codes FWHT, medians of three \
         runs by turns; what the kernel does for a device is in nobody's processor time",
    );
    Ok(())
}

/// What one run of one program took.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Figures {
    /// Frames a second.
    fps: f64,
    /// Milliseconds of processor time a frame.
    cost: f64,
    /// Milliseconds from capture to packet, the median.
    latency: Option<f64>,
    /// The 95th percentile.
    latency_p95: Option<f64>,
}

/// The runs of one name.
struct Medians<'a>(&'a [Figures]);

impl<'a> Medians<'a> {
    fn of(runs: &'a BTreeMap<String, Vec<Figures>>, name: &str) -> Result<Self> {
        let runs = runs
            .get(name)
            .with_context(|| format!("no figures of {name}"))?;
        Ok(Self(runs))
    }

    /// The median of what `pick` takes of each run.
    fn of_each(&self, pick: fn(&Figures) -> Option<f64>) -> Option<f64> {
        let mut values: Vec<f64> = self.0.iter().filter_map(pick).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }
}

/// The lines `figures NAME FPS MS MS MS`, by name; `-` is no figure.
fn figures(text: &str) -> Result<BTreeMap<String, Vec<Figures>>> {
    let mut runs: BTreeMap<String, Vec<Figures>> = BTreeMap::new();
    for line in text.lines() {
        let Some(("figures", rest)) = line.split_once(' ') else {
            continue;
        };
        let fields: Vec<&str> = rest.split(' ').collect();
        let [name, fps, cost, latency, latency_p95] = fields[..] else {
            bail!("{line:?}");
        };
        let number = |field: &str| field.parse::<f64>().with_context(|| line.to_owned());
        let maybe = |field| match field {
            "-" => Ok(None),
            field => number(field).map(Some),
        };
        runs.entry(name.to_owned()).or_default().push(Figures {
            fps: number(fps)?,
            cost: number(cost)?,
            latency: maybe(latency)?,
            latency_p95: maybe(latency_p95)?,
        });
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_the_scenario_are_read_and_the_middle_one_counts() {
        let text = "booted in 7 s\nfigures a 15.00 20.5 30.1 40.0\nfigures a 13.00 22.5 - -\n\
                    figures a 14.00 21.5 31.1 41.0\nfigures b 1 2 - -\n";
        let runs = figures(text).unwrap();
        let a = Medians::of(&runs, "a").unwrap();
        assert_eq!(a.of_each(|f| Some(f.fps)), Some(14.0));
        assert_eq!(a.of_each(|f| Some(f.cost)), Some(21.5));
        assert_eq!(a.of_each(|f| f.latency), Some(31.1));
        let b = Medians::of(&runs, "b").unwrap();
        assert_eq!(b.of_each(|f| f.latency), None);
        assert!(Medians::of(&runs, "c").is_err());
        assert!(figures("figures a 1 2 3\n").is_err());
        assert!(figures("figures a fast 2 - -\n").is_err());
    }
}

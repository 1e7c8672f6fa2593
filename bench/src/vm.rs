//! Benches that run in the VM of `tests/vm`, whose kernel has what this machine's has not.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::report::Report;

/// Exit status of `tests/vm/vm` where no VM can be had.
const SKIPPED: i32 = 77;

/// Every run's figures, by name.
pub type Runs = BTreeMap<String, Vec<Figures>>;

/// Runs a scenario; none where no VM can be had, which the report then says.
pub fn scenario(report: &mut Report, name: &str) -> Result<Option<Runs>> {
    let output = Command::new("tests/vm/vm")
        .args(["run", name])
        .current_dir(peer::harness::workspace())
        .stderr(Stdio::inherit())
        .output()
        .context("tests/vm/vm")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.code() == Some(SKIPPED) {
        report.note(&format!("{name}: {}", text.trim()));
        return Ok(None);
    }
    if !output.status.success() {
        bail!("tests/vm/vm run {name}: {}\n{text}", output.status);
    }
    figures(&text).map(Some)
}

/// What one run of one program took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Frames a second.
    pub fps: f64,
    /// Milliseconds of processor time a frame.
    pub cost: f64,
    /// Milliseconds from capture to packet, the median.
    pub latency: Option<f64>,
    /// The 95th percentile.
    pub latency_p95: Option<f64>,
}

/// The runs of one name.
pub struct Medians<'a>(&'a [Figures]);

impl<'a> Medians<'a> {
    /// Those of a name.
    pub fn of(runs: &'a Runs, name: &str) -> Result<Self> {
        let runs = runs
            .get(name)
            .with_context(|| format!("no figures of {name}"))?;
        Ok(Self(runs))
    }

    /// The median of what `pick` takes of each run.
    pub fn of_each(&self, pick: fn(&Figures) -> Option<f64>) -> Option<f64> {
        let mut values: Vec<f64> = self.0.iter().filter_map(pick).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }
}

/// The lines `figures NAME FPS MS MS MS`, by name; `-` is no figure.
fn figures(text: &str) -> Result<Runs> {
    let mut runs = Runs::new();
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

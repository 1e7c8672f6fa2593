//! `make bench`: the figures of live777, each with its target, a named limit or peer measured in
//! the same run where there is one, and how it was measured. docs/benchmarks.md explains them.

mod browser;
mod decoder;
mod delivery;
mod devices;
mod encode;
mod fanout;
mod late_join;
mod limit;
mod report;
mod summary;
mod vm;

use anyhow::{Result, bail};

use report::Report;

type Bench = fn(&mut Report) -> Result<()>;

const BENCHES: [(&str, Bench); 7] = [
    ("late-join", late_join::run),
    ("delivery", delivery::run),
    ("fanout", fanout::run),
    ("encode", encode::run),
    ("browser", browser::run),
    ("devices", devices::run),
    ("decoder", decoder::run),
];

fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for w in &wanted {
        if !BENCHES.iter().any(|(name, _)| name == w) {
            let all: Vec<&str> = BENCHES.iter().map(|b| b.0).collect();
            bail!("no bench {w}; there are: {}", all.join(", "));
        }
    }
    let mut report = Report::default();
    for (name, bench) in BENCHES {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            eprintln!("== {name}");
            if let Err(e) = bench(&mut report) {
                report.failed(name, &format!("{e:#}"));
            }
        }
    }
    report.print();
    if report.all_ran() {
        return Ok(());
    }
    bail!("a bench did not run to its end")
}

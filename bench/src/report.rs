//! The table at the end.

/// One figure.
#[derive(Debug)]
struct Row {
    what: String,
    value: f64,
    unit: &'static str,
    target: Option<(Bound, f64)>,
    against: Option<(String, f64)>,
}

/// On which side of its target a figure should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Not above.
    AtMost,
    /// Not below.
    AtLeast,
}

/// Figures collected by the benches.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
    notes: Vec<String>,
    failures: Vec<String>,
}

impl Report {
    /// A figure with a target.
    pub fn figure(
        &mut self,
        what: &str,
        value: f64,
        unit: &'static str,
        bound: Bound,
        target: f64,
    ) -> &mut Self {
        self.row(what, value, unit, Some((bound, target)))
    }

    /// A figure without one.
    pub fn plain(&mut self, what: &str, value: f64, unit: &'static str) -> &mut Self {
        self.row(what, value, unit, None)
    }

    fn row(
        &mut self,
        what: &str,
        value: f64,
        unit: &'static str,
        target: Option<(Bound, f64)>,
    ) -> &mut Self {
        eprintln!("   {what}: {value:.3} {unit}");
        self.rows.push(Row {
            what: what.to_owned(),
            value,
            unit,
            target,
            against: None,
        });
        self
    }

    /// Sets what the last figure is compared with.
    pub fn against(&mut self, name: &str, value: f64) -> &mut Self {
        if let Some(last) = self.rows.last_mut() {
            last.against = Some((name.to_owned(), value));
        }
        self
    }

    /// Something the reader must know.
    pub fn note(&mut self, text: &str) {
        eprintln!("   {text}");
        self.notes.push(text.to_owned());
    }

    /// A bench that ended early.
    pub fn failed(&mut self, bench: &str, why: &str) {
        eprintln!("   FAILED: {why}");
        self.failures.push(format!("{bench}: {why}"));
    }

    /// Whether no bench failed.
    pub fn all_ran(&self) -> bool {
        self.failures.is_empty()
    }

    /// Prints everything.
    pub fn print(&self) {
        println!(
            "\n{:<58} {:>16} {:>12}  ratio",
            "figure", "measured", "target"
        );
        for r in &self.rows {
            let measured = format!("{:.3} {}", r.value, r.unit);
            let target = r.target.map_or_else(String::new, |(bound, t)| {
                let sign = if bound == Bound::AtMost { "<=" } else { ">=" };
                let met = match bound {
                    Bound::AtMost => r.value <= t,
                    Bound::AtLeast => r.value >= t,
                };
                format!("{sign} {t} {}", if met { "met" } else { "MISSED" })
            });
            let ratio = r.against.as_ref().map_or_else(String::new, |(name, v)| {
                format!("{:.3} x {name} ({v:.3})", r.value / v)
            });
            println!("{:<58} {measured:>16} {target:>12}  {ratio}", r.what);
        }
        for n in &self.notes {
            println!("note: {n}");
        }
        for f in &self.failures {
            println!("FAILED: {f}");
        }
    }
}

//! Prometheus text, read back.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

/// One sample: its labels and value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Value.
    pub value: f64,
}

/// All samples of one scrape, by metric name.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    samples: BTreeMap<String, Vec<Sample>>,
    types: BTreeMap<String, String>,
}

impl Metrics {
    /// Reads text format 0.0.4, strictly: every sample has a TYPE, every value is a number.
    ///
    /// # Errors
    /// Naming the line.
    pub fn parse(text: &str) -> Result<Self> {
        let mut all = Self::default();
        for line in text.lines().filter(|l| !l.is_empty()) {
            all.line(line)
                .with_context(|| format!("metrics line {line:?}"))?;
        }
        Ok(all)
    }

    fn line(&mut self, line: &str) -> Result<()> {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            if words.next() == Some("TYPE") {
                let name = words.next().context("TYPE without a name")?;
                let kind = words.next().context("TYPE without a type")?;
                if self
                    .types
                    .insert(name.to_owned(), kind.to_owned())
                    .is_some()
                {
                    bail!("second TYPE of {name}");
                }
            }
            return Ok(());
        }
        let (head, value) = line.rsplit_once(' ').context("no value")?;
        let (name, labels) = match head.split_once('{') {
            None => (head, BTreeMap::new()),
            Some((name, rest)) => (name, labels(rest)?),
        };
        let value = match value {
            "+Inf" => f64::INFINITY,
            v => v.parse()?,
        };
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|s| name.strip_suffix(s))
            .filter(|b| self.types.get(*b).is_some_and(|t| t == "histogram"))
            .unwrap_or(name);
        if !self.types.contains_key(base) {
            bail!("sample before its TYPE");
        }
        self.samples
            .entry(name.to_owned())
            .or_default()
            .push(Sample { labels, value });
        Ok(())
    }

    /// Sum of all samples of a metric whose labels include `with`.
    pub fn sum(&self, name: &str, with: &[(&str, &str)]) -> Option<f64> {
        let matching: Vec<f64> = self.matching(name, with).map(|s| s.value).collect();
        (!matching.is_empty()).then(|| matching.iter().sum())
    }

    /// Names of all metrics.
    pub fn names(&self) -> Vec<&str> {
        self.samples.keys().map(String::as_str).collect()
    }

    fn matching<'a>(
        &'a self,
        name: &str,
        with: &'a [(&str, &str)],
    ) -> impl Iterator<Item = &'a Sample> {
        let all = self.samples.get(name).map_or(&[][..], Vec::as_slice);
        all.iter().filter(move |s| {
            with.iter()
                .all(|(k, v)| s.labels.get(*k).is_some_and(|l| l == v))
        })
    }

    /// The histogram with these labels, several added up.
    pub fn histogram(&self, name: &str, with: &[(&str, &str)]) -> Option<Histogram> {
        let bucket = format!("{name}_bucket");
        let mut counts: BTreeMap<u64, f64> = BTreeMap::new();
        for s in self.matching(&bucket, with) {
            let bound: f64 = match s.labels.get("le")?.as_str() {
                "+Inf" => f64::INFINITY,
                v => v.parse().ok()?,
            };
            *counts.entry(bound.to_bits()).or_default() += s.value;
        }
        (!counts.is_empty()).then(|| Histogram {
            buckets: counts
                .into_iter()
                .map(|(b, n)| (f64::from_bits(b), n))
                .collect(),
        })
    }
}

fn labels(rest: &str) -> Result<BTreeMap<String, String>> {
    let body = rest.strip_suffix('}').context("labels without }")?;
    let mut all = BTreeMap::new();
    for pair in body.split("\",").filter(|p| !p.is_empty()) {
        let (key, value) = pair.split_once("=\"").context("label without =")?;
        all.insert(key.to_owned(), value.trim_end_matches('"').to_owned());
    }
    Ok(all)
}

/// Cumulative counts by upper bound.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    buckets: Vec<(f64, f64)>,
}

impl Histogram {
    /// What was added since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let before: BTreeMap<u64, f64> = earlier
            .buckets
            .iter()
            .map(|(b, n)| (b.to_bits(), *n))
            .collect();
        Self {
            buckets: self
                .buckets
                .iter()
                .map(|(b, n)| (*b, n - before.get(&b.to_bits()).unwrap_or(&0.0)))
                .collect(),
        }
    }

    /// Observations.
    pub fn count(&self) -> f64 {
        self.buckets.last().map_or(0.0, |b| b.1)
    }

    /// Upper bound of the bucket the quantile lies in: never better than the truth.
    pub fn quantile_bound(&self, q: f64) -> Option<f64> {
        let wanted = self.count() * q;
        self.buckets
            .iter()
            .find(|(_, n)| *n >= wanted && *n > 0.0)
            .map(|(b, _)| *b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP x_total X.\n# TYPE x_total counter\nx_total{a=\"1\",b=\"q,r\"} 3\n\
        x_total{a=\"2\"} 4\n# TYPE l histogram\nl_bucket{le=\"0.1\"} 98\nl_bucket{le=\"1\"} 99\n\
        l_bucket{le=\"+Inf\"} 100\nl_sum 2\nl_count 100\n";

    #[test]
    fn samples_and_histograms_are_read() {
        let m = Metrics::parse(TEXT).unwrap();
        assert_eq!(m.sum("x_total", &[]), Some(7.0));
        assert_eq!(m.sum("x_total", &[("b", "q,r")]), Some(3.0));
        let h = m.histogram("l", &[]).unwrap();
        assert_eq!(h.quantile_bound(0.5), Some(0.1));
        assert_eq!(h.quantile_bound(0.99), Some(1.0));
        assert_eq!(h.since(&h).count(), 0.0);
    }

    #[test]
    fn a_sample_without_type_is_refused() {
        assert!(Metrics::parse("y 1\n").is_err());
        assert!(Metrics::parse("# TYPE y gauge\ny one\n").is_err());
    }
}

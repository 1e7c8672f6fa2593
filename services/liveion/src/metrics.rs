//! The Prometheus text format, version 0.0.4.

use std::fmt::{Display, Write};

use livehal::Histogram;

/// Type of a metric family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only rises.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations by size.
    Histogram,
}

/// A page of metrics being written, one family after another.
#[derive(Debug, Default)]
pub(crate) struct PromText(String);

impl PromText {
    /// Begins a family; each name once a page.
    pub(crate) fn family<'a>(&'a mut self, name: &'a str, kind: Kind, help: &str) -> Family<'a> {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        put(
            &mut self.0,
            format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"),
        );
        Family {
            page: &mut self.0,
            name,
        }
    }

    /// The page.
    pub(crate) fn finish(self) -> String {
        self.0
    }
}

/// One family.
#[derive(Debug)]
pub(crate) struct Family<'a> {
    page: &'a mut String,
    name: &'a str,
}

impl Family<'_> {
    /// One value; whole numbers up to 2^53 are written exactly.
    pub(crate) fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.line("", labels, None, value);
    }

    /// One histogram, in seconds.
    pub(crate) fn histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        let mut below = 0;
        let counts = histogram.counts();
        let bounds = Histogram::BOUNDS_US.iter().map(|us| *us as f64 / 1e6);
        let bounds = bounds.map(Some).chain([None]);
        for (count, bound) in counts.into_iter().zip(bounds) {
            below += count;
            let bound = bound.map_or("+Inf".to_owned(), |b| b.to_string());
            self.line("_bucket", labels, Some(&bound), below);
        }
        self.line("_sum", labels, None, histogram.sum_us() as f64 / 1e6);
        self.line("_count", labels, None, below);
    }

    fn line(
        &mut self,
        suffix: &str,
        labels: &[(&str, &str)],
        bound: Option<&str>,
        value: impl Display,
    ) {
        put(self.page, format_args!("{}{suffix}", self.name));
        let labels = labels.iter().copied().chain(bound.map(|b| ("le", b)));
        let mut separator = '{';
        for (label, value) in labels {
            let value = escape(value);
            put(self.page, format_args!("{separator}{label}=\"{value}\""));
            separator = ',';
        }
        let close = if separator == ',' { "}" } else { "" };
        put(self.page, format_args!("{close} {value}\n"));
    }
}

fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// Writing to a `String` cannot fail.
fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = page.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_family_has_help_type_and_its_samples() {
        let mut page = PromText::default();
        let mut family = page.family("a_total", Kind::Counter, "As.");
        family.sample(&[("stream", "x"), ("why", "y")], 3.0);
        family.sample(&[], 0.5);
        assert_eq!(
            page.finish(),
            "# HELP a_total As.\n# TYPE a_total counter\na_total{stream=\"x\",why=\"y\"} 3\na_total 0.5\n"
        );
    }

    #[test]
    fn labels_and_help_are_escaped() {
        let mut page = PromText::default();
        page.family("g", Kind::Gauge, "one\ntwo\\")
            .sample(&[("l", "a\"b\\c\nd")], 1.0);
        assert_eq!(
            page.finish(),
            "# HELP g one\\ntwo\\\\\n# TYPE g gauge\ng{l=\"a\\\"b\\\\c\\nd\"} 1\n"
        );
    }

    #[test]
    fn histogram_buckets_are_cumulative_and_in_seconds() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_micros(60));
        histogram.observe(Duration::from_micros(70));
        histogram.observe(Duration::from_secs(9));
        let mut page = PromText::default();
        page.family("h_seconds", Kind::Histogram, "H.")
            .histogram(&[("s", "x")], &histogram);
        let page = page.finish();
        for line in [
            "h_seconds_bucket{s=\"x\",le=\"0.00005\"} 0",
            "h_seconds_bucket{s=\"x\",le=\"0.0001\"} 2",
            "h_seconds_bucket{s=\"x\",le=\"5\"} 2",
            "h_seconds_bucket{s=\"x\",le=\"+Inf\"} 3",
            "h_seconds_sum{s=\"x\"} 9.00013",
            "h_seconds_count{s=\"x\"} 3",
        ] {
            assert!(page.lines().any(|l| l == line), "{line} not in\n{page}");
        }
    }
}

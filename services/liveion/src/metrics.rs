//! The Prometheus text format, version 0.0.4.

use std::fmt::{Display, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use livehal::{DropReason, Histogram, PipelineState};

use crate::engine::{EngineHandle, EngineStats};
use crate::{Stream, StreamInfo};

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

/// Everything the engine and the streams count.
pub(crate) fn page(engine: &EngineHandle, streams: &[Arc<Stream>]) -> String {
    let mut page = PromText::default();
    engine_families(&mut page, engine);
    stream_families(&mut page, streams);
    drop_family(&mut page, streams);
    copies_family(&mut page, streams);
    latency_family(&mut page, streams);
    page.finish()
}

fn engine_families(page: &mut PromText, engine: &EngineHandle) {
    let load = |c: &AtomicU64| c.load(Ordering::Relaxed) as f64;
    let s = &engine.stats;
    let sessions = engine.registry.lock().len();
    page.family("livehal_sessions", Kind::Gauge, "WebRTC sessions.")
        .sample(&[], sessions as f64);
    for (name, help, value) in [
        (
            "livehal_sessions_total",
            "WebRTC sessions opened.",
            &s.sessions_total,
        ),
        (
            "livehal_datagrams_sent_total",
            "Datagrams given to the kernel.",
            &s.datagrams_sent,
        ),
        (
            "livehal_datagrams_dropped_total",
            "Datagrams lost because the socket's send buffer was full.",
            &s.datagrams_dropped,
        ),
        (
            "livehal_datagrams_failed_total",
            "Datagrams that the kernel refused to send.",
            &s.datagrams_failed,
        ),
        (
            "livehal_datagrams_received_total",
            "Datagrams received.",
            &s.datagrams_received,
        ),
    ] {
        page.family(name, Kind::Counter, help)
            .sample(&[], load(value));
    }
    let mut refused = page.family(
        "livehal_datagrams_refused_total",
        Kind::Counter,
        "Datagrams received and dropped, by reason.",
    );
    for (reason, count) in EngineStats::REFUSED.into_iter().zip(s.refused()) {
        refused.sample(&[("reason", reason)], count as f64);
    }
}

/// One family per figure that every stream has.
fn stream_families(page: &mut PromText, streams: &[Arc<Stream>]) {
    type Figure = fn(&StreamInfo) -> f64;
    let figures: [(&str, Kind, &str, Figure); 11] = [
        (
            "livehal_stream_up",
            Kind::Gauge,
            "1 while frames flow as they should.",
            |i| f64::from(u8::from(i.state == PipelineState::Running)),
        ),
        ("livehal_stream_viewers", Kind::Gauge, "Viewers.", |i| {
            i.viewers as f64
        }),
        (
            "livehal_stream_fps",
            Kind::Gauge,
            "Frames in the last second.",
            |i| i.fps_measured,
        ),
        (
            "livehal_stream_bits_per_second",
            Kind::Gauge,
            "Bits of coded video in the last second.",
            |i| i.bitrate_measured_bps as f64,
        ),
        (
            "livehal_stream_target_bits_per_second",
            Kind::Gauge,
            "Target bit rate of the encoder.",
            |i| f64::from(i.bitrate_bps),
        ),
        (
            "livehal_stream_frames_total",
            Kind::Counter,
            "Access units.",
            |i| i.frames as f64,
        ),
        (
            "livehal_stream_keyframes_total",
            Kind::Counter,
            "Key frames.",
            |i| i.keyframes as f64,
        ),
        (
            "livehal_stream_bytes_total",
            Kind::Counter,
            "Bytes of coded video.",
            |i| i.bytes as f64,
        ),
        (
            "livehal_stream_keyframe_requests_total",
            Kind::Counter,
            "Key-frame requests of viewers.",
            |i| i.keyframe_requests as f64,
        ),
        (
            "livehal_stream_keyframe_requests_forwarded_total",
            Kind::Counter,
            "Key-frame requests passed on to the source.",
            |i| i.keyframe_requests_forwarded as f64,
        ),
        (
            "livehal_stream_restarts_total",
            Kind::Counter,
            "Restarts of the source after a failure.",
            |i| i.restarts as f64,
        ),
    ];
    let infos: Vec<StreamInfo> = streams.iter().map(|s| s.info()).collect();
    for (name, kind, help, figure) in figures {
        let mut family = page.family(name, kind, help);
        for info in &infos {
            family.sample(&[("stream", &info.name)], figure(info));
        }
    }
}

fn drop_family(page: &mut PromText, streams: &[Arc<Stream>]) {
    let mut drops = page.family(
        "livehal_stream_drops_total",
        Kind::Counter,
        "Frames dropped, by reason.",
    );
    for stream in streams {
        for d in stream.info().drops {
            let reason = drop_label(d.reason);
            drops.sample(
                &[("stream", stream.name()), ("reason", reason)],
                d.count as f64,
            );
        }
        let late = &stream.hub().delivery.frames_dropped;
        drops.sample(
            &[("stream", stream.name()), ("reason", "delivery_busy")],
            late.load(Ordering::Relaxed) as f64,
        );
    }
}

fn drop_label(reason: DropReason) -> &'static str {
    match reason {
        DropReason::EncoderBusy => "encoder_busy",
        DropReason::RateControl => "rate_control",
        DropReason::EncodeError => "encode_error",
        DropReason::OutputFull => "output_full",
        DropReason::AwaitingKey => "awaiting_key",
        DropReason::CaptureError => "capture_error",
        DropReason::CaptureMissed => "capture_missed",
    }
}

/// Zero for a stream that needs none; streams without a native source have no such figure.
fn copies_family(page: &mut PromText, streams: &[Arc<Stream>]) {
    let mut copies = page.family(
        "livehal_frame_copies_total",
        Kind::Counter,
        "Whole frames copied or converted by the processor between the camera and the encoder.",
    );
    for stream in streams {
        if let Some(p) = stream.pipeline_stats() {
            let count = p.frame_copies.load(Ordering::Relaxed);
            copies.sample(&[("stream", stream.name())], count as f64);
        }
    }
}

fn latency_family(page: &mut PromText, streams: &[Arc<Stream>]) {
    let mut family = page.family(
        "livehal_stage_latency_seconds",
        Kind::Histogram,
        "Time of a frame from one stage to another.",
    );
    for stream in streams {
        let labels = |stage| [("stream", stream.name()), ("stage", stage)];
        if let Some(p) = stream.pipeline_stats() {
            family.histogram(&labels("capture_to_encode"), &p.capture_to_encode);
            family.histogram(&labels("encode"), &p.encode);
        }
        let d = &stream.hub().delivery;
        family.histogram(&labels("encode_to_sent"), &d.encode_to_sent);
        family.histogram(&labels("capture_to_sent"), &d.capture_to_sent);
    }
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

//! What `--check-config` prints of a good configuration.

use std::fmt::Write;

use liveion::{SourceConfig, StreamConfig};

use crate::config::Config;

/// A few lines on what the server would do.
pub fn of(config: &Config) -> String {
    let mut text = String::new();
    for warning in &config.warnings {
        line(&mut text, format_args!("warning: {warning}"));
    }
    let scheme = if config.http.tls.is_some() {
        "https"
    } else {
        "http"
    };
    line(
        &mut text,
        format_args!("page and API: {scheme}://{}/", config.http.listen),
    );
    line(
        &mut text,
        format_args!("webrtc: UDP {}", config.webrtc.udp_listen),
    );
    let auth = if config.open {
        "no token needed"
    } else {
        "bearer tokens"
    };
    line(&mut text, format_args!("access: {auth}"));
    for stream in &config.streams {
        line(
            &mut text,
            format_args!("stream {}: {}", stream.name, source(stream)),
        );
    }
    text
}

fn source(stream: &StreamConfig) -> String {
    let SourceConfig::Native(params) = &stream.source else {
        return "waits for a WHIP publisher".to_owned();
    };
    let demand = if stream.on_demand { ", on demand" } else { "" };
    format!(
        "{} through {}, {} bit/s{demand}",
        params.capture.backend, params.encoder.backend, params.encoder.bitrate
    )
}

/// Writing to a `String` cannot fail.
fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{line}");
}

//! One `[[stream.NAME.sources]]`.

use livehal::{CaptureParams, EncoderParams, NativeSourceParams, OutputParams};
use liveion::SourceConfig;
use serde::Deserialize;

use super::check::Check;
use super::key_path::KeyPath;

/// The table as written: `capture` and `encoder`, or `url`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    #[serde(default)]
    capture: Option<CaptureParams>,
    #[serde(default)]
    encoder: Option<EncoderParams>,
    #[serde(default)]
    output: Option<OutputParams>,
    #[serde(default)]
    url: Option<String>,
}

/// Checks one source; nothing if it was refused.
pub(crate) fn check(table: Table, at: &KeyPath, check: &mut Check<'_>) -> Option<SourceConfig> {
    if !cfg!(feature = "source") {
        check.refuse(at, "this live777 is built without the feature source; without sources, a stream waits for a WHIP publisher");
        return None;
    }
    match table {
        Table {
            url: Some(url),
            capture: None,
            encoder: None,
            output: None,
        } => check_url(&url, &at.key("url"), check),
        Table { url: Some(_), .. } => {
            check.refuse(&at.key("url"), "excludes capture, encoder and output");
            None
        }
        Table {
            capture: Some(capture),
            encoder: Some(encoder),
            output,
            ..
        } => {
            let output = output.unwrap_or_default();
            let params = NativeSourceParams {
                capture,
                encoder,
                output,
            };
            check_native(params, at, check)
        }
        Table {
            capture, encoder, ..
        } => {
            match (capture, encoder) {
                (Some(_), None) => check.refuse(&at.key("encoder"), "missing; capture needs it"),
                (None, Some(_)) => check.refuse(&at.key("capture"), "missing; encoder needs it"),
                _ => check.refuse(at, "needs the tables capture and encoder, or url"),
            }
            None
        }
    }
}

fn check_native(
    mut params: NativeSourceParams,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<SourceConfig> {
    if let Some(path) = &mut params.capture.path
        && !path.as_os_str().is_empty()
    {
        *path = check.resolve(path);
    }
    match params.validate() {
        Ok(()) => Some(SourceConfig::Native(Box::new(params))),
        Err(e) => {
            check.refuse(&at.keys(&e.key), e.reason);
            None
        }
    }
}

/// A source by URL. There is none yet: this is the one place that says so.
fn check_url(url: &str, key: &KeyPath, check: &mut Check<'_>) -> Option<SourceConfig> {
    let kind = match url::Url::parse(url).as_ref().map(url::Url::scheme) {
        Ok("rtsp" | "rtsps") => Some("RTSP"),
        Ok("rtp" | "udp") => Some("RTP"),
        Ok("file" | "http" | "https") if url.ends_with(".sdp") => Some("SDP"),
        _ => None,
    };
    match kind {
        Some(kind) => check.refuse(
            key,
            format!("an {kind} source is not built yet; allowed: capture and encoder, or no source for a WHIP publisher"),
        ),
        None => check.refuse(
            key,
            "must be rtsp://…, rtsps://…, rtp://… or the URL of an .sdp file (none of them is built yet)",
        ),
    }
    None
}

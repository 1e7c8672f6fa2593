//! Rules for the parameters of a native source.

use std::fmt::Display;

use super::backends::{Backend, CAPTURE, ENCODE, named, unknown};
use super::{CaptureParams, EncoderParams, NativeSourceParams, OutputParams};
use crate::{H264Level, H264Profile, ParamError, PixelFormat, ProfileLevel, VideoCodec};

/// The least bit rate, in bit/s.
pub(super) const BITRATE_LEAST: u32 = 10_000;

type Checked = Result<(), ParamError>;

pub(super) fn source(params: &NativeSourceParams) -> Checked {
    capture(&params.capture)?;
    encoder(&params.encoder)?;
    output(&params.output)?;
    size_for_encoder(params)?;
    level(params)
}

fn refused(key: &str, value: impl Display, reason: impl Into<String>) -> ParamError {
    ParamError {
        key: key.to_owned(),
        value: value.to_string(),
        reason: reason.into(),
    }
}

fn missing(key: &str, reason: impl Into<String>) -> ParamError {
    refused(key, "(absent)", reason)
}

fn capture(capture: &CaptureParams) -> Checked {
    known("capture.backend", &capture.backend, &CAPTURE)?;
    even_size("capture.width", capture.width)?;
    even_size("capture.height", capture.height)?;
    if let Some(fps) = capture.fps {
        within("capture.fps", fps, 1, 240, "frames a second")?;
    }
    both_or_neither(capture)?;
    match capture.backend.as_str() {
        "testsrc" => {
            no_device(capture)?;
            no_path(capture)?;
            plain_pictures(capture)
        }
        "file" => {
            no_device(capture)?;
            plain_pictures(capture)?;
            match &capture.path {
                Some(path) if path.as_os_str().is_empty() => {
                    Err(refused("capture.path", "\"\"", "names no file"))
                }
                Some(_) => Ok(()),
                None => Err(missing(
                    "capture.path",
                    "backend file needs the path of its footage",
                )),
            }
        }
        "v4l2" => {
            no_path(capture)?;
            required_by_cameras(capture)?;
            match capture.device.as_deref() {
                Some("") => Err(refused("capture.device", "\"\"", "names no camera")),
                // A relative path would depend on where the program was started.
                Some(device) if device.contains('/') && !device.starts_with('/') => Err(refused(
                    "capture.device",
                    device,
                    "backend v4l2 needs an absolute path such as /dev/video0, or a card's name",
                )),
                Some(_) => Ok(()),
                None => Err(missing(
                    "capture.device",
                    "backend v4l2 needs the path of its device, such as /dev/video0, or its card's \
                     name",
                )),
            }
        }
        // libcamera
        _ => {
            no_path(capture)?;
            required_by_cameras(capture)?;
            match capture.device.as_deref() {
                Some("") => Err(refused("capture.device", "\"\"", "names no camera")),
                _ => Ok(()),
            }
        }
    }
}

fn known(key: &str, name: &str, all: &'static [Backend]) -> Checked {
    match named(name, all) {
        Some(_) => Ok(()),
        None => Err(refused(key, name, unknown(all.iter().map(|b| b.name)))),
    }
}

fn within(key: &str, value: u32, least: u32, most: u32, unit: &str) -> Checked {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        let unit = if unit.is_empty() {
            String::new()
        } else {
            format!(" {unit}")
        };
        Err(refused(
            key,
            value,
            format!("allowed are {least} to {most}{unit}"),
        ))
    }
}

fn even_size(key: &str, value: Option<u32>) -> Checked {
    let Some(value) = value else { return Ok(()) };
    within(key, value, 16, 8192, "pixels")?;
    if value % 2 == 0 {
        Ok(())
    } else {
        Err(refused(key, value, "must be even: chroma has half as many"))
    }
}

fn both_or_neither(capture: &CaptureParams) -> Checked {
    match (capture.width, capture.height) {
        (Some(width), None) => Err(missing(
            "capture.height",
            format!("required because capture.width is {width}"),
        )),
        (None, Some(height)) => Err(missing(
            "capture.width",
            format!("required because capture.height is {height}"),
        )),
        _ => Ok(()),
    }
}

fn no_device(capture: &CaptureParams) -> Checked {
    match &capture.device {
        None => Ok(()),
        Some(device) => Err(refused(
            "capture.device",
            device,
            format!("backend {} has no device; remove it", capture.backend),
        )),
    }
}

fn no_path(capture: &CaptureParams) -> Checked {
    match &capture.path {
        None => Ok(()),
        Some(path) => Err(refused(
            "capture.path",
            path.display(),
            format!("only backend file has a path, not {}", capture.backend),
        )),
    }
}

/// For backends whose pictures are planar 4:2:0 in ordinary memory.
fn plain_pictures(capture: &CaptureParams) -> Checked {
    if let Some(format) = capture.pixel_format
        && format != PixelFormat::Yuv420
    {
        return Err(refused(
            "capture.pixel_format",
            format,
            format!("backend {} gives yuv420 only", capture.backend),
        ));
    }
    if let Some(name) = capture.controls.keys().next() {
        return Err(refused(
            "capture.controls",
            name,
            format!("backend {} has no controls; remove it", capture.backend),
        ));
    }
    if capture.prefer_dmabuf {
        return Err(refused(
            "capture.prefer_dmabuf",
            true,
            format!("backend {} has no DMA-BUFs; remove it", capture.backend),
        ));
    }
    Ok(())
}

fn required_by_cameras(capture: &CaptureParams) -> Checked {
    for (key, value) in [
        ("capture.width", capture.width),
        ("capture.height", capture.height),
        ("capture.fps", capture.fps),
    ] {
        if value.is_none() {
            return Err(missing(
                key,
                format!("backend {} needs it", capture.backend),
            ));
        }
    }
    Ok(())
}

fn encoder(encoder: &EncoderParams) -> Checked {
    known("encoder.backend", &encoder.backend, &ENCODE)?;
    if encoder.codec != VideoCodec::H264 {
        return Err(refused(
            "encoder.codec",
            encoder.codec,
            format!("backend {} makes h264 only", encoder.backend),
        ));
    }
    encoder_device(encoder)?;
    within("encoder.gop", encoder.gop, 1, 36_000, "frames")?;
    bitrates(encoder)
}

fn encoder_device(encoder: &EncoderParams) -> Checked {
    let Some(device) = &encoder.device else {
        return Ok(());
    };
    let reason = match encoder.backend.as_str() {
        "v4l2-m2m" if !device.is_empty() => return Ok(()),
        "v4l2-m2m" => "names no device".to_owned(),
        other => format!("only backend v4l2-m2m has a device, not {other}; remove it"),
    };
    Err(refused("encoder.device", format!("{device:?}"), reason))
}

fn bitrates(encoder: &EncoderParams) -> Checked {
    let bounds = encoder.bitrate_bounds();
    let most = u32::MAX / 2;
    within(
        "encoder.bitrate",
        encoder.bitrate,
        BITRATE_LEAST,
        most,
        "bit/s",
    )?;
    if let Some(least) = encoder.min_bitrate {
        within(
            "encoder.min_bitrate",
            least,
            BITRATE_LEAST,
            encoder.bitrate,
            "bit/s (encoder.bitrate)",
        )?;
    }
    if encoder.max_bitrate.is_some() {
        within(
            "encoder.max_bitrate",
            *bounds.end(),
            encoder.bitrate,
            most,
            "bit/s, from encoder.bitrate on",
        )?;
    }
    Ok(())
}

pub(super) fn profile_level(encoder: &EncoderParams) -> Result<ProfileLevel, ParamError> {
    let Some(profile) = H264Profile::from_name(&encoder.profile) else {
        let both = ProfileLevel::from_hex(&encoder.profile).map_err(|why| {
            let names: Vec<_> = H264Profile::NAMES.iter().map(|(name, _)| *name).collect();
            refused(
                "encoder.profile",
                &encoder.profile,
                format!(
                    "{why}; allowed are {}, or a six-digit profile-level-id such as 42e01f",
                    names.join(", ")
                ),
            )
        })?;
        return match &encoder.level {
            None => Ok(both),
            Some(level) => Err(refused(
                "encoder.level",
                level,
                format!(
                    "encoder.profile = {} already says level {}; remove it",
                    encoder.profile, both.level
                ),
            )),
        };
    };
    let Some(name) = &encoder.level else {
        return Err(missing(
            "encoder.level",
            format!(
                "required because encoder.profile is a name ({}); such as 3.1",
                encoder.profile
            ),
        ));
    };
    let level = H264Level::from_name(name).ok_or_else(|| {
        refused(
            "encoder.level",
            name,
            unknown(H264Level::all().map(H264Level::name)),
        )
    })?;
    Ok(ProfileLevel { profile, level })
}

fn level(params: &NativeSourceParams) -> Checked {
    let encoder = &params.encoder;
    let ProfileLevel { profile, level } = profile_level(encoder)?;
    if matches!(encoder.backend.as_str(), "software" | "auto") {
        software_level(encoder, level)?;
    }
    let most = level.max_bitrate(profile);
    let named = format!("level {level} allows {most} bit/s");
    if encoder.bitrate > most {
        return Err(refused("encoder.bitrate", encoder.bitrate, named));
    }
    if let Some(rate) = encoder.max_bitrate
        && rate > most
    {
        return Err(refused("encoder.max_bitrate", rate, named));
    }
    let capture = &params.capture;
    // A file says its size when it is opened, and is checked then.
    if capture.backend == "file" && capture.width.is_none() {
        return Ok(());
    }
    level_allows(
        encoder,
        capture.size_or_default(),
        f64::from(capture.fps_or_default()),
    )
}

/// What of the levels the software encoder lacks.
fn software_level(encoder: &EncoderParams, level: H264Level) -> Checked {
    if level.name() == "1b" || level.idc() > 52 {
        let (key, value) = level_key(encoder);
        return Err(refused(
            key,
            value,
            "the software encoder knows levels 1 to 5.2 without 1b",
        ));
    }
    Ok(())
}

pub(crate) fn level_allows(encoder: &EncoderParams, size: (u32, u32), fps: f64) -> Checked {
    let ProfileLevel { profile, level } = profile_level(encoder)?;
    level.check_picture(size.0, size.1, fps).map_err(|why| {
        let bitrate = encoder.max_bitrate.unwrap_or(encoder.bitrate);
        let advice = H264Level::lowest(profile, size, fps, bitrate)
            .map_or("no level allows it".to_owned(), |level| {
                format!("use {level} or higher")
            });
        let (key, value) = level_key(encoder);
        refused(key, value, format!("{why}; {advice}"))
    })
}

fn size_for_encoder(params: &NativeSourceParams) -> Checked {
    let capture = &params.capture;
    if params.encoder.backend == "rdk" && (capture.backend != "file" || capture.width.is_some()) {
        let fps = f64::from(capture.fps_or_default());
        return rdk_limits(&params.encoder, capture.size_or_default(), fps);
    }
    if !matches!(params.encoder.backend.as_str(), "software" | "auto") {
        return Ok(());
    }
    let (Some(width), Some(height)) = (params.capture.width, params.capture.height) else {
        return Ok(());
    };
    software_size((width, height))
}

/// What of sizes, groups of pictures and levels the encoder of the RDK X5 lacks; its library
/// refuses them without saying which it was.
pub(crate) fn rdk_limits(encoder: &EncoderParams, size: (u32, u32), fps: f64) -> Checked {
    let (width, height) = size;
    for (key, value, least) in [
        ("capture.width", width, 256),
        ("capture.height", height, 128),
    ] {
        if !(least..=8192).contains(&value) || value % 8 != 0 {
            return Err(refused(
                key,
                value,
                format!("the RDK X5's encoder takes {least} to 8192, in steps of 8"),
            ));
        }
    }
    within(
        "encoder.gop",
        encoder.gop,
        1,
        2047,
        "frames for the RDK X5's encoder",
    )?;
    if profile_level(encoder)?.level.idc() > 52 {
        let (key, value) = level_key(encoder);
        return Err(refused(
            key,
            value,
            "the RDK X5's encoder knows levels to 5.2",
        ));
    }
    level_allows(encoder, size, fps)
}

/// The key that says the level, and its value.
fn level_key(encoder: &EncoderParams) -> (&'static str, &str) {
    match &encoder.level {
        Some(name) => ("encoder.level", name),
        None => ("encoder.profile", &encoder.profile),
    }
}

/// What of the sizes the software encoder lacks.
pub(crate) fn software_size((width, height): (u32, u32)) -> Checked {
    if width.max(height) > 3840 || width.min(height) > 2160 {
        let (key, value) = if width >= height {
            ("capture.width", width)
        } else {
            ("capture.height", height)
        };
        return Err(refused(
            key,
            value,
            format!(
                "{width}x{height}: the software encoder takes at most 3840x2160, either way round"
            ),
        ));
    }
    Ok(())
}

fn output(output: &OutputParams) -> Checked {
    within(
        "output.payload_type",
        u32::from(output.payload_type),
        96,
        127,
        "",
    )?;
    if output.clock_rate == 90_000 {
        Ok(())
    } else {
        Err(refused(
            "output.clock_rate",
            output.clock_rate,
            "90000 is the clock rate of every video codec here",
        ))
    }
}

//! Capture and coding on devices, against programs that do the same with them: in the VM of
//! `tests/vm`, whose kernel has them.

use anyhow::Result;

use crate::report::Report;
use crate::vm::{self, Figures, Medians};

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
    let Some(runs) = vm::scenario(report, "bench-devices")? else {
        return Ok(());
    };
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

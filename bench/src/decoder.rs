//! Decoding through the node of `daedalus_v4l2` by GStreamer, against ffmpeg on the same file: in the VM of
//! `tests/vm`.

use anyhow::Result;

use crate::report::{Bound, Report};
use crate::vm::{self, Figures, Medians};

/// Of what ffmpeg does in the same threads, where the module is to be worth its trouble.
const GOAL: f64 = 0.85;

const STREAMS: [(&str, &str); 4] = [
    ("vp9-720p", "VP9, 1280x720"),
    ("vp9-1080p", "VP9, 1920x1080"),
    ("h264-720p", "H.264, 1280x720"),
    ("h264-1080p", "H.264, 1920x1080"),
];

pub fn run(report: &mut Report) -> Result<()> {
    let Some(runs) = vm::scenario(report, "bench-decoder")? else {
        return Ok(());
    };
    for (name, what) in STREAMS {
        let of = |who: &str, pick: fn(&Figures) -> Option<f64>| {
            let runs = Medians::of(&runs, &format!("{name}-{who}"))?;
            anyhow::Ok(runs.of_each(pick).unwrap_or(0.0))
        };
        let fps = |f: &Figures| Some(f.fps);
        let (node, slices) = (of("node", fps)?, of("ffmpeg", fps)?);
        report
            .plain(&format!("{what}: frames a second"), node, "")
            .against("ffmpeg, the same threads", slices);
        report.figure(
            &format!("{what}: of ffmpeg in the same threads"),
            node / slices,
            "",
            Bound::AtLeast,
            GOAL,
        );
        report
            .plain(&format!("{what}: frames a second"), node, "")
            .against("ffmpeg, frame threads", of("ffmpeg-frames", fps)?);
        report
            .plain(
                &format!("{what}:   CPU a frame"),
                of("node", |f| Some(f.cost))?,
                "ms",
            )
            .against("ffmpeg, the same threads", of("ffmpeg", |f| Some(f.cost))?);
    }
    let job = Medians::of(&runs, "vp9-720p-jobs")?;
    if let Some(took) = job.of_each(|f| f.latency) {
        let alone = Medians::of(&runs, "vp9-720p-ffmpeg")?;
        let alone = alone.of_each(|f| Some(1000.0 / f.fps)).unwrap_or(0.0);
        report.plain("VP9, 1280x720: a job, from request to picture", took, "ms");
        report.against("ffmpeg, a frame", alone);
    }
    report.note(
        "decoder: a picture of VP9 has one thread, of H.264 one a slice, of which these have one; in an emulated machine of two processors, whose ratios of copying to decoding are not a \
         board's; CPU is the whole machine's; medians of three runs by turns",
    );
    Ok(())
}

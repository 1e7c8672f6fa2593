//! The encode path against OpenH264 called directly, on the same pictures with the same settings.
//!
//! Both run by turns in one process, so that a change of the machine's speed meets both. The
//! pictures are drawn beforehand; what is measured on our side is all from the capture backend's
//! hand-over to the packet in the owner's hands: two threads more, a slot, the encoder and a queue.
//!
//! Frames a second are the target; processor time is printed too, for it means something on a machine
//! that has other things to do. OpenH264's warning about bit rates comes from the bare side.
//!
//! ```text
//! cargo bench -p livehal --features bench --bench encode_ratio
//! ```

use std::time::Duration;

use livehal::bench::{Clip, Run, drawing_time};
use livehal::{CaptureParams, EncoderParams, Error, NativeSourceParams, OutputParams, VideoCodec};
use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, Complexity, Encoder, EncoderConfig, FrameRate, IntraFramePeriod, Level, Profile,
    QpRange, RateControlMode, UsageType, VuiConfig,
};
use openh264::formats::YUVSlices;

const FPS: u32 = 30;
const GOP: u32 = 60;
/// Pictures in a turn, and turns of each side.
const PICTURES: usize = 120;
const TURNS: usize = 12;
/// The least share of the bare encoder's frames a second.
const TARGET: f64 = 0.95;

fn main() -> Result<(), Error> {
    let mut worst = f64::INFINITY;
    for (width, height, bitrate, level, name) in [
        (1280, 720, 2_000_000, Level::Level_3_1, "3.1"),
        (1920, 1080, 4_000_000, Level::Level_4_0, "4"),
    ] {
        let clip = Clip::new(width, height, FPS, 60);
        let config = bare_config(bitrate, level);
        let params = params(width, height, bitrate, name);
        let (mut bare, mut ours) = (Vec::new(), Vec::new());
        for turn in 0..=TURNS {
            let size = (width as usize, height as usize);
            let direct = run_bare(&clip, config, size)?;
            let piped = clip.run_pipeline(params.clone(), PICTURES)?;
            if direct.bytes != piped.bytes {
                let why = format!(
                    "{} and {} bytes: not the same work",
                    piped.bytes, direct.bytes
                );
                return Err(Error::Backend(why));
            }
            // The first turn warms caches up.
            if turn > 0 {
                bare.push(direct);
                ours.push(piped);
            }
        }
        let speed = medians(&bare, &ours, |run| run.time);
        let cost = medians(&bare, &ours, |run| run.cpu);
        worst = worst.min(speed);
        println!(
            "encode path {width}x{height}: {:.0} fps of {:.0} fps bare OpenH264, ratio {speed:.3}; \
             by processor time {cost:.3} (medians of {TURNS})",
            fps(&ours),
            fps(&bare),
        );
        let drawing = drawing_time(width, height, FPS);
        println!(
            "drawing {width}x{height}: {:.3} ms, {:.1} % of encoding",
            drawing.as_secs_f64() * 1e3,
            drawing.as_secs_f64() * 100.0 * fps(&bare)
        );
    }
    println!("worst ratio {worst:.3}, target {TARGET}");
    Ok(())
}

/// The median, over the turns, of the bare encoder's time as a share of ours.
fn medians(bare: &[Run], ours: &[Run], time: impl Fn(&Run) -> Duration) -> f64 {
    let mut ratios: Vec<f64> = bare
        .iter()
        .zip(ours)
        .map(|(bare, ours)| time(bare).as_secs_f64() / time(ours).as_secs_f64())
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(0.0)
}

fn fps(runs: &[Run]) -> f64 {
    let time: Duration = runs.iter().map(|run| run.time).sum();
    ((PICTURES - 1) * runs.len()) as f64 / time.as_secs_f64()
}

/// The bare encoder in a loop: from the first access unit to the last.
fn run_bare(
    clip: &Clip,
    config: EncoderConfig,
    (width, height): (usize, usize),
) -> Result<Run, Error> {
    let failed = |e: openh264::Error| Error::Backend(e.to_string());
    let mut encoder =
        Encoder::with_api_config(OpenH264API::from_source(), config).map_err(failed)?;
    Run::measure(PICTURES, |n| {
        let [y, u, v] = clip.planes(n).ok_or(Error::NoFrame)?;
        let strides = (width, width / 2, width / 2);
        let picture = YUVSlices::new((y, u, v), (width, height), strides);
        Ok(encoder.encode(&picture).map_err(failed)?.to_vec().len())
    })
}

/// The settings of the software backend, in the words of the crate `openh264`.
fn bare_config(bitrate: u32, level: Level) -> EncoderConfig {
    EncoderConfig::new()
        .bitrate(BitRate::from_bps(bitrate))
        .max_frame_rate(FrameRate::from_hz(FPS as f32))
        .rate_control_mode(RateControlMode::Bitrate)
        .skip_frames(false)
        .usage_type(UsageType::CameraVideoRealTime)
        .complexity(Complexity::Low)
        .profile(Profile::Baseline)
        .level(level)
        .qp(QpRange::new(12, 51))
        .scene_change_detect(false)
        .intra_frame_period(IntraFramePeriod::from_num_frames(GOP))
        .num_threads(1)
        .vui(VuiConfig::bt709())
}

fn params(width: u32, height: u32, bitrate: u32, level: &str) -> NativeSourceParams {
    NativeSourceParams {
        capture: CaptureParams {
            backend: "testsrc".into(),
            device: None,
            path: None,
            width: Some(width),
            height: Some(height),
            fps: Some(FPS),
            pixel_format: None,
            prefer_dmabuf: false,
            controls: Default::default(),
        },
        encoder: EncoderParams {
            backend: "software".into(),
            device: None,
            codec: VideoCodec::H264,
            bitrate,
            min_bitrate: None,
            max_bitrate: None,
            profile: "constrained-baseline".into(),
            level: Some(level.into()),
            gop: GOP,
        },
        output: OutputParams::default(),
    }
}

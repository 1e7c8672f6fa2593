//! Prints how long pictures spend in each stage of a pipeline.
//!
//! ```text
//! cargo run --release -p livehal --example stages -- [WIDTHxHEIGHT [FPS [SECONDS]]]
//! ```

use std::error::Error;
use std::time::Duration;

use livehal::{
    CaptureParams, CaptureTime, EncodedPacket, EncoderParams, NativePipeline, NativeSourceParams,
    OutputParams, VideoCodec,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let size = arguments.next().unwrap_or("1280x720".into());
    let (width, height) = size.split_once('x').ok_or("the size is like 1280x720")?;
    let (width, height): (u32, u32) = (width.parse()?, height.parse()?);
    let fps: u32 = arguments.next().unwrap_or("30".into()).parse()?;
    let seconds: u32 = arguments.next().unwrap_or("10".into()).parse()?;

    let (pipeline, mut packets) = NativePipeline::start("stages", params(width, height, fps))?;
    let mut stages = Stages::default();
    for _ in 0..fps * seconds {
        let packet = packets.blocking_recv().ok_or("the pipeline ended")?;
        stages.add(&packet);
    }
    println!("{size} at {fps} fps, {seconds} s; milliseconds p50 / p95 / p99 / most");
    stages.print();
    println!("{:#?}", pipeline.stats());
    Ok(())
}

/// Times of every packet.
#[derive(Default)]
struct Stages {
    /// Captured (for the built-in source: drawing begins) to the encoder taking it.
    waiting: Vec<Duration>,
    coding: Vec<Duration>,
    /// The encoder giving it back to its owner having it.
    delivery: Vec<Duration>,
    all: Vec<Duration>,
}

impl Stages {
    fn add(&mut self, packet: &EncodedPacket) {
        let (now, timing) = (CaptureTime::now(), packet.timing);
        self.waiting
            .push(timing.encode_start.since(timing.captured));
        self.coding
            .push(timing.encode_end.since(timing.encode_start));
        self.delivery.push(now.since(timing.encode_end));
        self.all.push(now.since(timing.captured));
    }

    fn print(self) {
        for (name, mut times) in [
            ("draw and hand over", self.waiting),
            ("encode", self.coding),
            ("deliver", self.delivery),
            ("all", self.all),
        ] {
            times.sort();
            let at = |share: f64| {
                let index = (times.len() as f64 * share) as usize;
                times.get(index.min(times.len().saturating_sub(1)))
            };
            let ms = |share| at(share).map_or(0.0, |t: &Duration| t.as_secs_f64() * 1e3);
            println!(
                "{name:20} {:7.3} {:7.3} {:7.3} {:7.3}",
                ms(0.5),
                ms(0.95),
                ms(0.99),
                ms(1.0)
            );
        }
    }
}

fn params(width: u32, height: u32, fps: u32) -> NativeSourceParams {
    NativeSourceParams {
        capture: CaptureParams {
            backend: "testsrc".into(),
            device: None,
            path: None,
            width: Some(width),
            height: Some(height),
            fps: Some(fps),
            pixel_format: None,
            prefer_dmabuf: false,
            controls: Default::default(),
        },
        encoder: EncoderParams {
            backend: "auto".into(),
            device: None,
            codec: VideoCodec::H264,
            bitrate: 2_000_000,
            min_bitrate: None,
            max_bitrate: None,
            profile: "constrained-baseline".into(),
            level: Some("5.2".into()),
            gop: 60,
        },
        output: OutputParams::default(),
    }
}

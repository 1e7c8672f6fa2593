//! Whether a camera that shows eight 100 % colour bars is seen to do so, for the VM:
//! `camera_check DEVICE FORMAT WIDTHxHEIGHT FPS WITHIN` where FORMAT may be `any` and WITHIN is the
//! largest error of R, G or B.
//!
//! Prints `right …` or `WRONG …` and what was seen, or `refused: …`; the exit code is 0, 1 or 3.

use std::process::ExitCode;

use livehal::CaptureParams;
use livehal::probe::look;

/// White, yellow, cyan, green, magenta, red, blue, black.
const BARS: [[f64; 3]; 8] = [
    [255.0, 255.0, 255.0],
    [255.0, 255.0, 0.0],
    [0.0, 255.0, 255.0],
    [0.0, 255.0, 0.0],
    [255.0, 0.0, 255.0],
    [255.0, 0.0, 0.0],
    [0.0, 0.0, 255.0],
    [0.0, 0.0, 0.0],
];

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(e) => {
            eprintln!("camera_check DEVICE FORMAT WIDTHxHEIGHT FPS WITHIN: {e}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [device, format, size, fps, within] = &arguments[..] else {
        return Err("five arguments".into());
    };
    let (width, height) = size.split_once('x').ok_or("no size")?;
    let within: f64 = within.parse()?;
    let format = match format.as_str() {
        "any" => String::new(),
        named => format!("pixel_format = {named:?}"),
    };
    let params: CaptureParams = toml::from_str(&format!(
        "backend = \"v4l2\"\ndevice = {device:?}\nwidth = {width}\nheight = {height}\nfps = {fps}\n\
         {format}\n[controls]\ntest_pattern = \"100% Colorbar\"\nosd_text_mode = \"None\""
    ))?;
    let seen = match look(&params, 2) {
        Ok(seen) => seen,
        Err(e) => {
            println!("refused: {e}");
            return Ok(ExitCode::from(3));
        }
    };
    let errors = seen.bars.iter().flatten().zip(BARS.iter().flatten());
    let worst = errors
        .map(|(seen, bar)| (seen - bar).abs())
        .fold(0.0, f64::max);
    let right = worst <= within;
    println!(
        "{} {} {}x{} at {:.2} fps, off by {worst:.1}",
        if right { "right" } else { "WRONG" },
        seen.format,
        seen.geometry.width,
        seen.geometry.height,
        seen.geometry.fps,
    );
    if !right {
        println!("{:.0?}", seen.bars);
    }
    Ok(ExitCode::from(u8::from(!right)))
}

//! The V4L2 encoder on the kernel's virtual devices, for the VM: vivid's pictures coded by vicodec.
//!
//! `m2m CAMERA ENCODER MODE SIZE@FPS OUT`, such as
//! `m2m /dev/video0 /dev/video1 dmabuf 640x480@5 out`, writes the pictures to `out/raw`, the
//! packets to `out/coded`, and to `out/frames` a line for each: its number, the camera's number,
//! when it was captured and when its packet was there in nanoseconds, `key` or `-`, and bytes.
//! It prints how many times a whole picture was copied. MODE is `dmabuf` or `copy`, of nv12
//! pictures; `dmabuf+yuyv` and `copy+yuyv` of those.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use livehal::PixelFormat;
use livehal::bench::m2m::{Camera, Fwht, size_and_rate};

const FRAMES: u32 = 48;
/// Frames from one key frame to the next.
const GOP: u32 = 16;
/// A key frame is asked for here, where none is due.
const KEY_AT: u32 = 21;
/// From here on the quality is lower.
const RATE_AT: u32 = 32;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [camera, encoder, mode, size, out] = &arguments[..] else {
        eprintln!("m2m CAMERA ENCODER MODE WIDTHxHEIGHT@FPS OUT");
        return ExitCode::from(2);
    };
    match run(camera, encoder, mode, size, out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(
    camera: &str,
    encoder: &str,
    mode: &str,
    size: &str,
    out: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let (mode, pixel) = match mode.split_once('+') {
        None => (mode, PixelFormat::Nv12),
        Some((mode, "yuyv")) => (mode, PixelFormat::Yuyv422),
        Some((_, other)) => return Err(format!("{other}: yuyv only").into()),
    };
    let camera = Camera::open(
        Path::new(camera),
        pixel,
        size_and_rate(size)?,
        mode == "dmabuf",
    )?;
    let mut encoder = Fwht::open(encoder, GOP, &camera)?;
    let mut raw = File::create(Path::new(out).join("raw"))?;
    let mut coded = File::create(Path::new(out).join("coded"))?;
    let mut frames = File::create(Path::new(out).join("frames"))?;
    for n in 0..FRAMES {
        if n == RATE_AT {
            encoder.set_bitrate(2_000_000)?;
        }
        let shot = camera.shoot()?;
        raw.write_all(&shot.bytes())?;
        let (captured, sequence) = (shot.captured_ns, shot.sequence);
        let made = encoder.encode(shot, n == KEY_AT)?;
        coded.write_all(&made.data)?;
        let key = if made.key { "key" } else { "-" };
        let (done, bytes) = (made.done_ns, made.data.len());
        writeln!(frames, "{n} {sequence} {captured} {done} {key} {bytes}")?;
    }
    println!("{}", encoder.copies());
    Ok(())
}

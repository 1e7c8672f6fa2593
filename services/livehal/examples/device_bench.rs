//! What capture and coding cost on a device, and what other programs take for the same, for the VM.
//!
//! ```text
//! device_bench h264 CAMERA WIDTHxHEIGHT@FPS FRAMES
//! device_bench fwht CAMERA ENCODER WIDTHxHEIGHT@FPS FRAMES
//! device_bench framecrc FRAMES COMMAND...
//! device_bench frames FRAMES BYTES COMMAND...
//! ```
//!
//! `h264` is a pipeline of yuyv pictures with the software encoder, `fwht` nv12 pictures that the
//! encoder of the device reads where the camera put them. The others watch a program: one that writes a
//! line of ffmpeg's `framecrc` for each packet, its time stamps microseconds of `CLOCK_MONOTONIC`; or
//! one that writes coded frames which begin with these bytes (in hexadecimal).
//!
//! Prints frames a second, milliseconds of processor time a frame, and milliseconds from capture to
//! packet, median and 95th percentile, or `-`. All of it after the first packets.

use std::error::Error;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use livehal::bench::m2m::{Camera, Fwht, size_and_rate};
use livehal::{CaptureTime, NativePipeline, NativeSourceParams, PixelFormat};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Packets that are not counted: everything is translated, read and filled for the first time.
const FIRST: u32 = 20;
const BITRATE: u32 = 2_000_000;
const GOP: u32 = 60;
/// vicodec takes no more.
const GOP_OF_FWHT: u32 = 16;
/// Linux counts processor time for programs in these.
const TICKS_A_SECOND: f64 = 100.0;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match &arguments[..] {
        ["h264", camera, size, frames] => h264(camera, size, frames),
        ["fwht", camera, encoder, size, frames] => fwht(camera, encoder, size, frames),
        ["framecrc", frames, command @ ..] => framecrc(frames, command),
        ["frames", frames, start, command @ ..] => coded(frames, start, command),
        _ => Err("h264, fwht, framecrc or frames, and its arguments".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("device_bench: {e}");
            ExitCode::FAILURE
        }
    }
}

fn h264(camera: &str, size: &str, frames: &str) -> Result<()> {
    let (width, height, fps) = size_and_rate(size)?;
    let params: NativeSourceParams = toml::from_str(&format!(
        "[capture]\nbackend = \"v4l2\"\ndevice = {camera:?}\nwidth = {width}\nheight = {height}\n\
         fps = {fps}\npixel_format = \"yuyv\"\n\
         [encoder]\nbackend = \"software\"\ncodec = \"h264\"\nbitrate = {BITRATE}\n\
         profile = \"42e01f\"\ngop = {GOP}\n\
         [output]\npayload_type = 96\nclock_rate = 90000\n"
    ))?;
    let (_pipeline, mut packets) = NativePipeline::start("bench", params)?;
    let mut run = Run::new(frames, std::process::id())?;
    while run.wants_more() {
        let packet = packets.blocking_recv().ok_or("the pipeline ended")?;
        run.packet(Some(packet.timing.captured))?;
    }
    run.print()
}

fn fwht(camera: &str, encoder: &str, size: &str, frames: &str) -> Result<()> {
    let camera = Camera::open(
        Path::new(camera),
        PixelFormat::Nv12,
        size_and_rate(size)?,
        true,
    )?;
    let mut encoder = Fwht::open(encoder, GOP_OF_FWHT, &camera)?;
    let mut run = Run::new(frames, std::process::id())?;
    while run.wants_more() {
        let shot = camera.shoot()?;
        let captured = CaptureTime::from_nanos(shot.captured_ns);
        encoder.encode(shot, false)?;
        run.packet(Some(captured))?;
    }
    if encoder.copies() > 0 {
        return Err("pictures were copied".into());
    }
    run.print()
}

/// Watches a program that writes a line for each packet, the third field its time.
fn framecrc(frames: &str, command: &[&str]) -> Result<()> {
    let mut child = start(command)?;
    let mut run = Run::new(frames, child.id())?;
    let lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    for line in lines {
        let line = line?;
        if line.starts_with('#') {
            continue;
        }
        let field = line.split(',').nth(2).ok_or("no third field")?.trim();
        run.packet(Some(CaptureTime::from_nanos(field.parse::<u64>()? * 1000)))?;
        if !run.wants_more() {
            break;
        }
    }
    child.kill()?;
    child.wait()?;
    run.print()
}

/// Watches a program that writes frames, each of which begins with `start`.
fn coded(frames: &str, start_of_frame: &str, command: &[&str]) -> Result<()> {
    let digits = (0..start_of_frame.len()).step_by(2);
    let bytes =
        digits.map(|at| u8::from_str_radix(start_of_frame.get(at..at + 2).unwrap_or(""), 16));
    let wanted = bytes.collect::<std::result::Result<Vec<_>, _>>()?;
    let mut child = start(command)?;
    let mut run = Run::new(frames, child.id())?;
    let mut output = child.stdout.take().ok_or("no output")?;
    let (mut read, mut kept) = (vec![0; 1 << 20], Vec::new());
    while run.wants_more() {
        let count = output.read(&mut read)?;
        if count == 0 {
            return Err("the program ended".into());
        }
        kept.extend_from_slice(&read[..count]);
        while let Some(at) = kept.windows(wanted.len()).position(|w| w == wanted) {
            kept.drain(..at + wanted.len());
            run.packet(None)?;
        }
        kept.drain(..kept.len().saturating_sub(wanted.len() - 1));
    }
    child.kill()?;
    child.wait()?;
    run.print()
}

fn start(command: &[&str]) -> Result<Child> {
    let (program, arguments) = command.split_first().ok_or("no command")?;
    let mut command = Command::new(program);
    Ok(command.args(arguments).stdout(Stdio::piped()).spawn()?)
}

/// What is measured.
struct Run {
    process: u32,
    frames: u32,
    seen: u32,
    /// When the first packet that counts was there, and the processor time until then.
    begin: Option<(CaptureTime, f64)>,
    /// The same of the last.
    end: (CaptureTime, f64),
    latencies: Vec<Duration>,
}

impl Run {
    fn new(frames: &str, process: u32) -> Result<Self> {
        Ok(Self {
            process,
            frames: frames.parse()?,
            seen: 0,
            begin: None,
            end: (CaptureTime::default(), 0.0),
            latencies: Vec::new(),
        })
    }

    fn wants_more(&self) -> bool {
        self.seen < FIRST + self.frames
    }

    /// A packet is there now.
    fn packet(&mut self, captured: Option<CaptureTime>) -> Result<()> {
        let now = CaptureTime::now();
        self.seen += 1;
        if self.seen == FIRST {
            self.begin = Some((now, processor_time(self.process)?));
        }
        if self.seen > FIRST {
            self.latencies.extend(captured.map(|at| now.since(at)));
        }
        if !self.wants_more() {
            self.end = (now, processor_time(self.process)?);
        }
        Ok(())
    }

    fn print(mut self) -> Result<()> {
        let (begin, before) = self.begin.ok_or("too few packets")?;
        let (end, after) = self.end;
        if self.wants_more() {
            return Err("too few packets".into());
        }
        let frames = f64::from(self.frames);
        let fps = frames / end.since(begin).as_secs_f64();
        let cost = (after - before) / frames * 1e3;
        self.latencies.sort();
        let at = |share: f64| {
            let index = (self.latencies.len() as f64 * share) as usize;
            let found = self.latencies.get(index);
            found.map_or("-".to_owned(), |l| format!("{:.1}", l.as_secs_f64() * 1e3))
        };
        println!("{fps:.2} {cost:.2} {} {}", at(0.5), at(0.95));
        Ok(())
    }
}

/// Seconds of processor time that a process has had.
fn processor_time(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // After the name, which may hold anything: state is the first field, user time the twelfth.
    let fields = stat.rsplit_once(')').ok_or("no name")?.1;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<f64>);
    let mut next = || ticks.next().ok_or("too few fields");
    Ok((next()?? + next()??) / TICKS_A_SECOND)
}

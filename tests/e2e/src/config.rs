//! TOML of streams for a test's server.

use std::fmt::Write;
use std::path::PathBuf;

/// One stream with a built-in or file source and the software encoder.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Name.
    pub name: &'static str,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second.
    pub fps: u32,
    /// Frames from one key frame to the next.
    pub gop: u32,
    /// Target in bit/s.
    pub bitrate: u32,
    /// Congestion control's bounds in bit/s.
    pub bounds: Option<(u32, u32)>,
    /// Footage; the built-in source without.
    pub file: Option<PathBuf>,
    /// Grace period in seconds, for a stream that runs on demand.
    pub on_demand: Option<u32>,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            name: "cam",
            width: 640,
            height: 360,
            fps: 30,
            gop: 60,
            bitrate: 600_000,
            bounds: None,
            file: None,
            on_demand: None,
        }
    }
}

impl Stream {
    /// The tables of this stream.
    pub fn toml(&self) -> String {
        let name = self.name;
        let mut t = format!("[stream.{name}]\n");
        // Writing to a String cannot fail.
        let mut line = |text: std::fmt::Arguments<'_>| {
            let _ = t.write_fmt(text);
            t.push('\n');
        };
        if let Some(grace) = self.on_demand {
            line(format_args!("on_demand = true\ngrace_s = {grace}"));
        }
        line(format_args!(
            "[[stream.{name}.sources]]\n[stream.{name}.sources.capture]"
        ));
        match &self.file {
            None => line(format_args!(
                "backend = \"testsrc\"\nwidth = {}\nheight = {}\nfps = {}",
                self.width, self.height, self.fps
            )),
            Some(path) => line(format_args!("backend = \"file\"\npath = {path:?}")),
        }
        line(format_args!(
            "[stream.{name}.sources.encoder]\nbackend = \"software\"\ncodec = \"h264\""
        ));
        line(format_args!(
            "bitrate = {}\ngop = {}\nprofile = \"42e01f\"",
            self.bitrate, self.gop
        ));
        if let Some((min, max)) = self.bounds {
            line(format_args!("min_bitrate = {min}\nmax_bitrate = {max}"));
        }
        t
    }
}

/// A stream that waits for a WHIP publisher.
pub fn whip(name: &str) -> String {
    format!("[stream.{name}]\n")
}

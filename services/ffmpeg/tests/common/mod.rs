//! What the tests share: the library, footage, and FFmpeg's own program to compare with.

#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use livehal_ffmpeg::{
    Decoder, DecoderOptions, Demuxer, Error, Frame, Library, Received, VideoStream,
};

/// Prints why a test did not run.
pub fn skip(why: &str) {
    println!("SKIPPED: {why}");
}

/// The libraries of this machine; `None` if there are none. A directory that was named must do.
pub fn library() -> Option<Library> {
    match Library::load() {
        Ok(library) => {
            println!("with {}", library.versions());
            Some(library)
        }
        Err(e) if std::env::var_os("LIVEHAL_FFMPEG_DIR").is_some() => panic!("{e}"),
        Err(e) => {
            skip(&e.to_string());
            None
        }
    }
}

/// A piece of footage by its name; see tests/footage.
pub fn footage(name: &str) -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/footage");
    let out = Command::new(script)
        .arg(name)
        .output()
        .expect("tests/footage runs");
    match out.status.code() {
        Some(0) => Some(String::from_utf8(out.stdout).unwrap().trim_end().into()),
        Some(77) => {
            skip(String::from_utf8_lossy(&out.stderr).trim_end());
            None
        }
        other => panic!("tests/footage {name}: status {other:?}"),
    }
}

/// Runs FFmpeg's program `name`; `None` if it is not installed.
pub fn tool(name: &str, args: &[&str]) -> Option<Vec<u8>> {
    match Command::new(name).args(args).stdin(Stdio::null()).output() {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            skip(&format!("{name} is not installed"));
            None
        }
        Err(e) => panic!("{name}: {e}"),
        Ok(out) if out.status.success() => Some(out.stdout),
        Ok(out) => panic!("{name} {args:?}: {}", String::from_utf8_lossy(&out.stderr)),
    }
}

/// Makes a clip with FFmpeg's program from a moving test picture; `None` if it cannot.
pub fn clip(dir: &Path, name: &str, size: &str, frames: u32, args: &[&str]) -> Option<PathBuf> {
    let path = dir.join(name);
    let source = format!("testsrc2=size={size}:rate=30");
    let frames = frames.to_string();
    let mut all = vec![
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        &source,
        "-frames:v",
        &frames,
    ];
    all.extend_from_slice(args);
    all.push(path.to_str().unwrap());
    tool("ffmpeg", &all)?;
    Some(path)
}

/// Decodes a file from its start.
pub struct Player {
    pub file: Demuxer,
    pub video: VideoStream,
    pub decoder: Decoder,
}

impl Player {
    pub fn open(library: &Library, path: &Path, options: DecoderOptions) -> Self {
        let file = library.open(path).unwrap();
        let video = file.best_video().unwrap();
        let decoder = file.decoder(&video, options).unwrap();
        Self {
            file,
            video,
            decoder,
        }
    }

    /// The next frame; `None` at the end. Errors as they come.
    pub fn next(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            match self.decoder.receive()? {
                Received::Frame(frame) => return Ok(Some(frame)),
                Received::End => return Ok(None),
                Received::NeedsPacket => match self.file.read()? {
                    Some(packet) if packet.is_of(&self.video) => {
                        self.decoder.send(Some(&packet))?;
                    }
                    Some(_) => {}
                    None => self.decoder.send(None)?,
                },
            }
        }
    }

    pub fn rewind(&mut self) {
        self.file.rewind(&self.video).unwrap();
        self.decoder.flush();
    }
}

/// The samples of a frame without padding, plane by plane: what `-f rawvideo` writes.
pub fn samples(frame: &Frame) -> Vec<u8> {
    let mut all = Vec::new();
    for plane in frame.planes() {
        for row in plane.data.chunks(plane.stride) {
            all.extend_from_slice(&row[..plane.row_bytes]);
        }
    }
    all
}

/// The pictures of a file as FFmpeg's program decodes them.
pub struct Reference {
    child: std::process::Child,
}

impl Reference {
    pub fn decode(path: &Path) -> Option<Self> {
        let child = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(path)
            .args([
                "-map",
                "0:v:0",
                "-fps_mode",
                "passthrough",
                "-f",
                "rawvideo",
                "-",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        match child {
            Ok(child) => Some(Self { child }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                skip("ffmpeg is not installed");
                None
            }
            Err(e) => panic!("ffmpeg: {e}"),
        }
    }

    /// The next `size` bytes, or as many as are left.
    pub fn next(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let out = self.child.stdout.as_mut().unwrap();
        out.take(size as u64).read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Nothing is left.
    pub fn finish(mut self) {
        assert!(self.next(1).is_empty(), "ffmpeg decoded more");
        assert!(self.child.wait().unwrap().success());
    }
}

/// Asserts that both are the same, and says where they are not without printing them.
pub fn assert_same(frame: usize, got: &[u8], expected: &[u8]) {
    if got != expected {
        let at = got.iter().zip(expected).position(|(a, b)| a != b);
        panic!(
            "frame {frame}: {} bytes for {}, first difference at {at:?}",
            got.len(),
            expected.len()
        );
    }
}

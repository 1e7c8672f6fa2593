//! What the tests share: the library, streams, and FFmpeg's own program to compare with.

#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

pub mod controls;
pub mod kernel;

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use daedalus::digest;
use daedalus::stream::Stream;
use livehal_ffmpeg::{Frame, Library, UnitCodec};

pub const DAEMON: &str = env!("CARGO_BIN_EXE_daedalus_v4l2_daemon");
pub const ONE: NonZeroU16 = NonZeroU16::MIN;

/// Prints why a test did not run.
pub fn skip(why: &str) {
    println!("SKIPPED: {why}");
}

/// The libraries of this machine; none if there are none.
pub fn library() -> Option<Library> {
    Library::load().map_err(|e| skip(&e.to_string())).ok()
}

/// Runs FFmpeg's program; none if it is not installed.
pub fn ffmpeg(args: &[&str]) -> Option<Vec<u8>> {
    match Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(args)
        .stdin(Stdio::null())
        .output()
    {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            skip("ffmpeg is not installed");
            None
        }
        Err(e) => panic!("ffmpeg: {e}"),
        Ok(out) if out.status.success() => Some(out.stdout),
        Ok(out) => panic!("ffmpeg {args:?}: {}", String::from_utf8_lossy(&out.stderr)),
    }
}

/// A stream of a moving test picture with noise.
pub struct Clip {
    pub name: &'static str,
    pub size: &'static str,
    pub frames: u32,
    pub args: &'static [&'static str],
}

impl Clip {
    pub fn make(&self, dir: &Path) -> Option<PathBuf> {
        let path = dir.join(self.name);
        let source = format!(
            "testsrc2=size={}:rate=30,format=rgb24,noise=alls=8:all_seed=5",
            self.size
        );
        let frames = self.frames.to_string();
        let mut args = vec!["-f", "lavfi", "-i", &source, "-frames:v", &frames];
        args.extend_from_slice(self.args);
        args.push(path.to_str().unwrap());
        ffmpeg(&args)?;
        Some(path)
    }
}

/// Alternative reference frames: many that are never shown.
pub const VP9: Clip = Clip {
    name: "vp9.ivf",
    size: "323x179",
    frames: 40,
    args: &[
        "-c:v",
        "libvpx-vp9",
        "-pix_fmt",
        "yuv420p",
        "-b:v",
        "300k",
        "-cpu-used",
        "5",
        "-auto-alt-ref",
        "1",
        "-lag-in-frames",
        "16",
        "-g",
        "20",
    ],
};

pub const VP9_DEEP: Clip = Clip {
    name: "vp9-10.ivf",
    size: "256x144",
    frames: 8,
    args: &[
        "-c:v",
        "libvpx-vp9",
        "-pix_fmt",
        "yuv420p10le",
        "-profile:v",
        "2",
        "-b:v",
        "300k",
        "-cpu-used",
        "8",
    ],
};

pub const VP8: Clip = Clip {
    name: "vp8.ivf",
    size: "176x144",
    frames: 30,
    args: &[
        "-c:v",
        "libvpx",
        "-pix_fmt",
        "yuv420p",
        "-b:v",
        "200k",
        "-auto-alt-ref",
        "1",
        "-lag-in-frames",
        "10",
        "-g",
        "15",
    ],
};

macro_rules! h264 {
    ($($name:ident, $size:literal, $frames:literal, $format:literal, $params:literal $(, $more:literal)*;)*) => {
        /// Sizes of whole macroblocks, so that nothing is cropped.
        pub const H264: &[Clip] = &[$(Clip {
            name: concat!(stringify!($name), ".h264"),
            size: $size,
            frames: $frames,
            args: &[
                "-c:v", "libx264", "-pix_fmt", $format, "-x264-params", $params, $($more,)*
                "-f", "h264",
            ],
        },)*];
    };
}

h264! {
    baseline, "160x96", 20, "yuv420p", "keyint=10:bframes=0:cabac=0:8x8dct=0:weightp=0", "-profile:v", "baseline";
    main_b, "160x96", 24, "yuv420p", "keyint=12:bframes=3:b-pyramid=normal:ref=4:8x8dct=0", "-profile:v", "main";
    high, "320x192", 24, "yuv420p", "keyint=24:bframes=3:ref=5:8x8dct=1:weightp=2:weightb=1";
    slices, "320x192", 12, "yuv420p", "keyint=12:slices=4:bframes=2";
    interlaced, "160x96", 20, "yuv420p", "keyint=10:interlaced=1:tff=1:bframes=2";
    jvt, "160x96", 12, "yuv420p", "keyint=12:cqm=jvt:8x8dct=1:bframes=2";
    lists, "160x96", 12, "yuv420p", "keyint=12:8x8dct=0:cqm4=6,13,20,28,13,20,28,32,20,28,32,37,28,32,37,42:bframes=1";
    high10, "160x96", 12, "yuv420p10le", "keyint=12:bframes=2:8x8dct=1";
    open_gop, "160x96", 30, "yuv420p", "keyint=10:open-gop=1:bframes=3";
    intra_refresh, "160x96", 20, "yuv420p", "keyint=10:intra-refresh=1:bframes=0";
    chroma_offset, "160x96", 10, "yuv420p", "keyint=10:chroma-qp-offset=5:bframes=1";
}

/// A frame's bytes without padding.
pub fn samples(frame: &Frame) -> Vec<u8> {
    let mut all = Vec::new();
    for plane in frame.planes() {
        for row in plane.data.chunks(plane.stride).take(plane.rows) {
            all.extend_from_slice(&row[..plane.row_bytes]);
        }
    }
    all
}

/// MD5 of each frame as FFmpeg's program decodes it, in order of presentation.
pub fn reference(path: &Path) -> Option<Vec<String>> {
    let out = ffmpeg(&[
        "-i",
        path.to_str().unwrap(),
        "-fps_mode",
        "passthrough",
        "-f",
        "framemd5",
        "-",
    ])?;
    let text = String::from_utf8(out).unwrap();
    let lines = text.lines().filter(|l| !l.starts_with('#'));
    Some(
        lines
            .map(|l| l.rsplit(' ').next().unwrap().into())
            .collect(),
    )
}

/// MD5 of what each unit is decoded into, in the order of the stream; none for a unit without.
pub fn pictures(library: &Library, codec: UnitCodec, units: &[&[u8]]) -> Vec<Option<String>> {
    let mut decoder = library.unit_decoder(codec, ONE).unwrap();
    let decode = |unit: &&[u8]| {
        let unit = decoder.decode(unit).unwrap();
        unit.picture.map(|p| digest::md5(&p))
    };
    units.iter().map(decode).collect()
}

/// A whole file's bytes, and what it is cut into.
pub fn read(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    Stream::read(&bytes).unwrap();
    bytes
}

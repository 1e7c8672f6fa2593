//! Who decodes. Alone in its program: it counts threads.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::num::NonZeroU16;

use common::{Player, clip, library};
use livehal_ffmpeg::{DecoderOptions, UnitCodec};

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
fn slices_are_shared_and_tiles_are_not() {
    let Some(library) = library() else { return };
    let dir = tempfile::tempdir().unwrap();
    let options = DecoderOptions {
        slice_threads: NonZeroU16::new(4).unwrap(),
        ..Default::default()
    };
    for (codec, name, shared) in [
        ("libx264", "h264.mkv", true),
        ("libvpx", "vp8.webm", true),
        ("libvpx-vp9", "vp9.webm", false),
    ] {
        let args = ["-c:v", codec, "-pix_fmt", "yuv420p"];
        let Some(path) = clip(dir.path(), name, "64x64", 2, &args) else {
            return;
        };
        let before = threads();
        let player = Player::open(&library, &path, options);
        assert_eq!(threads() > before, shared, "{name}");
        drop(player);
    }
    for (codec, shared) in [
        (UnitCodec::H264, true),
        (UnitCodec::Vp8, true),
        (UnitCodec::Vp9, false),
    ] {
        let before = threads();
        let decoder = library.unit_decoder(codec, options.slice_threads).unwrap();
        assert_eq!(threads() > before, shared, "{}", codec.name());
        drop(decoder);
    }
}

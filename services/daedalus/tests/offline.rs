//! `decode FILE` and `probe`, as a user runs them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::path::Path;
use std::process::{Command, Output};

use common::{Clip, DAEMON, H264, VP8, VP9, VP9_DEEP, library, reference};

fn daemon(args: &[&str], file: Option<&Path>) -> Output {
    Command::new(DAEMON).args(args).args(file).output().unwrap()
}

/// The last word of every line: MD5s.
fn md5s(output: &Output) -> Vec<String> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    let md5 = |line: &str| line.rsplit_once("md5=").unwrap().1.to_owned();
    text.lines().map(md5).collect()
}

/// Every picture as FFmpeg's program decodes it.
fn compare(clip: &Clip, dir: &Path) -> Option<()> {
    let path = clip.make(dir)?;
    let expected = reference(&path)?;
    let output = daemon(&["decode"], Some(&path));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", clip.name);
    assert_eq!(md5s(&output), expected, "{}", clip.name);
    assert_eq!(expected.len(), clip.frames as usize, "{}", clip.name);
    Some(())
}

#[test]
fn files_decode_as_ffmpeg_decodes_them() {
    if library().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for clip in [&VP9, &VP9_DEEP, &VP8].into_iter().chain(H264) {
        if compare(clip, dir.path()).is_none() {
            return;
        }
    }
}

#[test]
fn what_cannot_be_decoded_is_refused_with_its_name() {
    if library().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.bin");
    for (bytes, wanted) in [
        (&b"no stream"[..], "neither IVF nor H.264"),
        (b"DKIF\0\0\x20\0AV01", "AV01"),
        (b"DKIF\0\0\x20\0VP90", "frame 0 is cut off"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let output = daemon(&["decode"], Some(&file));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("x.bin: ") && said.contains(wanted), "{said}");
    }
    let output = daemon(&["decode"], Some(&dir.path().join("none")));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_damaged_unit_is_named() {
    if library().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let Some(path) = VP8.make(dir.path()) else {
        return;
    };
    let mut bytes = std::fs::read(&path).unwrap();
    // The first bytes of the first frame.
    bytes[32 + 12..][..8].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let output = daemon(&["decode"], Some(&path));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("vp8.ivf: unit 0 of 3"), "{said}");
}

#[test]
fn probe_tells_the_release_and_every_codec() {
    let Some(library) = library() else { return };
    let output = daemon(&["probe"], None);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&library.versions().to_string()), "{text}");
    for codec in ["h264", "vp8", "vp9"] {
        assert!(text.contains(&format!("\n{codec}: ")), "{text}");
    }
}

#[test]
fn a_directory_without_a_supported_release_is_refused_with_what_is_supported() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("d.toml");
    let text = format!("[decoder]\nffmpeg_dir = {:?}\n", dir.path());
    std::fs::write(&config, text).unwrap();
    let output = daemon(&["probe", "--config"], Some(&config));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for wanted in [
        "libavcodec 59",
        "61",
        "62",
        "63",
        dir.path().to_str().unwrap(),
    ] {
        assert!(said.contains(wanted), "{said}");
    }
}

#[test]
fn a_wrong_configuration_starts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("d.toml");
    std::fs::write(&config, "[bridge]\ndevise = \"/dev/x\"\n").unwrap();
    let output = daemon(&["daemon", "--config"], Some(&config));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("d.toml: bridge.devise"), "{said}");
}

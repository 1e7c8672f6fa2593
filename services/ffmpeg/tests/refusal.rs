//! Libraries of a release that is not supported are refused by name. They are faked: small
//! libraries with nothing but FFmpeg's names and version functions.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::path::Path;
use std::process::Command;

use livehal_ffmpeg::{Error, Library, LoadError, Problem};

/// Builds `lib<library>.so.<name>` in `dir`, which says it is of major version `says`.
fn fake(dir: &Path, library: &str, name: u32, says: u32) {
    let source = dir.join("fake.c");
    let version = says << 16 | 1 << 8 | 100;
    std::fs::write(
        &source,
        format!("unsigned {library}_version(void) {{ return {version}u; }}\n"),
    )
    .unwrap();
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(dir.join(format!("lib{library}.so.{name}")))
        .arg(&source)
        .status()
        .expect("cc runs");
    assert!(status.success());
}

/// Why nothing in `dir` can be loaded.
fn refusal(dir: &Path) -> LoadError {
    match Library::load_from(dir) {
        Err(Error::Load(e)) => {
            println!("{e}");
            e
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unknown_release_is_named_with_those_supported() {
    for major in [60, 64] {
        let dir = tempfile::tempdir().unwrap();
        fake(dir.path(), "avutil", major - 2, major - 2);
        fake(dir.path(), "avcodec", major, major);
        fake(dir.path(), "avformat", major, major);
        let text = refusal(dir.path()).to_string();
        let expected = format!("libavcodec.so.{major} is version {major}.1.100");
        assert!(text.contains(&expected), "{text}");
        for supported in [59, 61, 62, 63] {
            assert!(text.contains(&format!("libavcodec {supported}")), "{text}");
        }
    }
}

#[test]
fn a_library_that_is_not_what_its_name_says_is_refused() {
    for says in [60, 64] {
        let dir = tempfile::tempdir().unwrap();
        fake(dir.path(), "avutil", 59, 59);
        fake(dir.path(), "avcodec", 61, says);
        fake(dir.path(), "avformat", 61, 61);
        let problems = refusal(dir.path()).problems;
        assert!(
            matches!(
                &problems[..],
                [Problem::Version { library, found, expected: 61 }]
                    if library == "libavcodec.so.61" && found.major == says
            ),
            "{problems:?}"
        );
    }
}

#[test]
fn libraries_of_different_releases_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    // libavcodec and libavformat of FFmpeg 7 with FFmpeg 8's libavutil beside them.
    fake(dir.path(), "avutil", 60, 60);
    fake(dir.path(), "avcodec", 61, 61);
    fake(dir.path(), "avformat", 61, 61);
    let text = refusal(dir.path()).to_string();
    assert!(text.contains("libavutil.so.59"), "{text}");
    assert!(text.contains("libavcodec.so.62"), "{text}");
}

#[test]
fn a_library_without_a_function_is_refused_by_that_name() {
    let dir = tempfile::tempdir().unwrap();
    fake(dir.path(), "avutil", 61, 61);
    fake(dir.path(), "avcodec", 63, 63);
    fake(dir.path(), "avformat", 63, 63);
    let problems = refusal(dir.path()).problems;
    assert!(
        matches!(
            &problems[..],
            [Problem::Incomplete { library, reason }]
                if library == "libavutil.so.61" && reason.contains("undefined symbol: av_")
        ),
        "{problems:?}"
    );
}

#[test]
fn an_empty_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = refusal(dir.path());
    assert_eq!(error.problems, []);
    let text = error.to_string();
    assert!(text.contains(dir.path().to_str().unwrap()), "{text}");
    assert!(text.contains("libavformat61"), "{text}");
}

#[test]
fn a_file_that_is_no_library_is_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("libavcodec.so.59"), "no library").unwrap();
    let text = refusal(dir.path()).to_string();
    assert!(text.contains("libavutil.so.57"), "{text}");
}

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::capture::Picture;

fn skip(why: &str) {
    println!("SKIPPED: {why}");
}

/// Whether FFmpeg's libraries are here.
fn ready() -> bool {
    match livehal_ffmpeg::Library::load() {
        Ok(_) => true,
        Err(e) => {
            skip(&e.to_string());
            false
        }
    }
}

/// A piece of footage by its name; see tests/footage.
fn footage(name: &str) -> Option<PathBuf> {
    if !ready() {
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/footage");
    let out = Command::new(script).arg(name).output().unwrap();
    match out.status.code() {
        Some(0) => Some(String::from_utf8(out.stdout).unwrap().trim_end().into()),
        Some(77) => {
            skip(String::from_utf8_lossy(&out.stderr).trim_end());
            None
        }
        other => panic!("tests/footage {name}: {other:?}"),
    }
}

/// Runs FFmpeg's program in `dir`; `None` if it is not here.
fn ffmpeg(dir: &Path, args: &[&str]) -> Option<Vec<u8>> {
    if !ready() {
        return None;
    }
    let out = Command::new("ffmpeg")
        .args(["-v", "error"])
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .output();
    match out {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            skip("ffmpeg is not installed");
            None
        }
        out => {
            let out = out.unwrap();
            let said = String::from_utf8_lossy(&out.stderr);
            assert!(out.status.success(), "ffmpeg {args:?}: {said}");
            Some(out.stdout)
        }
    }
}

/// A moving test picture as a file.
fn clip(dir: &Path, name: &str, size: &str, frames: &str, args: &[&str]) -> Option<PathBuf> {
    let source = format!("testsrc2=size={size}:rate=30");
    let head = ["-f", "lavfi", "-i", &source, "-frames:v", frames];
    ffmpeg(dir, &[&head[..], args, &[name]].concat())?;
    Some(dir.join(name))
}

/// All samples of a picture without padding.
fn samples(picture: &Arc<dyn Picture>, format: &RawFormat) -> Vec<u8> {
    let (width, height) = (format.width as usize, format.height as usize);
    let mut all = Vec::new();
    for (i, (width, height)) in [
        (width, height),
        (width / 2, height / 2),
        (width / 2, height / 2),
    ]
    .into_iter()
    .enumerate()
    {
        let plane = picture.plane(i).unwrap();
        for row in plane.data.chunks(plane.stride).take(height) {
            all.extend_from_slice(&row[..width]);
        }
    }
    assert!(picture.plane(3).is_none());
    all
}

/// The samples of one pass over a file, picture after picture.
fn all_samples(media: &mut Media) -> Vec<u8> {
    let format = media.format();
    let mut all = Vec::new();
    while let Some(shot) = media.next().unwrap() {
        all.extend(samples(shot.picture.as_ref().unwrap(), &format));
    }
    all
}

/// One pass over a file whose pictures are not converted: only so many of those can be kept.
fn pass(media: &mut Media) -> Vec<Shot> {
    std::iter::from_fn(|| media.next().unwrap()).collect()
}

fn refusal(path: &Path) -> BackendError {
    Media::open(path).err().expect("a refusal")
}

#[test]
fn footage_is_given_at_its_times_again_and_again() {
    let Some(path) = footage("bigbuckbunny.mp4") else {
        return;
    };
    let mut media = Media::open(&path).unwrap();
    let format = media.format();
    assert_eq!((format.width, format.height, format.fps), (1280, 720, 25.0));
    let mut first = None;
    for _ in 0..3 {
        let (mut count, mut digest) = (0, 0u64);
        while let Some(shot) = media.next().unwrap() {
            let frame = Duration::from_millis(40);
            assert_eq!((shot.at, shot.until), (frame * count, frame * (count + 1)));
            let luma = shot.picture.as_ref().unwrap().plane(0).unwrap();
            digest = luma.data.iter().fold(digest, |d, s| {
                d.wrapping_mul(31).wrapping_add(u64::from(*s))
            });
            count += 1;
        }
        assert_eq!(count, 132);
        assert_eq!(*first.get_or_insert(digest), digest);
    }
}

#[test]
fn every_layout_becomes_what_ffmpeg_makes_of_it() {
    let dir = tempfile::tempdir().unwrap();
    for (codec, container, layout) in [
        ("libx264", "mp4", "yuv420p"),
        ("libx264", "mp4", "yuv422p"),
        ("libx264", "mp4", "yuv444p"),
        ("libx264", "mp4", "yuv420p10le"),
        ("libx264", "mp4", "yuv444p10le"),
        ("ffv1", "mkv", "yuv422p16le"),
        ("ffv1", "mkv", "yuv440p"),
        ("ffv1", "mkv", "gray"),
        ("rawvideo", "mkv", "nv12"),
        ("libvpx", "webm", "yuv420p"),
    ] {
        let name = format!("{codec}-{layout}.{container}");
        let args = ["-c:v", codec, "-pix_fmt", layout];
        let Some(path) = clip(dir.path(), &name, "322x178", "3", &args) else {
            return;
        };
        let mut media = Media::open(&path).unwrap();
        // FFmpeg takes gray for full range.
        let full = media.format().color.full_range;
        assert_eq!(full, layout == "gray", "{name}");
        let got = all_samples(&mut media);
        let format = if full { "yuvj420p" } else { "yuv420p" };
        // The mean of the samples, as here; rounded in steps that may add up to two.
        let scale = format!("scale=flags=area+accurate_rnd:sws_dither=none,format={format}");
        let args = ["-i", &name, "-vf", &scale, "-f", "rawvideo", "-"];
        let Some(expected) = ffmpeg(dir.path(), &args) else {
            return;
        };
        assert_eq!(got.len(), expected.len(), "{name}");
        let worst = got.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(2), "{name}: a sample is off by {worst:?}");
    }
}

#[test]
fn telephone_footage_is_turned_upright() {
    let Some(path) = footage("carphone_pristine.mp4") else {
        return;
    };
    let bytes = std::fs::read(path).unwrap();
    let header = bytes.windows(4).position(|w| w == b"tkhd").unwrap();
    let dir = tempfile::tempdir().unwrap();
    for (name, [a, b, c, d]) in [
        ("90.mp4", [0, 1, -1, 0]),
        ("180.mp4", [-1, 0, 0, -1]),
        ("270.mp4", [0, -1, 1, 0]),
    ] {
        let mut turned = bytes.clone();
        for (i, value) in [a, b, 0, c, d, 0, 0, 0, 0x4000].into_iter().enumerate() {
            let at = header + 44 + 4 * i;
            turned[at..at + 4].copy_from_slice(&(value * 0x10000_i32).to_be_bytes());
        }
        std::fs::write(dir.path().join(name), turned).unwrap();
        let mut media = Media::open(&dir.path().join(name)).unwrap();
        let got = all_samples(&mut media);
        let args = [
            "-i",
            name,
            "-fps_mode",
            "passthrough",
            "-f",
            "rawvideo",
            "-",
        ];
        let Some(expected) = ffmpeg(dir.path(), &args) else {
            return;
        };
        assert!(got == expected, "{name} differs from what ffmpeg shows");
    }
}

#[test]
fn an_odd_edge_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["-c:v", "libvpx-vp9", "-pix_fmt", "yuv420p"];
    let Some(path) = clip(dir.path(), "odd.webm", "323x179", "2", &args) else {
        return;
    };
    let mut media = Media::open(&path).unwrap();
    let format = media.format();
    assert_eq!((format.width, format.height), (322, 178));
    for shot in pass(&mut media) {
        assert_eq!(
            samples(&shot.picture.unwrap(), &format).len(),
            322 * 178 * 3 / 2
        );
    }
}

/// Screen recordings have a frame where something happened, and none for seconds otherwise.
#[test]
fn a_variable_frame_rate_is_kept_and_still_scenes_are_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let gap = "setpts='(N/30+if(gt(N,4),2,0))/TB'";
    let args = [
        "-vf",
        gap,
        "-fps_mode",
        "vfr",
        "-enc_time_base",
        "1:15360",
        "-c:v",
        "libx264",
        "-x264-params",
        "bframes=0",
        "-pix_fmt",
        "yuv420p",
    ];
    let Some(path) = clip(dir.path(), "vfr.mp4", "320x240", "10", &args) else {
        return;
    };
    let mut media = Media::open(&path).unwrap();
    for _ in 0..2 {
        let shots = pass(&mut media);
        let times: Vec<_> = shots.iter().map(|s| s.at.as_millis()).collect();
        let expected = [
            0, 33, 66, 100, 133, // then still
            633, 1133, 1633, 2133, // and moving again
            2166, 2200, 2233, 2266, 2300,
        ];
        assert_eq!(times, expected);
        let same = |a: usize, b: usize| match (&shots[a].picture, &shots[b].picture) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        assert!(same(4, 5) && same(5, 8) && !same(8, 9));
        assert!(shots.is_sorted_by(|a, b| a.until <= b.until));
    }
}

#[test]
fn damage_is_told_and_played_past() {
    let Some(path) = footage("bikes.mp4") else {
        return;
    };
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    for byte in bytes.iter_mut().skip(middle).take(20_000).step_by(97) {
        *byte ^= 0x55;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let mut media = Media::open(file.path()).unwrap();
    for _ in 0..2 {
        let shots = pass(&mut media);
        let damaged = shots.iter().filter(|s| s.picture.is_none()).count();
        assert!(damaged > 0 && damaged < 50, "{damaged} of {}", shots.len());
        assert!(
            shots.is_sorted_by(|a, b| a.at < b.at),
            "times that do not rise"
        );
        assert!(shots.last().unwrap().until >= Duration::from_secs(10));
    }
}

#[test]
fn what_cannot_be_played_is_refused_by_file_and_reason() {
    let dir = tempfile::tempdir().unwrap();
    let x264 = [
        "-c:v",
        "libx264",
        "-x264-params",
        "tff=1",
        "-pix_fmt",
        "yuv420p",
    ];
    for (name, args, reason) in [
        ("fields.mp4", &x264[..], "interlaced"),
        (
            "rgb.mkv",
            &["-c:v", "libx264rgb"],
            "pixel format gbrp is not supported",
        ),
    ] {
        let Some(path) = clip(dir.path(), name, "320x240", "3", args) else {
            return;
        };
        let error = refusal(&path);
        assert!(error.permanent);
        let start = format!("capture.path = {}: {reason}", path.display());
        assert!(error.text.starts_with(&start), "{}", error.text);
    }
    let args = ["-f", "lavfi", "-i", "sine=duration=0.1", "sound.mp4"];
    if ffmpeg(dir.path(), &args).is_some() {
        let text = refusal(&dir.path().join("sound.mp4")).text;
        assert!(text.ends_with("sound.mp4: no video stream"), "{text}");
    }
    let text = dir.path().join("text.mp4");
    std::fs::write(&text, b"\0\0\0\x20ftypisom and nothing more").unwrap();
    let error = refusal(&text).text;
    assert!(error.contains("text.mp4: Invalid data"), "{error}");
}

#[test]
fn a_size_that_changes_within_a_file_ends_it_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["-c:v", "libvpx", "-pix_fmt", "yuv420p"];
    for (name, size) in [("a.webm", "320x240"), ("b.webm", "160x120")] {
        if clip(dir.path(), name, size, "3", &args).is_none() {
            return;
        }
    }
    std::fs::write(dir.path().join("list"), "file a.webm\nfile b.webm\n").unwrap();
    let args = ["-f", "concat", "-i", "list", "-c", "copy", "both.webm"];
    if ffmpeg(dir.path(), &args).is_none() {
        return;
    }
    let mut media = Media::open(&dir.path().join("both.webm")).unwrap();
    let error = (0..4).find_map(|_| media.next().err()).expect("an error");
    assert!(error.permanent);
    let expected = "changes from 320x240 yuv420p to 160x120 yuv420p on the way";
    assert!(error.text.contains(expected), "{}", error.text);
    assert!(media.next().is_err(), "the thread goes on after an error");
}

#[test]
fn dropping_ends_the_thread_that_decodes_ahead() {
    let Some(path) = footage("bikes.mp4") else {
        return;
    };
    let mut media = Media::open(&path).unwrap();
    let shot = media.next().unwrap().unwrap();
    drop(media);
    // What is in use stays.
    assert_eq!(shot.picture.unwrap().plane(0).unwrap().data[..4].len(), 4);
}

#[test]
fn without_the_libraries_the_file_and_what_to_install_are_named() {
    const EMPTY: &str = "LIVEHAL_TEST_EMPTY_DIR";
    if std::env::var_os(EMPTY).is_some() {
        let error = refusal(Path::new("/footage/clip.mp4"));
        assert!(!error.permanent, "installing them must help");
        for part in [
            "capture.path = /footage/clip.mp4",
            "FFmpeg",
            "libavformat61",
        ] {
            assert!(error.text.contains(part), "{}", error.text);
        }
        return;
    }
    // In a process of its own: the variable is the whole process's.
    let dir = tempfile::tempdir().unwrap();
    let name = std::thread::current().name().unwrap().to_owned();
    let status = this_program()
        .args(["--exact", &name])
        .env("LIVEHAL_FFMPEG_DIR", dir.path())
        .env(EMPTY, "1")
        .status()
        .unwrap();
    assert!(status.success());
}

/// This program once more; under emulation by the emulator that cargo was told of.
fn this_program() -> Command {
    let program = std::env::args_os().next().unwrap();
    let arch = std::env::consts::ARCH.to_uppercase();
    let runner = format!("CARGO_TARGET_{arch}_UNKNOWN_LINUX_GNU_RUNNER");
    let runner = std::env::var(runner).unwrap_or_default();
    let mut words = runner.split_whitespace();
    let Some(emulator) = words.next() else {
        return Command::new(program);
    };
    let mut command = Command::new(emulator);
    command.args(words).arg(program);
    command
}

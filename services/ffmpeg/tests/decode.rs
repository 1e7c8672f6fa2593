//! What this crate decodes is what FFmpeg's own program decodes, bit by bit.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::num::NonZeroU16;
use std::path::Path;

use common::{Player, Reference, assert_same, clip, footage, library, samples, skip, tool};
use livehal_ffmpeg::{Crop, DecoderOptions, Error, Library};

/// Compares every frame of `path`; gives the number of frames and the pixel format.
fn compare(library: &Library, path: &Path, options: DecoderOptions) -> Option<(usize, String)> {
    let mut reference = Reference::decode(path)?;
    let mut player = Player::open(library, path, options);
    let mut frames = 0;
    let mut format = String::new();
    while let Some(frame) = player.next().unwrap() {
        let got = samples(&frame);
        assert_same(frames, &got, &reference.next(got.len()));
        format = frame.pixel_format().into();
        frames += 1;
    }
    reference.finish();
    Some((frames, format))
}

#[test]
fn footage_decodes_as_ffmpeg_decodes_it() {
    let Some(library) = library() else { return };
    for (name, frames) in [
        ("bigbuckbunny.mp4", 132),
        ("bikes.mp4", 250),
        ("carphone_pristine.mp4", 120),
    ] {
        let Some(path) = footage(name) else { return };
        let Some(got) = compare(&library, &path, DecoderOptions::default()) else {
            return;
        };
        assert_eq!(got, (frames, "yuv420p".into()), "{name}");
    }
}

#[test]
fn slice_threads_change_nothing() {
    let Some(library) = library() else { return };
    let dir = tempfile::tempdir().unwrap();
    let args = [
        "-c:v",
        "libx264",
        "-x264-params",
        "slices=4",
        "-pix_fmt",
        "yuv420p",
    ];
    let Some(path) = clip(dir.path(), "slices.mp4", "640x360", 60, &args) else {
        return;
    };
    let options = DecoderOptions {
        slice_threads: NonZeroU16::new(4).unwrap(),
        ..Default::default()
    };
    assert_eq!(
        compare(&library, &path, options),
        Some((60, "yuv420p".into()))
    );
}

#[test]
fn every_layout_of_planes_decodes_as_ffmpeg_decodes_it() {
    let Some(library) = library() else { return };
    let dir = tempfile::tempdir().unwrap();
    for (codec, container, asked, format) in [
        ("libx264", "mp4", "yuvj420p", "yuvj420p"),
        ("libx264", "mkv", "yuv422p", "yuv422p"),
        ("libx264", "mkv", "yuv444p", "yuv444p"),
        ("libx264", "mp4", "yuv420p10le", "yuv420p10le"),
        ("libx264rgb", "mkv", "bgr24", "gbrp"),
        ("rawvideo", "nut", "nv12", "nv12"),
        ("ffv1", "mkv", "gray", "gray"),
        ("libvpx-vp9", "webm", "yuv420p", "yuv420p"),
        ("libvpx", "webm", "yuv420p", "yuv420p"),
    ] {
        // Sizes that divide by nothing, so that a wrongly rounded plane shows.
        let size = if codec.starts_with("libx264") {
            "322x178"
        } else {
            "323x179"
        };
        let name = format!("{codec}-{format}.{container}");
        let args = ["-c:v", codec, "-pix_fmt", asked, "-b:v", "1M"];
        let Some(path) = clip(dir.path(), &name, size, 10, &args) else {
            return;
        };
        match compare(&library, &path, DecoderOptions::default()) {
            None => return,
            Some(got) => assert_eq!(got, (10, format.into()), "{name}"),
        }
    }
}

#[test]
fn the_second_pass_gives_the_same_frames_and_times() {
    let Some(library) = library() else { return };
    for name in ["bikes.mp4", "bigbuckbunny.mp4"] {
        let Some(path) = footage(name) else { return };
        let mut player = Player::open(&library, &path, DecoderOptions::default());
        let mut first = Vec::new();
        while let Some(frame) = player.next().unwrap() {
            first.push((frame.pts(), samples(&frame)));
        }
        player.rewind();
        let mut again = first.iter();
        while let Some(frame) = player.next().unwrap() {
            let (pts, expected) = again.next().expect("as many frames as before");
            assert_eq!(frame.pts(), *pts, "{name}");
            assert_same(first.len() - again.len(), &samples(&frame), expected);
        }
        assert_eq!(again.len(), 0, "{name}: frames missing in the second pass");
    }
}

#[test]
fn times_and_rate_are_those_ffprobe_reads() {
    let Some(library) = library() else { return };
    for name in ["bikes.mp4", "carphone_pristine.mp4"] {
        let Some(path) = footage(name) else { return };
        let probe = |entries: &str| {
            let entries = format!("{entries}:stream_tags=:stream_disposition=");
            let file = path.to_str().unwrap();
            let args = ["-v", "error", "-select_streams", "v:0", "-show_entries"];
            tool(
                "ffprobe",
                &[&args[..], &[&entries, "-of", "csv=p=0", file]].concat(),
            )
            .map(|out| String::from_utf8(out).unwrap())
        };
        let Some(times) = probe("frame=best_effort_timestamp") else {
            return;
        };
        let expected: Vec<i64> = times
            .lines()
            .filter_map(|line| line.trim_end_matches(',').parse().ok())
            .collect();
        let stream = probe("stream=codec_name,width,height,avg_frame_rate,time_base").unwrap();

        let mut player = Player::open(&library, &path, DecoderOptions::default());
        let video = player.video.clone();
        let rate = video.frame_rate.expect("a frame rate");
        assert_eq!(
            stream.trim_end(),
            format!(
                "{},{},{},{}/{},{}/{}",
                video.codec,
                video.width,
                video.height,
                rate.num(),
                rate.den(),
                video.time_base.num(),
                video.time_base.den()
            )
        );
        let frame_ns = 1_000_000_000 * i64::from(rate.den()) / i64::from(rate.num());
        let mut times = Vec::new();
        while let Some(frame) = player.next().unwrap() {
            times.push(frame.pts().expect("a time"));
            let shown = video.time_base.nanos(frame.duration().expect("a duration"));
            assert!(
                (shown - frame_ns).abs() < 1_000_000,
                "{name}: shown {shown} ns"
            );
        }
        assert_eq!(times, expected, "{name}");
    }
}

#[test]
fn cropping_is_applied_or_told() {
    let Some(library) = library() else { return };
    let dir = tempfile::tempdir().unwrap();
    let args = ["-c:v", "libx264", "-pix_fmt", "yuv420p"];
    let Some(path) = clip(dir.path(), "crop.mp4", "1000x500", 2, &args) else {
        return;
    };
    let frame = |apply_cropping| {
        let options = DecoderOptions {
            apply_cropping,
            ..Default::default()
        };
        Player::open(&library, &path, options)
            .next()
            .unwrap()
            .unwrap()
    };
    let applied = frame(true);
    assert_eq!((applied.width(), applied.height()), (1000, 500));
    assert_eq!(applied.crop(), Crop::default());
    // H.264 codes whole macroblocks of 16x16.
    let told = frame(false);
    let crop = told.crop();
    assert_eq!(
        (crop.top, crop.bottom, crop.left, crop.right),
        (0, 12, 0, 8)
    );
    let lines: Vec<_> = told.planes().map(|p| (p.row_bytes, p.rows)).collect();
    let shown: Vec<_> = applied.planes().map(|p| (p.row_bytes, p.rows)).collect();
    let luma = |frame: &livehal_ffmpeg::Frame| {
        let plane = frame.planes().next().unwrap();
        (0..500)
            .flat_map(|y| plane.data[y * plane.stride..][..1000].to_vec())
            .collect::<Vec<_>>()
    };
    assert_eq!(luma(&told), luma(&applied));
    assert_eq!(shown[0], (1000, 500));
    assert!(lines[0].0 >= 1000 && lines[0].1 >= 500, "{lines:?}");
}

#[test]
fn what_samples_mean_is_told() {
    let Some(library) = library() else { return };
    let dir = tempfile::tempdir().unwrap();
    for (name, range, matrix, transfer, expected) in [
        ("full709.mp4", "pc", "bt709", "bt709", (true, 1, 1)),
        (
            "limited601.mp4",
            "tv",
            "smpte170m",
            "smpte170m",
            (false, 6, 6),
        ),
        (
            "hlg2020.mp4",
            "tv",
            "bt2020nc",
            "arib-std-b67",
            (false, 9, 18),
        ),
    ] {
        let args = [
            &["-c:v", "libx264", "-pix_fmt", "yuv420p"][..],
            &["-color_range", range, "-colorspace", matrix],
            &["-color_trc", transfer],
        ]
        .concat();
        let Some(path) = clip(dir.path(), name, "320x240", 1, &args) else {
            return;
        };
        let frame = Player::open(&library, &path, DecoderOptions::default())
            .next()
            .unwrap()
            .unwrap();
        assert_eq!(
            (
                frame.is_full_range(),
                frame.matrix_coefficients(),
                frame.transfer_characteristics()
            ),
            expected,
            "{name}"
        );
    }
}

#[test]
fn interlaced_frames_are_told() {
    let Some(library) = library() else { return };
    let dir = tempfile::tempdir().unwrap();
    for (name, parameters, expected) in [
        ("fields.mp4", "tff=1", true),
        ("frames.mp4", "keyint=30", false),
    ] {
        let args = [
            "-c:v",
            "libx264",
            "-pix_fmt",
            "yuv420p",
            "-x264-params",
            parameters,
        ];
        let Some(path) = clip(dir.path(), name, "320x240", 3, &args) else {
            return;
        };
        let mut player = Player::open(&library, &path, DecoderOptions::default());
        while let Some(frame) = player.next().unwrap() {
            assert_eq!(frame.is_interlaced(), expected, "{name}");
        }
    }
}

/// Telephones held upright write the picture as the sensor sees it, and how to turn it.
#[test]
fn the_rotation_a_container_asks_for_is_told() {
    let Some(library) = library() else { return };
    let Some(path) = footage("carphone_pristine.mp4") else {
        return;
    };
    let bytes = std::fs::read(path).unwrap();
    let header = bytes
        .windows(4)
        .position(|w| w == b"tkhd")
        .expect("a track header");
    let dir = tempfile::tempdir().unwrap();
    // The upper left of the matrix of ISO/IEC 14496-12, 8.3.2; 1 is 0x10000.
    for (degrees, [a, b, c, d]) in [
        (0, [1, 0, 0, 1]),
        (90, [0, 1, -1, 0]),
        (180, [-1, 0, 0, -1]),
        (270, [0, -1, 1, 0]),
    ] {
        let mut turned = bytes.clone();
        let matrix = [a, b, 0, c, d, 0, 0, 0, 0x4000];
        for (i, value) in matrix.into_iter().enumerate() {
            let at = header + 44 + 4 * i;
            turned[at..at + 4].copy_from_slice(&(value * 0x10000_i32).to_be_bytes());
        }
        let path = dir.path().join(format!("{degrees}.mp4"));
        std::fs::write(&path, turned).unwrap();
        let video = library.open(&path).unwrap().best_video().unwrap();
        assert_eq!(video.rotation, degrees);
    }
}

/// Damage must be told, by an error or by the frame's flag, and must not end the decoding.
#[test]
fn a_damaged_file_is_played_on() {
    let Some(library) = library() else { return };
    let Some(path) = footage("bikes.mp4") else {
        return;
    };
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    for i in (0..20_000).step_by(97) {
        bytes[middle + i] ^= 0x55;
    }
    let dir = tempfile::tempdir().unwrap();
    let damaged = dir.path().join("damaged.mp4");
    std::fs::write(&damaged, bytes).unwrap();

    let mut player = Player::open(&library, &damaged, DecoderOptions::default());
    let (mut whole, mut flagged, mut errors) = (0, 0, 0);
    loop {
        match player.next() {
            Ok(Some(frame)) if frame.is_damaged() => flagged += 1,
            Ok(Some(_)) => whole += 1,
            Ok(None) => break,
            Err(Error::Call { .. }) => errors += 1,
            Err(e) => panic!("{e}"),
        }
        assert!(whole + flagged + errors < 1000, "no end");
    }
    println!("{whole} whole, {flagged} flagged, {errors} errors");
    assert!(flagged + errors > 0, "the damage went unnoticed");
    assert!(whole > 100, "{whole} frames are whole");
}

#[test]
fn frames_outlive_their_decoder() {
    let Some(library) = library() else { return };
    let Some(path) = footage("carphone_pristine.mp4") else {
        return;
    };
    let mut player = Player::open(&library, &path, DecoderOptions::default());
    let frame = player.next().unwrap().unwrap();
    let before = samples(&frame);
    let rest: Vec<_> = std::iter::from_fn(|| player.next().unwrap()).collect();
    assert_eq!(rest.len(), 119);
    drop((player, rest));
    let after = std::thread::spawn(move || samples(&frame)).join().unwrap();
    assert_same(0, &after, &before);
}

#[test]
fn files_that_are_no_video_are_refused_by_name() {
    let Some(library) = library() else { return };
    let dir = tempfile::tempdir().unwrap();

    let missing = dir.path().join("missing.mp4");
    let error = library.open(&missing).unwrap_err();
    assert!(matches!(error, Error::Open { .. }));
    assert!(error.to_string().contains("missing.mp4"), "{error}");
    assert!(error.to_string().contains("No such file"), "{error}");

    let text = dir.path().join("text.mp4");
    std::fs::write(&text, "not a film ".repeat(1000)).unwrap();
    let error = library.open(&text).unwrap_err();
    assert!(error.to_string().contains("text.mp4"), "{error}");

    let sound = dir.path().join("sound.wav");
    let args = ["-v", "error", "-f", "lavfi", "-i", "sine=duration=0.1"];
    if tool("ffmpeg", &[&args[..], &[sound.to_str().unwrap()]].concat()).is_some() {
        let error = library.open(&sound).unwrap().best_video().unwrap_err();
        assert!(matches!(error, Error::NoVideo { .. }), "{error}");
    }
}

/// A name or a playlist that looks like an address must not make FFmpeg open a connection.
#[test]
fn nothing_but_files_is_opened() {
    let Some(library) = library() else { return };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("http://{}/clip.ts", listener.local_addr().unwrap());

    let dir = tempfile::tempdir().unwrap();
    let playlist = dir.path().join("list.m3u8");
    let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{address}\n#EXT-X-ENDLIST\n");
    std::fs::write(&playlist, text).unwrap();
    let script = dir.path().join("list.ffconcat");
    std::fs::write(&script, format!("ffconcat version 1.0\nfile '{address}'\n")).unwrap();

    for path in [Path::new(&address), &playlist, &script] {
        let opened = library.open(path).and_then(|file| file.best_video());
        assert!(opened.is_err(), "{} was opened", path.display());
        let accepted = listener.accept().map(|_| ()).unwrap_err();
        assert_eq!(accepted.kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[test]
fn a_file_cut_short_ends_without_harm() {
    let Some(library) = library() else { return };
    let dir = tempfile::tempdir().unwrap();
    // Matroska can be read without its end; MP4 keeps its index there.
    let args = ["-c:v", "mpeg4", "-pix_fmt", "yuv420p"];
    let Some(path) = clip(dir.path(), "whole.mkv", "320x240", 60, &args) else {
        return;
    };
    let bytes = std::fs::read(path).unwrap();
    let cut = dir.path().join("cut.mkv");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let mut player = Player::open(&library, &cut, DecoderOptions::default());
    let mut frames = 0;
    while let Ok(Some(_)) = player.next() {
        frames += 1;
    }
    assert!((10..60).contains(&frames), "{frames} frames of half a file");
}

/// Says in the log what the other tests ran with.
#[test]
fn the_release_that_was_loaded_is_told() {
    let Some(library) = library() else { return };
    let versions = library.versions();
    assert_eq!(versions.avcodec.major, versions.avformat.major);
    let text = versions.to_string();
    assert!(text.contains(&versions.avcodec.to_string()), "{text}");
    match std::env::var("LIVEHAL_FFMPEG_EXPECT") {
        Ok(major) => assert_eq!(versions.avcodec.major.to_string(), major),
        Err(_) => skip("the release was not prescribed; tools/ffmpeg-releases does that"),
    }
}

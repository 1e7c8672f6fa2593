//! The `capture`, `encoder` and `output` tables: what is accepted, what is refused and in which
//! words.
#![allow(clippy::unwrap_used, clippy::expect_used)] // also in helpers

use livehal::{H264Profile, NativeSourceParams, PixelFormat, VideoCodec};

/// Parses a source; errors as the program shows them: the key's path, then what is wrong.
fn parse(text: &str) -> Result<NativeSourceParams, String> {
    let table = toml::Deserializer::parse(text).map_err(|e| e.to_string())?;
    let params: NativeSourceParams = serde_path_to_error::deserialize(table)
        .map_err(|e| format!("{}: {}", e.path(), e.inner()))?;
    params.validate().map_err(|e| e.to_string())?;
    Ok(params)
}

/// A valid source on the built-in backends.
const GOOD: &str = r#"
[capture]
backend = "testsrc"
width = 1280
height = 720
fps = 30
[encoder]
backend = "software"
codec = "h264"
bitrate = 2_000_000
profile = "baseline"
level = "3.1"
gop = 60
[output]
payload_type = 96
clock_rate = 90000
"#;

/// `GOOD` with one line replaced, left out (empty) or added.
fn with(line: &str, instead: &str) -> String {
    assert_eq!(GOOD.matches(line).count(), 1, "{line}");
    GOOD.replace(line, instead)
}

#[track_caller]
fn assert_refused(text: &str, words: &[&str]) {
    let error = parse(text).expect_err(text);
    for word in words {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
}

#[test]
fn the_examples_of_the_contract_are_accepted() {
    let pi = r#"
        [capture]
        backend = "libcamera"
        device = "0"
        width = 640
        height = 480
        fps = 30
        pixel_format = "yuv420"
        [encoder]
        backend = "v4l2-m2m"
        codec = "h264"
        bitrate = 1_000_000
        profile = "baseline"
        level = "3.1"
        gop = 60
        [output]
        payload_type = 96
        clock_rate = 90000
    "#;
    let usb = r#"
        [capture]
        backend = "v4l2"
        device = "/dev/video2"
        width = 640
        height = 480
        fps = 30
        pixel_format = "yuyv"
        [encoder]
        backend = "v4l2-m2m"
        codec = "h264"
        bitrate = 1_000_000
        profile = "42001f"
        gop = 60
        [output]
        payload_type = 96
        clock_rate = 90000
    "#;
    let rdk = usb.replace("v4l2-m2m", "rdk").replace("video2", "video0");
    for text in [pi, usb, &rdk, GOOD] {
        let params = parse(text).unwrap();
        let both = params.encoder.profile_level().unwrap();
        assert_eq!(both.profile, H264Profile::Baseline);
        assert_eq!(both.level.name(), "3.1");
        assert_eq!(both.to_hex(), "42001f");
    }
}

#[test]
fn every_pixel_format_and_alias_has_its_number() {
    use PixelFormat::*;
    for (names, format, number) in [
        (&["yuyv", "yuyv422"][..], Yuyv422, 0),
        (&["nv12"], Nv12, 1),
        (&["yuv420", "yuv420p"], Yuv420, 2),
        (&["mjpeg"], Mjpeg, 3),
        (&["rgb888", "rgb"], Rgb888, 4),
    ] {
        assert_eq!(format.number(), number);
        assert_eq!(format.to_string(), names[0]);
        for name in names {
            let camera =
                format!("backend = \"v4l2\"\ndevice = \"/dev/video0\"\npixel_format = \"{name}\"");
            let params = parse(&with("backend = \"testsrc\"", &camera)).unwrap();
            assert_eq!(params.capture.pixel_format, Some(format));
        }
    }
}

#[test]
fn every_codec_and_alias_has_its_number() {
    #[derive(serde::Deserialize)]
    struct Table {
        codec: VideoCodec,
    }
    use VideoCodec::*;
    for (names, codec, number) in [
        (&["h264"][..], H264, 100),
        (&["h265", "hevc"], H265, 101),
        (&["av1"], Av1, 102),
        (&["vp8"], Vp8, 103),
        (&["vp9"], Vp9, 104),
    ] {
        assert_eq!(
            (codec.number(), codec.to_string().as_str()),
            (number, names[0])
        );
        for name in names {
            let table: Table = toml::from_str(&format!("codec = \"{name}\"")).unwrap();
            assert_eq!(table.codec, codec);
        }
    }
}

#[test]
fn unknown_names_are_refused_with_what_is_allowed() {
    for (line, instead, words) in [
        (
            "backend = \"testsrc\"",
            "backend = \"webcam\"",
            &["capture.backend = webcam", "testsrc, file, v4l2, libcamera"][..],
        ),
        (
            "backend = \"software\"",
            "backend = \"x264\"",
            &["encoder.backend = x264", "software, auto, v4l2-m2m, rdk"],
        ),
        (
            "codec = \"h264\"",
            "codec = \"mpeg2\"",
            &[
                "encoder.codec",
                "mpeg2",
                "h264",
                "h265",
                "hevc",
                "av1",
                "vp8",
                "vp9",
            ],
        ),
        (
            "fps = 30",
            "fps = 30\npixel_format = \"uyvy\"",
            &[
                "capture.pixel_format",
                "uyvy",
                "yuyv",
                "yuyv422",
                "nv12",
                "yuv420",
                "yuv420p",
                "mjpeg",
                "rgb888",
                "rgb",
            ],
        ),
        (
            "profile = \"baseline\"",
            "profile = \"extended\"",
            &[
                "encoder.profile = extended",
                "baseline, constrained-baseline, main, constrained-high, high",
                "42e01f",
            ],
        ),
        (
            "level = \"3.1\"",
            "level = \"3.3\"",
            &["encoder.level = 3.3", "3.1, 3.2, 4, 4.1"],
        ),
        (
            "fps = 30",
            "fps = 30\nframerate = 30",
            &["capture", "unknown field `framerate`", "fps"],
        ),
        (
            "gop = 60",
            "gop = 60\ngop_size = 60",
            &["encoder", "unknown field `gop_size`", "gop"],
        ),
        (
            "clock_rate = 90000",
            "clock_rate = 90000\nssrc = 1",
            &["output", "unknown field `ssrc`"],
        ),
        (
            "[output]",
            "[outputs]",
            &["unknown field `outputs`", "output"],
        ),
    ] {
        assert_refused(&with(line, instead), words);
    }
}

#[test]
fn values_out_of_bounds_are_refused_with_key_value_and_bounds() {
    for (line, instead, words) in [
        (
            "width = 1280",
            "width = 1281",
            &["capture.width = 1281", "even"][..],
        ),
        (
            "width = 1280",
            "width = 14",
            &["capture.width = 14", "16 to 8192"],
        ),
        (
            "height = 720",
            "height = 8194",
            &["capture.height = 8194", "16 to 8192"],
        ),
        (
            "height = 720",
            "",
            &["capture.height = (absent)", "capture.width is 1280"],
        ),
        (
            "width = 1280",
            "",
            &["capture.width = (absent)", "capture.height is 720"],
        ),
        ("fps = 30", "fps = 0", &["capture.fps = 0", "1 to 240"]),
        ("fps = 30", "fps = 241", &["capture.fps = 241", "1 to 240"]),
        (
            "bitrate = 2_000_000",
            "bitrate = 9_999",
            &["encoder.bitrate = 9999", "10000 to"],
        ),
        ("gop = 60", "gop = 0", &["encoder.gop = 0", "1 to 36000"]),
        (
            "gop = 60",
            "gop = 36001",
            &["encoder.gop = 36001", "1 to 36000"],
        ),
        (
            "gop = 60",
            "gop = 60\nmin_bitrate = 2_000_001",
            &["encoder.min_bitrate = 2000001", "10000 to 2000000"],
        ),
        (
            "gop = 60",
            "gop = 60\nmax_bitrate = 1_999_999",
            &["encoder.max_bitrate = 1999999", "2000000 to"],
        ),
        (
            "payload_type = 96",
            "payload_type = 95",
            &["output.payload_type = 95", "96 to 127"],
        ),
        (
            "payload_type = 96",
            "payload_type = 128",
            &["output.payload_type = 128", "96 to 127"],
        ),
        (
            "clock_rate = 90000",
            "clock_rate = 48000",
            &["output.clock_rate = 48000", "90000"],
        ),
    ] {
        assert_refused(&with(line, instead), words);
    }
}

#[test]
fn values_of_the_wrong_type_are_refused_with_their_path() {
    for (line, instead, path) in [
        ("width = 1280", "width = \"1280\"", "capture.width"),
        ("width = 1280", "width = -1280", "capture.width"),
        ("fps = 30", "fps = 29.97", "capture.fps"),
        (
            "bitrate = 2_000_000",
            "bitrate = 5_000_000_000",
            "encoder.bitrate",
        ),
        ("level = \"3.1\"", "level = 3.1", "encoder.level"),
        ("codec = \"h264\"", "codec = 100", "encoder.codec"),
        (
            "payload_type = 96",
            "payload_type = 300",
            "output.payload_type",
        ),
        ("backend = \"testsrc\"", "backend = true", "capture.backend"),
    ] {
        let error = parse(&with(line, instead)).unwrap_err();
        assert!(error.starts_with(&format!("{path}: ")), "{error}");
    }
}

#[test]
fn keys_that_mean_nothing_to_the_backend_are_refused() {
    for (line, instead, words) in [
        (
            "backend = \"testsrc\"",
            "backend = \"testsrc\"\npath = \"a.y4m\"",
            &["capture.path = a.y4m", "only backend file"][..],
        ),
        (
            "backend = \"testsrc\"",
            "backend = \"testsrc\"\ndevice = \"0\"",
            &["capture.device = 0", "testsrc has no device"],
        ),
        (
            "backend = \"testsrc\"",
            "backend = \"testsrc\"\npixel_format = \"nv12\"",
            &["capture.pixel_format = nv12", "yuv420 only"],
        ),
        (
            "backend = \"testsrc\"",
            "backend = \"testsrc\"\nprefer_dmabuf = true",
            &["capture.prefer_dmabuf = true", "no DMA-BUFs"],
        ),
        (
            "backend = \"testsrc\"",
            "backend = \"file\"\npath = \"a.y4m\"\ndevice = \"0\"",
            &["capture.device = 0", "file has no device"],
        ),
        (
            "backend = \"testsrc\"",
            "backend = \"v4l2\"\ndevice = \"/dev/video0\"\npath = \"a\"",
            &["capture.path = a", "not v4l2"],
        ),
        (
            "backend = \"testsrc\"",
            "backend = \"libcamera\"\npath = \"a\"",
            &["capture.path = a", "not libcamera"],
        ),
        (
            "\"software\"",
            "\"software\"\ndevice = \"/dev/video11\"",
            &["encoder.device = \"/dev/video11\"", "only backend v4l2-m2m"],
        ),
        (
            "\"software\"",
            "\"v4l2-m2m\"\ndevice = \"\"",
            &["encoder.device = \"\"", "names no device"],
        ),
        (
            "profile = \"baseline\"",
            "profile = \"42e01f\"",
            &["encoder.level = 3.1", "42e01f already says level 3.1"],
        ),
    ] {
        assert_refused(&with(line, instead), words);
    }
}

#[test]
fn keys_that_the_backend_needs_are_missed_by_name() {
    let camera = |text: String| {
        text.replace(
            "backend = \"testsrc\"",
            "backend = \"v4l2\"\ndevice = \"/dev/video0\"",
        )
    };
    for (text, words) in [
        (
            with("backend = \"testsrc\"", "backend = \"file\""),
            &["capture.path = (absent)", "path of its footage"][..],
        ),
        (
            with("backend = \"testsrc\"", "backend = \"file\"\npath = \"\""),
            &["capture.path", "names no file"],
        ),
        (
            with("backend = \"testsrc\"", "backend = \"v4l2\""),
            &["capture.device = (absent)", "/dev/video0"],
        ),
        (
            with(
                "backend = \"testsrc\"",
                "backend = \"v4l2\"\ndevice = \"dev/video0\"",
            ),
            &["capture.device = dev/video0", "absolute path"],
        ),
        (
            with("backend = \"testsrc\"", "backend = \"v4l2\"\ndevice = \"\""),
            &["capture.device", "names no camera"],
        ),
        (
            with(
                "backend = \"testsrc\"",
                "backend = \"libcamera\"\ndevice = \"\"",
            ),
            &["capture.device", "names no camera"],
        ),
        (
            camera(with("fps = 30", "")),
            &["capture.fps = (absent)", "v4l2 needs it"],
        ),
        (
            with("level = \"3.1\"", ""),
            &["encoder.level = (absent)", "profile is a name (baseline)"],
        ),
        (with("gop = 60", ""), &["encoder", "missing field `gop`"]),
        (
            with("codec = \"h264\"", ""),
            &["encoder", "missing field `codec`"],
        ),
    ] {
        assert_refused(&text, words);
    }
}

#[test]
fn a_level_too_low_for_size_rate_or_bit_rate_is_refused_with_one_that_does() {
    assert_refused(
        &with("level = \"3.1\"", "level = \"3\""),
        &[
            "encoder.level = 3: 1280x720 is 3600 macroblocks",
            "allows 1620",
            "use 3.1 or higher",
        ],
    );
    assert_refused(
        &with("fps = 30", "fps = 60"),
        &[
            "encoder.level = 3.1",
            "at 60 fps is 216000 macroblocks a second",
            "use 3.2 or higher",
        ],
    );
    assert_refused(
        &with("bitrate = 2_000_000", "bitrate = 14_000_001"),
        &[
            "encoder.bitrate = 14000001",
            "level 3.1 allows 14000000 bit/s",
        ],
    );
    assert_refused(
        &with("gop = 60", "gop = 60\nmax_bitrate = 15_000_000"),
        &[
            "encoder.max_bitrate = 15000000",
            "level 3.1 allows 14000000 bit/s",
        ],
    );
    let hex = with("level = \"3.1\"", "").replace("\"baseline\"", "\"42001e\"");
    assert_refused(&hex, &["encoder.profile = 42001e", "use 3.1 or higher"]);
    // Absent sizes are checked as what they stand for.
    let defaults = with("width = 1280", "")
        .replace("height = 720", "")
        .replace("\"3.1\"", "\"3\"");
    assert_refused(&defaults, &["encoder.level = 3: 1280x720"]);
}

#[test]
fn what_the_software_encoder_lacks_is_refused_by_name() {
    assert_refused(
        &with("codec = \"h264\"", "codec = \"hevc\""),
        &["encoder.codec = h265", "software makes h264 only"],
    );
    for level in ["1b", "6.1"] {
        assert_refused(
            &with("level = \"3.1\"", &format!("level = \"{level}\"")),
            &["encoder.level", level, "levels 1 to 5.2 without 1b"],
        );
    }
    assert_refused(
        &with("width = 1280", "width = 4096").replace("\"3.1\"", "\"5.2\""),
        &["capture.width = 4096", "3840x2160"],
    );
    assert!(parse(&with("\"software\"", "\"auto\"")).is_ok());
}

#[test]
fn bit_rate_bounds_follow_from_the_rate_unless_given() {
    let bounds = |text: &str| parse(text).unwrap().encoder.bitrate_bounds();
    assert_eq!(bounds(GOOD), 200_000..=2_000_000);
    let given = with(
        "gop = 60",
        "gop = 60\nmin_bitrate = 500_000\nmax_bitrate = 4_000_000",
    );
    assert_eq!(bounds(&given), 500_000..=4_000_000);
    assert_eq!(
        bounds(&with("bitrate = 2_000_000", "bitrate = 20_000")),
        10_000..=20_000
    );
}

#[test]
fn output_may_be_left_out() {
    let text = GOOD.split("[output]").next().unwrap();
    let output = parse(text).unwrap().output;
    assert_eq!((output.payload_type, output.clock_rate), (96, 90_000));
}

#[test]
fn a_backend_that_this_build_lacks_is_refused_with_the_feature_it_needs() {
    for (line, instead, enabled, key, feature) in [
        (
            "backend = \"testsrc\"",
            "backend = \"testsrc\"",
            cfg!(feature = "native-source"),
            "capture.backend = testsrc",
            "encoder-software",
        ),
        (
            "backend = \"testsrc\"",
            "backend = \"v4l2\"\ndevice = \"/dev/null\"",
            cfg!(feature = "capture-v4l2"),
            "capture.backend = v4l2",
            "capture-v4l2",
        ),
        (
            "backend = \"testsrc\"",
            "backend = \"libcamera\"",
            cfg!(feature = "capture-libcamera"),
            "capture.backend = libcamera",
            "capture-libcamera",
        ),
        (
            "\"software\"",
            "\"software\"",
            cfg!(feature = "encoder-software"),
            "encoder.backend = software",
            "encoder-software",
        ),
        (
            "\"software\"",
            "\"auto\"",
            cfg!(feature = "encoder-software"),
            "encoder.backend = auto",
            "encoder-software",
        ),
        (
            "\"software\"",
            "\"v4l2-m2m\"",
            cfg!(feature = "encoder-v4l2-m2m"),
            "encoder.backend = v4l2-m2m",
            "encoder-v4l2-m2m",
        ),
        (
            "\"software\"",
            "\"rdk\"",
            cfg!(all(
                feature = "encoder-rdk",
                not(feature = "capture-libcamera")
            )),
            "encoder.backend = rdk",
            "encoder-rdk",
        ),
    ] {
        // An encoder is only looked at where there is a capture backend.
        if key.starts_with("encoder") && cfg!(not(feature = "native-source")) {
            continue;
        }
        let available = parse(&with(line, instead)).unwrap().check_available();
        if enabled {
            let missing = available.err().map(|e| e.to_string());
            assert!(
                !missing.is_some_and(|e| e.contains("cargo feature")),
                "{key}"
            );
        } else {
            let error = available.unwrap_err().to_string();
            assert!(error.starts_with(key), "{error}");
            assert!(
                error.ends_with(&format!("it needs the cargo feature {feature}")),
                "{error}"
            );
        }
    }
}

#[test]
fn a_pipeline_does_not_start_on_parameters_that_are_refused() {
    let mut params = parse(GOOD).unwrap();
    params.encoder.gop = 0;
    let error = livehal::NativePipeline::start("bad", params).err().unwrap();
    assert!(matches!(error, livehal::Error::Param(e) if e.key == "encoder.gop"));
    let mut params = parse(GOOD).unwrap();
    params.encoder.backend = "x264".into();
    let error = livehal::NativePipeline::start("bad", params).err().unwrap();
    assert!(matches!(error, livehal::Error::Param(_)));
}

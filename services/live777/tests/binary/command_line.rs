//! What can be asked on the command line, and the exit codes.

use std::net::{TcpListener, UdpSocket};

use crate::support::{QUIET, code, file, program, run};

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn version_tells_the_features() {
    let output = run(&["--version"]);
    assert_eq!(code(output.status), 0);
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    assert_eq!(lines[0], format!("live777 {}", env!("CARGO_PKG_VERSION")));
    let features: Vec<_> = lines[1]
        .strip_prefix("features: ")
        .unwrap()
        .split(' ')
        .collect();
    assert_eq!(features.contains(&"webui"), cfg!(feature = "webui"));
    assert_eq!(
        features.contains(&"encoder-software"),
        cfg!(feature = "encoder-software")
    );
    assert_eq!(
        features.contains(&"encoder-rdk"),
        cfg!(feature = "encoder-rdk")
    );
}

#[test]
fn a_good_configuration_is_summed_up() {
    let good = file(QUIET);
    let output = run(&["--check-config", good.path.to_str().unwrap()]);
    assert_eq!(code(output.status), 0);
    let summary = text(&output.stdout);
    assert!(
        summary.contains("stream studio: waits for a WHIP publisher"),
        "{summary}"
    );
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
}

#[test]
fn a_bad_configuration_is_refused_by_check_and_by_start() {
    let bad = file("[http]\nlisten = \"127.0.0.1:0\"\n\n[log]\nlevl = \"info\"\nformat = 5\n");
    let path = bad.path.to_str().unwrap();
    for option in ["--check-config", "--config"] {
        let output = run(&[option, path]);
        assert_eq!(code(output.status), 2, "{option}");
        assert!(output.stdout.is_empty(), "{option}");
        assert_eq!(
            text(&output.stderr),
            format!(
                "{path}:5: log.levl = \"info\": unknown key; did you mean level?\n\
                 {path}:6: log.format = 5: must be a string: \"…\"\n"
            ),
            "{option}"
        );
    }
}

#[test]
fn a_missing_file_is_named() {
    let nowhere = file("").directory.path().join("gone.toml");
    let output = run(&["--config", nowhere.to_str().unwrap()]);
    assert_eq!(code(output.status), 2);
    assert!(text(&output.stderr).starts_with(nowhere.to_str().unwrap()));
}

#[test]
fn without_a_file_the_usual_places_are_named() {
    if std::path::Path::new("/etc/livehal/live777.toml").exists() {
        return;
    }
    let empty = file("");
    let output = program()
        .current_dir(empty.directory.path())
        .output()
        .unwrap();
    assert_eq!(code(output.status), 2);
    let error = text(&output.stderr);
    assert!(error.contains("/etc/livehal/live777.toml"), "{error}");
    assert!(error.contains("conf/live777.toml"), "{error}");
}

#[test]
fn wrong_arguments_are_refused() {
    for arguments in [
        ["--bus", "both"].as_slice(),
        &["--log-level", "loud"],
        &["--nonsense"],
        &["--config"],
        &["--config", "a", "--check-config", "b"],
    ] {
        assert_eq!(code(run(arguments).status), 2, "{arguments:?}");
    }
}

#[test]
fn a_port_in_use_is_named_with_its_key() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    for (key, address) in [
        ("http.listen", tcp.local_addr().unwrap()),
        ("webrtc.listen", udp.local_addr().unwrap()),
    ] {
        let (table, _) = key.split_once('.').unwrap();
        let from = format!("[{table}]\nlisten = \"127.0.0.1:0\"");
        let to = format!("[{table}]\nlisten = \"{address}\"");
        let config = file(&QUIET.replace(&from, &to));
        let output = run(&["--config", config.path.to_str().unwrap()]);
        assert_eq!(code(output.status), 1, "{key}");
        let error = text(&output.stderr);
        let last = error.lines().last().unwrap_or_default();
        assert!(
            last.contains(key) && last.contains(&address.to_string()),
            "{error}"
        );
    }
}

#[test]
#[cfg(feature = "source")]
fn a_backend_that_is_not_in_this_build_is_refused_by_its_path() {
    if cfg!(feature = "encoder-rdk") {
        return;
    }
    let config = file(&format!(
        "{QUIET}[stream.cam]\n[[stream.cam.sources]]\n[stream.cam.sources.capture]\nbackend = \"testsrc\"\n\
         [stream.cam.sources.encoder]\nbackend = \"rdk\"\ncodec = \"h264\"\nbitrate = 1_000_000\nprofile = \"42001f\"\ngop = 60\n"
    ));
    let path = config.path.to_str().unwrap();
    for (option, status) in [("--config", 1), ("--check-config", 2)] {
        let output = run(&[option, path]);
        assert_eq!(code(output.status), status, "{option}");
        let error = text(&output.stderr);
        assert!(
            error.contains("stream.cam.sources[0].encoder.backend = \"rdk\": "),
            "{error}"
        );
        assert!(error.contains("encoder-rdk"), "{error}");
    }
}

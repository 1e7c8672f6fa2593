//! The contract's configuration "RDK X5", with a stand-in for the vendor's library and the built-in
//! source for the camera.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use e2e::python;
use peer::decode::StripDecoder;
use peer::{Server, Swarm};

use crate::interop::{assert_aiortc, start_aiortc};
use crate::support::{LIMIT, assert_gaps_are_counted, delivering, drops, number, pictures, wait};

/// The stand-in's library, beside the server.
fn library() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let output = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
            .args(["build", "-q", "-p", "rdk-standin", "--message-format=json"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(output.status.success());
        let lines = String::from_utf8(output.stdout).unwrap();
        let messages = lines.lines().map(|l| serde_json::from_str(l).unwrap());
        messages
            .filter(|m: &serde_json::Value| m["target"]["name"] == "rdk_standin")
            .find_map(|m| m["filenames"][0].as_str().map(PathBuf::from))
            .unwrap()
    });
    built.clone()
}

fn config(encoder: &str) -> String {
    format!(
        r#"[stream.rdk-cam]
[[stream.rdk-cam.sources]]
[stream.rdk-cam.sources.capture]
backend = "testsrc"
width = 640
height = 480
fps = 30
[stream.rdk-cam.sources.encoder]
backend = "{encoder}"
codec = "h264"
bitrate = 1_000_000
profile = "42001f"
gop = 60
[stream.rdk-cam.sources.output]
payload_type = 96
clock_rate = 90000
"#
    )
}

fn start(encoder: &str, faults: &str) -> Server {
    let library = library();
    let environment = [
        ("LIVEHAL_RDK_LIBRARY", library.as_os_str()),
        ("RDK_STANDIN_FAULTS", faults.as_ref()),
    ];
    Server::start_in(&environment, "", &config(encoder)).unwrap()
}

#[test]
fn the_configuration_of_the_rdk_x5_streams_with_rising_frame_numbers() {
    let server = start("rdk", "");
    let swarm = Swarm::start(None).unwrap();
    let viewer = swarm
        .view(&server.client(), "rdk-cam", delivering())
        .unwrap();
    let aiortc = start_aiortc(&server, "rdk-cam", 60);
    let mut decoder = StripDecoder::new().unwrap();
    let seen = pictures(&viewer, &mut decoder, 90);
    if let Some(child) = aiortc {
        let text = python::finish(child).unwrap();
        assert_aiortc(&text, 60, drops(&server, "rdk-cam"));
    }
    assert_gaps_are_counted(&server, "rdk-cam", &seen);
    let detail = server.stream("rdk-cam").unwrap();
    assert_eq!(detail["source"]["encoder"], "rdk");
    assert!(detail["source"].get("encoder_reason").is_none(), "{detail}");
}

#[test]
fn auto_takes_the_hardware_that_coded_the_first_frame_and_says_so() {
    let server = start("auto", "");
    wait("a frame", LIMIT, || {
        number(&server, "rdk-cam", "frames") > 0
    });
    let source = server.stream("rdk-cam").unwrap()["source"].clone();
    assert_eq!(source["encoder"], "rdk", "{source}");
    let reason = source["encoder_reason"].as_str().unwrap();
    // No machine that builds has an encoder of V4L2, which is asked first.
    assert!(
        reason.starts_with("it coded the first frame; encoder.backend = v4l2-m2m: "),
        "{reason}"
    );
}

#[test]
fn auto_takes_software_when_the_hardware_hangs_and_says_why() {
    let server = start("auto", "hang=0");
    let swarm = Swarm::start(None).unwrap();
    let viewer = swarm
        .view(&server.client(), "rdk-cam", delivering())
        .unwrap();
    let mut decoder = StripDecoder::new().unwrap();
    pictures(&viewer, &mut decoder, 10);
    let source = server.stream("rdk-cam").unwrap()["source"].clone();
    assert_eq!(source["encoder"], "software", "{source}");
    let reason = source["encoder_reason"].as_str().unwrap();
    assert!(
        reason.contains("encoder.backend = rdk: no packet came"),
        "{reason}"
    );
}

#[test]
fn hardware_that_fails_is_a_state_and_the_stream_resumes() {
    let server = start("rdk", "error=40");
    let swarm = Swarm::start(None).unwrap();
    let viewer = swarm
        .view(&server.client(), "rdk-cam", delivering())
        .unwrap();
    let mut decoder = StripDecoder::new().unwrap();
    pictures(&viewer, &mut decoder, 100);
    assert!(number(&server, "rdk-cam", "restarts") >= 2);
    let detail = server.stream("rdk-cam").unwrap();
    let error = detail["last_error"].as_str().unwrap();
    assert!(
        error.contains("does not answer in time (-268435452)"),
        "{error}"
    );
}

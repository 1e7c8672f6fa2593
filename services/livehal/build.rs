//! Checks what the chosen features need.

use std::env::var_os;
use std::process::{Command, ExitCode, Stdio};

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LIVEHAL_ALLOW_NO_NASM");
    println!("cargo::rerun-if-env-changed=OPENH264_NO_ASM");
    println!("cargo::rerun-if-env-changed=NASM");
    if enabled("CAPTURE_LIBCAMERA") && enabled("ENCODER_RDK") {
        println!(
            "cargo::warning=features capture-libcamera and encoder-rdk exclude each other; \
             encoder-rdk is ignored"
        );
    }
    println!("cargo::rustc-check-cfg=cfg(openh264_x86_assembly)");
    if !enabled("ENCODER_SOFTWARE") || !targets_x86() {
        return ExitCode::SUCCESS;
    }
    if assembler_ok() {
        println!("cargo::rustc-cfg=openh264_x86_assembly");
        return ExitCode::SUCCESS;
    }
    let what = "OpenH264 is built without its x86 assembly and encodes four times slower: \
                nasm was not found, or OPENH264_NO_ASM is set";
    if var_os("LIVEHAL_ALLOW_NO_NASM").is_some_and(|value| value == "1") {
        println!("cargo::warning={what}");
        ExitCode::SUCCESS
    } else {
        println!(
            "cargo::error={what}. Install nasm (apt-get install nasm) and run `cargo clean -p \
             openh264-sys2`, or set LIVEHAL_ALLOW_NO_NASM=1 to accept it"
        );
        ExitCode::FAILURE
    }
}

fn enabled(feature: &str) -> bool {
    var_os(format!("CARGO_FEATURE_{feature}")).is_some()
}

/// Other architectures need no tool for their assembly.
fn targets_x86() -> bool {
    var_os("CARGO_CFG_TARGET_ARCH").is_some_and(|arch| arch == "x86_64" || arch == "x86")
}

/// Whether OpenH264's build finds what its assembly needs.
fn assembler_ok() -> bool {
    var_os("OPENH264_NO_ASM").is_none() && nasm_runs()
}

fn nasm_runs() -> bool {
    Command::new(var_os("NASM").unwrap_or_else(|| "nasm".into()))
        .arg("-v")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

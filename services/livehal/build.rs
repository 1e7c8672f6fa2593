//! Checks what the chosen features need.

use std::env::var_os;
use std::process::{Command, ExitCode, Stdio};

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LIVEHAL_ALLOW_NO_NASM");
    println!("cargo::rerun-if-env-changed=OPENH264_NO_ASM");
    println!("cargo::rerun-if-env-changed=NASM");
    println!("cargo::rustc-check-cfg=cfg(encoder_rdk)");
    if enabled("ENCODER_RDK") {
        const RDK: &str = "libmultimedia.so.1 is opened at run time";
        say_unneeded("RDK_SYSROOT", RDK);
        say_unneeded("LIVEHAL_RDK_ALLOW_UNDEFINED", RDK);
        if enabled("CAPTURE_LIBCAMERA") {
            println!(
                "cargo::warning=features capture-libcamera and encoder-rdk exclude each other; \
                 encoder-rdk is ignored"
            );
        } else if targets("OS", "linux") && targets("POINTER_WIDTH", "64") {
            println!("cargo::rustc-cfg=encoder_rdk");
        }
    }
    say_unneeded(
        "LIVEHAL_CXX_STDLIB",
        "the crates with C++ take the library that CXXSTDLIB names",
    );
    if enabled("CAPTURE_LIBCAMERA") && targets_linux() && !libcamera_ok() {
        return ExitCode::FAILURE;
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

/// For a variable of other builds of this program, which has no effect here.
fn say_unneeded(variable: &str, why: &str) {
    println!("cargo::rerun-if-env-changed={variable}");
    if var_os(variable).is_some() {
        println!("cargo::warning={variable} is set and not needed: {why}");
    }
}

fn enabled(feature: &str) -> bool {
    var_os(format!("CARGO_FEATURE_{feature}")).is_some()
}

fn targets_linux() -> bool {
    var_os("CARGO_CFG_TARGET_OS").is_some_and(|os| os == "linux")
}

/// The oldest libcamera that crate `libcamera` builds against.
const LIBCAMERA: (u32, u32) = (0, 4);

/// Whether libcamera's headers are here; says what is missing.
fn libcamera_ok() -> bool {
    println!("cargo::rerun-if-env-changed=PI_SYSROOT");
    println!("cargo::rerun-if-env-changed=PKG_CONFIG");
    let found = libcamera_version();
    let version = found.as_deref().and_then(|text| {
        let mut numbers = text.trim().split('.').map(str::parse::<u32>);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    if version.is_some_and(|version| version >= LIBCAMERA) {
        // What libcamera itself needs is on the machine that runs the program, and may want a newer
        // C library than the one that builds it has.
        if var_os("PI_SYSROOT").is_some() {
            println!("cargo::rustc-link-arg=-Wl,--allow-shlib-undefined");
        }
        return true;
    }
    let found = found.map_or("there is none".to_owned(), |text| {
        format!("this is {}", text.trim())
    });
    let place = var_os("PI_SYSROOT").map_or("on this machine".to_owned(), |root| {
        format!("in PI_SYSROOT = {}", root.to_string_lossy())
    });
    println!(
        "cargo::error=feature capture-libcamera needs libcamera {}.{} or newer with its headers, and \
         {found} {place}. On Debian 13 or newer: apt-get install libcamera-dev libclang-dev pkg-config; \
         elsewhere set PI_SYSROOT to the root of a system that has it, such as the one that \
         `tests/vm/vm sysroot` makes",
        LIBCAMERA.0, LIBCAMERA.1
    );
    false
}

/// What pkg-config says; `None` where it has no libcamera, or is not there itself.
fn libcamera_version() -> Option<String> {
    let output = Command::new(var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into()))
        .args(["--modversion", "libcamera"])
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then_some(text)
}

/// Other architectures need no tool for their assembly.
fn targets_x86() -> bool {
    targets("ARCH", "x86_64") || targets("ARCH", "x86")
}

fn targets(what: &str, value: &str) -> bool {
    var_os(format!("CARGO_CFG_TARGET_{what}")).is_some_and(|target| target == value)
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

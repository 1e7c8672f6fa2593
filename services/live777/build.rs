//! Links against the libcamera of a sysroot.

use std::env::var_os;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PI_SYSROOT");
    // What libcamera itself needs is on the machine that runs the program, and may want a newer C
    // library than the one that builds it has.
    if var_os("CARGO_FEATURE_CAPTURE_LIBCAMERA").is_some() && var_os("PI_SYSROOT").is_some() {
        println!("cargo::rustc-link-arg=-Wl,--allow-shlib-undefined");
    }
}

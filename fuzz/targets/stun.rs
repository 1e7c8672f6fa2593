//! Connectivity checks.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| liveion::fuzzing::stun(data));

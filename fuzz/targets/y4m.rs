//! Y4M footage.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| livehal::fuzzing::y4m(data));

//! Trickle-ICE fragments of PATCH requests.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| liveion::fuzzing::ice_fragment(data));

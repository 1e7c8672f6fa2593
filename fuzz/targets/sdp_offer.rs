//! SDP offers of viewers and publishers, and the answers to them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| liveion::fuzzing::sdp_offer(data));

//! RTP payloads of publishers, and access units on their way to viewers.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| liveion::fuzzing::h264_rtp(data));

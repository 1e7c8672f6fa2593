//! Files and memory that somebody wants decoded, cut into units.
#![no_main]

use daedalus::stream::Stream;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(stream) = Stream::read(bytes) {
        let total: usize = stream.units.iter().map(|u| u.len()).sum();
        assert!(total <= bytes.len());
    }
});

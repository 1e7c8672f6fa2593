//! The kernel's messages as the daemon takes them: parsed, the controls walked through, and the units
//! of H.264 made whole.
#![no_main]

use daedalus::h264::Rebuilder;
use daedalus::h264::controls::{CID_PPS, CID_SCALING_MATRIX, CID_SPS, Pps, ScalingMatrix, Sps};
use daedalus_proto::{Controls, Message};
use libfuzzer_sys::fuzz_target;
use zerocopy::FromBytes;

fn control<T: FromBytes>(controls: Controls, id: u32) -> Option<T> {
    T::read_from_bytes(controls.get(id)?).ok()
}

fuzz_target!(|bytes: &[u8]| {
    take(bytes);
    // Nearly no length is right by luck.
    let mut bytes = bytes.to_vec();
    let len = (bytes.len() as u32).to_ne_bytes();
    if let Some(first) = bytes.first_chunk_mut() {
        *first = len;
        take(&bytes);
    }
});

fn take(bytes: &[u8]) {
    let Ok((header, message)) = Message::parse(bytes) else {
        return;
    };
    assert_eq!(header.len as usize, bytes.len());
    let Message::Decode(job) = message else {
        return;
    };
    let walked: usize = job.controls.iter().map(|c| c.data.len()).sum();
    assert!(walked + job.bitstream.len() <= bytes.len());
    let (Some(sps), Some(pps)) = (
        control::<Sps>(job.controls, CID_SPS),
        control::<Pps>(job.controls, CID_PPS),
    ) else {
        return;
    };
    let scaling: Option<ScalingMatrix> = control(job.controls, CID_SCALING_MATRIX);
    let mut rebuilder = Rebuilder::default();
    if let Ok(unit) = rebuilder.unit(&sps, &pps, scaling.as_ref(), job.bitstream) {
        assert!(unit.ends_with(job.bitstream));
        // The sets are told once.
        let again = rebuilder.unit(&sps, &pps, scaling.as_ref(), job.bitstream);
        assert_eq!(again.as_deref(), Ok(job.bitstream));
    }
}

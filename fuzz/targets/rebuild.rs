//! Parameter sets from any controls, for any slices: what the bridge's target reaches only with luck.
#![no_main]

use daedalus::h264::Rebuilder;
use daedalus::h264::controls::{Pps, ScalingMatrix, Sps};
use libfuzzer_sys::fuzz_target;
use zerocopy::FromBytes;

fuzz_target!(|bytes: &[u8]| {
    let Ok((sps, rest)) = Sps::read_from_prefix(bytes) else {
        return;
    };
    let Ok((pps, rest)) = Pps::read_from_prefix(rest) else {
        return;
    };
    let Ok((scaling, slices)) = ScalingMatrix::read_from_prefix(rest) else {
        return;
    };
    let Ok(unit) = Rebuilder::default().unit(&sps, &pps, Some(&scaling), slices) else {
        return;
    };
    // What is put in front are whole parameter sets: a start code each, and none inside.
    let sets = unit
        .strip_suffix(slices)
        .expect("the slices are at the end");
    let starts = sets.windows(3).filter(|w| *w == [0, 0, 1]).count();
    let kinds = sets
        .windows(4)
        .filter(|w| w[..3] == [0, 0, 1] && matches!(w[3] & 0x1f, 7 | 8))
        .count();
    assert!(starts >= 2, "{starts}");
    assert_eq!(starts, kinds);
});

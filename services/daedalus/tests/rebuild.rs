//! H.264 without its parameter sets, and with those made from controls.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use common::controls::{Client, nals, pps_control, raster, sps_control};
use common::{H264, ONE, library, pictures, read, reference};
use daedalus::digest;
use daedalus::h264::controls::{Pps, ScalingMatrix, Sps, pps, sps};
use daedalus::h264::{ParameterError, Parameters, Rebuilder};
use daedalus::stream::Stream;
use h264_reader::Context;
use h264_reader::nal::pps::PicParameterSet;
use h264_reader::nal::sps::{ScalingList, SeqParameterSet};
use h264_reader::rbsp::{BitReader, decode_nal};
use livehal_ffmpeg::UnitCodec;
use proptest::prelude::*;
use zerocopy::FromZeros;

fn flag(set: bool, bit: u32) -> u32 {
    if set { bit } else { 0 }
}

prop_compose! {
    fn any_sps()(
        profile in prop::sample::select(vec![66u8, 77, 88, 100, 110]),
        constraints in 0u8..64,
        level in prop::sample::select(vec![10u8, 11, 30, 40, 51, 52, 62]),
        id in 0u8..32,
        deep in any::<bool>(),
        frame_num in 0u8..=12,
        order in 0u8..3,
        order_bits in 0u8..=12,
        refs in 0u8..=16,
        cycle in 0u8..=255,
        offsets in prop::collection::vec(-70_000i32..70_000, 255),
        (non_ref, bottom) in (any::<i32>(), any::<i32>()),
        (width, height) in (0u16..512, 0u16..512),
        flags in any::<[bool; 6]>(),
    ) -> Sps {
        let mut sps = Sps::new_zeroed();
        sps.profile_idc = profile;
        sps.constraint_set_flags = constraints;
        sps.level_idc = level;
        sps.seq_parameter_set_id = id;
        sps.chroma_format_idc = 1;
        let depth = if deep && profile >= 110 { 2 } else { 0 };
        sps.bit_depth_luma_minus8 = depth;
        sps.bit_depth_chroma_minus8 = depth;
        sps.log2_max_frame_num_minus4 = frame_num;
        sps.pic_order_cnt_type = order;
        sps.max_num_ref_frames = refs;
        sps.pic_width_in_mbs_minus1 = width;
        sps.pic_height_in_map_units_minus1 = height;
        let [gaps, frames, mbaff, direct, lossless, always] = flags;
        sps.flags = flag(gaps, sps::GAPS_IN_FRAME_NUM_VALUE_ALLOWED)
            | flag(frames, sps::FRAME_MBS_ONLY)
            | flag(mbaff && !frames, sps::MB_ADAPTIVE_FRAME_FIELD)
            | flag(direct, sps::DIRECT_8X8_INFERENCE)
            | flag(lossless && profile >= 100, sps::QPPRIME_Y_ZERO_TRANSFORM_BYPASS);
        match order {
            0 => sps.log2_max_pic_order_cnt_lsb_minus4 = order_bits,
            1 => {
                sps.flags |= flag(always, sps::DELTA_PIC_ORDER_ALWAYS_ZERO);
                sps.offset_for_non_ref_pic = non_ref.max(-i32::MAX);
                sps.offset_for_top_to_bottom_field = bottom.max(-i32::MAX);
                sps.num_ref_frames_in_pic_order_cnt_cycle = cycle;
                let count = usize::from(cycle);
                sps.offset_for_ref_frame[..count].copy_from_slice(&offsets[..count]);
            }
            _ => {}
        }
        sps
    }
}

prop_compose! {
    fn any_pps(high: bool)(
        (id, sps_id) in (any::<u8>(), 0u8..32),
        (l0, l1) in (0u8..32, 0u8..32),
        bipred in 0u8..3,
        (qp, qs) in (-26i8..26, -26i8..26),
        (chroma, second) in (-12i8..=12, -12i8..=12),
        flags in 0u16..0x100,
    ) -> Pps {
        let mut pps = Pps::new_zeroed();
        pps.pic_parameter_set_id = id;
        pps.seq_parameter_set_id = sps_id;
        pps.num_ref_idx_l0_default_active_minus1 = l0;
        pps.num_ref_idx_l1_default_active_minus1 = l1;
        pps.weighted_bipred_idc = bipred;
        pps.pic_init_qp_minus26 = qp;
        pps.pic_init_qs_minus26 = qs;
        pps.chroma_qp_index_offset = chroma;
        pps.second_chroma_qp_index_offset = if high { second } else { chroma };
        pps.flags = if high { flags } else { flags & 0x3f };
        pps
    }
}

fn any_sets() -> impl Strategy<Value = (Sps, Pps, ScalingMatrix)> {
    let list = |count| prop::collection::vec(1u8..=255, count);
    let lists = (list(6 * 16), list(6 * 64)).prop_map(|(small, large)| {
        let mut matrix = ScalingMatrix::new_zeroed();
        matrix.lists_4x4.as_flattened_mut().copy_from_slice(&small);
        matrix.lists_8x8.as_flattened_mut().copy_from_slice(&large);
        matrix
    });
    (any_sps(), lists).prop_flat_map(|(sps, lists)| {
        let pps = any_pps(sps.profile_idc >= 100);
        pps.prop_map(move |pps| (sps, pps, lists))
    })
}

fn values<const N: usize>(list: &ScalingList<N>) -> [u8; N] {
    match list {
        ScalingList::List(values) => values.map(std::num::NonZero::get),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// What is written says to another reader what the controls said.
    #[test]
    fn parameter_sets_say_what_the_controls_say(
        (sps, pps, matrix) in any_sets(),
        ids in prop::collection::hash_set(any::<u8>(), 1..4),
    ) {
        let ids: Vec<u8> = ids.into_iter().collect();
        let mut bytes = Vec::new();
        Parameters::new(&sps, &pps, Some(&matrix)).unwrap().write(&ids, &mut bytes);
        let nals = nals(&bytes);
        prop_assert_eq!(nals.len(), 1 + ids.len());
        let payload = decode_nal(nals[0]).unwrap();
        let read = SeqParameterSet::from_bits(BitReader::new(&payload[..])).unwrap();
        prop_assert_eq!(sps_control(&read), sps);
        let mut context = Context::default();
        context.put_seq_param_set(read);
        for (nal, id) in nals[1..].iter().zip(&ids) {
            let payload = decode_nal(nal).unwrap();
            let read = PicParameterSet::from_bits(&context, BitReader::new(&payload[..])).unwrap();
            let scaled = read.extension.as_ref().and_then(|e| e.pic_scaling_matrix.as_ref());
            let mut expected = pps;
            expected.pic_parameter_set_id = *id;
            expected.seq_parameter_set_id = sps.seq_parameter_set_id;
            prop_assert_eq!(pps_control(&read, scaled.is_some()), expected);
            if let Some(scaled) = scaled {
                for (coded, list) in scaled.scaling_list4x4.iter().zip(&matrix.lists_4x4) {
                    prop_assert_eq!(&raster(&values(coded)), list);
                }
                for (coded, list) in
                    scaled.scaling_list8x8.iter().flatten().zip(&matrix.lists_8x8)
                {
                    prop_assert_eq!(&raster(&values(coded)), list);
                }
            }
        }
    }

    /// Anything at all gives parameter sets or an error.
    #[test]
    fn no_controls_and_no_bitstream_break_it(
        sps in prop::collection::vec(any::<u8>(), size_of::<Sps>()),
        pps in prop::collection::vec(any::<u8>(), size_of::<Pps>()),
        bitstream in prop::collection::vec(prop::sample::select(vec![0u8, 0, 0, 1, 3, 0x65, 0x41, 0xff]), 0..64),
    ) {
        use zerocopy::FromBytes;
        let sps = Sps::read_from_bytes(&sps).unwrap();
        let pps = Pps::read_from_bytes(&pps).unwrap();
        let _ = Rebuilder::default().unit(&sps, &pps, None, &bitstream);
    }
}

#[test]
fn what_is_not_decoded_is_refused() {
    let mut sps = Sps::new_zeroed();
    sps.chroma_format_idc = 1;
    let pps = Pps::new_zeroed();
    assert!(Parameters::new(&sps, &pps, None).is_ok());
    let groups = Pps {
        num_slice_groups_minus1: 1,
        ..pps
    };
    assert_eq!(
        Parameters::new(&sps, &groups, None).unwrap_err(),
        ParameterError::SliceGroups
    );
    let scaled = Pps {
        flags: pps::SCALING_MATRIX_PRESENT,
        ..pps
    };
    let zeros = ScalingMatrix::new_zeroed();
    for matrix in [None, Some(&zeros)] {
        let error = Parameters::new(&sps, &scaled, matrix).unwrap_err();
        assert_eq!(error, ParameterError::Scaling);
    }
    let wrong = Sps {
        pic_order_cnt_type: 3,
        ..sps
    };
    let error = Parameters::new(&wrong, &pps, None).unwrap_err().to_string();
    assert_eq!(error, "pic_order_cnt_type is 3");
    let colour = Sps {
        chroma_format_idc: 2,
        ..sps
    };
    assert!(Parameters::new(&colour, &pps, None).is_err());
}

/// Real streams: what the whole unit is decoded into, the slices are with rebuilt sets.
#[test]
fn slices_with_rebuilt_sets_decode_as_the_whole_stream_does() {
    let Some(library) = library() else { return };
    let dir = tempfile::tempdir().unwrap();
    for clip in H264 {
        let Some(path) = clip.make(dir.path()) else {
            return;
        };
        let bytes = read(&path);
        let stream = Stream::read(&bytes).unwrap();
        let expected = pictures(&library, UnitCodec::H264, &stream.units);
        let mut client = Client::default();
        let mut rebuilder = Rebuilder::default();
        let mut decoder = library.unit_decoder(UnitCodec::H264, ONE).unwrap();
        let mut scaled = false;
        for (number, (unit, expected)) in stream.units.iter().zip(&expected).enumerate() {
            let job = client.job(unit);
            scaled |= job.pps.has(pps::SCALING_MATRIX_PRESENT);
            let rebuilt = rebuilder
                .unit(&job.sps, &job.pps, Some(&job.scaling), &job.slices)
                .unwrap();
            let unit = decoder.decode(&rebuilt).unwrap();
            let got = unit.picture.map(|p| digest::md5(&p));
            assert_eq!(&got, expected, "{}: unit {number}", clip.name);
        }
        assert_eq!(
            scaled,
            ["jvt.h264", "lists.h264"].contains(&clip.name),
            "{}",
            clip.name
        );
        // And each of them is one that FFmpeg's program shows, though in another order.
        let Some(mut shown) = reference(&path) else {
            return;
        };
        let mut got: Vec<_> = expected.into_iter().flatten().collect();
        shown.sort();
        got.sort();
        assert_eq!(got, shown, "{}", clip.name);
    }
}

/// Parameter sets go to the decoder once, and again when they change or it is a new one.
#[test]
fn parameter_sets_are_only_told_when_they_are_new() {
    let mut sps = Sps::new_zeroed();
    // No zeros in a row, which would be kept apart by another byte.
    sps.profile_idc = 66;
    sps.constraint_set_flags = 2;
    sps.level_idc = 30;
    sps.chroma_format_idc = 1;
    let pps = Pps::new_zeroed();
    let slice = [0, 0, 1, 0x65, 0b1_0001000, 0b1_0000000, 0x80];
    let mut rebuilder = Rebuilder::default();
    let mut unit = |sps: &Sps| rebuilder.unit(sps, &pps, None, &slice).unwrap().len();
    let first = unit(&sps);
    assert!(first > slice.len());
    assert_eq!(unit(&sps), slice.len());
    sps.level_idc = 40;
    assert_eq!(unit(&sps), first);
    rebuilder.forget();
    assert_eq!(
        rebuilder.unit(&sps, &pps, None, &slice).unwrap().len(),
        first
    );
}

//! A stateless client's side of H.264: a real stream's parameter sets as controls, read by another
//! reader than FFmpeg's.

use daedalus::h264::controls::{Pps, ScalingMatrix, Sps, pps, sps};
use h264_reader::Context;
use h264_reader::nal::pps::PicParameterSet;
use h264_reader::nal::sps::{FrameMbsFlags, PicOrderCntType, ScalingList, SeqParameterSet};
use h264_reader::rbsp::{BitReader, decode_nal};
use memchr::memmem;
use zerocopy::FromZeros;

/// Default lists in zig-zag order (ITU-T H.264, tables 7-3 and 7-4).
const DEFAULT_4X4: [[u8; 16]; 2] = [
    [
        6, 13, 13, 20, 20, 20, 28, 28, 28, 28, 32, 32, 32, 37, 37, 42,
    ],
    [
        10, 14, 14, 20, 20, 20, 24, 24, 24, 24, 27, 27, 27, 30, 30, 34,
    ],
];
const DEFAULT_8X8: [[u8; 64]; 2] = [
    [
        6, 10, 10, 13, 11, 13, 16, 16, 16, 16, 18, 18, 18, 18, 18, 23, 23, 23, 23, 23, 23, 25, 25,
        25, 25, 25, 25, 25, 27, 27, 27, 27, 27, 27, 27, 27, 29, 29, 29, 29, 29, 29, 29, 31, 31, 31,
        31, 31, 31, 33, 33, 33, 33, 33, 36, 36, 36, 36, 38, 38, 38, 40, 40, 42,
    ],
    [
        9, 13, 13, 15, 13, 15, 17, 17, 17, 17, 19, 19, 19, 19, 19, 21, 21, 21, 21, 21, 21, 22, 22,
        22, 22, 22, 22, 22, 24, 24, 24, 24, 24, 24, 24, 24, 25, 25, 25, 25, 25, 25, 25, 27, 27, 27,
        27, 27, 27, 28, 28, 28, 28, 28, 30, 30, 30, 30, 32, 32, 32, 33, 33, 35,
    ],
];

/// NAL units, each without its start code.
pub fn nals(bytes: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<_> = memmem::find_iter(bytes, &[0, 0, 1]).collect();
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    let nal = |(start, end): (&usize, usize)| {
        let nal = &bytes[start + 3..end];
        let trailing = nal.iter().rev().take_while(|b| **b == 0).count();
        &nal[..nal.len() - trailing]
    };
    starts.iter().zip(ends).map(nal).collect()
}

/// Follows a stream's parameter sets.
#[derive(Default)]
pub struct Client {
    context: Context,
}

/// What a client sends for one picture or field.
pub struct Job {
    pub sps: Sps,
    pub pps: Pps,
    pub scaling: ScalingMatrix,
    pub slices: Vec<u8>,
}

impl Client {
    pub fn job(&mut self, unit: &[u8]) -> Job {
        let mut slices = Vec::new();
        let mut pps_id = None;
        for nal in nals(unit) {
            let payload = decode_nal(nal).unwrap();
            match nal[0] & 0x1f {
                7 => {
                    let sps = SeqParameterSet::from_bits(BitReader::new(&payload[..])).unwrap();
                    self.context.put_seq_param_set(sps);
                }
                8 => {
                    let reader = BitReader::new(&payload[..]);
                    let pps = PicParameterSet::from_bits(&self.context, reader).unwrap();
                    self.context.put_pic_param_set(pps);
                }
                1 | 5 => {
                    pps_id.get_or_insert_with(|| third_number(&payload));
                    slices.extend_from_slice(&[0, 0, 1]);
                    slices.extend_from_slice(nal);
                }
                _ => {}
            }
        }
        let pps_id = pps_id.expect("a slice");
        let pps = self
            .context
            .pps()
            .find(|p| u32::from(p.pic_parameter_set_id.id()) == pps_id)
            .expect("its parameter set");
        let sps = self.context.sps_by_id(pps.seq_parameter_set_id).unwrap();
        let (lists, present) = scaling(sps, pps);
        Job {
            sps: sps_control(sps),
            pps: pps_control(pps, present),
            scaling: lists,
            slices,
        }
    }
}

/// The third Exp-Golomb number of a slice header.
fn third_number(payload: &[u8]) -> u32 {
    let mut bits = payload
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |place| u32::from(byte >> place & 1)));
    let mut number = || {
        let zeros = bits.by_ref().take_while(|b| *b == 0).count();
        bits.by_ref().take(zeros).fold(1, |n, b| n << 1 | b) - 1
    };
    (number(), number(), number()).2
}

pub fn sps_control(from: &SeqParameterSet) -> Sps {
    let mut to = Sps::new_zeroed();
    let mut flag = |bit, set| to.flags |= if set { bit } else { 0 };
    flag(
        sps::GAPS_IN_FRAME_NUM_VALUE_ALLOWED,
        from.gaps_in_frame_num_value_allowed_flag,
    );
    flag(sps::DIRECT_8X8_INFERENCE, from.direct_8x8_inference_flag);
    flag(
        sps::QPPRIME_Y_ZERO_TRANSFORM_BYPASS,
        from.chroma_info.qpprime_y_zero_transform_bypass_flag,
    );
    match from.frame_mbs_flags {
        FrameMbsFlags::Frames => flag(sps::FRAME_MBS_ONLY, true),
        FrameMbsFlags::Fields {
            mb_adaptive_frame_field_flag,
        } => flag(sps::MB_ADAPTIVE_FRAME_FIELD, mb_adaptive_frame_field_flag),
    }
    match &from.pic_order_cnt {
        PicOrderCntType::TypeZero {
            log2_max_pic_order_cnt_lsb_minus4,
        } => to.log2_max_pic_order_cnt_lsb_minus4 = *log2_max_pic_order_cnt_lsb_minus4,
        PicOrderCntType::TypeOne {
            delta_pic_order_always_zero_flag,
            offset_for_non_ref_pic,
            offset_for_top_to_bottom_field,
            offsets_for_ref_frame,
        } => {
            flag(
                sps::DELTA_PIC_ORDER_ALWAYS_ZERO,
                *delta_pic_order_always_zero_flag,
            );
            to.pic_order_cnt_type = 1;
            to.offset_for_non_ref_pic = *offset_for_non_ref_pic;
            to.offset_for_top_to_bottom_field = *offset_for_top_to_bottom_field;
            to.num_ref_frames_in_pic_order_cnt_cycle = offsets_for_ref_frame.len() as u8;
            to.offset_for_ref_frame[..offsets_for_ref_frame.len()]
                .copy_from_slice(offsets_for_ref_frame);
        }
        PicOrderCntType::TypeTwo => to.pic_order_cnt_type = 2,
    }
    to.profile_idc = from.profile_idc.into();
    to.constraint_set_flags = u8::from(from.constraint_flags).reverse_bits();
    to.level_idc = from.level_idc;
    to.seq_parameter_set_id = from.seq_parameter_set_id.id();
    to.chroma_format_idc = 1;
    to.bit_depth_luma_minus8 = from.chroma_info.bit_depth_luma_minus8;
    to.bit_depth_chroma_minus8 = from.chroma_info.bit_depth_chroma_minus8;
    to.log2_max_frame_num_minus4 = from.log2_max_frame_num_minus4;
    to.max_num_ref_frames = from.max_num_ref_frames as u8;
    to.pic_width_in_mbs_minus1 = from.pic_width_in_mbs_minus1 as u16;
    to.pic_height_in_map_units_minus1 = from.pic_height_in_map_units_minus1 as u16;
    to
}

pub fn pps_control(from: &PicParameterSet, scaling: bool) -> Pps {
    let mut to = Pps::new_zeroed();
    let extension = from.extension.as_ref();
    for (bit, set) in [
        (pps::ENTROPY_CODING_MODE, from.entropy_coding_mode_flag),
        (
            pps::BOTTOM_FIELD_PIC_ORDER_IN_FRAME_PRESENT,
            from.bottom_field_pic_order_in_frame_present_flag,
        ),
        (pps::WEIGHTED_PRED, from.weighted_pred_flag),
        (
            pps::DEBLOCKING_FILTER_CONTROL_PRESENT,
            from.deblocking_filter_control_present_flag,
        ),
        (
            pps::CONSTRAINED_INTRA_PRED,
            from.constrained_intra_pred_flag,
        ),
        (
            pps::REDUNDANT_PIC_CNT_PRESENT,
            from.redundant_pic_cnt_present_flag,
        ),
        (
            pps::TRANSFORM_8X8_MODE,
            extension.is_some_and(|e| e.transform_8x8_mode_flag),
        ),
        (pps::SCALING_MATRIX_PRESENT, scaling),
    ] {
        to.flags |= if set { bit } else { 0 };
    }
    to.pic_parameter_set_id = from.pic_parameter_set_id.id();
    to.seq_parameter_set_id = from.seq_parameter_set_id.id();
    to.num_slice_groups_minus1 = from.slice_groups.is_some().into();
    to.num_ref_idx_l0_default_active_minus1 = from.num_ref_idx_l0_default_active_minus1 as u8;
    to.num_ref_idx_l1_default_active_minus1 = from.num_ref_idx_l1_default_active_minus1 as u8;
    to.weighted_bipred_idc = from.weighted_bipred_idc;
    to.pic_init_qp_minus26 = from.pic_init_qp_minus26 as i8;
    to.pic_init_qs_minus26 = from.pic_init_qs_minus26 as i8;
    to.chroma_qp_index_offset = from.chroma_qp_index_offset as i8;
    let second = extension.map_or(from.chroma_qp_index_offset, |e| {
        e.second_chroma_qp_index_offset
    });
    to.second_chroma_qp_index_offset = second as i8;
    to
}

/// The lists that hold for a picture, row by row, and whether they are not all flat (7.4.2.1.1.1
/// and 7.4.2.2: fall-back rules A and B).
fn scaling(sps: &SeqParameterSet, pps: &PicParameterSet) -> (ScalingMatrix, bool) {
    let mut small = [[16; 16]; 6];
    let mut large = [[16; 64]; 2];
    let mut present = false;
    if let Some(of_sps) = &sps.chroma_info.scaling_matrix {
        present = true;
        let (first4, first8) = (DEFAULT_4X4, DEFAULT_8X8);
        resolve(&mut small, &of_sps.scaling_list4x4, DEFAULT_4X4, |i| {
            first4[i]
        });
        resolve(&mut large, &of_sps.scaling_list8x8, DEFAULT_8X8, |i| {
            first8[i]
        });
    }
    let of_pps = pps.extension.as_ref();
    if let Some(of_pps) = of_pps.and_then(|e| e.pic_scaling_matrix.as_ref()) {
        let (seq4, seq8) = (small, large);
        let has_seq = present;
        present = true;
        let first4 = |i: usize| if has_seq { seq4[3 * i] } else { DEFAULT_4X4[i] };
        let first8 = |i: usize| if has_seq { seq8[i] } else { DEFAULT_8X8[i] };
        resolve(&mut small, &of_pps.scaling_list4x4, DEFAULT_4X4, first4);
        if let Some(lists) = &of_pps.scaling_list8x8 {
            resolve(&mut large, lists, DEFAULT_8X8, first8);
        }
    }
    let mut matrix = ScalingMatrix {
        lists_4x4: [[16; 16]; 6],
        lists_8x8: [[16; 64]; 6],
    };
    for (to, from) in matrix.lists_4x4.iter_mut().zip(&small) {
        *to = raster(from);
    }
    for (to, from) in matrix.lists_8x8.iter_mut().zip(&large) {
        *to = raster(from);
    }
    (matrix, present)
}

/// Lists as they are coded to lists as they hold; `first` is what intra (0) and inter (1) lists
/// begin with, the others go by the one before of their kind.
fn resolve<const N: usize, const COUNT: usize>(
    to: &mut [[u8; N]; COUNT],
    coded: &[ScalingList<N>],
    default: [[u8; N]; 2],
    first: impl Fn(usize) -> [u8; N],
) {
    let kinds = COUNT / 2;
    for (i, list) in coded.iter().enumerate().take(COUNT) {
        let kind = i / kinds;
        to[i] = match list {
            ScalingList::List(values) => values.map(std::num::NonZero::get),
            ScalingList::UseDefault => default[kind],
            ScalingList::NotPresent if i % kinds == 0 => first(kind),
            ScalingList::NotPresent => to[i - 1],
        };
    }
}

/// From the zig-zag order of square blocks to rows, by walking the diagonals.
pub fn raster<const N: usize>(zigzag: &[u8; N]) -> [u8; N] {
    let side = N.isqrt();
    let mut rows = [0; N];
    let (mut row, mut column) = (0, 0);
    for value in zigzag {
        rows[row * side + column] = *value;
        let up = (row + column) % 2 == 0;
        let (along, across) = if up {
            (&mut column, &mut row)
        } else {
            (&mut row, &mut column)
        };
        if *along == side - 1 {
            *across += 1;
        } else {
            *along += 1;
            *across = across.saturating_sub(1);
        }
    }
    rows
}

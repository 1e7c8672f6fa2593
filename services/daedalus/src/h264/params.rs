//! Sequence and picture parameter sets written from controls (ITU-T H.264, 7.3.2.1 and 7.3.2.2).

use super::bits::NalWriter;
use super::controls::{Pps, ScalingMatrix, Sps, pps, sps};

/// Header of a NAL unit with a sequence parameter set, of the highest importance.
const NAL_SPS: u8 = 0x67;
/// Likewise with a picture parameter set.
const NAL_PPS: u8 = 0x68;

/// Profiles whose sequence parameter set tells of chroma format and bit depth (7.3.2.1.1).
const HIGH_PROFILES: [u8; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
/// High: what Baseline, Main and Extended lack is in it.
const PROFILE_HIGH: u8 = 100;

/// Where in a matrix of 4 rows, 0 to 15, the factors of a list are (6.3, zig-zag scan).
const ZIGZAG_4X4: [u8; 16] = [0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15];
/// Likewise of 8 rows.
const ZIGZAG_8X8: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// What a picture is decoded by.
#[derive(Debug, Clone, Copy)]
pub struct Parameters<'a> {
    sps: &'a Sps,
    pps: &'a Pps,
    scaling: Option<&'a ScalingMatrix>,
}

/// Why controls make no parameter sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// A number is none that the standard has.
    #[error("{name} is {value}")]
    Value {
        /// The standard's name.
        name: &'static str,
        /// What it is.
        value: u32,
    },
    /// Not 4:2:0, or samples of other depth than 8 or 10 bits, or not the same in all planes.
    #[error("chroma format {chroma_format_idc} with {luma} and {chroma} bits is not decoded")]
    Format {
        /// 1 is 4:2:0.
        chroma_format_idc: u8,
        /// Bits of a luma sample.
        luma: u32,
        /// Bits of a chroma sample.
        chroma: u32,
    },
    /// Slice groups: their map is in no control.
    #[error("slice groups (FMO) are not decoded")]
    SliceGroups,
    /// A factor of a scaling list is 0, or the lists are wanted and not there.
    #[error("the scaling matrix is not there or has a zero")]
    Scaling,
}

impl<'a> Parameters<'a> {
    /// Checks what would not be understood otherwise.
    ///
    /// # Errors
    /// See [`ParameterError`].
    pub fn new(
        sps: &'a Sps,
        pps: &'a Pps,
        scaling: Option<&'a ScalingMatrix>,
    ) -> Result<Self, ParameterError> {
        for (name, value, highest) in [
            ("seq_parameter_set_id", sps.seq_parameter_set_id, 31),
            (
                "log2_max_frame_num_minus4",
                sps.log2_max_frame_num_minus4,
                12,
            ),
            ("pic_order_cnt_type", sps.pic_order_cnt_type, 2),
            (
                "log2_max_pic_order_cnt_lsb_minus4",
                sps.log2_max_pic_order_cnt_lsb_minus4,
                12,
            ),
            ("max_num_ref_frames", sps.max_num_ref_frames, 16),
            ("weighted_bipred_idc", pps.weighted_bipred_idc, 2),
        ] {
            if value > highest {
                let value = value.into();
                return Err(ParameterError::Value { name, value });
            }
        }
        let depths = (sps.bit_depth_luma_minus8, sps.bit_depth_chroma_minus8);
        if sps.chroma_format_idc != 1 || !matches!(depths, (0, 0) | (2, 2)) {
            return Err(ParameterError::Format {
                chroma_format_idc: sps.chroma_format_idc,
                luma: u32::from(depths.0) + 8,
                chroma: u32::from(depths.1) + 8,
            });
        }
        if pps.num_slice_groups_minus1 != 0 {
            return Err(ParameterError::SliceGroups);
        }
        let scaling = if pps.has(pps::SCALING_MATRIX_PRESENT) {
            let lists = scaling.ok_or(ParameterError::Scaling)?;
            if lists.lists_4x4.iter().flatten().any(|f| *f == 0)
                || (pps.has(pps::TRANSFORM_8X8_MODE)
                    && lists.lists_8x8.iter().take(2).flatten().any(|f| *f == 0))
            {
                return Err(ParameterError::Scaling);
            }
            Some(lists)
        } else {
            None
        };
        Ok(Self { sps, pps, scaling })
    }

    /// Appends a sequence parameter set, and one picture parameter set for each number by which
    /// slices refer to it.
    pub fn write(&self, pps_ids: &[u8], to: &mut Vec<u8>) {
        self.write_sps(to);
        for id in pps_ids {
            self.write_pps(*id, to);
        }
    }

    /// Whether the picture parameter set has what Baseline, Main and Extended lack.
    fn is_extended(&self) -> bool {
        self.pps.has(pps::TRANSFORM_8X8_MODE)
            || self.scaling.is_some()
            || self.pps.second_chroma_qp_index_offset != self.pps.chroma_qp_index_offset
    }

    /// A client that does not know the profile gives one that says too little.
    fn profile(&self) -> u8 {
        let told = self.sps.profile_idc;
        let deep = self.sps.bit_depth_luma_minus8 != 0;
        let lossless = self.sps.has(sps::QPPRIME_Y_ZERO_TRANSFORM_BYPASS);
        if !HIGH_PROFILES.contains(&told) && (self.is_extended() || deep || lossless) {
            PROFILE_HIGH
        } else {
            told
        }
    }

    fn write_sps(&self, to: &mut Vec<u8>) {
        let s = self.sps;
        let profile = self.profile();
        let mut w = NalWriter::begin(to, NAL_SPS);
        w.u(8, profile.into());
        // In the control the first flag is the lowest bit.
        w.u(8, s.constraint_set_flags.reverse_bits().into());
        w.u(8, s.level_idc.into());
        w.ue(s.seq_parameter_set_id.into());
        if HIGH_PROFILES.contains(&profile) {
            w.ue(s.chroma_format_idc.into());
            w.ue(s.bit_depth_luma_minus8.into());
            w.ue(s.bit_depth_chroma_minus8.into());
            w.flag(s.has(sps::QPPRIME_Y_ZERO_TRANSFORM_BYPASS));
            // All scaling lists are in the picture parameter set.
            w.flag(false);
        }
        w.ue(s.log2_max_frame_num_minus4.into());
        write_order(s, &mut w);
        w.ue(s.max_num_ref_frames.into());
        w.flag(s.has(sps::GAPS_IN_FRAME_NUM_VALUE_ALLOWED));
        w.ue(s.pic_width_in_mbs_minus1.into());
        w.ue(s.pic_height_in_map_units_minus1.into());
        w.flag(s.has(sps::FRAME_MBS_ONLY));
        if !s.has(sps::FRAME_MBS_ONLY) {
            w.flag(s.has(sps::MB_ADAPTIVE_FRAME_FIELD));
        }
        w.flag(s.has(sps::DIRECT_8X8_INFERENCE));
        // Cropping and usability information are in no control: the client applies them.
        w.flag(false);
        w.flag(false);
        w.end();
    }

    fn write_pps(&self, id: u8, to: &mut Vec<u8>) {
        let p = self.pps;
        let mut w = NalWriter::begin(to, NAL_PPS);
        w.ue(id.into());
        w.ue(self.sps.seq_parameter_set_id.into());
        w.flag(p.has(pps::ENTROPY_CODING_MODE));
        w.flag(p.has(pps::BOTTOM_FIELD_PIC_ORDER_IN_FRAME_PRESENT));
        w.ue(p.num_slice_groups_minus1.into());
        w.ue(p.num_ref_idx_l0_default_active_minus1.into());
        w.ue(p.num_ref_idx_l1_default_active_minus1.into());
        w.flag(p.has(pps::WEIGHTED_PRED));
        w.u(2, p.weighted_bipred_idc.into());
        w.se(p.pic_init_qp_minus26.into());
        w.se(p.pic_init_qs_minus26.into());
        w.se(p.chroma_qp_index_offset.into());
        w.flag(p.has(pps::DEBLOCKING_FILTER_CONTROL_PRESENT));
        w.flag(p.has(pps::CONSTRAINED_INTRA_PRED));
        w.flag(p.has(pps::REDUNDANT_PIC_CNT_PRESENT));
        if self.is_extended() {
            let large = p.has(pps::TRANSFORM_8X8_MODE);
            w.flag(large);
            w.flag(self.scaling.is_some());
            if let Some(lists) = self.scaling {
                write_lists(lists, large, &mut w);
            }
            w.se(p.second_chroma_qp_index_offset.into());
        }
        w.end();
    }
}

/// How the order of pictures is derived.
fn write_order(s: &Sps, w: &mut NalWriter) {
    w.ue(s.pic_order_cnt_type.into());
    match s.pic_order_cnt_type {
        0 => w.ue(s.log2_max_pic_order_cnt_lsb_minus4.into()),
        1 => {
            w.flag(s.has(sps::DELTA_PIC_ORDER_ALWAYS_ZERO));
            w.se(s.offset_for_non_ref_pic);
            w.se(s.offset_for_top_to_bottom_field);
            let count = s.num_ref_frames_in_pic_order_cnt_cycle;
            w.ue(count.into());
            for offset in s.offset_for_ref_frame.iter().take(count.into()) {
                w.se(*offset);
            }
        }
        _ => {}
    }
}

/// With 4:2:0 there are two lists for blocks of 8x8.
fn write_lists(lists: &ScalingMatrix, large: bool, w: &mut NalWriter) {
    for list in &lists.lists_4x4 {
        write_list(list, &ZIGZAG_4X4, w);
    }
    for list in lists.lists_8x8.iter().take(if large { 2 } else { 0 }) {
        write_list(list, &ZIGZAG_8X8, w);
    }
}

fn write_list<const N: usize>(raster: &[u8; N], scan: &[u8; N], w: &mut NalWriter) {
    w.flag(true);
    let mut last = 8u8;
    for at in scan {
        // The tables have no place outside.
        let factor = raster.get(usize::from(*at)).copied().unwrap_or(16);
        // Modulo 256, so that it fits.
        w.se((factor.wrapping_sub(last) as i8).into());
        last = factor;
    }
}

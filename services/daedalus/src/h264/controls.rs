//! The controls that describe a picture: `v4l2_ctrl_h264_*` of linux/v4l2-controls.h.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Where the numbers of stateless codecs' controls begin (`V4L2_CID_CODEC_STATELESS_BASE`).
const BASE: u32 = 0x00a4_0900;
/// `V4L2_CID_STATELESS_H264_SPS`
pub const CID_SPS: u32 = BASE + 2;
/// `V4L2_CID_STATELESS_H264_PPS`
pub const CID_PPS: u32 = BASE + 3;
/// `V4L2_CID_STATELESS_H264_SCALING_MATRIX`
pub const CID_SCALING_MATRIX: u32 = BASE + 4;

/// Bits of [`Sps::flags`].
pub mod sps {
    #![allow(missing_docs, reason = "names of the standard")]
    pub const SEPARATE_COLOUR_PLANE: u32 = 0x01;
    pub const QPPRIME_Y_ZERO_TRANSFORM_BYPASS: u32 = 0x02;
    pub const DELTA_PIC_ORDER_ALWAYS_ZERO: u32 = 0x04;
    pub const GAPS_IN_FRAME_NUM_VALUE_ALLOWED: u32 = 0x08;
    pub const FRAME_MBS_ONLY: u32 = 0x10;
    pub const MB_ADAPTIVE_FRAME_FIELD: u32 = 0x20;
    pub const DIRECT_8X8_INFERENCE: u32 = 0x40;
}

/// Bits of [`Pps::flags`].
pub mod pps {
    #![allow(missing_docs, reason = "names of the standard")]
    pub const ENTROPY_CODING_MODE: u16 = 0x01;
    pub const BOTTOM_FIELD_PIC_ORDER_IN_FRAME_PRESENT: u16 = 0x02;
    pub const WEIGHTED_PRED: u16 = 0x04;
    pub const DEBLOCKING_FILTER_CONTROL_PRESENT: u16 = 0x08;
    pub const CONSTRAINED_INTRA_PRED: u16 = 0x10;
    pub const REDUNDANT_PIC_CNT_PRESENT: u16 = 0x20;
    pub const TRANSFORM_8X8_MODE: u16 = 0x40;
    /// The lists of [`ScalingMatrix`](super::ScalingMatrix) are to be used.
    pub const SCALING_MATRIX_PRESENT: u16 = 0x80;
}

/// `struct v4l2_ctrl_h264_sps`: a sequence parameter set, by the standard's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs, reason = "names of the standard")]
pub struct Sps {
    pub profile_idc: u8,
    /// Bit n is `constraint_set<n>_flag`.
    pub constraint_set_flags: u8,
    pub level_idc: u8,
    pub seq_parameter_set_id: u8,
    pub chroma_format_idc: u8,
    pub bit_depth_luma_minus8: u8,
    pub bit_depth_chroma_minus8: u8,
    pub log2_max_frame_num_minus4: u8,
    pub pic_order_cnt_type: u8,
    pub log2_max_pic_order_cnt_lsb_minus4: u8,
    pub max_num_ref_frames: u8,
    pub num_ref_frames_in_pic_order_cnt_cycle: u8,
    pub offset_for_ref_frame: [i32; 255],
    pub offset_for_non_ref_pic: i32,
    pub offset_for_top_to_bottom_field: i32,
    pub pic_width_in_mbs_minus1: u16,
    pub pic_height_in_map_units_minus1: u16,
    /// Of [`sps`].
    pub flags: u32,
}

/// `struct v4l2_ctrl_h264_pps`: a picture parameter set, by the standard's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs, reason = "names of the standard")]
pub struct Pps {
    pub pic_parameter_set_id: u8,
    pub seq_parameter_set_id: u8,
    pub num_slice_groups_minus1: u8,
    pub num_ref_idx_l0_default_active_minus1: u8,
    pub num_ref_idx_l1_default_active_minus1: u8,
    pub weighted_bipred_idc: u8,
    pub pic_init_qp_minus26: i8,
    pub pic_init_qs_minus26: i8,
    pub chroma_qp_index_offset: i8,
    pub second_chroma_qp_index_offset: i8,
    /// Of [`pps`].
    pub flags: u16,
}

/// `struct v4l2_ctrl_h264_scaling_matrix`: factors row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ScalingMatrix {
    /// Intra Y, Cb, Cr, then inter Y, Cb, Cr.
    pub lists_4x4: [[u8; 16]; 6],
    /// Intra Y, inter Y, intra Cb, inter Cb, intra Cr, inter Cr.
    pub lists_8x8: [[u8; 64]; 6],
}

impl Sps {
    /// Whether this bit of [`sps`] is set.
    pub fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

impl Pps {
    /// Whether this bit of [`pps`] is set.
    pub fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}

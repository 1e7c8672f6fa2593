//! H.264 whose pictures are coded as two fields, or as a frame, by turns (PAFF), which no encoder at hand makes.
//!
//! Macroblocks are samples as they are (I_PCM) or, in P pictures, taken from the picture before (P_Skip):
//! enough to show that a field is decoded into its own rows, by the rows of the right field. Syntax: ITU-T
//! H.264, 7.3.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Macroblocks each way.
const WIDTH: u32 = 5;
const HEIGHT: u32 = 4;

/// Syntax elements, bit by bit.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    filled: u32,
}

impl Bits {
    fn put(&mut self, count: u32, value: u32) {
        for bit in (0..count).rev() {
            if self.filled.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> bit & 1) as u8) << (7 - self.filled % 8);
            }
            self.filled += 1;
        }
    }

    fn ue(&mut self, value: u32) {
        let length = (value + 1).ilog2();
        self.put(length, 0);
        self.put(length + 1, value + 1);
    }

    fn align(&mut self) {
        while !self.filled.is_multiple_of(8) {
            self.put(1, 0);
        }
    }

    /// Ends the payload and puts it into a NAL unit with a start code (7.4.1, Annex B).
    fn nal(mut self, header: u8) -> Vec<u8> {
        self.put(1, 1);
        self.align();
        let mut nal = vec![0, 0, 0, 1, header];
        let mut zeros = 0;
        for byte in self.bytes {
            if zeros >= 2 && byte <= 3 {
                nal.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            nal.push(byte);
        }
        nal
    }
}

/// Main profile, level 3, frame_num and POC of eight bits, not only frames.
fn sps() -> Vec<u8> {
    let mut bits = Bits::default();
    for byte in [77, 0, 30] {
        bits.put(8, byte);
    }
    bits.ue(0); // seq_parameter_set_id
    bits.ue(4); // log2_max_frame_num_minus4
    bits.ue(0); // pic_order_cnt_type
    bits.ue(4); // log2_max_pic_order_cnt_lsb_minus4
    bits.ue(1); // max_num_ref_frames
    bits.put(1, 0); // gaps_in_frame_num_value_allowed_flag
    bits.ue(WIDTH - 1);
    bits.ue(HEIGHT / 2 - 1); // in pairs of macroblocks
    bits.put(1, 0); // frame_mbs_only_flag
    bits.put(1, 0); // mb_adaptive_frame_field_flag
    bits.put(1, 1); // direct_8x8_inference_flag
    bits.put(2, 0); // no cropping, no VUI
    bits.nal(0x67)
}

fn pps() -> Vec<u8> {
    let mut bits = Bits::default();
    bits.ue(0); // pic_parameter_set_id
    bits.ue(0); // seq_parameter_set_id
    bits.put(2, 0); // CAVLC, no order of fields in the picture
    bits.ue(0); // num_slice_groups_minus1
    bits.ue(0); // num_ref_idx_l0_default_active_minus1
    bits.ue(0); // and l1
    bits.put(3, 0); // no weighted prediction
    for _ in 0..3 {
        bits.ue(0); // quantisers, as se(v)
    }
    bits.put(3, 0b100); // deblocking_filter_control_present_flag
    bits.nal(0x68)
}

/// What a slice is of.
#[derive(Clone, Copy, PartialEq)]
enum Structure {
    Frame,
    Top,
    Bottom,
}

/// A whole picture or field in one slice. The first of all is IDR.
fn slice(rng: &mut fastrand::Rng, number: u32, structure: Structure) -> Vec<u8> {
    let idr = number == 0 && structure != Structure::Bottom;
    let intra = idr;
    let mut bits = Bits::default();
    bits.ue(0); // first_mb_in_slice
    bits.ue(if intra { 7 } else { 5 }); // slice_type: I, P
    bits.ue(0); // pic_parameter_set_id
    bits.put(8, number); // frame_num
    bits.put(1, u32::from(structure != Structure::Frame)); // field_pic_flag
    if structure != Structure::Frame {
        bits.put(1, u32::from(structure == Structure::Bottom)); // bottom_field_flag
    }
    if idr {
        bits.ue(0); // idr_pic_id
    }
    let order = 2 * number + u32::from(structure == Structure::Bottom);
    bits.put(8, order); // pic_order_cnt_lsb
    if !intra {
        bits.put(2, 0); // num_ref_idx_active_override_flag, ref_pic_list_modification_flag_l0
    }
    // dec_ref_pic_marking()
    bits.put(if idr { 2 } else { 1 }, 0);
    bits.ue(0); // slice_qp_delta, as se(v)
    bits.ue(1); // disable_deblocking_filter_idc
    macroblocks(rng, &mut bits, intra, structure);
    bits.nal(if idr { 0x65 } else { 0x41 })
}

fn macroblocks(rng: &mut fastrand::Rng, bits: &mut Bits, intra: bool, structure: Structure) {
    let rows = if structure == Structure::Frame {
        HEIGHT
    } else {
        HEIGHT / 2
    };
    let mut skipped = 0;
    for _ in 0..rows * WIDTH {
        if !intra && rng.bool() {
            skipped += 1;
            continue;
        }
        if !intra {
            bits.ue(skipped); // mb_skip_run
            skipped = 0;
        }
        bits.ue(if intra { 25 } else { 30 }); // mb_type: I_PCM
        bits.align();
        let level = rng.u32(20..220);
        for _ in 0..384 {
            bits.put(8, level + rng.u32(..16));
        }
    }
    if skipped > 0 {
        bits.ue(skipped);
    }
}

/// `paff`: so many pictures, two of three as fields.
pub fn write(path: &Path, pictures: u32, seed: u64) -> Result<()> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut stream = sps();
    stream.extend(pps());
    for number in 0..pictures.min(128) {
        if number % 3 == 2 {
            stream.extend(slice(&mut rng, number, Structure::Frame));
        } else {
            stream.extend(slice(&mut rng, number, Structure::Top));
            stream.extend(slice(&mut rng, number, Structure::Bottom));
        }
    }
    fs::write(path, stream).with_context(|| path.display().to_string())
}

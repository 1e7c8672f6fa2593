//! The machine-readable strip that the built-in source draws into its pictures.
//!
//! A reader of the decoded picture (a test, the page in the browser) gets the frame number and the
//! wall-clock time of capture out of the pixels, and with them loss, order and end-to-end latency.
//! Its cells are large and black or white, so it survives coding at low bit rates.
//!
//! Sizes are in luma pixels. Cells are squares of side S: 8 for pictures 256 to 639 wide, 16 up to
//! 2559, 32 from 2560; narrower pictures have no strip. The strip is the top left 32 S × 3 S: 3 rows
//! of 32 cells, 96 bits, most significant first, row by row:
//!
//! | bits | |
//! |---|---|
//! | 8 | magic, 0xA5 |
//! | 32 | frame number, from 0 at the start of the source, one more each captured frame |
//! | 40 | wall-clock milliseconds since the Unix epoch at capture, modulo 2⁴⁰ |
//! | 16 | CRC-16/CCITT-FALSE of the ten bytes before |
//!
//! A cell is black (Y = 16) for 0 and white (Y = 235) for 1, with chroma 128. To read it, compare
//! the mean luma of its central half with 126.

const COLUMNS: usize = 32;
const ROWS: usize = 3;
const MAGIC: u8 = 0xA5;
const BLACK: u8 = 16;
const WHITE: u8 = 235;
const THRESHOLD: u32 = 126;
const MILLIS_MASK: u64 = (1 << 40) - 1;

/// What a strip says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strip {
    /// Number of the frame.
    pub frame: u32,
    /// Wall-clock milliseconds at capture, modulo 2⁴⁰. See [`millis_near`](Self::millis_near).
    pub millis: u64,
}

impl Strip {
    /// The time of capture in milliseconds since the Unix epoch: of all that this strip can mean,
    /// the one nearest to `now`, the reader's own clock.
    pub fn millis_near(&self, now: u64) -> u64 {
        const PERIOD: u64 = MILLIS_MASK + 1;
        let ahead = self.millis.wrapping_sub(now) & MILLIS_MASK;
        if ahead < PERIOD / 2 {
            now.saturating_add(ahead)
        } else {
            now.saturating_sub(PERIOD - ahead)
        }
    }

    fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        let (body, crc) = bytes.split_at_mut(10);
        let (head, millis) = body.split_at_mut(5);
        let (magic, frame) = head.split_at_mut(1);
        magic.fill(MAGIC);
        frame.copy_from_slice(&self.frame.to_be_bytes());
        millis.copy_from_slice(&(self.millis & MILLIS_MASK).to_be_bytes()[3..]);
        crc.copy_from_slice(&crc16(body).to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; 12]) -> Option<Self> {
        let [magic, f0, f1, f2, f3, m0, m1, m2, m3, m4, c0, c1] = *bytes;
        if magic != MAGIC || crc16(&bytes[..10]) != u16::from_be_bytes([c0, c1]) {
            return None;
        }
        Some(Self {
            frame: u32::from_be_bytes([f0, f1, f2, f3]),
            millis: u64::from_be_bytes([0, 0, 0, m0, m1, m2, m3, m4]),
        })
    }
}

/// Side of a cell for pictures `width` wide; `None` where they are too narrow for a strip.
pub fn cell_size(width: usize) -> Option<usize> {
    match width {
        ..256 => None,
        256..640 => Some(8),
        640..2560 => Some(16),
        2560.. => Some(32),
    }
}

/// Draws the strip into the luma plane of a picture `width` pixels wide. Chroma is left alone: it
/// must be 128 there. Nothing is drawn where the picture has no room.
pub fn draw(strip: Strip, luma: &mut [u8], stride: usize, width: usize) {
    let Some(side) = cell_size(width) else { return };
    let bytes = strip.to_bytes();
    for (row, bits) in bytes.chunks_exact(COLUMNS / 8).enumerate() {
        // One line of pixels, then copies of it.
        let first = row * side * stride;
        let Some(line) = luma.get_mut(first..first + COLUMNS * side) else {
            return;
        };
        for (column, cell) in line.chunks_exact_mut(side).enumerate() {
            let bit = bits[column / 8] >> (7 - column % 8) & 1;
            cell.fill(if bit == 1 { WHITE } else { BLACK });
        }
        for y in 1..side {
            let to = first + y * stride;
            if to + COLUMNS * side <= luma.len() {
                luma.copy_within(first..first + COLUMNS * side, to);
            }
        }
    }
}

/// Reads the strip out of the luma plane of a decoded picture `width` pixels wide. `None` if there
/// is none, or it is damaged.
pub fn read(luma: &[u8], stride: usize, width: usize) -> Option<Strip> {
    let side = cell_size(width)?;
    let mut bytes = [0u8; 12];
    for (i, byte) in bytes.iter_mut().enumerate() {
        for bit in 0..8 {
            let cell = i * 8 + bit;
            let white = cell_mean(luma, stride, side, cell % COLUMNS, cell / COLUMNS)? > THRESHOLD;
            *byte = *byte << 1 | u8::from(white);
        }
    }
    Strip::from_bytes(&bytes)
}

/// Mean luma of the central half of a cell.
fn cell_mean(luma: &[u8], stride: usize, side: usize, column: usize, row: usize) -> Option<u32> {
    let (quarter, half) = (side / 4, side / 2);
    let (x, y) = (column * side + quarter, row * side + quarter);
    let mut sum = 0u32;
    for line in y..y + half {
        let start = line * stride + x;
        sum += luma
            .get(start..start + half)?
            .iter()
            .map(|&v| u32::from(v))
            .sum::<u32>();
    }
    Some(sum / (half * half) as u32)
}

/// Height of the strip in pictures `width` wide; 0 where there is none.
pub fn height(width: usize) -> usize {
    cell_size(width).map_or(0, |side| side * ROWS)
}

/// CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, nothing reflected.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| {
            crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRIP: Strip = Strip {
        frame: 0xDEAD_BEEF,
        millis: 0x0012_3456_789A & MILLIS_MASK,
    };

    #[test]
    fn the_checksum_is_crc_16_ccitt_false() {
        assert_eq!(crc16(b"123456789"), 0x29B1);
    }

    #[test]
    fn what_is_drawn_is_read_again_at_every_size() {
        for (width, side) in [
            (256, 8),
            (638, 8),
            (640, 16),
            (2558, 16),
            (2560, 32),
            (3840, 32),
        ] {
            assert_eq!(cell_size(width), Some(side));
            let (stride, rows) = (width + 64, height(width) + 2);
            let mut luma = vec![77; stride * rows];
            draw(STRIP, &mut luma, stride, width);
            assert_eq!(read(&luma, stride, width), Some(STRIP), "{width}");
            let (inside, outside) = (luma[side * 32 - 1], luma[side * 32]);
            assert!(inside != 77 && outside == 77, "{width}");
            assert_eq!(luma[side * 3 * stride], 77, "{width}");
        }
    }

    #[test]
    fn a_strip_has_the_agreed_bits() {
        let strip = Strip {
            frame: 1,
            millis: 2,
        };
        let bytes = strip.to_bytes();
        assert_eq!(bytes[..10], [0xA5, 0, 0, 0, 1, 0, 0, 0, 0, 2]);
        let mut luma = vec![0; 640 * 48];
        draw(strip, &mut luma, 640, 640);
        let first_row: Vec<u8> = luma[8 * 640..]
            .iter()
            .step_by(16)
            .take(8)
            .copied()
            .collect();
        assert_eq!(first_row, [235, 16, 235, 16, 16, 235, 16, 235]);
    }

    #[test]
    fn narrow_pictures_have_no_strip() {
        let mut luma = vec![77; 254 * 64];
        draw(STRIP, &mut luma, 254, 254);
        assert!(luma.iter().all(|&v| v == 77));
        assert_eq!((read(&luma, 254, 254), height(254)), (None, 0));
    }

    #[test]
    fn a_damaged_cell_or_a_small_picture_gives_nothing() {
        let mut luma = vec![0; 640 * 48];
        draw(STRIP, &mut luma, 640, 640);
        for cell in 0..96 {
            let mut damaged = luma.clone();
            let corner = cell / 32 * 16 * 640 + cell % 32 * 16;
            for row in damaged[corner..].chunks_mut(640).take(16) {
                row[..16].iter_mut().for_each(|v| *v = 251 - *v);
            }
            assert_eq!(read(&damaged, 640, 640), None, "cell {cell}");
        }
        assert_eq!(read(&luma[..640 * 40], 640, 640), None);
        draw(STRIP, &mut luma[..640 * 40], 640, 640);
    }

    #[test]
    fn times_are_taken_nearest_to_the_readers_clock() {
        let now: u64 = 1_800_000_000_000;
        for millis in [now, now - 5_000, now + 5_000] {
            let strip = Strip {
                frame: 0,
                millis: millis & MILLIS_MASK,
            };
            assert_eq!(strip.millis_near(now), millis);
        }
        let wrap = (now | MILLIS_MASK) + 1;
        let before = Strip {
            frame: 0,
            millis: (wrap - 3) & MILLIS_MASK,
        };
        assert_eq!(before.millis_near(wrap + 2), wrap - 3);
    }
}

//! The machine-readable strip in the top-left corner of a test picture, written from its
//! description and not from the server's code: 3 rows of 32 square cells, black 0, white 1;
//! 8 bits magic, 32 bits frame number, 40 bits wall-clock milliseconds, 16 bits CRC.

const COLUMNS: usize = 32;
const ROWS: usize = 3;
const MAGIC: u8 = 0xa5;
const WALL_BITS: u32 = 40;

/// What a strip says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strip {
    /// Frames since the source started.
    pub frame: u32,
    /// Capture time in milliseconds since the Unix epoch.
    pub wall_ms: u64,
}

/// Side of a cell for a picture of this width; `None` where there is no strip.
pub fn cell_size(width: usize) -> Option<usize> {
    match width {
        0..=255 => None,
        256..=639 => Some(8),
        640..=2559 => Some(16),
        _ => Some(32),
    }
}

/// CRC-16/CCITT-FALSE.
fn crc16(data: &[u8]) -> u16 {
    data.iter().fold(0xffff, |crc, &byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |c, _| {
            if c & 0x8000 != 0 {
                (c << 1) ^ 0x1021
            } else {
                c << 1
            }
        })
    })
}

/// Mean of the central half of a cell.
fn cell(luma: &[u8], stride: usize, size: usize, column: usize, row: usize) -> Option<u32> {
    let (quarter, half) = (size / 4, size / 2);
    let mut sum = 0;
    for y in 0..half {
        let start = (row * size + quarter + y) * stride + column * size + quarter;
        sum += luma
            .get(start..start + half)?
            .iter()
            .map(|&v| u32::from(v))
            .sum::<u32>();
    }
    Some(sum / (half * half) as u32)
}

/// Reads the strip of a luma plane; `now_ms` resolves the wall clock's missing high bits.
pub fn read(luma: &[u8], width: usize, stride: usize, now_ms: u64) -> Option<Strip> {
    let size = cell_size(width)?;
    let mut bytes = [0u8; COLUMNS * ROWS / 8];
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            let bit = row * COLUMNS + column;
            if cell(luma, stride, size, column, row)? > 126 {
                bytes[bit / 8] |= 0x80 >> (bit % 8);
            }
        }
    }
    let (body, crc) = bytes.split_at(10);
    if body[0] != MAGIC || crc16(body).to_be_bytes() != crc {
        return None;
    }
    let frame = u32::from_be_bytes(body[1..5].try_into().ok()?);
    let low = body[5..10].iter().fold(0u64, |n, &b| n << 8 | u64::from(b));
    Some(Strip {
        frame,
        wall_ms: nearest(low, now_ms),
    })
}

/// The value equal to `low` modulo 2^40 that is nearest to `now`.
fn nearest(low: u64, now: u64) -> u64 {
    let span = 1u64 << WALL_BITS;
    let guess = (now & !(span - 1)) | low;
    if guess > now + span / 2 {
        guess - span
    } else if now > guess + span / 2 {
        guess + span
    } else {
        guess
    }
}

/// Draws a strip into a luma plane that is wide enough for one.
pub fn draw(luma: &mut [u8], width: usize, stride: usize, strip: Strip) {
    let Some(size) = cell_size(width) else {
        return;
    };
    let mut bytes = [0u8; 12];
    bytes[0] = MAGIC;
    bytes[1..5].copy_from_slice(&strip.frame.to_be_bytes());
    bytes[5..10].copy_from_slice(&strip.wall_ms.to_be_bytes()[3..]);
    let crc = crc16(&bytes[..10]);
    bytes[10..].copy_from_slice(&crc.to_be_bytes());
    for bit in 0..COLUMNS * ROWS {
        let value = if bytes[bit / 8] & (0x80 >> (bit % 8)) != 0 {
            235
        } else {
            16
        };
        let (row, column) = (bit / COLUMNS, bit % COLUMNS);
        for y in 0..size {
            let start = (row * size + y) * stride + column * size;
            if let Some(line) = luma.get_mut(start..start + size) {
                line.fill(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_read_at_every_cell_size() {
        for width in [256, 640, 1280, 2560] {
            let strip = Strip {
                frame: 0xdead_beef,
                wall_ms: 1_700_000_123_456,
            };
            let mut luma = vec![90; width * 128];
            draw(&mut luma, width, width, strip);
            // Half of what a bad encoder may do to it.
            luma.iter_mut().for_each(|v| *v = *v / 2 + 60);
            let read = read(&luma, width, width, strip.wall_ms + 900_000);
            assert_eq!(read, Some(strip), "{width}");
        }
    }

    #[test]
    fn a_flipped_cell_is_no_strip() {
        let mut luma = vec![90; 640 * 48];
        draw(
            &mut luma,
            640,
            640,
            Strip {
                frame: 1,
                wall_ms: 2,
            },
        );
        for y in 16..32 {
            luma[y * 640 + 64..y * 640 + 80].fill(235);
        }
        assert_eq!(read(&luma, 640, 640, 0), None);
    }

    #[test]
    fn the_published_check_value_of_the_crc() {
        assert_eq!(crc16(b"123456789"), 0x29b1);
    }
}

//! Digests of decoded pictures.

use livehal_ffmpeg::Frame;
use md5::{Digest, Md5};

const FNV_OFFSET: u32 = 0x811c_9dc5;
const FNV_PRIME: u32 = 0x0100_0193;

/// FNV-1a, 32 bits, of the visible bytes of all planes.
pub fn fnv1a(frame: &Frame) -> u32 {
    let mut digest = FNV_OFFSET;
    rows(frame, |row| {
        digest = row
            .iter()
            .fold(digest, |d, b| (d ^ u32::from(*b)).wrapping_mul(FNV_PRIME));
    });
    digest
}

/// MD5 of the same bytes, as hexadecimal digits: what `ffmpeg -f framemd5` gives for a frame.
pub fn md5(frame: &Frame) -> String {
    let mut md5 = Md5::new();
    rows(frame, |row| md5.update(row));
    md5.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// MD5 of all pictures one after another: what `ffmpeg -f md5` gives for a stream.
#[derive(Debug, Clone, Default)]
pub struct Pictures(Md5);

impl Pictures {
    /// Adds the next one.
    pub fn add(&mut self, frame: &Frame) {
        rows(frame, |row| self.0.update(row));
    }

    /// Of all that were added.
    pub fn md5(self) -> [u8; 16] {
        self.0.finalize().into()
    }
}

fn rows(frame: &Frame, mut each: impl FnMut(&[u8])) {
    for plane in frame.planes() {
        for row in plane.data.chunks(plane.stride).take(plane.rows) {
            each(row.get(..plane.row_bytes).unwrap_or(row));
        }
    }
}

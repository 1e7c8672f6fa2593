//! What GStreamer has written, against what FFmpeg decodes and what others have published.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use md5::{Digest, Md5};

/// A picture's size, and bytes of a sample.
#[derive(Debug, Clone, Copy)]
struct Layout {
    width: usize,
    height: usize,
    sample: usize,
}

/// NV12 or P010 as GStreamer lays it out where nobody asks for more: rows of a multiple of 4 bytes, an even
/// number of them (`gst_video_info_set_format`).
impl Layout {
    fn stride(self) -> usize {
        (self.width * self.sample).next_multiple_of(4)
    }

    fn rows(self) -> usize {
        self.height.next_multiple_of(2)
    }

    fn chroma(self) -> (usize, usize) {
        (self.width.div_ceil(2), self.height.div_ceil(2))
    }

    fn bytes(self) -> usize {
        self.stride() * self.rows() * 3 / 2
    }

    /// The visible rows of a plane: luma, or both chroma planes interleaved.
    fn plane(self, picture: &[u8], chroma: bool) -> impl Iterator<Item = &[u8]> {
        let (from, row, rows) = if chroma {
            let (width, height) = self.chroma();
            (self.stride() * self.rows(), 2 * width * self.sample, height)
        } else {
            (0, self.width * self.sample, self.height)
        };
        picture
            .get(from..)
            .unwrap_or_default()
            .chunks(self.stride())
            .take(rows)
            .map(move |line| line.get(..row).unwrap_or(line))
    }
}

fn hex(md5: Md5) -> String {
    md5.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// Of the bytes as they are, without padding.
fn interleaved(layout: Layout, picture: &[u8]) -> String {
    let mut md5 = Md5::new();
    for chroma in [false, true] {
        layout
            .plane(picture, chroma)
            .for_each(|row| md5.update(row));
    }
    hex(md5)
}

/// Of three planes, with ten bits of a sample in the lower ones: FFmpeg's yuv420p and yuv420p10le.
fn planar(layout: Layout, picture: &[u8]) -> String {
    let mut md5 = Md5::new();
    let mut row_of = |row: &[u8], first: usize, step: usize| {
        for sample in row.chunks_exact(layout.sample).skip(first).step_by(step) {
            match *sample {
                [low, high] => md5.update((u16::from_le_bytes([low, high]) >> 6).to_le_bytes()),
                _ => md5.update(sample),
            }
        }
    };
    for row in layout.plane(picture, false) {
        row_of(row, 0, 1);
    }
    for which in [0, 1] {
        for row in layout.plane(picture, true) {
            row_of(row, which, 2);
        }
    }
    hex(md5)
}

/// Of lines such as `3 320x240 yuv420p fnv1a=… md5=…`.
fn layouts(decoded: &str) -> Result<Vec<Layout>> {
    let layout = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (width, height) = words.next()?.split_once('x')?;
        let sample = match words.next()? {
            "yuv420p" | "yuvj420p" => 1,
            "yuv420p10le" => 2,
            _ => return None,
        };
        Some(Layout {
            width: width.parse().ok()?,
            height: height.parse().ok()?,
            sample,
        })
    };
    decoded
        .lines()
        .map(|line| layout(line).with_context(|| format!("not understood: {line}")))
        .collect()
}

/// `frames`: every picture of `raw` must be FFmpeg's (`framemd5`), and the published one where there is such a
/// list. `decoded` is what `daedalus_v4l2_daemon decode` says of the stream; from it come the sizes.
pub fn compare(
    raw: &Path,
    decoded: &Path,
    framemd5: &Path,
    published: Option<&Path>,
) -> Result<()> {
    let text = |path: &Path| fs::read_to_string(path).with_context(|| path.display().to_string());
    let layouts = layouts(&text(decoded)?)?;
    let expected = text(framemd5)?;
    let expected: Vec<_> = expected
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_whitespace().next_back())
        .collect();
    let published = published.map(text).transpose()?;
    let published: Vec<_> = published
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let raw = fs::read(raw).with_context(|| raw.display().to_string())?;
    ensure!(
        layouts.len() == expected.len(),
        "{} pictures decoded, {} by FFmpeg",
        layouts.len(),
        expected.len()
    );
    let mut rest = raw.as_slice();
    for (number, (layout, expected)) in layouts.iter().zip(&expected).enumerate() {
        let Some((picture, after)) = rest.split_at_checked(layout.bytes()) else {
            bail!(
                "{number} pictures and {} bytes; FFmpeg has {}",
                rest.len(),
                layouts.len()
            );
        };
        ensure!(
            planar(*layout, picture) == *expected,
            "picture {number} differs from FFmpeg's"
        );
        if let Some(published) = published.get(number) {
            ensure!(
                interleaved(*layout, picture) == *published,
                "picture {number} differs from the published one"
            );
        }
        rest = after;
    }
    ensure!(
        rest.is_empty(),
        "{} bytes more than FFmpeg's pictures",
        rest.len()
    );
    println!("pictures={} published={}", layouts.len(), published.len());
    Ok(())
}

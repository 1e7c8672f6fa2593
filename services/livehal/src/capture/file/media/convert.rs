//! Pictures as FFmpeg's decoders give them, made planar 4:2:0 of 8 bits, upright.

use std::sync::Arc;

use livehal_ffmpeg::{Frame, Plane as Source};

use crate::capture::I420;
use crate::capture::{Picture, Plane, Pool};
use crate::convert::split as split_row;

/// Layouts that can be converted, for messages.
pub(super) const FORMATS: &str =
    "planar YUV 4:2:0, 4:2:2, 4:4:0 and 4:4:4 of 8 to 16 bits, nv12, nv21 and gray";

/// How the samples of a pixel format lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    chroma: Chroma,
    /// Bits of a sample; two bytes each above 8.
    depth: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chroma {
    /// Two planes, as many times narrower and lower than luma: powers of two.
    Planar { across: u32, down: u32 },
    /// One plane of pairs, half as wide and high; the second of a pair is U.
    Pairs { u_second: bool },
    /// None.
    Gray,
}

impl Layout {
    /// The layout of a format by FFmpeg's name; `None` if it cannot be converted.
    pub(super) fn of(name: &str) -> Option<Self> {
        let planar = |chroma, depth| Some(Self { chroma, depth });
        match name {
            "nv12" => return planar(Chroma::Pairs { u_second: false }, 8),
            "nv21" => return planar(Chroma::Pairs { u_second: true }, 8),
            "gray" => return planar(Chroma::Gray, 8),
            _ => {}
        }
        if let Some(rest) = name.strip_prefix("gray") {
            return planar(Chroma::Gray, deep(rest)?);
        }
        // yuvj is full range, which the frame says as well; yuva has a fourth plane, not looked at.
        let rest = ["yuvj", "yuva", "yuv"]
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix))?;
        let (across, down) = match rest.get(..4)? {
            "420p" => (1, 1),
            "422p" => (1, 0),
            "440p" => (0, 1),
            "444p" => (0, 0),
            _ => return None,
        };
        let depth = match rest.get(4..)? {
            "" => 8,
            rest => deep(rest)?,
        };
        planar(Chroma::Planar { across, down }, depth)
    }

    /// The encoder can take it as it is.
    fn is_i420(self) -> bool {
        let chroma = Chroma::Planar { across: 1, down: 1 };
        self == Self { chroma, depth: 8 }
    }
}

/// The depth in the end of a name such as `yuv420p10le`.
fn deep(rest: &str) -> Option<u32> {
    let order = if cfg!(target_endian = "little") {
        "le"
    } else {
        "be"
    };
    let depth = rest.strip_suffix(order)?.parse().ok()?;
    (9..=16).contains(&depth).then_some(depth)
}

/// Turns clockwise, in quarters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    None,
    Quarter,
    Half,
    ThreeQuarters,
}

impl Turn {
    /// The nearest quarter turn.
    pub(super) fn from_degrees(degrees: u32) -> Self {
        match (degrees + 45) / 90 % 4 {
            0 => Self::None,
            1 => Self::Quarter,
            2 => Self::Half,
            _ => Self::ThreeQuarters,
        }
    }

    /// A size after the turn.
    pub(super) fn size(self, (width, height): (u32, u32)) -> (u32, u32) {
        match self {
            Self::None | Self::Half => (width, height),
            Self::Quarter | Self::ThreeQuarters => (height, width),
        }
    }
}

/// Makes pictures of one layout and size.
pub(super) struct Converter {
    layout: Layout,
    /// Even width and height before the turn.
    size: (usize, usize),
    turn: Turn,
    pool: Pool<I420>,
    /// A picture before it is turned.
    scratch: I420,
    /// One row of sums.
    sums: Vec<u32>,
}

impl Converter {
    /// For frames of `layout`, of which the even `size` is shown. At most `buffers` pictures are in
    /// use at a time.
    pub(super) fn new(layout: Layout, size: (u32, u32), turn: Turn, buffers: usize) -> Self {
        let turned = turn.size(size);
        let needs_buffers = !layout.is_i420() || turn != Turn::None;
        let count = if needs_buffers { buffers } else { 0 };
        let needs_scratch = needs_buffers && turn != Turn::None;
        let scratch = if needs_scratch { size } else { (0, 0) };
        Self {
            layout,
            size: (size.0 as usize, size.1 as usize),
            turn,
            pool: Pool::new(std::iter::repeat_with(|| I420::new(turned.0, turned.1)).take(count)),
            scratch: I420::new(scratch.0, scratch.1),
            sums: vec![0; size.0 as usize],
        }
    }

    /// # Errors
    /// All buffers are in use, or the frame is smaller than it was said to be.
    pub(super) fn convert(&mut self, frame: Frame) -> Result<Arc<dyn Picture>, &'static str> {
        if self.layout.is_i420() && self.turn == Turn::None {
            return Ok(Arc::new(Decoded(frame)));
        }
        let mut picture = self.pool.take().ok_or("all buffers are in use")?;
        let sources: Vec<_> = frame.planes().collect();
        let upright = self.turn == Turn::None;
        let target = if upright {
            &mut *picture
        } else {
            &mut self.scratch
        };
        let planes = target.planes_mut();
        fill(self.layout, self.size, &sources, planes, &mut self.sums)
            .ok_or("a frame is smaller than it says")?;
        if !upright {
            self.turn(&mut picture);
        }
        Ok(Arc::new(picture))
    }

    /// Turns what is in the scratch picture.
    fn turn(&mut self, picture: &mut I420) {
        let (width, height) = self.size;
        let planes = self.scratch.planes_mut().into_iter();
        for (i, (from, to)) in planes.zip(picture.planes_mut()).enumerate() {
            let shift = usize::from(i > 0);
            turn_plane(from, (width >> shift, height >> shift), self.turn, to);
        }
    }
}

/// A decoder's picture, not copied.
struct Decoded(Frame);

impl Picture for Decoded {
    fn plane(&self, index: usize) -> Option<Plane<'_>> {
        let plane = self.0.planes().nth(index).filter(|_| index < 3)?;
        Some(Plane {
            data: plane.data,
            stride: plane.stride,
        })
    }
}

/// Converts all planes of a picture.
fn fill(
    layout: Layout,
    (width, height): (usize, usize),
    sources: &[Source<'_>],
    [y, u, v]: [&mut [u8]; 3],
    sums: &mut [u32],
) -> Option<()> {
    let depth = layout.depth;
    let half = (width / 2, height / 2);
    shrink(sources.first()?, depth, (0, 0), (y, (width, height)), sums)?;
    match layout.chroma {
        Chroma::Gray => {
            u.fill(128);
            v.fill(128);
        }
        Chroma::Planar { across, down } => {
            let by = (1 - across, 1 - down);
            shrink(sources.get(1)?, depth, by, (u, half), sums)?;
            shrink(sources.get(2)?, depth, by, (v, half), sums)?;
        }
        Chroma::Pairs { u_second } => {
            let (first, second) = if u_second { (v, u) } else { (u, v) };
            split(sources.get(1)?, half, first, second)?;
        }
    }
    Some(())
}

/// Copies a plane to 8 bits, each sample the mean of `1 << by.0` by `1 << by.1` of the source.
fn shrink(
    source: &Source<'_>,
    depth: u32,
    by: (u32, u32),
    (to, (width, height)): (&mut [u8], (usize, usize)),
    sums: &mut [u32],
) -> Option<()> {
    let shift = by.0 + by.1 + depth - 8;
    let bytes = if depth > 8 { 2 } else { 1 };
    let length = (width << by.0) * bytes;
    let row = |y: usize| source.data.get(y * source.stride..)?.get(..length);
    let sums = sums.get_mut(..width)?;
    for (y, to) in to.chunks_exact_mut(width).take(height).enumerate() {
        if shift == 0 {
            to.copy_from_slice(row(y)?);
            continue;
        }
        sums.fill(0);
        for line in 0..1 << by.1 {
            let row = row((y << by.1) + line)?;
            match (bytes, by.0) {
                (1, 0) => add(sums, row.chunks_exact(1), |s| u32::from(s[0])),
                (1, _) => add(sums, row.chunks_exact(2), |s| {
                    u32::from(s[0]) + u32::from(s[1])
                }),
                (_, 0) => add(sums, row.chunks_exact(2), |s| word(s[0], s[1])),
                _ => add(sums, row.chunks_exact(4), |s| {
                    word(s[0], s[1]) + word(s[2], s[3])
                }),
            }
        }
        let half = 1 << (shift - 1);
        for (to, sum) in to.iter_mut().zip(sums.iter()) {
            *to = ((sum + half) >> shift).min(255) as u8;
        }
    }
    Some(())
}

fn add<'a>(
    sums: &mut [u32],
    samples: std::slice::ChunksExact<'a, u8>,
    value: impl Fn(&'a [u8]) -> u32,
) {
    for (sum, sample) in sums.iter_mut().zip(samples) {
        *sum += value(sample);
    }
}

fn word(first: u8, second: u8) -> u32 {
    u32::from(u16::from_ne_bytes([first, second]))
}

/// Takes a plane of pairs apart.
fn split(
    source: &Source<'_>,
    (width, height): (usize, usize),
    first: &mut [u8],
    second: &mut [u8],
) -> Option<()> {
    let rows = first
        .chunks_exact_mut(width)
        .zip(second.chunks_exact_mut(width));
    for (y, (first, second)) in rows.take(height).enumerate() {
        let row = source.data.get(y * source.stride..)?.get(..2 * width)?;
        split_row(row, first, second);
    }
    Some(())
}

/// Rows and columns turned at a time: they stay in the first cache.
const TILE: usize = 32;

/// Turns a plane without padding of `width` by `height`.
fn turn_plane(from: &[u8], (width, height): (usize, usize), turn: Turn, to: &mut [u8]) {
    // Where the sample of column x and row y goes: x * step.0 + y * step.1 on from `origin`.
    let (origin, step) = match turn {
        Turn::None => (0, (1, width as isize)),
        Turn::Quarter => (height as isize - 1, (height as isize, -1)),
        Turn::Half => ((width * height) as isize - 1, (-1, -(width as isize))),
        Turn::ThreeQuarters => (((width - 1) * height) as isize, (-(height as isize), 1)),
    };
    for top in (0..height).step_by(TILE) {
        for left in (0..width).step_by(TILE) {
            for y in top..(top + TILE).min(height) {
                for x in left..(left + TILE).min(width) {
                    let at = origin + x as isize * step.0 + y as isize * step.1;
                    if let (Some(to), Some(from)) =
                        (to.get_mut(at as usize), from.get(y * width + x))
                    {
                        *to = *from;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;

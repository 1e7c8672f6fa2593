//! A made-up landscape, detailed like a photograph, for the built-in source to look at.

use crate::capture::Matrix;

/// Random values along each side of the noise.
const LATTICE: usize = 256;
/// Side of the texture tile; a power of two.
const TILE: usize = 512;
/// Widths of the shapes in the texture tile, each half as strong as the one before.
const SHAPES: [usize; 4] = [64, 32, 16, 8];
/// From the far ridges to the near ones: where they are, how high they rise and how fine they are
/// (all as shares of the picture's height), and their colour.
const RIDGES: [Ridge; 5] = [
    ridge(0.50, 0.16, 0.55, [0.62, 0.55, 0.66]),
    ridge(0.58, 0.16, 0.40, [0.46, 0.44, 0.58]),
    ridge(0.68, 0.14, 0.30, [0.29, 0.34, 0.44]),
    ridge(0.79, 0.12, 0.25, [0.17, 0.27, 0.27]),
    ridge(0.92, 0.10, 0.20, [0.10, 0.19, 0.12]),
];

struct Ridge {
    base: f32,
    rise: f32,
    scale: f32,
    color: [f32; 3],
}

const fn ridge(base: f32, rise: f32, scale: f32, color: [f32; 3]) -> Ridge {
    Ridge {
        base,
        rise,
        scale,
        color,
    }
}

/// A picture in planar 4:2:0 with rows of its own length.
pub(super) struct Landscape {
    /// Width in pixels, even.
    pub(super) width: usize,
    /// Height in pixels, even.
    pub(super) height: usize,
    /// Y, U and V.
    pub(super) planes: [Vec<u8>; 3],
}

impl Landscape {
    /// Makes one; sizes are rounded up to even.
    pub(super) fn new(width: usize, height: usize, matrix: Matrix) -> Self {
        let (width, height) = (width.next_multiple_of(2), height.next_multiple_of(2));
        let painter = Painter::new(width, height);
        let mut planes = [
            vec![0; width * height],
            vec![0; width * height / 4],
            vec![0; width * height / 4],
        ];
        let [luma, cb, cr] = &mut planes;
        for (y, line) in luma.chunks_exact_mut(width).enumerate() {
            for (x, sample) in line.iter_mut().enumerate() {
                let color = ycbcr(painter.color(x, y), matrix);
                *sample = color[0];
                if x % 2 == 0 && y % 2 == 0 {
                    let at = y / 2 * (width / 2) + x / 2;
                    (cb[at], cr[at]) = (color[1], color[2]);
                }
            }
        }
        Self {
            width,
            height,
            planes,
        }
    }
}

struct Painter {
    height: f32,
    texture: Texture,
    noise: Noise,
    /// For each column the height of each ridge, in pixels from the top.
    outlines: Vec<[f32; RIDGES.len()]>,
    sun: (f32, f32),
}

impl Painter {
    fn new(columns: usize, rows: usize) -> Self {
        let noise = Noise::new();
        let height = rows.max(2) as f32;
        let outlines = (0..columns)
            .map(|x| {
                let mut layer = 0.0;
                RIDGES.each_ref().map(|ridge| {
                    layer += 41.7;
                    let along = x as f32 / (height * ridge.scale) * 24.0;
                    let rise = noise.at(along, layer) - 0.5;
                    (ridge.base - ridge.rise * 2.0 * rise) * height
                })
            })
            .collect();
        Self {
            height,
            texture: Texture::new(),
            noise,
            outlines,
            sun: (columns as f32 * 0.62, height * 0.36),
        }
    }

    /// Red, green and blue, from 0 to 1.
    fn color(&self, x: usize, y: usize) -> [f32; 3] {
        let (fx, fy) = (x as f32, y as f32);
        let nearest = RIDGES.iter().zip(self.outlines[x]).enumerate().rev();
        for (depth, (ridge, top)) in nearest {
            if fy >= top {
                return self.ground(fx, fy - top, depth, ridge.color, (fx, fy));
            }
        }
        self.sky(fx, fy)
    }

    fn ground(
        &self,
        x: f32,
        below: f32,
        depth: usize,
        color: [f32; 3],
        (px, py): (f32, f32),
    ) -> [f32; 3] {
        // Woods and rocks: finer and stronger the nearer they are; haze gathers in the valleys.
        let near = depth as f32 / (RIDGES.len() - 1) as f32;
        let coarse = self.texture.at(x * 0.9 + 137.0 * near, py * 1.3);
        let fine = self.texture.at(px * 7.2, py * 7.2 + 251.0 * near);
        let detail = (coarse - 0.5) * (0.10 + 0.25 * near) + (fine - 0.5) * (0.12 + 0.28 * near);
        let haze = (below / self.height * 2.2).min(0.35) * (1.0 - near);
        color.map(|c| c * (1.0 - haze) + 0.78 * haze + detail * (0.4 + c))
    }

    fn sky(&self, x: f32, y: f32) -> [f32; 3] {
        let down = (y / (self.height * 0.6)).min(1.0);
        let mix = |top: f32, bottom: f32| top + (bottom - top) * down * down;
        let mut color = [mix(0.22, 0.98), mix(0.38, 0.74), mix(0.66, 0.55)];
        let distance = ((x - self.sun.0).powi(2) + (y - self.sun.1).powi(2)).sqrt() / self.height;
        let glow = if distance < 0.055 {
            1.0
        } else {
            (0.5 * (1.0 - distance / 0.5)).max(0.0).powi(2)
        };
        let cloud = self
            .noise
            .at(x * 12.0 / self.height, y * 45.0 / self.height + 90.0);
        let cloud = ((cloud - 0.52) * 3.0).clamp(0.0, 0.8) * (1.0 - 0.6 * down);
        for (channel, light) in color.iter_mut().zip([1.0, 0.93, 0.78]) {
            *channel += (light - *channel) * glow.max(cloud);
        }
        color
    }
}

/// Random values, smooth in between, with finer and weaker ones on top as in nature.
struct Noise(Vec<f32>);

impl Noise {
    fn new() -> Self {
        Self((0..LATTICE * LATTICE).map(|i| hash(i as u32)).collect())
    }

    /// A value from 0 to 1. The largest shapes are about eight wide.
    fn at(&self, x: f32, y: f32) -> f32 {
        let (mut sum, mut strength, mut scale) = (0.0, 0.5, 0.125);
        for octave in 0..4 {
            let shift = octave as f32 * 19.3;
            let value = |x: usize, y: usize| self.0[y % LATTICE * LATTICE + x % LATTICE];
            sum += strength * smooth(x * scale + shift, y * scale + shift, value);
            (strength, scale) = (strength * 0.5, scale * 2.1);
        }
        sum / 0.9375
    }
}

/// Noise made once and looked up, for what is asked for every pixel. Repeats after a tile.
struct Texture(Vec<f32>);

impl Texture {
    fn new() -> Self {
        let mut tile = vec![0.0; TILE * TILE];
        let mut strength = 0.5 / 0.9375;
        for shape in SHAPES {
            let around = TILE / shape;
            let value =
                |x: usize, y: usize| hash((shape * TILE + y % around * around + x % around) as u32);
            for (i, sum) in tile.iter_mut().enumerate() {
                let (x, y) = ((i % TILE) as f32, (i / TILE) as f32);
                let size = shape as f32;
                *sum += strength * smooth(x / size, y / size, value);
            }
            strength *= 0.5;
        }
        Self(tile)
    }

    /// A value from 0 to 1. Coordinates are positive.
    fn at(&self, x: f32, y: f32) -> f32 {
        self.0[y as usize % TILE * TILE + x as usize % TILE]
    }
}

/// Blends the values at the four whole coordinates around a point. Coordinates are positive.
fn smooth(x: f32, y: f32, value: impl Fn(usize, usize) -> f32) -> f32 {
    let fade = |t: f32| t * t * (3.0 - 2.0 * t);
    let (column, row) = (x as usize, y as usize);
    let (fx, fy) = (fade(x - column as f32), fade(y - row as f32));
    let upper = value(column, row) * (1.0 - fx) + value(column + 1, row) * fx;
    let lower = value(column, row + 1) * (1.0 - fx) + value(column + 1, row + 1) * fx;
    upper * (1.0 - fy) + lower * fy
}

/// A value from 0 to 1 that looks random.
pub(super) fn hash(i: u32) -> f32 {
    let mut h = i.wrapping_mul(0x9E37_79B1) ^ 0x85EB_CA77;
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    h ^= h >> 15;
    (h >> 8) as f32 / (1 << 24) as f32
}

/// A colour, each channel from 0 to 1, as Y, Cb and Cr of limited range.
pub(super) fn ycbcr([red, green, blue]: [f32; 3], matrix: Matrix) -> [u8; 3] {
    let (kr, kb) = match matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
    };
    let luma = kr * red + (1.0 - kr - kb) * green + kb * blue;
    let cb = (blue - luma) / (2.0 * (1.0 - kb));
    let cr = (red - luma) / (2.0 * (1.0 - kr));
    [
        (16.5 + 219.0 * luma).clamp(16.0, 235.0) as u8,
        (128.5 + 224.0 * cb).clamp(16.0, 240.0) as u8,
        (128.5 + 224.0 * cr).clamp(16.0, 240.0) as u8,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_written_as_their_matrix_says() {
        assert_eq!(ycbcr([1.0, 0.0, 0.0], Matrix::Bt709), [63, 102, 240]);
        assert_eq!(ycbcr([1.0, 0.0, 0.0], Matrix::Bt601), [81, 90, 240]);
        assert_eq!(ycbcr([1.0, 1.0, 1.0], Matrix::Bt709), [235, 128, 128]);
        assert_eq!(ycbcr([0.0, 0.0, 0.0], Matrix::Bt601), [16, 128, 128]);
    }
}

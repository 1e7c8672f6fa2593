//! What the built-in source shows.
//!
//! From top to bottom: the strip, the clock, a window that pans over a textured landscape with
//! balls crossing it, and colour bars. Only the strip, the clock and the window are drawn for each
//! frame, the window by copying rows out of a picture made once; the rest is in every buffer of the
//! pool already.

use super::font::{GLYPH, glyph};
use crate::capture::pool::I420;
use crate::strip::{self, Strip};

const INK: u8 = 235;
const PAPER: u8 = 16;

/// Y, Cb and Cr of the colour bars.
const BARS: [[u8; 3]; 8] = [
    [180, 128, 128],
    [168, 44, 136],
    [145, 147, 44],
    [133, 63, 52],
    [63, 193, 204],
    [51, 109, 212],
    [28, 212, 120],
    [16, 128, 128],
];

/// Y, Cb and Cr of the balls.
const BALLS: [[u8; 3]; 3] = [[190, 60, 150], [120, 180, 90], [150, 100, 200]];

/// The scene for one size and rate.
pub(super) struct Scene {
    width: usize,
    height: usize,
    fps: f64,
    /// Rows of the panning window: first, and one past the last. Both even.
    window: (usize, usize),
    landscape: Landscape,
    /// Pixels of a dot of the clock's font, and where the clock is.
    dot: usize,
    clock: (usize, usize),
}

/// A textured picture, larger than the window that moves over it.
struct Landscape {
    width: usize,
    height: usize,
    planes: [Vec<u8>; 3],
}

impl Scene {
    pub(super) fn new(width: u32, height: u32, fps: u32) -> Self {
        let (width, height) = (width as usize, height as usize);
        let dot = (width / 320).max(1);
        let clock = (2 * dot, strip::height(width) + 2 * dot);
        let header = (clock.1 + (GLYPH.1 + 2) * dot).next_multiple_of(2);
        let top = header.min(height);
        let bottom = (height - height / 8).next_multiple_of(2).clamp(top, height);
        let window_height = bottom - top;
        Self {
            width,
            height,
            fps: f64::from(fps),
            window: (top, bottom),
            landscape: Landscape::new(width + width / 4, window_height + window_height / 4),
            dot,
            clock,
        }
    }

    /// Draws what never moves. Every buffer gets it once.
    pub(super) fn draw_background(&self, picture: &mut I420) {
        let (width, height) = (self.width, self.height);
        let bottom = self.window.1;
        for (index, plane) in picture.planes_mut().into_iter().enumerate() {
            let shift = usize::from(index > 0);
            let stride = width.div_ceil(1 + shift);
            let rows = height.div_ceil(1 + shift);
            for y in bottom >> shift..rows {
                let Some(row) = plane.get_mut(y * stride..(y + 1) * stride) else {
                    break;
                };
                for (x, sample) in row.iter_mut().enumerate() {
                    *sample = BARS[x * BARS.len() / stride.max(1)][index];
                }
            }
        }
    }

    /// Draws one frame over what an earlier one left.
    pub(super) fn draw(&self, picture: &mut I420, strip: Strip) {
        let seconds = f64::from(strip.frame) / self.fps;
        let [y, u, v] = picture.planes_mut();
        self.draw_window(&mut [&mut *y, u, v], seconds);
        strip::draw(strip, y, self.width, self.width);
        self.draw_clock(y, &strip);
    }

    fn draw_window(&self, planes: &mut [&mut [u8]; 3], seconds: f64) {
        let (top, bottom) = self.window;
        let land = &self.landscape;
        // A wandering camera: never still, never the same speed for long.
        let pan = |period: f64, room: usize| {
            let swing = 0.5 + 0.5 * (seconds * std::f64::consts::TAU / period).sin();
            ((swing * room as f64) as usize) & !1
        };
        let x = pan(11.0, land.width - self.width);
        let y = pan(7.0, land.height - (bottom - top));
        for (index, plane) in planes.iter_mut().enumerate() {
            let shift = usize::from(index > 0);
            let stride = self.width.div_ceil(1 + shift);
            let land_stride = land.width.div_ceil(1 + shift);
            for row in top >> shift..bottom.div_ceil(1 + shift) {
                let from = (row - (top >> shift) + (y >> shift)) * land_stride + (x >> shift);
                if let (Some(to), Some(from)) = (
                    plane.get_mut(row * stride..(row + 1) * stride),
                    land.planes[index].get(from..from + stride),
                ) {
                    to.copy_from_slice(from);
                }
            }
        }
        for (i, color) in BALLS.iter().enumerate() {
            self.draw_ball(planes, seconds, i as f64, color);
        }
    }

    fn draw_ball(&self, planes: &mut [&mut [u8]; 3], seconds: f64, which: f64, color: &[u8; 3]) {
        let (top, bottom) = self.window;
        let radius = ((bottom - top) / 10) as f64;
        let bounce = |speed: f64, room: f64| {
            // A triangle wave: there and back again.
            let phase = (seconds * speed + which * 0.37).rem_euclid(2.0);
            radius + (room - 2.0 * radius).max(0.0) * (1.0 - (phase - 1.0).abs())
        };
        let cx = bounce(0.31 + 0.11 * which, self.width as f64);
        let cy = top as f64 + bounce(0.53 - 0.09 * which, (bottom - top) as f64);
        for (index, plane) in planes.iter_mut().enumerate() {
            let scale = if index > 0 { 2.0 } else { 1.0 };
            let stride = self.width.div_ceil(scale as usize);
            let (cx, cy, radius) = (cx / scale, cy / scale, radius / scale);
            let first = (cy - radius).ceil().max(top as f64 / scale) as usize;
            let last = (cy + radius).min(bottom as f64 / scale - 1.0) as usize;
            for row in first..=last {
                let half = (radius * radius - (row as f64 - cy).powi(2))
                    .max(0.0)
                    .sqrt();
                let from = (cx - half).max(0.0) as usize;
                let to = ((cx + half) as usize).min(stride);
                if let Some(span) = plane.get_mut(row * stride + from..row * stride + to) {
                    span.fill(color[index]);
                }
            }
        }
    }

    fn draw_clock(&self, luma: &mut [u8], strip: &Strip) {
        let day = strip.millis % 86_400_000;
        let text = format!(
            "{:02}:{:02}:{:02}.{:03} UTC #{:08}",
            day / 3_600_000,
            day / 60_000 % 60,
            day / 1000 % 60,
            day % 1000,
            strip.frame
        );
        let pitch = (GLYPH.0 + 1) * self.dot;
        for (i, character) in text.bytes().enumerate() {
            let x = self.clock.0 + i * pitch;
            if x + pitch > self.width {
                return;
            }
            self.draw_glyph(luma, character, x);
        }
    }

    fn draw_glyph(&self, luma: &mut [u8], character: u8, x: usize) {
        let dot = self.dot;
        for (row, bits) in glyph(character).into_iter().enumerate() {
            let first = (self.clock.1 + row * dot) * self.width + x;
            let Some(line) = luma.get_mut(first..first + GLYPH.0 * dot) else {
                return;
            };
            for (column, dots) in line.chunks_exact_mut(dot).enumerate() {
                let set = bits >> (GLYPH.0 - 1 - column) & 1 == 1;
                dots.fill(if set { INK } else { PAPER });
            }
            for copy in 1..dot {
                let to = first + copy * self.width;
                if to + GLYPH.0 * dot <= luma.len() {
                    luma.copy_within(first..first + GLYPH.0 * dot, to);
                }
            }
        }
    }
}

impl Landscape {
    fn new(width: usize, height: usize) -> Self {
        let (cw, ch) = (width.div_ceil(2), height.div_ceil(2));
        let plane = |w: usize, h: usize, scale: f64, seed: u32, low: f64, range: f64| {
            let mut data = Vec::with_capacity(w * h);
            for y in 0..h {
                for x in 0..w {
                    let value = texture(x as f64 * scale, y as f64 * scale, seed);
                    data.push((low + range * value) as u8);
                }
            }
            data
        };
        Self {
            width,
            height,
            planes: [
                plane(width, height, 1.0, 1, 30.0, 190.0),
                plane(cw, ch, 2.0, 2, 88.0, 80.0),
                plane(cw, ch, 2.0, 3, 88.0, 80.0),
            ],
        }
    }
}

/// Smooth noise at several sizes, each half as strong as the one above it, as in natural pictures.
/// From 0 to 1.
fn texture(x: f64, y: f64, seed: u32) -> f64 {
    let (mut size, mut strength, mut sum, mut total) = (128.0, 1.0, 0.0, 0.0);
    for octave in 0..7 {
        sum += strength * smooth_noise(x / size, y / size, seed * 16 + octave);
        total += strength;
        size /= 2.0;
        strength *= 0.5;
    }
    sum / total
}

/// Random values at whole coordinates, blended in between.
fn smooth_noise(x: f64, y: f64, seed: u32) -> f64 {
    let (x0, y0) = (x.floor(), y.floor());
    let fade = |t: f64| t * t * (3.0 - 2.0 * t);
    let (fx, fy) = (fade(x - x0), fade(y - y0));
    let at = |dx: u32, dy: u32| {
        hash(
            (x0 as u32).wrapping_add(dx),
            (y0 as u32).wrapping_add(dy),
            seed,
        )
    };
    let upper = at(0, 0) * (1.0 - fx) + at(1, 0) * fx;
    let lower = at(0, 1) * (1.0 - fx) + at(1, 1) * fx;
    upper * (1.0 - fy) + lower * fy
}

/// A value from 0 to 1 that looks random.
fn hash(x: u32, y: u32, seed: u32) -> f64 {
    let mut h = x
        .wrapping_mul(0x9E37_79B1)
        .wrapping_add(y.wrapping_mul(0x85EB_CA77))
        .wrapping_add(seed.wrapping_mul(0xC2B2_AE3D));
    h ^= h >> 15;
    h = h.wrapping_mul(0x2C1B_3C6D);
    h ^= h >> 12;
    h = h.wrapping_mul(0x297A_2D39);
    h ^= h >> 15;
    f64::from(h) / f64::from(u32::MAX)
}

//! What the built-in source shows.
//!
//! From top to bottom: the strip, the clock, a window in which a camera wanders over a landscape
//! with balloons in front, and colour bars. Only the strip, the clock and the window are drawn for
//! each frame; the rest is in every buffer of the pool already. The camera moves by fractions of a
//! pixel and has grain, so that the picture codes like one of a real camera.

use super::font::{GLYPH, glyph};
use super::landscape::{Landscape, hash, ycbcr};
use crate::capture::I420;
use crate::capture::{Color, Matrix};
use crate::strip::{self, Strip};

const INK: u8 = 235;
const PAPER: u8 = 16;

/// The camera stands at eighths of a pixel.
const STEPS: u16 = 8;
/// Samples of grain, made once; frames begin at different places in it.
const GRAIN: usize = 1 << 16;

/// Red, green and blue of the colour bars, three quarters bright.
const BARS: [[f32; 3]; 8] = [
    [0.75, 0.75, 0.75],
    [0.75, 0.75, 0.0],
    [0.0, 0.75, 0.75],
    [0.0, 0.75, 0.0],
    [0.75, 0.0, 0.75],
    [0.75, 0.0, 0.0],
    [0.0, 0.0, 0.75],
    [0.0, 0.0, 0.0],
];

/// The two colours of each balloon.
const BALLOONS: [[[f32; 3]; 2]; 3] = [
    [[0.86, 0.20, 0.16], [0.97, 0.90, 0.78]],
    [[0.95, 0.72, 0.16], [0.16, 0.36, 0.62]],
    [[0.18, 0.60, 0.52], [0.98, 0.82, 0.36]],
];

/// The scene for one size and rate.
pub(super) struct Scene {
    width: usize,
    fps: f64,
    /// Rows of the window: first, and one past the last. Both even.
    window: (usize, usize),
    landscape: Landscape,
    grain: Vec<u8>,
    bars: [[u8; 3]; BARS.len()],
    balloons: [[[u8; 3]; 2]; BALLOONS.len()],
    /// Pixels of a dot of the clock's font, and where the clock is.
    dot: usize,
    clock: (usize, usize),
}

impl Scene {
    pub(super) fn new(width: u32, height: u32, fps: u32) -> Self {
        let matrix: Matrix = Color::assumed(height).matrix;
        let (width, height) = (width as usize, height as usize);
        let dot = (width / 320).max(1);
        let clock = (2 * dot, strip::height(width) + 2 * dot);
        let header = (clock.1 + (GLYPH.1 + 2) * dot).next_multiple_of(2);
        let top = header.min(height);
        let bottom = (height - height / 16)
            .next_multiple_of(2)
            .clamp(top, height);
        let rows = bottom - top;
        Self {
            width,
            fps: f64::from(fps),
            window: (top, bottom),
            landscape: Landscape::new(width + width / 4 + 2, rows + rows / 8, matrix),
            // From -2 to 2, stored with an offset of 2.
            grain: (0..GRAIN).map(|i| (hash(i as u32) * 4.99) as u8).collect(),
            bars: BARS.map(|color| ycbcr(color, matrix)),
            balloons: BALLOONS.map(|colors| colors.map(|color| ycbcr(color, matrix))),
            dot,
            clock,
        }
    }

    /// Draws what never moves. Every buffer gets it once.
    pub(super) fn draw_background(&self, picture: &mut I420) {
        let bottom = self.window.1;
        for (index, plane) in picture.planes_mut().into_iter().enumerate() {
            let shift = usize::from(index > 0);
            let stride = self.width.div_ceil(1 + shift);
            for line in plane.chunks_exact_mut(stride).skip(bottom >> shift) {
                for (x, sample) in line.iter_mut().enumerate() {
                    *sample = self.bars[x * BARS.len() / stride][index];
                }
            }
        }
    }

    /// Draws one frame over what an earlier one left.
    pub(super) fn draw(&self, picture: &mut I420, strip: Strip) {
        let seconds = f64::from(strip.frame) / self.fps;
        let [y, u, v] = picture.planes_mut();
        self.draw_window(&mut [&mut *y, u, v], seconds, strip.frame);
        strip::draw(strip, y, self.width, self.width);
        self.draw_clock(y, &strip);
    }

    fn draw_window(&self, planes: &mut [&mut [u8]; 3], seconds: f64, frame: u32) {
        let (top, bottom) = self.window;
        let land = &self.landscape;
        // The camera is never still, and never equally fast for long.
        let pan = |period: f64, room: usize| {
            let swing = 0.5 + 0.5 * (seconds * std::f64::consts::TAU / period).sin();
            swing * room as f64
        };
        let x = pan(19.0, land.width - self.width - 2);
        let y = pan(13.0, land.height - (bottom - top));
        for (index, plane) in planes.iter_mut().enumerate() {
            let shift = usize::from(index > 0);
            let stride = self.width.div_ceil(1 + shift);
            let land_stride = land.width >> shift;
            let eighths = (x * f64::from(STEPS)) as usize >> shift;
            let (column, part) = (eighths / usize::from(STEPS), eighths % usize::from(STEPS));
            let first = ((y as usize) & !1) >> shift;
            let rows = (bottom - top) >> shift;
            let window = plane.chunks_exact_mut(stride).skip(top >> shift).take(rows);
            let source = land.planes[index].chunks_exact(land_stride).skip(first);
            for (row, (to, from)) in window.zip(source).enumerate() {
                let from = &from[column..column + stride + 1];
                if index == 0 {
                    let grain = self.grain_at(frame, row, stride);
                    draw_row_with_grain(to, from, part as u16, grain);
                } else {
                    draw_row(to, from, part as u16);
                }
            }
        }
        for which in 0..BALLOONS.len() {
            self.draw_balloon(planes, seconds, which);
        }
    }

    /// Grain for a row: the same length of it from somewhere else each time.
    fn grain_at(&self, frame: u32, row: usize, length: usize) -> &[u8] {
        let random = hash(frame.wrapping_mul(8191).wrapping_add(row as u32));
        let start = (random * (GRAIN - length.min(GRAIN)) as f32) as usize;
        self.grain.get(start..start + length).unwrap_or(&self.grain)
    }

    fn draw_balloon(&self, planes: &mut [&mut [u8]; 3], seconds: f64, which: usize) {
        let (top, bottom) = self.window;
        let rows = (bottom - top) as f64;
        let phase = which as f64;
        let radius = rows * (0.10 + 0.025 * phase);
        // Drifting through the window and in again at the other side, bobbing.
        let path = self.width as f64 + 2.0 * radius;
        let drift = (seconds * (0.035 + 0.02 * phase) + 0.34 * phase).fract();
        let center = (
            drift * path - radius,
            top as f64 + rows * (0.30 + 0.12 * (seconds * (0.5 + 0.13 * phase) + phase).sin()),
        );
        for (index, plane) in planes.iter_mut().enumerate() {
            let scale = if index > 0 { 2.0 } else { 1.0 };
            let canvas = Canvas {
                stride: self.width.div_ceil(scale as usize),
                rows: (
                    (top as f64 / scale) as usize,
                    (bottom as f64 / scale) as usize,
                ),
                plane,
            };
            let colors = self.balloons[which].map(|color| color[index]);
            draw_balloon(
                canvas,
                (center.0 / scale, center.1 / scale),
                radius / scale,
                colors,
            );
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
            for line in 0..dot {
                let y = self.clock.1 + row * dot + line;
                let first = y * self.width + x;
                let Some(line) = luma.get_mut(first..first + GLYPH.0 * dot) else {
                    return;
                };
                for (column, dots) in line.chunks_exact_mut(dot).enumerate() {
                    let set = bits >> (GLYPH.0 - 1 - column) & 1 == 1;
                    dots.fill(if set { INK } else { PAPER });
                }
            }
        }
    }
}

/// A row seen from `part` eighths of a pixel further right. `from` is one longer than `to`.
fn draw_row(to: &mut [u8], from: &[u8], part: u16) {
    for ((to, &left), &right) in to.iter_mut().zip(from).zip(&from[1..]) {
        *to = between(left, right, part) as u8;
    }
}

fn draw_row_with_grain(to: &mut [u8], from: &[u8], part: u16, grain: &[u8]) {
    let from = to.iter_mut().zip(from).zip(&from[1..]);
    for (((to, &left), &right), &grain) in from.zip(grain) {
        // Luma is 16 at least, so nothing goes below zero.
        *to = (between(left, right, part) + u16::from(grain) - 2) as u8;
    }
}

fn between(left: u8, right: u8, part: u16) -> u16 {
    (u16::from(left) * (STEPS - part) + u16::from(right) * part + STEPS / 2) / STEPS
}

/// The part of a plane that balloons are drawn into.
struct Canvas<'a> {
    plane: &'a mut [u8],
    stride: usize,
    /// First row, and one past the last.
    rows: (usize, usize),
}

fn draw_balloon(canvas: Canvas<'_>, (cx, cy): (f64, f64), radius: f64, colors: [u8; 2]) {
    let lines = canvas.plane.chunks_exact_mut(canvas.stride).enumerate();
    let lines = lines.take(canvas.rows.1).skip(canvas.rows.0);
    for (row, line) in lines {
        let down = (row as f64 - cy) / radius;
        let half = if down.abs() <= 1.0 {
            radius * (1.0 - down * down).sqrt()
        } else if (1.15..1.4).contains(&down) {
            // The basket.
            radius * 0.14
        } else {
            continue;
        };
        let from = (cx - half).max(0.0) as usize;
        let to = ((cx + half).max(0.0) as usize).min(line.len());
        let Some(span) = line.get_mut(from..to) else {
            continue;
        };
        for (i, sample) in span.iter_mut().enumerate() {
            // Gores narrow towards the top and the bottom.
            let across = ((from + i) as f64 - cx) / half.max(1.0);
            *sample = colors[((across + 1.0) * 3.5) as usize % 2];
        }
    }
}

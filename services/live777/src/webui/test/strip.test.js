import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { cellSize, COLUMNS, crc16, decodeBytes, decodePixels, ROWS } from '../assets/strip.js';

/**
 * Pictures drawn by livehal itself: its encoder of strips writes them where this variable points.
 * @type {{width: number, stride: number, frame: number, millis: number, luma: number[]}[]}
 */
const drawn = process.env.STRIP_VECTORS ? JSON.parse(readFileSync(process.env.STRIP_VECTORS, 'utf8')) : [];

/**
 * Limited-range luma as the full-range RGBA that a canvas gives.
 * @param {number[]} luma
 * @param {number} width
 */
function rgba(luma, width) {
  const data = new Uint8ClampedArray(luma.length * 4);
  luma.forEach((y, i) => data.fill(((y - 16) * 255) / 219, 4 * i, 4 * i + 3));
  return { data, width, height: luma.length / width };
}

/** @param {{stride: number, luma: number[]}} vector */
function picture(vector) {
  return rgba(vector.luma, vector.stride);
}

test('reads what livehal draws', { skip: drawn.length === 0 && 'run by cargo test, which draws the pictures' }, () => {
  for (const vector of drawn) {
    const cell = cellSize(vector.width);
    assert.equal(picture(vector).height, ROWS * cell, `height of the strip at width ${vector.width}`);
    assert.deepEqual(decodePixels(picture(vector), cell, vector.millis), { frame: vector.frame, capturedMs: vector.millis });
  }
});

test('reads it through the damage that coding does', { skip: drawn.length === 0 }, () => {
  for (const vector of drawn) {
    const image = picture(vector);
    image.data.forEach((value, i) => {
      // Blurred edges and ringing: contrast halved, and a pattern of ±40 over it.
      image.data[i] = 64 + value / 2 + (((i * 7919) % 81) - 40);
    });
    assert.equal(decodePixels(image, cellSize(vector.width), vector.millis)?.frame, vector.frame);
  }
});

test('one wrong cell is noticed', { skip: drawn.length === 0 }, () => {
  const vector = drawn[0];
  const cell = cellSize(vector.width);
  for (const bit of [0, 8, 39, 40, 79, 80, 95]) {
    const image = picture(vector);
    const x0 = (bit % COLUMNS) * cell;
    const y0 = Math.floor(bit / COLUMNS) * cell;
    for (let y = y0; y < y0 + cell; y += 1) {
      for (let x = x0; x < x0 + cell; x += 1) {
        const i = 4 * (y * image.width + x);
        image.data.fill(255 - image.data[i], i, i + 3);
      }
    }
    assert.equal(decodePixels(image, cell, vector.millis), null, `bit ${bit}`);
  }
});

test('a picture without a strip gives nothing', () => {
  const grey = { data: new Uint8ClampedArray(512 * 48 * 4).fill(128), width: 512, height: 48 };
  assert.equal(decodePixels(grey, 16, 0), null);
  assert.equal(decodePixels({ ...grey, height: 47 }, 16, 0), null, 'too low');
  assert.equal(decodePixels(grey, 0, 0), null, 'too narrow');
});

test('the cell grows with the picture', () => {
  const sizes = [[255, 0], [256, 8], [639, 8], [640, 16], [2559, 16], [2560, 32], [3840, 32]];
  for (const [width, size] of sizes) assert.equal(cellSize(width), size, `width ${width}`);
});

test('the check sum is CRC-16/CCITT-FALSE', () => {
  assert.equal(crc16(new TextEncoder().encode('123456789')), 0x29b1);
});

test('the time nearest to the reader is taken', () => {
  const wrap = 2 ** 40;
  /** @param {number} millis */
  const strip = (millis) => {
    const bytes = new Uint8Array(12);
    const view = new DataView(bytes.buffer);
    bytes[0] = 0xa5;
    view.setUint8(5, Math.floor((millis % wrap) / 2 ** 32));
    view.setUint32(6, millis % 2 ** 32);
    view.setUint16(10, crc16(bytes.subarray(0, 10)));
    return bytes;
  };
  const now = Date.UTC(2026, 10, 20);
  for (const captured of [now, now - 40, now + 3000]) assert.equal(decodeBytes(strip(captured), now)?.capturedMs, captured);
  // Just before and just after the counter begins again, seen from the other side.
  assert.equal(decodeBytes(strip(2 * wrap - 5), 2 * wrap + 10)?.capturedMs, 2 * wrap - 5);
  assert.equal(decodeBytes(strip(2 * wrap + 10), 2 * wrap - 5)?.capturedMs, 2 * wrap + 10);
});

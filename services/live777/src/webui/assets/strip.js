// @ts-check
/**
 * The machine-readable strip that the built-in source draws into the top left corner of its
 * picture: 3 rows of 32 square cells, black for 0 and white for 1, holding 96 bits.
 *
 * Most significant bit first: 8 bits magic 0xA5, 32 bits frame number, 40 bits wall-clock
 * milliseconds since the Unix epoch (modulo 2^40), 16 bits CRC-16/CCITT-FALSE of the ten bytes
 * before it.
 */

/** Cells in a row. */
export const COLUMNS = 32;
/** Rows of cells. */
export const ROWS = 3;

const MAGIC = 0xa5;
const WRAP = 2 ** 40;
/** Luma 126 of the limited range (16 to 235), on the full range that a canvas gives. */
const THRESHOLD = ((126 - 16) * 255) / 219;

/**
 * @typedef {object} StripReading
 * @property {number} frame Frame number, counted from 0 at the start of the source.
 * @property {number} capturedMs When it was captured, in milliseconds since the Unix epoch.
 */

/**
 * Side of one cell in pixels.
 * @param {number} width Width of the picture.
 * @returns {number} 0 where a picture is too narrow to carry a strip.
 */
export function cellSize(width) {
  if (width < 256) return 0;
  if (width < 640) return 8;
  return width < 2560 ? 16 : 32;
}

/**
 * CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, not reflected.
 * @param {Uint8Array} bytes
 * @returns {number}
 */
export function crc16(bytes) {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let i = 0; i < 8; i += 1) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return crc;
}

/**
 * Reads the twelve bytes of a strip.
 * @param {Uint8Array} bytes
 * @param {number} nowMs The reader's clock: the value nearest to it is taken.
 * @returns {StripReading | null} `null` where it is no strip or a damaged one.
 */
export function decodeBytes(bytes, nowMs) {
  if (bytes.length !== 12 || bytes[0] !== MAGIC) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 12);
  if (view.getUint16(10) !== crc16(bytes.subarray(0, 10))) return null;
  const low = view.getUint8(5) * 2 ** 32 + view.getUint32(6);
  const wraps = Math.round((nowMs - low) / WRAP);
  return { frame: view.getUint32(1), capturedMs: low + wraps * WRAP };
}

/**
 * Reads a strip from pixels.
 * @param {{data: ArrayLike<number>, width: number, height: number}} image RGBA, as `getImageData`
 *   gives it; at least the strip's area of the picture, from its top left corner.
 * @param {number} cell Side of one cell in pixels.
 * @param {number} nowMs The reader's clock.
 * @returns {StripReading | null}
 */
export function decodePixels(image, cell, nowMs) {
  if (cell < 1 || image.width < COLUMNS * cell || image.height < ROWS * cell) return null;
  const bytes = new Uint8Array(12);
  for (let bit = 0; bit < COLUMNS * ROWS; bit += 1) {
    const x = (bit % COLUMNS) * cell;
    const y = Math.floor(bit / COLUMNS) * cell;
    if (meanLuma(image, x, y, cell) > THRESHOLD) bytes[bit >> 3] |= 0x80 >> (bit & 7);
  }
  return decodeBytes(bytes, nowMs);
}

/**
 * Mean luma of the central half of a cell: what lies near its edges is blurred by the codec.
 * @param {{data: ArrayLike<number>, width: number}} image
 * @param {number} x0
 * @param {number} y0
 * @param {number} cell
 */
function meanLuma(image, x0, y0, cell) {
  const margin = cell >> 2;
  let sum = 0;
  for (let y = y0 + margin; y < y0 + cell - margin; y += 1) {
    for (let x = x0 + margin; x < x0 + cell - margin; x += 1) {
      const i = 4 * (y * image.width + x);
      sum += 0.2126 * image.data[i] + 0.7152 * image.data[i + 1] + 0.0722 * image.data[i + 2];
    }
  }
  return sum / (cell - 2 * margin) ** 2;
}

/** Reads the strip of the picture that a video element shows. */
export class StripReader {
  #canvas = document.createElement('canvas');
  #context = this.#canvas.getContext('2d', { willReadFrequently: true, alpha: false });

  /**
   * @param {HTMLVideoElement} video
   * @param {number} nowMs The reader's clock.
   * @returns {StripReading | null}
   */
  read(video, nowMs) {
    const cell = cellSize(video.videoWidth);
    const context = this.#context;
    if (cell === 0 || context === null || video.readyState < 2) return null;
    const width = COLUMNS * cell;
    const height = ROWS * cell;
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    context.drawImage(video, 0, 0, width, height, 0, 0, width, height);
    return decodePixels(context.getImageData(0, 0, width, height), cell, nowMs);
  }
}

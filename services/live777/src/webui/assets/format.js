// @ts-check
/** Figures as text. Every function gives `–` for what is not known. */

/** What stands for an unknown figure. */
export const UNKNOWN = '–';

/**
 * @typedef {object} Quantity
 * @property {string} number
 * @property {string} unit
 */

/**
 * @param {number | null | undefined} ms
 * @returns {Quantity}
 */
export function milliseconds(ms) {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return { number: UNKNOWN, unit: '' };
  if (Math.abs(ms) >= 10_000) return { number: (ms / 1000).toFixed(1), unit: 's' };
  return { number: ms.toFixed(Math.abs(ms) < 9.95 ? 1 : 0), unit: 'ms' };
}

/**
 * @param {number | null | undefined} bps
 * @returns {Quantity}
 */
export function bitRate(bps) {
  if (bps === null || bps === undefined || !Number.isFinite(bps)) return { number: UNKNOWN, unit: '' };
  if (bps >= 999_500) return { number: (bps / 1e6).toFixed(2), unit: 'Mbit/s' };
  return { number: (bps / 1000).toFixed(0), unit: 'kbit/s' };
}

/**
 * @param {number | null | undefined} fps
 * @returns {Quantity}
 */
export function frameRate(fps) {
  if (fps === null || fps === undefined || !Number.isFinite(fps)) return { number: UNKNOWN, unit: '' };
  return { number: fps.toFixed(1), unit: 'fps' };
}

/**
 * @param {number | null | undefined} n
 * @returns {Quantity}
 */
export function count(n) {
  return { number: n === null || n === undefined ? UNKNOWN : n.toLocaleString('en'), unit: '' };
}

/** @param {Quantity} q */
export function text(q) {
  return q.unit === '' ? q.number : `${q.number} ${q.unit}`;
}

/**
 * The middle of some numbers, without changing them.
 * @param {readonly number[]} numbers
 * @returns {number | null}
 */
export function median(numbers) {
  if (numbers.length === 0) return null;
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

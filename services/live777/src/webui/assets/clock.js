// @ts-check
/**
 * How far the server's clock is ahead of this browser's.
 *
 * An RTCP sender report carries the server's time. It arrives later than it was sent, never
 * earlier, so the least delayed of the last reports gives the best estimate; half of the round
 * trip stands for the delay that is left.
 */
export class ClockOffset {
  /** @type {number[]} */
  #samples = [];
  #last = 0;
  #same;

  /** @param {boolean} sameMachine The server is this machine: one clock, nothing to estimate. */
  constructor(sameMachine) {
    this.#same = sameMachine;
  }

  /**
   * Takes a sender report.
   * @param {number} remoteMs The server's time in it, in ms since the Unix epoch.
   * @param {number} arrivedMs When it came, by this browser's clock.
   * @param {number} rttMs Round-trip time.
   */
  add(remoteMs, arrivedMs, rttMs) {
    if (remoteMs === this.#last) return;
    this.#last = remoteMs;
    this.#samples.push(remoteMs - arrivedMs + rttMs / 2);
    if (this.#samples.length > 20) this.#samples.shift();
  }

  /** Milliseconds to take from a time of the server to have it on this browser's clock; `null` before it is known. */
  get ms() {
    if (this.#same) return 0;
    return this.#samples.length === 0 ? null : Math.max(...this.#samples);
  }

  /** Whether both clocks are one. */
  get same() {
    return this.#same;
  }
}

/**
 * Whether a page of this host name was served by the machine it is shown on.
 * @param {string} hostname
 */
export function isLoopback(hostname) {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

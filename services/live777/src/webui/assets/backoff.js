// @ts-check
/** Growing delays between attempts, spread out so that many pages do not come back at once. */
export class Backoff {
  #attempt = 0;
  #firstMs;
  #mostMs;
  #random;

  /**
   * @param {number} firstMs Longest first delay.
   * @param {number} mostMs Longest delay of all.
   * @param {() => number} random In [0, 1).
   */
  constructor(firstMs = 400, mostMs = 10_000, random = Math.random) {
    this.#firstMs = firstMs;
    this.#mostMs = mostMs;
    this.#random = random;
  }

  /** The next delay in milliseconds: between half of the step and all of it. */
  next() {
    const step = Math.min(this.#mostMs, this.#firstMs * 2 ** this.#attempt);
    this.#attempt = Math.min(this.#attempt + 1, 30);
    return step * (0.5 + 0.5 * this.#random());
  }

  /** After a success. */
  reset() {
    this.#attempt = 0;
  }
}

// @ts-check
/** A small graph of the last minute. */

const POINTS = 60;

export class Graph {
  #canvas;
  #context;
  #describe;
  /** @type {(number | null)[]} */
  #values = [];

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {(lowest: number, highest: number) => string} describe Words for those who cannot see it.
   */
  constructor(canvas, describe) {
    this.#canvas = canvas;
    this.#context = canvas.getContext('2d');
    this.#describe = describe;
    new ResizeObserver(() => this.#draw()).observe(canvas);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw());
    this.clear();
  }

  clear() {
    this.#values = [];
    this.#draw();
  }

  /** @param {number | null} value One more second; `null` leaves a gap. */
  push(value) {
    this.#values.push(value);
    if (this.#values.length > POINTS) this.#values.shift();
    this.#draw();
  }

  #draw() {
    const context = this.#context;
    const { clientWidth, clientHeight } = this.#canvas;
    if (context === null || clientWidth === 0) return;
    const ratio = devicePixelRatio;
    this.#canvas.width = Math.round(clientWidth * ratio);
    this.#canvas.height = Math.round(clientHeight * ratio);
    context.scale(ratio, ratio);
    const style = getComputedStyle(this.#canvas);
    this.#baseline(context, style.getPropertyValue('--line'), clientWidth, clientHeight);

    const known = this.#values.filter((v) => v !== null);
    if (known.length === 0) {
      this.#canvas.setAttribute('aria-label', 'No figures yet');
      return;
    }
    const lowest = Math.min(...known);
    const highest = Math.max(...known);
    this.#canvas.setAttribute('aria-label', this.#describe(lowest, highest));
    // From zero: a flat line must look flat, whatever the noise on it.
    const top = Math.max(highest * 1.15, 1);
    const step = clientWidth / (POINTS - 1);
    const left = clientWidth - (this.#values.length - 1) * step;
    const usable = clientHeight - 3;
    const points = this.#values.map((v, i) => (v === null ? null : { x: left + i * step, y: clientHeight - 1.5 - (v / top) * usable }));
    const accent = style.getPropertyValue('--accent');
    for (const run of runs(points)) this.#run(context, run, accent, clientHeight);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {string} colour
   * @param {number} width
   * @param {number} height
   */
  #baseline(context, colour, width, height) {
    context.fillStyle = colour;
    context.fillRect(0, height - 1, width, 1);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {{x: number, y: number}[]} run
   * @param {string} colour
   * @param {number} height
   */
  #run(context, run, colour, height) {
    const last = run[run.length - 1];
    context.beginPath();
    for (const { x, y } of run) context.lineTo(x, y);
    context.strokeStyle = colour;
    context.lineWidth = 1.75;
    context.lineJoin = 'round';
    context.stroke();
    context.lineTo(last.x, height);
    context.lineTo(run[0].x, height);
    context.globalAlpha = 0.13;
    context.fillStyle = colour;
    context.fill();
    context.globalAlpha = 1;
  }
}

/**
 * Unbroken runs of points.
 * @template T
 * @param {(T | null)[]} points
 * @returns {T[][]}
 */
function runs(points) {
  /** @type {T[][]} */
  const out = [];
  let open = false;
  for (const point of points) {
    if (point === null) open = false;
    else if (open) out[out.length - 1].push(point);
    else {
      out.push([point]);
      open = true;
    }
  }
  return out;
}

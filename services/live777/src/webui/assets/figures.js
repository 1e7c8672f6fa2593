// @ts-check
/** Writes figures into the elements that are marked `data-stat`. */

import { bitRate, count, frameRate, median, milliseconds, text, UNKNOWN } from './format.js';
import { Graph } from './graph.js';
import { stateText } from './streams.js';

const CODECS = { h264: 'H.264', h265: 'H.265', av1: 'AV1', vp8: 'VP8', vp9: 'VP9' };

export class FigureBoard {
  #note = /** @type {HTMLElement} */ (document.getElementById('latency-note'));
  #graphs = {
    latency: new Graph(canvas('graph-latency'), (a, b) => `Latency of the last minute: ${text(milliseconds(a))} to ${text(milliseconds(b))}`),
    fps: new Graph(canvas('graph-fps'), (a, b) => `Frame rate of the last minute: ${text(frameRate(a))} to ${text(frameRate(b))}`),
    bitrate: new Graph(canvas('graph-bitrate'), (a, b) => `Bit rate of the last minute: ${text(bitRate(a))} to ${text(bitRate(b))}`),
  };

  /** Another stream: nothing of the last one stays. */
  clear() {
    for (const element of document.querySelectorAll('[data-stat]')) put(/** @type {HTMLElement} */ (element), { number: UNKNOWN, unit: '' }, null);
    for (const graph of Object.values(this.#graphs)) graph.clear();
  }

  /** @param {import('./api.js').StreamInfo} info */
  server(info) {
    const reason = info.reason ?? (info.state === 'failed' ? info.last_error : null);
    plain('state', reason ? `${stateText(info)}: ${reason}` : stateText(info), info.state);
    plain('resolution', info.width > 0 ? `${info.width} × ${info.height}` : UNKNOWN, info.width > 0 ? `${info.width}x${info.height}` : '');
    plain('codec', info.codec === null ? UNKNOWN : (CODECS[/** @type {keyof typeof CODECS} */ (info.codec)] ?? info.codec), info.codec ?? '');
    plain('source', sourceText(info.source), info.source.kind);
    number('target-bitrate', bitRate(info.bitrate_bps > 0 ? info.bitrate_bps : null), info.bitrate_bps);
    number('viewers', count(info.viewers), info.viewers);
    number('keyframes', count(info.keyframes), info.keyframes);
  }

  /** What was known of the state may be wrong by now. */
  serverSilent() {
    plain('state', 'No answer', 'unknown');
  }

  /** @param {number | null} ms */
  firstFrame(ms) {
    number('first-frame', milliseconds(ms), ms);
  }

  /**
   * One second's figures.
   * @param {import('./meter.js').Figures} shown
   * @param {import('./netstats.js').NetFigures} net
   * @param {import('./clock.js').ClockOffset} clock
   */
  second(shown, net, clock) {
    const strip = median(shown.strip);
    const captureTime = median(shown.captureTime);
    number('fps', frameRate(shown.fps), shown.fps);
    number('bitrate', bitRate(net.bitrateBps), net.bitrateBps);
    number('rtt', milliseconds(net.rttMs), net.rttMs);
    number('jitter', milliseconds(net.jitterMs), net.jitterMs);
    number('buffer', milliseconds(net.bufferMs), net.bufferMs);
    number('decode', milliseconds(net.decodeMs), net.decodeMs);
    number('lost', count(net.lost), net.lost);
    number('dropped', count(net.dropped), net.dropped);
    const receive = median(shown.receive);
    number('latency-strip', milliseconds(strip), strip);
    number('latency-capture-time', milliseconds(captureTime), captureTime);
    number('latency-receive', milliseconds(receive), receive);
    this.#latency(strip, captureTime, clock);
    this.#graphs.latency.push(strip ?? captureTime);
    this.#graphs.fps.push(shown.fps);
    this.#graphs.bitrate.push(net.bitrateBps);
  }

  /**
   * @param {number | null} strip
   * @param {number | null} captureTime
   * @param {import('./clock.js').ClockOffset} clock
   */
  #latency(strip, captureTime, clock) {
    const value = strip ?? captureTime;
    const element = number('latency', milliseconds(value), value);
    element.dataset.method = strip !== null ? 'strip' : captureTime !== null ? 'capture-time' : '';
    const how = strip !== null ? ', read from the picture' : captureTime !== null ? ', by capture time' : '';
    const skew = clock.same || clock.ms === null || value === null ? '' : `; server clock ${signed(clock.ms)}`;
    const note = `Capture to display${how}${skew}`;
    if (this.#note.textContent !== note) this.#note.textContent = note;
  }
}

/** @param {number} ms */
function signed(ms) {
  return `${ms < 0 ? '−' : '+'}${text(milliseconds(Math.abs(ms)))}`;
}

/** @param {import('./api.js').StreamInfo['source']} source */
function sourceText(source) {
  if (source.kind === 'native') {
    const why = source.encoder_reason ? ` (auto: ${source.encoder_reason})` : '';
    return `${source.capture} → ${source.encoder}${why}`;
  }
  return source.kind === 'whip' ? 'WHIP publisher' : (source.url ?? source.kind);
}

/** @param {string} id */
function canvas(id) {
  return /** @type {HTMLCanvasElement} */ (document.getElementById(id));
}

/** @param {string} key */
function stat(key) {
  return /** @type {HTMLElement} */ (document.querySelector(`[data-stat="${key}"]`));
}

/**
 * @param {string} key
 * @param {import('./format.js').Quantity} quantity
 * @param {number | null} value
 */
function number(key, quantity, value) {
  const element = stat(key);
  put(element, quantity, value);
  return element;
}

/**
 * @param {string} key
 * @param {string} words
 * @param {string} value
 */
function plain(key, words, value) {
  const element = stat(key);
  if (element.textContent !== words) element.textContent = words;
  element.dataset.value = value;
}

/**
 * @param {HTMLElement} element
 * @param {import('./format.js').Quantity} quantity
 * @param {number | null} value
 */
function put(element, quantity, value) {
  element.dataset.value = value === null ? '' : String(value);
  if (quantity.unit === '') {
    element.textContent = quantity.number;
    return;
  }
  const unit = document.createElement('small');
  unit.textContent = quantity.unit;
  element.replaceChildren(quantity.number, element.closest('.big') ? unit : ` ${quantity.unit}`);
}

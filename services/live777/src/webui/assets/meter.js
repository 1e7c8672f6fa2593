// @ts-check
/** What can be learned from each frame as it is shown: time to the first one, rate, latency. */

import { StripReader } from './strip.js';

/**
 * @typedef {object} Figures Figures of one interval; `null` where nothing was measured.
 * @property {number | null} fps Frames shown per second.
 * @property {number[]} strip Capture to display in ms, by the strip in the picture.
 * @property {number[]} captureTime The same by the capture time that RTP carries.
 * @property {number[]} receive Capture to arrival of the last packet in ms, by the better of both.
 */

/** Milliseconds from 1900 (NTP) to 1970 (Unix). */
const NTP_TO_UNIX_MS = 2_208_988_800_000;
/** A stream that begins has the frames before it to catch up with. */
const CATCHING_UP_MS = 1000;
/** A strip is looked for in every frame until so many in a row had none, then in one of so many. */
const PATIENCE = 30;

export class FrameMeter {
  #video;
  #clock;
  #strip = new StripReader();
  /** @type {import('./whep.js').WhepSession | null} */
  #session = null;
  #startedAt = 0;
  /** @type {number | null} */
  #firstFrameMs = null;
  #misses = 0;
  /** @type {import('./strip.js').StripReading | null} */
  #lastStrip = null;
  #shownAt = 0;
  #shown = 0;
  /** @type {Figures} */
  #figures = empty();
  /** Called for every frame shown. */
  onframe = () => {};

  /**
   * @param {HTMLVideoElement} video
   * @param {import('./clock.js').ClockOffset} clock
   */
  constructor(video, clock) {
    this.#video = video;
    this.#clock = clock;
    // Supported by every browser that plays WHEP since 2024 (Firefox 132, Safari 15.4, Chrome 83).
    video.requestVideoFrameCallback?.((now, data) => this.#frame(now, data));
  }

  /**
   * A new attempt begins.
   * @param {number} startedAt On the clock of `performance.now()`.
   * @param {import('./whep.js').WhepSession | null} session
   */
  begin(startedAt, session) {
    this.#startedAt = startedAt;
    this.#session = session;
    this.#firstFrameMs = null;
    this.#misses = 0;
    this.#lastStrip = null;
    this.#shownAt = 0;
    this.#figures = empty();
  }

  /** From the start of the attempt to the first frame, in ms. */
  get firstFrameMs() {
    return this.#firstFrameMs;
  }

  /** The strip read last. */
  get lastStrip() {
    return this.#lastStrip;
  }

  /** What was measured since the last call. */
  take() {
    const figures = this.#figures;
    this.#figures = empty();
    return figures;
  }

  /**
   * @param {number} now
   * @param {VideoFrameCallbackMetadata} data
   */
  #frame(now, data) {
    this.#video.requestVideoFrameCallback((n, d) => this.#frame(n, d));
    // A connection that ends, or has not begun, is shown as a black frame: that is none.
    if (this.#session?.connection.connectionState !== 'connected') return;
    this.#firstFrameMs ??= now - this.#startedAt;
    this.#rate(now, data);
    this.#byCaptureTime(data);
    this.#byStrip(data);
    this.onframe();
  }

  /**
   * Frames are counted by the browser: this callback may miss some.
   * @param {number} now
   * @param {VideoFrameCallbackMetadata} data
   */
  #rate(now, data) {
    // The first frames are those since the last key frame, in quick succession.
    if (now - this.#startedAt < CATCHING_UP_MS) return;
    if (this.#shownAt === 0 || data.presentedFrames < this.#shown) {
      this.#shownAt = data.presentationTime;
      this.#shown = data.presentedFrames;
    }
    const elapsed = data.presentationTime - this.#shownAt;
    if (elapsed < 500) return;
    this.#figures.fps = ((data.presentedFrames - this.#shown) * 1000) / elapsed;
    this.#shownAt = data.presentationTime;
    this.#shown = data.presentedFrames;
  }

  /** @param {VideoFrameCallbackMetadata} data */
  #byCaptureTime(data) {
    const captured = data.captureTime ?? this.#absoluteCaptureTime(data);
    if (captured === null) return;
    this.#figures.captureTime.push(data.expectedDisplayTime - captured);
    // Arrival is measured by one method only, the strip where there is one.
    if (this.#lastStrip === null && data.receiveTime !== undefined) this.#figures.receive.push(data.receiveTime - captured);
  }

  /**
   * The capture time of the RTP header extension, on the clock of `performance.now()`.
   * @param {VideoFrameCallbackMetadata} data
   * @returns {number | null}
   */
  #absoluteCaptureTime(data) {
    const source = /** @type {any} */ (this.#session?.receiver.getSynchronizationSources()[0]);
    const offset = this.#clock.ms;
    if (source?.captureTimestamp === undefined || data.rtpTimestamp === undefined || offset === null) return null;
    // The source's last packet may belong to a later frame: both carry RTP time, 90 kHz, 32 bits.
    const ticks = (data.rtpTimestamp - source.rtpTimestamp) | 0;
    const server = source.captureTimestamp - NTP_TO_UNIX_MS + ticks / 90;
    return server - offset - wallAtZero();
  }

  /** @param {VideoFrameCallbackMetadata} data */
  #byStrip(data) {
    this.#misses += 1;
    if (this.#misses > PATIENCE && this.#misses % PATIENCE !== 0) return;
    const reading = this.#strip.read(this.#video, Date.now());
    if (reading === null) {
      this.#lastStrip = null;
      return;
    }
    this.#misses = 0;
    // The same picture again would be measured as older than it is.
    if (reading.frame === this.#lastStrip?.frame) return;
    this.#lastStrip = reading;
    const offset = this.#clock.ms;
    if (offset === null) return;
    const captured = reading.capturedMs - offset - wallAtZero();
    this.#figures.strip.push(data.expectedDisplayTime - captured);
    if (data.receiveTime !== undefined) this.#figures.receive.push(data.receiveTime - captured);
  }
}

/** The wall clock at the zero of `performance.now()`; not `timeOrigin`, which ignores every later setting of the clock. */
function wallAtZero() {
  return Date.now() - performance.now();
}

/** @returns {Figures} */
function empty() {
  return { fps: null, strip: [], captureTime: [], receive: [] };
}

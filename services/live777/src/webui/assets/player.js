// @ts-check
/** Keeps one stream playing: connects, notices when it stops, and connects again. */

import { ApiError } from './api.js';
import { Backoff } from './backoff.js';
import { WhepSession } from './whep.js';

/**
 * `idle` nothing chosen; `connecting`; `playing` frames arrive; `stalled` connected, no frames;
 * `waiting` for the next attempt; `refused` by the server, no further attempt; `halted` by the browser's autoplay rules.
 * @typedef {'idle' | 'connecting' | 'playing' | 'stalled' | 'waiting' | 'refused' | 'halted'} Connection
 */

/** A connection without a frame for so long is made anew, if the stream should be running. */
const STALLED_MS = 5000;
/** After playing for so long the next loss is a new trouble, not the last one again. */
const SETTLED_MS = 5000;
/** Connected but silent for so long is said to be stalled. */
const QUIET_MS = 1500;
/** Answers that another attempt will not change. */
const FINAL = new Set([400, 401, 403, 404, 405, 406, 415]);

export class Player {
  #api;
  #video;
  #backoff = new Backoff();
  /** @type {string | null} */
  #stream = null;
  /** @type {WhepSession | null} */
  #session = null;
  /** @type {Connection} */
  #state = 'idle';
  #reason = '';
  #retry = 0;
  #retryAt = 0;
  #startedAt = 0;
  #lastFrameAt = 0;
  #playingSince = 0;
  #expectedSince = 0;
  /** Called after every change of what this class tells about itself. */
  onchange = () => {};
  /** Called when an attempt begins; a new picture is to be expected. */
  onattempt = () => {};

  /**
   * @param {import('./api.js').Api} api
   * @param {HTMLVideoElement} video
   */
  constructor(api, video) {
    this.#api = api;
    this.#video = video;
  }

  get stream() {
    return this.#stream;
  }

  get state() {
    return this.#state;
  }

  /** Why it is not playing. */
  get reason() {
    return this.#reason;
  }

  /** The present session. */
  get session() {
    return this.#session;
  }

  /** When the present attempt began, on the clock of `performance.now()`. */
  get startedAt() {
    return this.#startedAt;
  }

  /** Milliseconds to the next attempt. */
  get retryInMs() {
    return Math.max(0, this.#retryAt - performance.now());
  }

  /** @param {string} stream */
  play(stream) {
    this.#drop();
    this.#stream = stream;
    this.#backoff.reset();
    void this.#connect();
  }

  /** Tries again now. */
  retry() {
    if (this.#stream === null || this.#state === 'connecting') return;
    this.#drop();
    void this.#connect();
  }

  /** Leaves; for a page that goes away. {@link retry} comes back. */
  leave() {
    this.#drop();
    this.#set('idle', '');
  }

  /** A frame was shown. */
  frame() {
    this.#lastFrameAt = performance.now();
    if (this.#state === 'playing') {
      if (this.#lastFrameAt - this.#playingSince > SETTLED_MS) this.#backoff.reset();
      return;
    }
    this.#playingSince = this.#lastFrameAt;
    this.#set('playing', '');
  }

  /**
   * Looks whether frames still come; to be called about once a second.
   * @param {boolean} expected The server says that they should.
   * @param {boolean} visible A hidden page is shown no frames, so their absence says nothing.
   */
  check(expected, visible) {
    const now = performance.now();
    if (!visible) this.#lastFrameAt = now;
    if (!expected) this.#expectedSince = now;
    if (this.#state !== 'playing' && this.#state !== 'stalled') return;
    if (now - Math.max(this.#lastFrameAt, this.#expectedSince) > STALLED_MS) this.#lost('no frame for 5 seconds');
    else if (now - this.#lastFrameAt > QUIET_MS && this.#state === 'playing') this.#set('stalled', '');
  }

  async #connect() {
    const stream = /** @type {string} */ (this.#stream);
    const session = new WhepSession(this.#api);
    this.#session = session;
    this.#startedAt = performance.now();
    this.#lastFrameAt = this.#startedAt;
    this.#set('connecting', '');
    this.onattempt();
    session.onlost = (reason) => this.#lost(reason);
    try {
      await session.open(stream);
      // Not before: a page with a medium that brings nothing counts as still loading.
      if (this.#session === session) this.#show(session.media);
    } catch (error) {
      if (this.#session === session) this.#failed(error);
    }
  }

  /** @param {MediaStream} media */
  #show(media) {
    this.#video.srcObject = media;
    this.#video.play().catch((error) => {
      if (error.name === 'NotAllowedError') this.#set('halted', 'the browser plays only after a tap');
    });
  }

  /** @param {unknown} error */
  #failed(error) {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof ApiError && FINAL.has(error.status)) {
      this.#drop();
      this.#set('refused', message);
    } else {
      this.#lost(message);
    }
  }

  /** @param {string} reason */
  #lost(reason) {
    this.#drop();
    const delay = this.#backoff.next();
    this.#retryAt = performance.now() + delay;
    this.#retry = setTimeout(() => void this.#connect(), delay);
    this.#set('waiting', reason);
  }

  #drop() {
    clearTimeout(this.#retry);
    this.#session?.close();
    this.#session = null;
  }

  /**
   * @param {Connection} state
   * @param {string} reason
   */
  #set(state, reason) {
    this.#state = state;
    this.#reason = reason;
    this.onchange();
  }
}

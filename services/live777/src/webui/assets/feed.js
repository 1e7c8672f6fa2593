// @ts-check
/** What the server says of its streams, as it says it: `GET /api/events`. */

import { ApiError } from './api.js';
import { Backoff } from './backoff.js';

/** @typedef {import('./api.js').StreamInfo} StreamInfo */

/** Figures come every second; a feed without any for so long is dead. */
const SILENT_MS = 6000;

export class StreamFeed {
  #api;
  #backoff = new Backoff();
  /** @type {StreamInfo[]} */
  #streams = [];
  #reachable = true;
  /** @type {AbortController | null} */
  #connection = null;
  #retry = 0;
  /** Called after every change. */
  onchange = () => {};

  /** @param {import('./api.js').Api} api */
  constructor(api) {
    this.#api = api;
  }

  /** All streams that the token may see. */
  get streams() {
    return this.#streams;
  }

  /** Whether the server answers. */
  get reachable() {
    return this.#reachable;
  }

  /** Listens; nothing if it does already. */
  open() {
    if (this.#connection !== null) return;
    clearTimeout(this.#retry);
    this.#connection = new AbortController();
    void this.#run(this.#connection);
  }

  /** Listens no more. What was heard stays. */
  close() {
    clearTimeout(this.#retry);
    this.#connection?.abort();
    this.#connection = null;
  }

  /** @param {AbortController} connection */
  async #run(connection) {
    let silent = 0;
    const alive = () => {
      clearTimeout(silent);
      silent = setTimeout(() => connection.abort(), SILENT_MS);
    };
    try {
      const body = await this.#api.events(connection.signal);
      alive();
      for await (const { kind, data } of events(body)) {
        alive();
        this.#heard(kind, JSON.parse(data));
      }
      this.#ended(connection, null);
    } catch (error) {
      this.#ended(connection, error);
    } finally {
      clearTimeout(silent);
    }
  }

  /**
   * @param {AbortController} connection
   * @param {unknown} error
   */
  #ended(connection, error) {
    if (this.#connection !== connection) return;
    this.#connection = null;
    // A refusal is an answer; silence says that nothing known is known any more.
    this.#reachable = error instanceof ApiError && error.status !== 0;
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) this.#streams = [];
    else this.#retry = setTimeout(() => this.open(), this.#backoff.next());
    this.onchange();
  }

  /**
   * @param {string} kind
   * @param {any} data
   */
  #heard(kind, data) {
    this.#reachable = true;
    this.#backoff.reset();
    if (kind === 'streams') this.#streams = data;
    // `added` and `removed` are followed by all figures within a second; the others are shown at once.
    else this.#streams = this.#streams.map((info) => (info.name === data.name ? changed(kind, info, data) : info));
    this.onchange();
  }
}

/**
 * @param {string} kind
 * @param {StreamInfo} info
 * @param {any} data
 * @returns {StreamInfo}
 */
function changed(kind, info, data) {
  switch (kind) {
    case 'state':
      return { ...info, state: data.state, reason: data.reason };
    case 'viewers':
      return { ...info, viewers: data.viewers };
    case 'bitrate':
      return { ...info, bitrate_bps: data.bitrate_bps };
    default:
      return info;
  }
}

/**
 * The events of a stream of server-sent events. `EventSource` cannot send a token.
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<{kind: string, data: string}>}
 */
export async function* events(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  let kind = 'message';
  /** @type {string[]} */
  let data = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + decoder.decode(value, { stream: true })).split(/\r?\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield { kind, data: data.join('\n') };
        kind = 'message';
        data = [];
      } else if (line.startsWith('event:')) kind = line.slice(6).trim();
      else if (line.startsWith('data:')) data.push(line.slice(5).trimStart());
    }
  }
}

// @ts-check
/** The server's HTTP API, with the token where one is needed. */

/** A request that the server refused; `status` is 0 where it did not answer. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
  }
}

/**
 * The server's reason for a refusal, for people.
 * @param {unknown} error
 */
export function reasonOf(error) {
  if (error instanceof ApiError && error.status === 403) return 'This token may not do that';
  return error instanceof Error ? error.message : String(error);
}

/** @typedef {boolean | number | string | number[]} ControlValue */

/**
 * @typedef {object} CameraControl One control of a camera, as the server describes it.
 * @property {string} name
 * @property {'bool' | 'button' | 'int' | 'float' | 'menu' | 'text' | 'list'} type
 * @property {number} [min]
 * @property {number} [max]
 * @property {number} [step]
 * @property {string[]} [entries]
 * @property {ControlValue | null} value
 * @property {ControlValue | null} default
 * @property {boolean} read_only
 */

/**
 * @typedef {object} StreamInfo One stream, as the server describes it.
 * @property {string} name
 * @property {'stopped' | 'starting' | 'running' | 'degraded' | 'failed'} state
 * @property {string} [reason]
 * @property {{kind: string, capture?: string, encoder?: string, encoder_reason?: string, url?: string}} source
 * @property {string | null} codec
 * @property {number} width
 * @property {number} height
 * @property {number} fps
 * @property {number} bitrate_bps
 * @property {number} viewers
 * @property {number} keyframes
 * @property {boolean} on_demand
 * @property {number} restarts
 * @property {string | null} last_error
 */

export class Api {
  #tokens;

  /** @param {import('./token.js').TokenStore} tokens */
  constructor(tokens) {
    this.#tokens = tokens;
  }

  /**
   * Sends a request; asks for a token when the server wants one, and sends it again with it.
   * @param {string} path Address on this server.
   * @param {RequestInit} [init]
   * @returns {Promise<Response>} An answer of the 2xx kind.
   */
  async request(path, init = {}) {
    const url = this.#own(path);
    for (;;) {
      const token = this.#tokens.value;
      const response = await send(url, withToken(init, token));
      if (response.ok) return response;
      if (response.status !== 401 || (await this.#tokens.ask(token)) === null) throw await refusal(response);
    }
  }

  /**
   * Sends a request that may outlive the page, and does not look at the answer.
   * @param {string} path
   * @param {RequestInit} init
   */
  farewell(path, init) {
    const url = this.#own(path);
    fetch(url, { ...withToken(init, this.#tokens.value), keepalive: true }).catch(() => {
      // The page is going away: the server ends the session by its own time limit.
    });
  }

  /**
   * @param {AbortSignal} signal
   * @returns {Promise<ReadableStream<Uint8Array>>} Server-sent events.
   */
  async events(signal) {
    const response = await this.request('/api/events', { headers: { Accept: 'text/event-stream' }, signal });
    if (response.body === null) throw new ApiError(0, 'the server sent no events');
    return response.body;
  }

  /**
   * @param {string} stream
   * @param {'start' | 'stop' | 'keyframe'} action
   */
  async command(stream, action) {
    await this.request(`/api/streams/${encodeURIComponent(stream)}/${action}`, { method: 'POST' });
  }

  /**
   * @param {string} stream
   * @returns {Promise<CameraControl[]>}
   */
  async controls(stream) {
    const response = await this.request(`/api/streams/${encodeURIComponent(stream)}/controls`);
    return response.json();
  }

  /**
   * @param {string} stream
   * @param {string} control
   * @param {ControlValue} value
   * @returns {Promise<ControlValue>} What the camera took.
   */
  async setControl(stream, control, value) {
    const path = `/api/streams/${encodeURIComponent(stream)}/controls/${encodeURIComponent(control)}`;
    const response = await this.request(path, {
      method: 'PUT',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ value }),
    });
    return (await response.json()).value;
  }

  /**
   * @param {string} stream
   * @returns {Promise<Blob>} A JPEG picture.
   */
  async snapshot(stream) {
    const response = await this.request(`/api/streams/${encodeURIComponent(stream)}/snapshot.jpg`);
    return response.blob();
  }

  /**
   * The token goes to this server only.
   * @param {string} path
   */
  #own(path) {
    const url = new URL(path, location.href);
    if (url.origin !== location.origin) throw new ApiError(0, `${url.origin} is not this server`);
    return url;
  }
}

/**
 * @param {RequestInit} init
 * @param {string | null} token
 * @returns {RequestInit}
 */
function withToken(init, token) {
  const headers = new Headers(init.headers);
  if (token !== null) headers.set('Authorization', `Bearer ${token}`);
  return { ...init, headers, cache: 'no-store' };
}

/**
 * @param {URL} url
 * @param {RequestInit} init
 */
async function send(url, init) {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError(0, 'the server does not answer');
  }
}

/** @param {Response} response */
async function refusal(response) {
  const body = (await response.text().catch(() => '')).trim();
  let message = body;
  try {
    // RFC 9457.
    message = JSON.parse(body).detail ?? body;
  } catch {
    // Plain text.
  }
  return new ApiError(response.status, String(message) || response.statusText || `status ${response.status}`);
}

// @ts-check
/** What is said over the picture. */

/** @typedef {import('./player.js').Player} Player */
/** @typedef {import('./api.js').StreamInfo} StreamInfo */

/**
 * @typedef {object} Words
 * @property {string} badge In the corner.
 * @property {'good' | 'warn' | 'bad' | 'off'} tone
 * @property {string} message In the middle; empty while the picture is to be seen.
 * @property {string} hint
 * @property {boolean} retry Whether to offer another attempt.
 */

/**
 * @param {Pick<Player, 'stream' | 'state' | 'reason' | 'retryInMs'>} player
 * @param {StreamInfo | null} info What the server says of the chosen stream.
 * @param {boolean} declined A token was asked for and not given.
 * @returns {Words}
 */
export function wordsFor(player, info, declined) {
  const { state, reason } = player;
  if (declined && state !== 'playing') return words('Token needed', 'warn', 'A token is needed', 'Use the Token button above.');
  switch (state) {
    case 'idle':
      return words('Idle', 'off', player.stream === null ? '' : 'Not connected');
    case 'connecting':
      return words('Connecting', 'warn', '');
    case 'waiting':
      // Where there is nothing to connect to, that is the news, not the attempts.
      if (info !== null && info.state !== 'running' && info.state !== 'degraded') return connected('stalled', info);
      return words('Reconnecting', 'warn', waiting(player.retryInMs), sentence(reason), true);
    case 'refused':
      return words('Refused', 'bad', 'The server refused', sentence(reason), true);
    case 'halted':
      return words('Paused', 'warn', 'Tap to play', '', true);
    default:
      return connected(state, info);
  }
}

/**
 * @param {'playing' | 'stalled'} state
 * @param {StreamInfo | null} info
 */
function connected(state, info) {
  const source = info?.state ?? 'running';
  const why = sentence(info?.reason ?? '');
  switch (source) {
    case 'running':
      return state === 'playing' ? words('Live', 'good', '') : words('No frames', 'warn', 'Waiting for frames');
    case 'degraded':
      return words('Degraded', 'warn', state === 'playing' ? '' : 'The source is in trouble', why);
    case 'starting':
      return words('Starting', 'warn', 'The source is starting', why);
    case 'failed':
      return words('Failed', 'bad', 'The source has failed', why);
    default:
      return stopped(info);
  }
}

/** @param {StreamInfo | null} info */
function stopped(info) {
  if (info?.source.kind !== 'whip') return words('Stopped', 'off', 'This stream is stopped');
  return words('No publisher', 'off', 'Nobody is publishing', `The picture appears when a publisher connects to /whip/${encodeURIComponent(info.name)}.`);
}

/**
 * @param {string} badge
 * @param {Words['tone']} tone
 * @param {string} message
 * @param {string} hint
 * @param {boolean} retry
 * @returns {Words}
 */
function words(badge, tone, message, hint = '', retry = false) {
  return { badge, tone, message, hint, retry };
}

/** @param {number} ms */
function waiting(ms) {
  const seconds = Math.ceil(ms / 1000);
  return seconds > 1 ? `Connecting again in ${seconds} s` : 'Connecting again';
}

/** @param {string} text */
function sentence(text) {
  return text === '' ? '' : `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
}

export class Stage {
  #message = element('message');
  #hint = element('hint');
  #badge = element('badge');
  #retry = element('retry');

  /**
   * @param {Words} said
   * @param {string} connection
   */
  show(said, connection) {
    document.body.dataset.connection = connection;
    /** @type {HTMLElement} */ (this.#badge.parentElement).dataset.tone = said.tone;
    put(this.#badge, said.badge);
    put(this.#message, said.message);
    put(this.#hint, said.hint);
    this.#retry.hidden = !said.retry;
    this.#retry.textContent = connection === 'halted' ? 'Play' : 'Try now';
  }
}

/** @param {string} id */
function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/**
 * A live region is read aloud at every change, so it is changed only when it says something new.
 * @param {HTMLElement} target
 * @param {string} text
 */
function put(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

// @ts-check
/** What the browser's WebRTC statistics say, as figures of the last interval. */

/**
 * @typedef {object} NetFigures `null` where unknown.
 * @property {number | null} bitrateBps Video received in bit/s, RTP headers included.
 * @property {number | null} rttMs
 * @property {number | null} jitterMs
 * @property {number | null} bufferMs Mean time a frame waits in the jitter buffer.
 * @property {number | null} decodeMs Mean time to decode a frame.
 * @property {number | null} lost Packets, from the beginning.
 * @property {number | null} dropped Frames, from the beginning.
 */

export class NetStats {
  #clock;
  /** @type {any} */
  #before = null;

  /** @param {import('./clock.js').ClockOffset} clock Told of every sender report. */
  constructor(clock) {
    this.#clock = clock;
  }

  /** A new connection begins. */
  begin() {
    this.#before = null;
  }

  /**
   * @param {RTCPeerConnection} connection
   * @returns {Promise<NetFigures>}
   */
  async read(connection) {
    /** @type {any} */ let inbound = null;
    /** @type {any} */ let report = null;
    /** @type {any} */ let pair = null;
    for (const entry of (await connection.getStats()).values()) {
      if (entry.type === 'inbound-rtp' && entry.kind === 'video') inbound = entry;
      else if (entry.type === 'remote-outbound-rtp' && entry.kind === 'video') report = entry;
      else if (entry.type === 'candidate-pair' && entry.nominated && entry.state === 'succeeded') pair = entry;
    }
    const rttMs = pair?.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000;
    if (report?.remoteTimestamp) this.#clock.add(report.remoteTimestamp, report.timestamp, rttMs ?? 0);
    const before = this.#before;
    this.#before = inbound;
    return { ...rates(before, inbound), rttMs };
  }
}

/**
 * @param {any} before
 * @param {any} now
 */
function rates(before, now) {
  if (now === null) return { bitrateBps: null, jitterMs: null, bufferMs: null, decodeMs: null, lost: null, dropped: null };
  const seconds = before === null ? 0 : (now.timestamp - before.timestamp) / 1000;
  const bytes = (/** @type {any} */ e) => e.bytesReceived + (e.headerBytesReceived ?? 0);
  const buffered = before === null ? 0 : now.jitterBufferEmittedCount - before.jitterBufferEmittedCount;
  const frames = before === null ? 0 : now.framesDecoded - before.framesDecoded;
  return {
    bitrateBps: seconds > 0 ? ((bytes(now) - bytes(before)) * 8) / seconds : null,
    bufferMs: buffered > 0 ? ((now.jitterBufferDelay - before.jitterBufferDelay) * 1000) / buffered : null,
    decodeMs: frames > 0 ? ((now.totalDecodeTime - before.totalDecodeTime) * 1000) / frames : null,
    jitterMs: now.jitter === undefined ? null : now.jitter * 1000,
    lost: now.packetsLost ?? null,
    dropped: now.framesDropped ?? null,
  };
}

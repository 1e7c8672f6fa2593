// @ts-check
/** One WHEP session: an offer sent at once, an answer, and a DELETE at the end. */

const ABS_CAPTURE_TIME = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time';
/** How long a connection may be interrupted before it counts as lost. */
const INTERRUPTED_MS = 3000;

export class WhepSession {
  #api;
  #pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  #receiver;
  /** @type {string | null} */
  #location = null;
  #closed = false;
  #interrupted = 0;
  /** Called once when the connection is lost, with the reason. Not called after {@link close}. */
  onlost = (/** @type {string} */ _reason) => {};

  /** @param {import('./api.js').Api} api */
  constructor(api) {
    this.#api = api;
    const transceiver = this.#pc.addTransceiver('video', { direction: 'recvonly' });
    this.#receiver = transceiver.receiver;
    askForCaptureTime(transceiver);
    askForLowDelay(this.#receiver);
    this.#pc.onconnectionstatechange = () => this.#changed();
  }

  /** The peer connection, for its statistics. */
  get connection() {
    return this.#pc;
  }

  get receiver() {
    return this.#receiver;
  }

  /** The video. */
  get media() {
    return new MediaStream([this.#receiver.track]);
  }

  /**
   * Connects. Nothing is waited for: the server is ICE-lite, its addresses are in the answer and it
   * learns ours from our checks, so the offer needs no candidates.
   * @param {string} stream
   */
  async open(stream) {
    await this.#pc.setLocalDescription();
    const response = await this.#api.request(`/whep/${encodeURIComponent(stream)}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp', Accept: 'application/sdp' },
      body: this.#pc.localDescription?.sdp,
    });
    this.#location = response.headers.get('Location');
    const sdp = await response.text();
    if (this.#closed) {
      // Left while the answer was on its way: the session exists and must be ended.
      this.#delete();
      return;
    }
    await this.#pc.setRemoteDescription({ type: 'answer', sdp });
    const transport = this.#receiver.transport;
    if (transport) transport.onstatechange = () => this.#changed();
  }

  /** Ends the session here and at the server; may be called as the page goes away. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#interrupted);
    this.#pc.close();
    this.#delete();
  }

  #delete() {
    if (this.#location === null) return;
    this.#api.farewell(this.#location, { method: 'DELETE' });
    this.#location = null;
  }

  #changed() {
    if (this.#closed) return;
    clearTimeout(this.#interrupted);
    const dtls = this.#receiver.transport?.state;
    // A server that shuts down closes DTLS, long before ICE would notice.
    if (dtls === 'closed') this.#lost('the server ended the session');
    else if (dtls === 'failed' || this.#pc.connectionState === 'failed') this.#lost('the connection failed');
    else if (this.#pc.connectionState === 'disconnected') {
      this.#interrupted = setTimeout(() => this.#lost('the connection was interrupted'), INTERRUPTED_MS);
    }
  }

  /** @param {string} reason */
  #lost(reason) {
    this.close();
    this.onlost(reason);
  }
}

/**
 * Capture times travel in an RTP header extension that browsers know but do not ask for by themselves.
 * @param {RTCRtpTransceiver} transceiver
 */
function askForCaptureTime(transceiver) {
  const extended = /** @type {any} */ (transceiver);
  if (typeof extended.setHeaderExtensionsToNegotiate !== 'function') return;
  const extensions = extended.getHeaderExtensionsToNegotiate();
  const wanted = extensions.find((/** @type {{uri: string}} */ e) => e.uri === ABS_CAPTURE_TIME);
  if (!wanted) return;
  wanted.direction = 'sendrecv';
  extended.setHeaderExtensionsToNegotiate(extensions);
}

/**
 * A camera is watched live: no frame waits in a buffer for a smoother one.
 * @param {RTCRtpReceiver} receiver
 */
function askForLowDelay(receiver) {
  const any = /** @type {any} */ (receiver);
  if ('jitterBufferTarget' in any) any.jitterBufferTarget = 0;
  else if ('playoutDelayHint' in any) any.playoutDelayHint = 0;
}

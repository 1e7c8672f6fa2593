// @ts-check
/** The buttons under the picture. */

import { ApiError, reasonOf } from './api.js';

/** @typedef {import('./api.js').StreamInfo} StreamInfo */

export class Controls {
  #api;
  #video;
  #stage = element('stage');
  #toast = element('toast');
  #toastTimer = 0;
  #startStop = button('start-stop');
  #keyframe = button('keyframe');
  #snapshot = button('snapshot');
  #fullscreen = button('fullscreen');
  /** @type {StreamInfo | null} */
  #info = null;

  /**
   * @param {import('./api.js').Api} api
   * @param {HTMLVideoElement} video
   */
  constructor(api, video) {
    this.#api = api;
    this.#video = video;
    this.#startStop.addEventListener('click', () => this.#command(this.#stopped ? 'start' : 'stop'));
    this.#keyframe.addEventListener('click', () => this.#command('keyframe'));
    this.#snapshot.addEventListener('click', () => void this.#save());
    this.#fullscreen.addEventListener('click', () => void this.#enlarge());
  }

  /**
   * @param {StreamInfo | null} info
   * @param {boolean} picture Whether there is a picture to see.
   */
  show(info, picture) {
    this.#info = info;
    const native = info?.source.kind === 'native';
    this.#startStop.disabled = !native;
    this.#startStop.title = info && !native ? 'A published stream is started and stopped by its publisher' : '';
    this.#keyframe.disabled = info === null || this.#stopped;
    this.#snapshot.disabled = !picture;
    this.#fullscreen.disabled = !picture;
    const word = this.#stopped ? 'Start' : 'Stop';
    const label = /** @type {HTMLElement} */ (this.#startStop.querySelector('span'));
    if (label.textContent !== word) {
      label.textContent = word;
      this.#startStop.querySelector('use')?.setAttribute('href', this.#stopped ? '#i-start' : '#i-stop');
    }
  }

  get #stopped() {
    return this.#info === null || this.#info.state === 'stopped' || this.#info.state === 'failed';
  }

  /** @param {'start' | 'stop' | 'keyframe'} action */
  async #command(action) {
    const name = this.#info?.name;
    if (name === undefined) return;
    try {
      await this.#api.command(name, action);
      this.#say({ start: 'Starting', stop: 'Stopped', keyframe: 'Key frame asked for' }[action]);
    } catch (error) {
      this.#say(reasonOf(error));
    }
  }

  /** The server's picture has not been through the codec; where it has none, what is on the screen serves. */
  async #save() {
    const name = this.#info?.name ?? 'stream';
    let blob;
    try {
      blob = await this.#api.snapshot(name);
    } catch (error) {
      if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
        this.#say(reasonOf(error));
        return;
      }
      blob = await this.#grab();
    }
    if (blob === null) {
      this.#say('There is no picture yet');
      return;
    }
    download(blob, `${name}-${new Date().toISOString().replace(/[:.]/g, '-')}.jpg`);
    this.#say('Snapshot saved');
  }

  /** @returns {Promise<Blob | null>} */
  async #grab() {
    const { videoWidth, videoHeight } = this.#video;
    if (videoWidth === 0) return null;
    const canvas = document.createElement('canvas');
    canvas.width = videoWidth;
    canvas.height = videoHeight;
    canvas.getContext('2d')?.drawImage(this.#video, 0, 0);
    return new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.92));
  }

  async #enlarge() {
    const video = /** @type {any} */ (this.#video);
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else if (this.#stage.requestFullscreen) await this.#stage.requestFullscreen();
      // An iPhone enlarges nothing but a video.
      else if (video.webkitEnterFullscreen) video.webkitEnterFullscreen();
    } catch (error) {
      this.#say(reasonOf(error));
    }
  }

  /** @param {string} text */
  #say(text) {
    this.#toast.textContent = text;
    this.#toast.classList.add('shown');
    clearTimeout(this.#toastTimer);
    this.#toastTimer = setTimeout(() => this.#toast.classList.remove('shown'), 3500);
  }
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
function download(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has read it by then; a revoked address too early would save nothing.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** @param {string} id */
function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** @param {string} id */
function button(id) {
  return /** @type {HTMLButtonElement} */ (document.getElementById(id));
}

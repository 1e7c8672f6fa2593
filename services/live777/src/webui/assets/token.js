// @ts-check
/** The bearer token: kept for this tab, asked for when the server wants one. */

const KEY = 'livehal.token';

export class TokenStore {
  #dialog;
  #input;
  #reason;
  /** @type {Promise<string | null> | null} */
  #asking = null;
  #declined = false;

  /** @param {Document} doc */
  constructor(doc) {
    this.#dialog = /** @type {HTMLDialogElement} */ (doc.getElementById('token-dialog'));
    this.#input = /** @type {HTMLInputElement} */ (doc.getElementById('token'));
    this.#reason = /** @type {HTMLElement} */ (doc.getElementById('token-reason'));
  }

  /** The token, or `null`. */
  get value() {
    return sessionStorage.getItem(KEY);
  }

  /** Whether the question was closed without an answer; it is not asked again unbidden. */
  get declined() {
    return this.#declined;
  }

  /** Asks again although it was declined before. */
  reopen() {
    this.#declined = false;
    return this.ask(null);
  }

  /**
   * Asks for a token; everybody who asks meanwhile shares the one answer.
   * @param {string | null} refused The token that the server did not take.
   * @returns {Promise<string | null>} `null` when the question was closed.
   */
  ask(refused) {
    if (this.#declined) return Promise.resolve(null);
    // Another request may have brought a new token since this one was sent.
    if (refused !== null && this.value !== null && this.value !== refused) return Promise.resolve(this.value);
    this.#asking ??= this.#show(refused !== null).finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  /**
   * @param {boolean} wrong
   * @returns {Promise<string | null>}
   */
  #show(wrong) {
    if (wrong) this.#reason.textContent = 'The server did not accept that token.';
    this.#input.value = '';
    this.#dialog.showModal();
    const form = /** @type {HTMLFormElement} */ (this.#dialog.querySelector('form'));
    const cancel = /** @type {HTMLElement} */ (this.#dialog.querySelector('#token-cancel'));
    return new Promise((resolve) => {
      const done = new AbortController();
      const { signal } = done;
      form.addEventListener('submit', (event) => {
        event.preventDefault();
        const token = this.#input.value.trim();
        if (token === '') return;
        sessionStorage.setItem(KEY, token);
        this.#dialog.close('token');
      }, { signal });
      cancel.addEventListener('click', () => this.#dialog.close(''), { signal });
      this.#dialog.addEventListener('close', () => {
        done.abort();
        // Escape closes without a return value of its own.
        const given = this.#dialog.returnValue === 'token';
        this.#dialog.returnValue = '';
        this.#declined = !given;
        resolve(given ? this.value : null);
      }, { signal });
    });
  }
}

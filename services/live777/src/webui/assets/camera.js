// @ts-check
/** The camera's own controls: exposure, focus, gain. */

import { reasonOf } from './api.js';

/** @typedef {import('./api.js').CameraControl} CameraControl */
/** @typedef {import('./api.js').ControlValue} ControlValue */

/** Sliders this fine, whatever the range: more steps than a finger can tell apart. */
const STEPS = 200;

/**
 * What a slider of a control moves by.
 * @param {CameraControl} control
 */
export function stepOf(control) {
  if (control.type === 'int') return control.step || 1;
  return ((control.max ?? 1) - (control.min ?? 0)) / STEPS;
}

/**
 * Numbers as people write them into a field, or null where something else stands there.
 * @param {string} text
 */
export function numbersIn(text) {
  const numbers = text.split(/[\s,;]+/).filter((part) => part !== '').map(Number);
  return numbers.length > 0 && numbers.every(Number.isFinite) ? numbers : null;
}

/**
 * A name as a label: exposure_time as Exposure time.
 * @param {string} name
 */
export function label(name) {
  const words = name.replaceAll('_', ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * A value for people.
 * @param {ControlValue | null} value
 */
export function shown(value) {
  if (value === null) return '–';
  if (typeof value === 'number') return String(Math.round(value * 1000) / 1000);
  return Array.isArray(value) ? value.map((n) => shown(n)).join(', ') : String(value);
}

export class CameraPanel {
  #api;
  #panel = /** @type {HTMLElement} */ (document.getElementById('camera'));
  #list = /** @type {HTMLElement} */ (document.getElementById('camera-controls'));
  #note = /** @type {HTMLElement} */ (document.getElementById('camera-note'));
  /** Which opening of which camera is shown. */
  #key = '';
  /** @type {string} */
  #stream = '';

  /** @param {import('./api.js').Api} api */
  constructor(api) {
    this.#api = api;
  }

  /** @param {import('./api.js').StreamInfo | null} info */
  show(info) {
    const open = info !== null && info.source.kind === 'native' && (info.state === 'running' || info.state === 'degraded');
    // A camera that was opened anew has its controls as configured.
    const key = open ? `${info.restarts} ${info.name}` : '';
    if (key === this.#key) return;
    this.#key = key;
    this.#stream = info?.name ?? '';
    this.#note.textContent = '';
    if (open) void this.#load(key);
    else this.#panel.hidden = true;
  }

  /** @param {string} key */
  async #load(key) {
    /** @type {CameraControl[]} */
    let controls = [];
    try {
      controls = await this.#api.controls(this.#stream);
    } catch {
      // Without controls the page plays as well.
    }
    if (key !== this.#key) return;
    this.#list.replaceChildren(...controls.map((control) => this.#row(control)));
    this.#panel.hidden = controls.length === 0;
  }

  /** @param {CameraControl} control */
  #row(control) {
    const row = document.createElement('label');
    row.dataset.control = control.name;
    const name = document.createElement('span');
    name.textContent = label(control.name);
    const output = document.createElement('output');
    output.textContent = shown(control.value ?? control.default);
    const input = this.#input(control, output);
    input.toggleAttribute('disabled', control.read_only);
    row.append(name, input, output);
    return row;
  }

  /**
   * @param {CameraControl} control
   * @param {HTMLOutputElement} output
   * @returns {HTMLElement}
   */
  #input(control, output) {
    const value = control.value ?? control.default;
    const set = (/** @type {ControlValue} */ wanted) => void this.#set(control, wanted, output);
    if (control.type === 'menu') {
      const select = document.createElement('select');
      for (const entry of control.entries ?? []) select.append(new Option(label(entry), entry, false, entry === value));
      if (value === null) select.selectedIndex = -1;
      select.addEventListener('change', () => set(select.value));
      return select;
    }
    const input = document.createElement('input');
    if (control.type === 'bool') {
      input.type = 'checkbox';
      input.checked = value === true;
      input.addEventListener('change', () => set(input.checked));
    } else if (control.type === 'button') {
      input.type = 'button';
      input.value = 'Do';
      input.addEventListener('click', () => set(true));
    } else if (control.type === 'int' || control.type === 'float') {
      input.type = 'range';
      input.min = String(control.min);
      input.max = String(control.max);
      input.step = String(stepOf(control) || 'any');
      input.value = String(value ?? control.min);
      input.addEventListener('input', () => (output.textContent = shown(input.valueAsNumber)));
      input.addEventListener('change', () => set(input.valueAsNumber));
    } else {
      input.type = 'text';
      input.value = shown(value) === '–' ? '' : shown(value);
      input.addEventListener('change', () => {
        const wanted = control.type === 'list' ? numbersIn(input.value) : input.value;
        if (wanted === null) this.#note.textContent = `${label(control.name)}: numbers, with commas between them`;
        else set(wanted);
      });
    }
    return input;
  }

  /**
   * @param {CameraControl} control
   * @param {ControlValue} wanted
   * @param {HTMLOutputElement} output
   */
  async #set(control, wanted, output) {
    const key = this.#key;
    try {
      output.textContent = shown(await this.#api.setControl(this.#stream, control.name, wanted));
      this.#note.textContent = '';
    } catch (error) {
      if (key !== this.#key) return;
      this.#note.textContent = reasonOf(error);
      // Back to what the camera has.
      await this.#load(key);
    }
  }
}

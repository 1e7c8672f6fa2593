// @ts-check
/** The list of streams. */

/**
 * State in a word for people.
 * @param {import('./api.js').StreamInfo} info
 */
export function stateText(info) {
  const words = { stopped: 'Stopped', starting: 'Starting', running: 'Running', degraded: 'Degraded', failed: 'Failed' };
  if (info.state === 'stopped' && info.source.kind === 'whip') return 'No publisher';
  if (info.state === 'stopped' && info.on_demand) return 'On demand';
  return words[info.state] ?? info.state;
}

export class StreamList {
  #list;
  /** @type {Map<string, HTMLElement>} */
  #items = new Map();

  /** @param {HTMLElement} list */
  constructor(list) {
    this.#list = list;
  }

  /**
   * @param {import('./api.js').StreamInfo[]} streams
   * @param {string | null} chosen
   */
  show(streams, chosen) {
    this.#list.querySelector('.empty')?.remove();
    const names = new Set(streams.map((s) => s.name));
    for (const [name, item] of this.#items) {
      if (!names.has(name)) {
        item.remove();
        this.#items.delete(name);
      }
    }
    streams.forEach((info, i) => {
      const item = this.#item(info.name);
      // An entry that stays where it is keeps the focus.
      if (this.#list.children[i] !== item) this.#list.insertBefore(item, this.#list.children[i] ?? null);
      fill(item, info, info.name === chosen);
    });
    if (streams.length === 0) this.#empty();
  }

  /** @param {string} name */
  #item(name) {
    let item = this.#items.get(name);
    if (item === undefined) {
      item = document.createElement('li');
      item.dataset.stream = name;
      const link = document.createElement('a');
      link.href = `#${encodeURIComponent(name)}`;
      link.append(span('dot'), span('name', name), span('meta'));
      item.append(link);
      this.#items.set(name, item);
    }
    return item;
  }

  #empty() {
    const item = document.createElement('li');
    item.className = 'empty';
    item.textContent = 'No streams are configured.';
    this.#list.append(item);
  }
}

/**
 * @param {HTMLElement} item
 * @param {import('./api.js').StreamInfo} info
 * @param {boolean} chosen
 */
function fill(item, info, chosen) {
  item.dataset.state = info.state;
  const link = /** @type {HTMLElement} */ (item.firstElementChild);
  if (chosen) {
    if (!link.hasAttribute('aria-current')) link.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    link.setAttribute('aria-current', 'true');
  } else {
    link.removeAttribute('aria-current');
  }
  const meta = [stateText(info)];
  if (info.width > 0) meta.push(`${info.height}p${Math.round(info.fps) || ''}`);
  if (info.viewers > 0) meta.push(info.viewers === 1 ? '1 viewer' : `${info.viewers} viewers`);
  const text = meta.join(' · ');
  const target = /** @type {HTMLElement} */ (link.lastElementChild);
  if (target.textContent !== text) target.textContent = text;
}

/**
 * @param {string} className
 * @param {string} [text]
 */
function span(className, text = '') {
  const element = document.createElement('span');
  element.className = className;
  element.textContent = text;
  if (className === 'dot') element.setAttribute('aria-hidden', 'true');
  return element;
}

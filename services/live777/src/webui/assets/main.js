// @ts-check
/** The page: puts the parts together. */

import { Api } from './api.js';
import { CameraPanel } from './camera.js';
import { ClockOffset, isLoopback } from './clock.js';
import { Controls } from './controls.js';
import { StreamFeed } from './feed.js';
import { FigureBoard } from './figures.js';
import { FrameMeter } from './meter.js';
import { NetStats } from './netstats.js';
import { Player } from './player.js';
import { Stage, wordsFor } from './stage.js';
import { StreamList } from './streams.js';
import { StripReader } from './strip.js';
import { TokenStore } from './token.js';

const video = /** @type {HTMLVideoElement} */ (document.getElementById('video'));
const tokens = new TokenStore(document);
const api = new Api(tokens);
const feed = new StreamFeed(api);
const clock = new ClockOffset(isLoopback(location.hostname));
const player = new Player(api, video);
const meter = new FrameMeter(video, clock);
const net = new NetStats(clock);
const board = new FigureBoard();
const list = new StreamList(/** @type {HTMLElement} */ (document.getElementById('streams')));
const stage = new Stage();
const controls = new Controls(api, video);
const camera = new CameraPanel(api);
const tokenButton = /** @type {HTMLButtonElement} */ (document.getElementById('token-open'));

/** Whether the chosen stream ran when the server last spoke of it. */
let wasRunning = false;

/** What the server says of the chosen stream. */
function chosenInfo() {
  return feed.reachable ? (feed.streams.find((s) => s.name === player.stream) ?? null) : null;
}

function render() {
  const info = chosenInfo();
  const declined = tokens.declined && player.state !== 'playing';
  list.show(feed.streams, player.stream);
  stage.show(wordsFor(player, info, declined), player.state);
  controls.show(info, video.videoWidth > 0 && player.stream !== null);
  camera.show(info);
  tokenButton.hidden = !tokens.declined && tokens.value === null;
  document.body.dataset.server = feed.reachable ? 'reachable' : 'unreachable';
  if (info !== null) board.server(info);
  else if (!feed.reachable) board.serverSilent();
}

/** @param {string} name */
function choose(name) {
  if (name === player.stream) return;
  document.title = `${name} · livehal`;
  board.clear();
  player.play(name);
  render();
}

function nameInAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return '';
  }
}

/** Everything that is looked at once a second. */
async function second() {
  const info = chosenInfo();
  player.check(info === null || info.state === 'running', document.visibilityState === 'visible');
  const session = player.session;
  if (session !== null && player.state !== 'connecting') {
    const figures = await net.read(session.connection);
    if (session === player.session) board.second(meter.take(), figures, clock);
  }
  render();
}

player.onattempt = () => {
  meter.begin(player.startedAt, player.session);
  net.begin();
};
player.onchange = () => {
  board.firstFrame(meter.firstFrameMs);
  render();
};
meter.onframe = () => player.frame();
// The element is shaped like its picture; a new size comes as an event.
video.addEventListener('resize', () => {
  if (video.videoWidth > 2) document.querySelector('main')?.style.setProperty('--ratio', String(video.videoWidth / video.videoHeight));
});
feed.onchange = () => {
  const first = feed.streams.find((s) => s.state === 'running') ?? feed.streams[0];
  if (player.stream === null && first !== undefined) choose(first.name);
  const running = chosenInfo()?.state === 'running';
  // What was waited for has come: no reason to wait on.
  if (running && !wasRunning && player.state === 'waiting') player.retry();
  wasRunning = running;
  render();
};
document.getElementById('retry')?.addEventListener('click', () => player.retry());
tokenButton.addEventListener('click', async () => {
  if ((await tokens.reopen()) === null) return;
  feed.open();
  player.retry();
});
addEventListener('hashchange', () => {
  if (nameInAddress() !== '') choose(nameInAddress());
});
addEventListener('online', () => player.retry());
addEventListener('pagehide', () => {
  feed.close();
  player.leave();
});
addEventListener('pageshow', (event) => {
  if (!event.persisted) return;
  feed.open();
  player.retry();
});
// A browser has few connections to one server: a page that nobody sees holds none for figures.
document.addEventListener('visibilitychange', () => (document.visibilityState === 'visible' ? feed.open() : feed.close()));

/** For tests: see the comment in index.html. */
Object.assign(window, { livehal: { player, meter, readStrip: (/** @type {HTMLVideoElement} */ v) => new StripReader().read(v, Date.now()) } });

// A stream named in the address is asked for before the list has come.
if (nameInAddress() !== '') choose(nameInAddress());
feed.open();
setInterval(() => void second(), 1000);

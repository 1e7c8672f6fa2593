import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Backoff } from '../assets/backoff.js';
import { label, numbersIn, shown, stepOf } from '../assets/camera.js';
import { ClockOffset, isLoopback } from '../assets/clock.js';
import { events } from '../assets/feed.js';
import { bitRate, frameRate, median, milliseconds, text } from '../assets/format.js';
import { wordsFor } from '../assets/stage.js';

test('delays grow to the longest one and begin again after a success', () => {
  const backoff = new Backoff(400, 10_000, () => 1 - Number.EPSILON);
  const delays = Array.from({ length: 8 }, () => Math.round(backoff.next()));
  assert.deepEqual(delays, [400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
  backoff.reset();
  assert.equal(Math.round(backoff.next()), 400);
});

test('delays are spread over half of their length', () => {
  const soonest = new Backoff(400, 10_000, () => 0);
  assert.equal(soonest.next(), 200);
});

test('the least delayed sender report says how far the clocks are apart', () => {
  const clock = new ClockOffset(false);
  assert.equal(clock.ms, null);
  // The server is 5000 ms ahead; reports take 10 ms, one of them 90 ms.
  clock.add(6000, 1010, 20);
  clock.add(7000, 2090, 20);
  assert.equal(clock.ms, 5000);
  // The same report seen again tells nothing new.
  clock.add(7000, 1000, 20);
  assert.equal(clock.ms, 5000);
});

test('old reports are forgotten: clocks drift', () => {
  const clock = new ClockOffset(false);
  clock.add(100, 0, 0);
  for (let i = 1; i <= 20; i += 1) clock.add(i * 1000 + 50, i * 1000, 0);
  assert.equal(clock.ms, 50);
});

test('one machine has one clock', () => {
  const clock = new ClockOffset(true);
  clock.add(9999, 0, 0);
  assert.equal(clock.ms, 0);
  for (const name of ['localhost', '127.0.0.1', '127.8.9.10', '[::1]']) assert.ok(isLoopback(name), name);
  for (const name of ['192.168.1.7', '127.0.0.1.example', 'camera.local']) assert.ok(!isLoopback(name), name);
});

test('figures read well', () => {
  assert.equal(text(milliseconds(3.14159)), '3.1 ms');
  assert.equal(text(milliseconds(41.6)), '42 ms');
  assert.equal(text(milliseconds(9.96)), '10 ms');
  assert.equal(text(milliseconds(12_345)), '12.3 s');
  assert.equal(text(milliseconds(null)), '–');
  assert.equal(text(milliseconds(Number.NaN)), '–');
  assert.equal(text(bitRate(2_040_000)), '2.04 Mbit/s');
  assert.equal(text(bitRate(999_499)), '999 kbit/s');
  assert.equal(text(bitRate(0)), '0 kbit/s');
  assert.equal(text(frameRate(29.97)), '30.0 fps');
});

test('the median leaves its numbers alone', () => {
  const numbers = [9, 1, 5];
  assert.equal(median(numbers), 5);
  assert.deepEqual(numbers, [9, 1, 5]);
  assert.equal(median([1, 2, 3, 10]), 2.5);
  assert.equal(median([]), null);
});

/**
 * @param {string[]} chunks
 * @returns {Promise<{kind: string, data: string}[]>}
 */
async function heard(...chunks) {
  const encoder = new TextEncoder();
  const body = new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(typeof chunk === 'string' ? encoder.encode(chunk) : chunk);
      controller.close();
    },
  });
  const all = [];
  for await (const event of events(body)) all.push(event);
  return all;
}

test('server-sent events are read however they are cut', async () => {
  const whole = 'event: streams\ndata: [{"name":"Küche"}]\n\n: keep alive\n\nevent: state\ndata: {"a":1}\n\ndata: plain\n\n';
  const wanted = [
    { kind: 'streams', data: '[{"name":"Küche"}]' },
    { kind: 'state', data: '{"a":1}' },
    { kind: 'message', data: 'plain' },
  ];
  assert.deepEqual(await heard(whole), wanted);
  const bytes = new TextEncoder().encode(whole);
  // Every byte by itself: the two of the ü as well.
  assert.deepEqual(await heard(...Array.from(bytes, (b) => Uint8Array.of(b))), wanted);
  assert.deepEqual(await heard(whole.replaceAll('\n', '\r\n')), wanted);
  assert.deepEqual(await heard('event: cut\ndata: {'), [], 'an unfinished event is none');
});

const player = { stream: 'demo', state: 'playing', reason: '', retryInMs: 0 };
const running = { name: 'demo', state: 'running', source: { kind: 'native' } };

test('nothing is said over a picture that plays', () => {
  const said = wordsFor(player, running, false);
  assert.equal(said.message, '');
  assert.equal(said.badge, 'Live');
});

test('a degraded source keeps its picture and says why', () => {
  const said = wordsFor(player, { ...running, state: 'degraded', reason: 'no such device' }, false);
  assert.equal(said.message, '', 'frames are still to be seen');
  assert.equal(said.badge, 'Degraded');
  const stalled = wordsFor({ ...player, state: 'stalled' }, { ...running, state: 'degraded', reason: 'no such device' }, false);
  assert.equal(stalled.hint, 'No such device.');
  assert.notEqual(stalled.message, '');
});

test('a stopped, failed or starting source is told apart from a lost connection', () => {
  for (const state of ['stopped', 'failed', 'starting']) {
    const said = wordsFor({ ...player, state: 'stalled' }, { ...running, state }, false);
    assert.notEqual(said.message, '', state);
    assert.equal(said.retry, false, 'connecting again would not help');
  }
  const lost = wordsFor({ ...player, state: 'waiting', reason: 'the connection failed', retryInMs: 2600 }, running, false);
  assert.equal(lost.message, 'Connecting again in 3 s');
  assert.equal(lost.hint, 'The connection failed.');
  assert.equal(lost.retry, true);
});

test('while nobody publishes, that is said instead of the attempts', () => {
  const whip = { ...running, name: 'my studio', state: 'stopped', source: { kind: 'whip' } };
  const said = wordsFor({ ...player, state: 'waiting', reason: 'unavailable', retryInMs: 5000 }, whip, false);
  assert.equal(said.message, 'Nobody is publishing');
  assert.ok(said.hint.includes('/whip/my%20studio'), said.hint);
});

test('a token that was not given is asked for, not retried', () => {
  const said = wordsFor({ ...player, state: 'refused', reason: 'a bearer token is needed' }, null, true);
  assert.equal(said.badge, 'Token needed');
  assert.equal(said.retry, false);
});

test("a camera's controls are read and written as people do", () => {
  assert.equal(label('exposure_time'), 'Exposure time');
  assert.equal(shown(0.1 + 0.2), '0.3');
  assert.equal(shown([1.25, 2]), '1.25, 2');
  assert.equal(shown(null), '–');
  assert.deepEqual(numbersIn('1.5, 2'), [1.5, 2]);
  assert.deepEqual(numbersIn(' 0 0  640;480'), [0, 0, 640, 480]);
  for (const text of ['', ' , ', '1, two', '1e999']) assert.equal(numbersIn(text), null, text);
});

test('a slider moves by the steps of its control', () => {
  const control = { name: 'x', value: null, default: null, read_only: false };
  assert.equal(stepOf({ ...control, type: 'int', min: 0, max: 8, step: 4 }), 4);
  assert.equal(stepOf({ ...control, type: 'float', min: -1, max: 1 }), 0.01);
});

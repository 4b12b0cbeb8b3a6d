// What replication remembers stays within its bounds.
import { expect, test } from 'vitest';
import {
  FROZEN_MESSAGES_MAX,
  OWN_STREAMS_MAX,
  RANGES_MAX,
  silentLogger,
  STREAMS_MAX,
} from '../base/index.ts';
import { MemoryNotes } from '../store/embedded/index.ts';
import { FrozenMessages } from './frozen-messages.ts';
import { Keeper } from './keeper.ts';
import { StreamWindow } from './stream-window.ts';
import { KEPT_HORIZONS, Streams } from './streams.ts';
import { fakeStore, message, TestClock } from './testing.ts';

test('one stream with too many holes gives the older half up', () => {
  const window = new StreamWindow(0);
  for (let i = 1; i <= RANGES_MAX + 1; i++) window.note(2 * i, 2 * i);
  expect(window.tick(1, false)).toBeGreaterThan(RANGES_MAX / 3);
  expect(window.applied.ranges.length).toBeLessThanOrEqual(RANGES_MAX);
  expect(window.vouched).toBe(0);
});

test('the least recently heard stream is forgotten, its note too; so is one that is silent for many horizons', () => {
  const streams = new Streams({ clock: new TestClock(), horizonMs: 10_000, onLost: () => {} });
  for (let i = 0; i <= STREAMS_MAX; i++) streams.tell(`s${i}`, 1);
  expect(streams.size).toBe(STREAMS_MAX);
  expect(streams.takeNotes()['applied:s0']).toBe('');
  for (let i = 0; i < KEPT_HORIZONS * 20 + 10; i++) {
    streams.tell('s9', 1);
    streams.tick(false);
  }
  expect(Object.keys(streams.applied())).toEqual(['s9']);
});

test('messages held while frozen: the oldest go back to the queue', () => {
  const frozen = new FrozenMessages(new TestClock(), () => {});
  frozen.isFrozen = true;
  const held = Array.from({ length: FROZEN_MESSAGES_MAX + 2 }, () => message(Buffer.alloc(0)));
  for (const one of held) frozen.hold(one);
  expect(held.filter(({ fate }) => fate.length > 0)).toEqual(held.slice(0, 2));
  frozen.close();
});

test("a store's own earlier streams: the oldest are forgotten", async () => {
  const notes = new MemoryNotes();
  const store = Object.assign(fakeStore(new TestClock(), 1), { notes });
  for (let i = 0; i < OWN_STREAMS_MAX + 3; i++) {
    const keeper = new Keeper({
      store,
      logger: silentLogger,
      parts: [],
      own: () => ({ stream: `s${i}`, sequence: 1, origin: 1, startedAtMs: i }),
      isLacking: () => false,
    });
    await keeper.read();
    await keeper.write();
  }
  const kept = [...(await notes.read()).keys()];
  expect(kept).toHaveLength(OWN_STREAMS_MAX);
  expect(kept).not.toContain('sent:s2');
  expect(kept).toContain('sent:s3');
});

// Up to when everything is everywhere.
import { expect, test } from 'vitest';
import { HORIZON_MS, silentLogger } from '../base/index.ts';
import type { Heartbeat } from './heartbeat.ts';
import { Membership } from './membership.ts';
import { Stability } from './stability.ts';
import { beat, TestClock } from './testing.ts';

function world() {
  const clock = new TestClock(1_000_000);
  const membership = new Membership({
    site: 'a',
    storeId: 'A',
    startedAtMs: 0,
    clock,
    logger: silentLogger,
    horizonMs: HORIZON_MS,
  });
  const stability = new Stability();
  let sequence = 0;
  const own = { site: 'a', streams: { sa: 1 }, isEmpty: true, isLacking: false };
  const applied: Record<string, number> = {};
  return {
    own,
    applied,
    clock,
    membership,
    hear(site: string, more: Partial<Heartbeat>, gateway = '1'): void {
      const header = { site, origin: 1, stream: `00000000${site}${gateway}`, fragment: 0, fragments: 1 };
      membership.hear(
        { ...header, sequence: ++sequence, timeMs: clock.now() },
        beat(site, site.toUpperCase(), more),
      );
    },
    before(): number {
      const self = { ...own, atMs: clock.now(), applied: (stream: string) => applied[stream] ?? 0 };
      return stability.stableBeforeMs(self, membership.members(), membership.records());
    },
  };
}

test('nobody heard: nothing is known; then the time of the oldest report that everyone has followed', async () => {
  const w = world();
  expect(w.before()).toBe(0);
  w.applied.sb = 5;
  w.hear('b', { streams: { sb: 5 }, applied: { sa: 1 } });
  expect(w.before()).toBe(1_000_000);
  await w.clock.advance(1_000);
  // It goes on, and this site has not applied that yet: the older time stays.
  w.hear('b', { streams: { sb: 6 }, applied: { sa: 1 } });
  expect(w.before()).toBe(1_000_000);
  await w.clock.advance(1_000);
  w.applied.sb = 6;
  expect(w.before()).toBe(1_001_000);
});

test('an outbox that is not empty, here or there, holds it back', async () => {
  const w = world();
  w.applied.sb = 5;
  w.hear('b', { streams: { sb: 5 }, applied: { sa: 1 } });
  expect(w.before()).toBe(1_000_000);
  for (const [mine, theirs] of [
    [false, true],
    [true, false],
  ]) {
    await w.clock.advance(1_000);
    w.own.isEmpty = mine;
    w.hear('b', { streams: { sb: 5 }, applied: { sa: 1 }, outboxEmpty: theirs });
    expect(w.before()).toBe(mine ? 1_001_000 : 1_000_000);
  }
});

test('the slowest of several sites decides, also between two others', async () => {
  const w = world();
  Object.assign(w.applied, { sb: 5, sc: 9 });
  w.hear('b', { streams: { sb: 5 }, applied: { sa: 1, sc: 8 } });
  w.hear('c', { streams: { sc: 9 }, applied: { sa: 1, sb: 5 } });
  expect(w.before()).toBe(0);
  await w.clock.advance(1_000);
  w.hear('b', { streams: { sb: 5 }, applied: { sa: 1, sc: 9 } });
  expect(w.before()).toBe(1_000_000);
});

test('who is loading, lacking, only noted or known to others alone has applied nothing', () => {
  for (const state of [{ loading: true }, { lacking: true }, { heard: { a: 1, d: 3 } }]) {
    const w = world();
    w.applied.sb = 5;
    w.hear('b', { streams: { sb: 5 }, applied: { sa: 1 }, heard: { a: 1 } });
    expect(w.before()).toBe(1_000_000);
    w.hear('b', { streams: { sb: 5 }, applied: { sa: 1 }, ...state });
    expect(w.before()).toBe(0);
  }
  const w = world();
  w.membership.restore(new Map([['member:z', '999000;Z;1;']]));
  w.applied.sb = 5;
  w.hear('b', { streams: { sb: 5 }, applied: { sa: 1 } });
  expect(w.before()).toBe(0);
});

test('each gateway of a site must have had nothing to send', async () => {
  const w = world();
  Object.assign(w.applied, { s1: 5, s2: 5 });
  w.hear('b', { streams: { s1: 5 }, applied: { sa: 1 } }, '1');
  w.hear('b', { streams: { s2: 6 }, applied: { sa: 1 } }, '2');
  expect(w.before()).toBe(0);
  w.applied.s2 = 6;
  await w.clock.advance(1_000);
  expect(w.before()).toBe(1_000_000);
});

test('reports are bounded while a site lags for long', async () => {
  const w = world();
  for (let i = 1; i <= 400; i++) {
    await w.clock.advance(1_000);
    w.hear('b', { streams: { sb: i }, applied: { sa: 1 } });
    w.before();
  }
  w.applied.sb = 200;
  const before = w.before();
  expect(before).toBeGreaterThan(1_000_000 + 150_000);
  expect(before).toBeLessThanOrEqual(1_000_000 + 200_000);
  w.applied.sb = 400;
  expect(w.before()).toBe(1_000_000 + 400_000);
});

// The near cache over a store that the test plays: TTLs to the millisecond, single-flight, order with writes and changes.
import { beforeEach, describe, expect, it } from 'vitest';
import type { Clock, Latin1 } from '../base/index.ts';
import { type CacheRead, type CacheSource, type NearCache, openNearCache } from './index.ts';

let now: number;
let timers: { at: number; task: () => void }[];
const clock: Clock = {
  now: () => now,
  after(delayMs, task) {
    const timer = { at: now + delayMs, task };
    timers.push(timer);
    return { cancel: () => void (timers = timers.filter((other) => other !== timer)) };
  },
  every: () => ({ cancel: () => {} }),
};

function advance(ms: number): void {
  now += ms;
  const due = timers.filter(({ at }) => at <= now);
  timers = timers.filter(({ at }) => at > now);
  for (const { task } of due) task();
}

interface Asked {
  readonly key: Latin1;
  answer(value: Latin1 | null, ttlMs?: number, isTorn?: boolean): void;
  fail(): void;
}

class PlayedSource implements CacheSource {
  isTold = true;
  onChange: ((key: Latin1 | undefined) => void) | undefined;
  closed = false;
  readonly asked: Asked[] = [];
  read(key: Latin1, done: (read: CacheRead | undefined) => void): void {
    this.asked.push({
      key,
      answer: (value, ttlMs = -1, isTorn = false) => done({ value, ttlMs, isTorn }),
      fail: () => done(undefined),
    });
  }
  close(): void {
    this.closed = true;
  }
}

let source: PlayedSource;
let cache: NearCache;
beforeEach(() => {
  now = 1_000_000;
  timers = [];
  source = new PlayedSource();
  cache = openNearCache({ bytesMax: 1_000_000, clock, source });
});

/** The read that was asked for last. */
function last(): Asked {
  const asked = source.asked.at(-1);
  if (asked === undefined) throw new Error('nothing was asked');
  return asked;
}

async function filled(key: Latin1, value: Latin1 | null, ttlMs = -1): Promise<void> {
  const fetched = cache.fetch(key);
  last().answer(value, ttlMs);
  expect(await fetched).toBe(value);
}

describe('hits', () => {
  it('keeps values, binary ones too, and absent keys for a moment', async () => {
    await filled('\xff\0', 'v\r\n\x80');
    await filled('none', null, -2);
    expect(cache.get('\xff\0', now)).toBe('v\r\n\x80');
    expect(cache.get('none', now)).toBe(null);
    advance(999);
    expect(cache.get('none', now)).toBe(null);
    advance(1);
    expect(cache.get('none', now)).toBe(undefined);
    advance(1e9);
    expect(cache.get('\xff\0', now)).toBe('v\r\n\x80');
    expect(cache.stats()).toMatchObject({ hits: 4, misses: 1, loads: 2, entries: 2 });
  });

  it('honours the TTL to the millisecond, counted from before the request', async () => {
    const fetched = cache.fetch('k');
    advance(7);
    last().answer('v', 100);
    expect(await fetched).toBe('v');
    advance(92);
    expect(cache.get('k', now)).toBe('v');
    advance(1);
    expect(cache.get('k', now)).toBe(undefined);
  });

  it('is bounded: old entries go, one that is too large is not kept', async () => {
    for (let i = 0; i < 100; i++) await filled(`k${i}`, 'x'.repeat(20_000));
    const { bytes, entries } = cache.stats();
    expect(bytes).toBeLessThanOrEqual(1_000_000);
    expect(entries).toBeGreaterThan(40);
    expect(cache.get('k0', now)).toBe(undefined);
    expect(cache.get('k99', now)).toHaveLength(20_000);
    await filled('large', 'x'.repeat(200_000));
    expect(cache.get('large', now)).toBe(undefined);
    expect(cache.stats().entries).toBe(entries);
  });
});

describe('single flight', () => {
  it('reads once for all who ask meanwhile', async () => {
    const all = Array.from({ length: 1_000 }, () => cache.fetch('k'));
    expect(source.asked).toHaveLength(1);
    last().answer('v');
    expect(new Set(await Promise.all(all))).toEqual(new Set(['v']));
    expect(cache.stats().loads).toBe(1);
  });

  it('reads once at an expiry: it waits until the value is gone in the store too', async () => {
    const first = cache.fetch('k');
    advance(5);
    last().answer('v', 100);
    await first;
    advance(95);
    expect(cache.get('k', now)).toBe(undefined);
    const all = [cache.fetch('k'), cache.fetch('k')];
    expect(source.asked).toHaveLength(1);
    advance(5);
    expect(source.asked).toHaveLength(1);
    advance(1);
    expect(source.asked).toHaveLength(2);
    last().answer(null, -2);
    expect(await Promise.all(all)).toEqual([null, null]);
  });

  it('does not wait where the load took long', async () => {
    const first = cache.fetch('k');
    advance(500);
    last().answer('v', 600);
    await first;
    advance(100);
    void cache.fetch('k');
    expect(source.asked).toHaveLength(2);
  });
});

describe('writes and changes', () => {
  it('drops what was written here (G4)', async () => {
    await filled('k', 'old');
    cache.written('k');
    expect(cache.get('k', now)).toBe(undefined);
    await filled('k', 'new');
    expect(cache.get('k', now)).toBe('new');
  });

  it('a read sent before a write was answered is neither kept nor joined (G4)', async () => {
    const before = cache.fetch('k');
    const early = last();
    cache.written('k');
    const after = cache.fetch('k');
    expect(source.asked).toHaveLength(2);
    last().answer('new');
    early.answer('old');
    expect([await before, await after]).toEqual(['old', 'new']);
    expect(cache.get('k', now)).toBe('new');
  });

  it('a change told before the answer leaves it, one told after drops it', async () => {
    const fetched = cache.fetch('k');
    source.onChange?.('k');
    last().answer('new');
    expect(await fetched).toBe('new');
    expect(cache.get('k', now)).toBe('new');
    source.onChange?.('k');
    expect(cache.get('k', now)).toBe(undefined);
  });

  it('does not keep a value written while it was read', async () => {
    const fetched = cache.fetch('k');
    last().answer('v', 50, true);
    expect(await fetched).toBe('v');
    expect(cache.get('k', now)).toBe(undefined);
  });

  it('a change of anything, or clear, drops everything and what is under way', async () => {
    await filled('a', '1');
    const fetched = cache.fetch('b');
    source.onChange?.(undefined);
    last().answer('2');
    expect(await fetched).toBe('2');
    expect([cache.get('a', now), cache.get('b', now)]).toEqual([undefined, undefined]);
    await filled('a', '1');
    cache.clear();
    expect(cache.get('a', now)).toBe(undefined);
  });

  it('keeps nothing while changes are not told, and sends its callers to the store', async () => {
    const underWay = cache.fetch('a');
    source.isTold = false;
    last().answer('1');
    expect(await underWay).toBe('1');
    expect(cache.get('a', now)).toBe(undefined);
    expect(await cache.fetch('a')).toBe(undefined);
    expect(source.asked).toHaveLength(1);
    source.isTold = true;
    await filled('a', '2');
    expect(cache.get('a', now)).toBe('2');
  });

  it('sends its callers to the store for what is no string', async () => {
    const fetched = cache.fetch('k');
    last().fail();
    expect(await fetched).toBe(undefined);
    void cache.fetch('k');
    expect(source.asked).toHaveLength(2);
  });

  it('closes its source', async () => {
    cache.close();
    expect(source).toMatchObject({ closed: true, onChange: undefined });
  });
});

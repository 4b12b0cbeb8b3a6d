// The near cache over a store that the test plays: TTLs to the millisecond, single-flight, order with writes and changes.
import { beforeEach, describe, expect, it } from 'vitest';
import { below, bytesOf, type Clock, type Latin1, latin1Of, seededRandom } from '../base/index.ts';
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
  onChange: ((key: Latin1 | undefined) => void) | undefined;
  closed = false;
  readonly asked: Asked[] = [];
  read(key: Latin1, done: (read: CacheRead | undefined) => void): void {
    const askedAt = now;
    this.asked.push({
      key,
      answer: (value, ttlMs = -1, isTorn = false) => {
        const until = ttlMs < 0 ? Number.POSITIVE_INFINITY : askedAt + ttlMs;
        const goneAt = ttlMs < 0 ? Number.POSITIVE_INFINITY : now + ttlMs + 1;
        done({ value: value === null ? null : bytesOf(value), until, goneAt, isTorn });
      },
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
  cache = openNearCache({ bytesMax: 1_000_000, clock, random: seededRandom(1), source });
});

/** The read that was asked for last. */
function last(): Asked {
  const asked = source.asked.at(-1);
  if (asked === undefined) throw new Error('nothing was asked');
  return asked;
}

async function filled(key: Latin1, value: Latin1 | null, ttlMs = -1): Promise<void> {
  const fetched = fetch(key);
  last().answer(value, ttlMs);
  expect(await fetched).toBe(value);
}

async function fetch(key: Latin1): Promise<Latin1 | null | undefined> {
  const cached = await cache.fetch(key);
  return cached === null || cached === undefined ? cached : latin1Of(cached);
}

/** What is kept: null an absent key, undefined nothing. */
function kept(key: Latin1): Latin1 | null | undefined {
  const source = bytesOf(`<${key}>`);
  const result = cache.find(source, 1, source.length - 1, now);
  if (result < 1) return result === 0 ? null : undefined;
  const { bytes, start, end } = cache.found;
  return bytes.toString('latin1', start, end);
}

describe('hits', () => {
  it('keeps values, binary ones too, and absent keys for a moment', async () => {
    await filled('\xff\0', 'v\r\n\x80');
    await filled('none', null, -2);
    expect(kept('\xff\0')).toBe('v\r\n\x80');
    expect(kept('none')).toBe(null);
    advance(999);
    expect(kept('none')).toBe(null);
    advance(1);
    expect(kept('none')).toBe(undefined);
    advance(1e9);
    expect(kept('\xff\0')).toBe('v\r\n\x80');
    expect(cache.stats()).toMatchObject({ hits: 4, misses: 1, loads: 2, entries: 2 });
  });

  it('honours the TTL to the millisecond, counted from before the request', async () => {
    const fetched = fetch('k');
    advance(7);
    last().answer('v', 100);
    expect(await fetched).toBe('v');
    advance(92);
    expect(kept('k')).toBe('v');
    advance(1);
    expect(kept('k')).toBe(undefined);
  });

  it('is bounded: old large values go, one that is too large is not kept', async () => {
    for (let i = 0; i < 100; i++) await filled(`k${i}`, 'x'.repeat(20_000));
    const { bytes, entries } = cache.stats();
    expect(bytes).toBeLessThanOrEqual(1_000_000);
    expect(entries).toBeGreaterThan(10);
    expect(kept('k0')).toBe(undefined);
    expect(kept('k99')).toHaveLength(20_000);
    await filled('large', 'x'.repeat(200_000));
    expect(kept('large')).toBe(undefined);
    expect(cache.stats().entries).toBe(entries);
  });

  it('is bounded: small values that nobody reads go, those in use stay', async () => {
    for (let i = 0; i < 20_000; i++) {
      await filled(`k${i}`, `value ${i}`);
      if (i % 100 === 0) expect(kept('k7')).toBe(i < 7 ? undefined : 'value 7');
    }
    const { bytes, entries } = cache.stats();
    expect(bytes).toBeLessThanOrEqual(750_000);
    expect(entries).toBeGreaterThan(2_000);
    expect(kept('k8')).toBe(undefined);
    expect(kept('k19999')).toBe('value 19999');
  });

  it('never shows another value than the last, whatever is written, dropped and read', async () => {
    const random = seededRandom(7);
    const model = new Map<string, string | null>();
    let found = 0;
    for (let i = 0; i < 60_000; i++) {
      const key = `key:${below(random, 4_000)}`.repeat(1 + below(random, 2));
      const what = below(random, 4);
      if (what === 0) {
        const value = below(random, 10) === 0 ? null : 'v'.repeat(below(random, 300)) + String(i);
        cache.written(key);
        await filled(key, value);
        model.set(key, value);
      } else if (what === 1 && below(random, 4) === 0) {
        cache.written(key);
        model.delete(key);
      } else {
        const shown = kept(key);
        if (shown !== undefined) {
          expect(shown).toBe(model.get(key));
          found++;
        }
      }
    }
    expect(found).toBeGreaterThan(5_000);
  });
});

describe('single flight', () => {
  it('reads once for all who ask meanwhile', async () => {
    const all = Array.from({ length: 1_000 }, () => fetch('k'));
    expect(source.asked).toHaveLength(1);
    last().answer('v');
    expect(new Set(await Promise.all(all))).toEqual(new Set(['v']));
    expect(cache.stats().loads).toBe(1);
  });

  it('reads once at an expiry: it waits until the value is gone in the store too', async () => {
    const first = fetch('k');
    advance(5);
    last().answer('v', 100);
    await first;
    advance(95);
    expect(kept('k')).toBe(undefined);
    const all = [fetch('k'), fetch('k')];
    expect(source.asked).toHaveLength(1);
    advance(5);
    expect(source.asked).toHaveLength(1);
    advance(1);
    expect(source.asked).toHaveLength(2);
    last().answer(null, -2);
    expect(await Promise.all(all)).toEqual([null, null]);
  });

  it('does not wait where the load took long', async () => {
    const first = fetch('k');
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
    expect(kept('k')).toBe(undefined);
    await filled('k', 'new');
    expect(kept('k')).toBe('new');
  });

  it('a read sent before a write was answered is neither kept nor joined (G4)', async () => {
    const before = fetch('k');
    const early = last();
    cache.written('k');
    const after = fetch('k');
    expect(source.asked).toHaveLength(2);
    last().answer('new');
    early.answer('old');
    expect([await before, await after]).toEqual(['old', 'new']);
    expect(kept('k')).toBe('new');
  });

  it('a load waits for a write that is on its way, once', async () => {
    cache.writing('k');
    const first = fetch('k');
    expect(source.asked).toHaveLength(0);
    cache.writing('k');
    cache.written('k');
    cache.ended('k');
    expect(source.asked).toHaveLength(1);
    last().answer('1');
    expect(await first).toBe('1');
    cache.written('k');
    cache.ended('k');
    void fetch('k');
    expect(source.asked).toHaveLength(2);
  });

  it('a change told before the answer leaves it, one told after drops it', async () => {
    const fetched = fetch('k');
    source.onChange?.('k');
    last().answer('new');
    expect(await fetched).toBe('new');
    expect(kept('k')).toBe('new');
    source.onChange?.('k');
    expect(kept('k')).toBe(undefined);
  });

  it('does not keep a value written while it was read', async () => {
    const fetched = fetch('k');
    last().answer('v', 50, true);
    expect(await fetched).toBe('v');
    expect(kept('k')).toBe(undefined);
  });

  it('a change of anything, or clear, drops everything and what is under way', async () => {
    await filled('a', '1');
    const fetched = fetch('b');
    source.onChange?.(undefined);
    last().answer('2');
    expect(await fetched).toBe('2');
    expect([kept('a'), kept('b')]).toEqual([undefined, undefined]);
    await filled('a', '1');
    cache.clear();
    expect(kept('a')).toBe(undefined);
  });

  it('sends its callers to the store for what is no string', async () => {
    const fetched = fetch('k');
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

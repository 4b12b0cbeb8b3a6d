// What a comparison tells of a store, and the pages and states that repair asks for.
import { describe, expect, test } from 'vitest';
import { below, bytesOf, seededRandom, silentLogger, SLOTS, slotOf, STABLE_MS } from '../../base/index.ts';
import { DEAD, decodeDeltas, fingerprintOf, keyHash, SETTLED, YOUNG } from '../../crdt/index.ts';
import type { ComparedKey, Comparison, Page } from '../store.ts';
import { type EmbeddedStore, openEmbeddedStore } from './index.ts';
import { ManualClock, settled } from './testing.ts';

const START = 10_000_000_000;

function open(seed: number): { readonly clock: ManualClock; readonly store: EmbeddedStore } {
  const clock = new ManualClock(START);
  const options = { clock, random: seededRandom(seed), logger: silentLogger, origin: seed };
  return { clock, store: openEmbeddedStore({ ...options, activeExpiry: false }) };
}

function set(store: EmbeddedStore, key: string, value: Buffer, at = 0): void {
  const bytes = Buffer.concat([bytesOf(key), value]);
  store.keyspace.setString(bytes, 0, key.length, key.length, bytes.length, at);
}

/** Keys of every form of record, of every age. */
function fill(store: EmbeddedStore, clock: ManualClock, count: number): void {
  const random = seededRandom(7);
  const { keyspace } = store;
  const value = (): Buffer => Buffer.alloc(below(random, 90), 65 + below(random, 26));
  for (let i = 0; i < count; i++) {
    clock.time = START + i;
    const key = `${i}:${'x'.repeat(below(random, 9))}`;
    const makers = [
      () => set(store, key, value()),
      () => set(store, key, value(), clock.time + 1 + below(random, 2 * count)),
      () => keyspace.overwrite(key),
      () => keyspace.putField(key, 2, 'f', 'v'),
      () => keyspace.addString(key, 5n),
      () => keyspace.putField(key, 4, 'm', 1.5),
      () => {
        keyspace.putField(key, 3, 'm', true);
        keyspace.removeField(key, 3, 'm');
      },
      () => {
        keyspace.putField(key, 2, 'f', 'v');
        keyspace.expire(key, clock.time + 1 + below(random, 2 * count));
      },
    ];
    makers[below(random, makers.length)]?.();
  }
  set(store, '', bytesOf('of the empty key'));
  set(store, 'big', Buffer.alloc(70_001, 1));
  set(store, 'n'.repeat(70_002), bytesOf('v'));
  set(store, 'gone', Buffer.alloc(70_000, 1));
  keyspace.overwrite('gone');
  keyspace.putString('complex', Buffer.alloc(66_000));
  keyspace.addString('complex', 1n);
  set(store, '{a}1', value());
  set(store, '{a}2', value());
}

interface Seen extends Omit<ComparedKey, 'key'> {
  readonly name: string;
}

async function compare(
  { store, clock }: { store: EmbeddedStore; clock: ManualClock },
  comparison: Comparison,
): Promise<Seen[]> {
  const all: Seen[] = [];
  const comparing = store.compare(comparison, (compared) => {
    const { slot, hash, low, high, standing } = compared;
    all.push({ name: compared.key(), slot, hash, low, high, standing });
  });
  await settled(clock, comparing);
  return all;
}

describe('comparing', () => {
  test('every form of record has the fingerprint of its state', async () => {
    const site = open(3);
    const { store, clock } = site;
    fill(store, clock, 1500);
    store.freeExpired(clock.time - 1000);
    const standings = [0, 0, 0];
    for (const atMs of [START, clock.time, clock.time + 1500, clock.time + STABLE_MS + 2000]) {
      const seen = await compare(site, { atMs });
      expect(seen.map(({ name }) => name).sort()).toEqual(store.allKeys().sort());
      for (const { name, slot, hash, low, high, standing } of seen) {
        const state = store.stateOf(name);
        if (state === undefined) throw new Error(`${name} is not held`);
        expect({ low, high, standing }, name).toEqual(fingerprintOf(name, state, atMs));
        expect(slot).toBe(slotOf(name));
        expect(hash).toBe(keyHash(bytesOf(name), 0, name.length));
        standings[standing] = (standings[standing] ?? 0) + 1;
      }
    }
    for (const standing of [SETTLED, YOUNG, DEAD]) expect(standings[standing]).toBeGreaterThan(200);
  });

  test('a large key keeps its fingerprint until it changes, expires, or holds what gets too old', async () => {
    const site = open(3);
    const { store, clock } = site;
    const { keyspace } = store;
    for (let i = 0; i < 300; i++) keyspace.putField('h', 2, `f${i}`, 'v');
    const steps: [string, () => void][] = [
      ['nothing', () => {}],
      ['a field', () => keyspace.putField('h', 2, 'f7', 'w')],
      ['another', () => keyspace.putField('h', 2, 'new', 'w')],
      ['an increment', () => keyspace.addField('h', 2, 'f8', 3n)],
      ['a field less', () => void keyspace.removeField('h', 2, 'f9')],
      ['a TTL', () => void keyspace.expire('h', clock.time + 2 * STABLE_MS)],
    ];
    const prints = new Set<number>();
    for (const [name, step] of steps) {
      clock.time += 10;
      step();
      for (const laterMs of [10, 10_000, STABLE_MS + 1000, 3 * STABLE_MS, 10_000]) {
        const atMs = clock.time + laterMs;
        const [seen] = await compare(site, { atMs });
        const state = store.stateOf('h');
        if (state === undefined || seen === undefined) throw new Error('it is held');
        const { low, high, standing } = seen;
        expect({ low, high, standing }, `${name} ${laterMs}`).toEqual(fingerprintOf('h', state, atMs));
        prints.add(low);
      }
    }
    expect(prints.size).toBeGreaterThanOrEqual(steps.length - 1);
  });

  test('a copy got page by page compares equal, written in another order or not', async () => {
    const from = open(3);
    fill(from.store, from.clock, 2000);
    const to = open(4);
    to.clock.time = from.clock.time;
    const deltas: Buffer[] = [];
    for (let cursor: string | undefined = ''; cursor !== undefined; ) {
      const page: Page = await from.store.page(cursor, 5000);
      cursor = page.next;
      deltas.unshift(page.deltas);
    }
    expect(deltas.length).toBeGreaterThan(20);
    for (const delta of deltas) to.store.merge(delta);
    const atMs = from.clock.time + 60_000;
    const byName = (a: Seen, b: Seen): number => (a.name < b.name ? -1 : 1);
    const live = (seen: Seen[]): Seen[] => seen.filter(({ standing }) => standing !== DEAD).sort(byName);
    const expected = live(await compare(from, { atMs }));
    expect(live(await compare(to, { atMs }))).toEqual(expected);
    expect(expected.length).toBeGreaterThan(500);
  });

  test('only the slots asked for', async () => {
    const site = open(3);
    fill(site.store, site.clock, 500);
    const slots = new Uint8Array(SLOTS);
    slots[slotOf('a')] = 1;
    const seen = await compare(site, { atMs: START, slots });
    expect(seen.map(({ name }) => name).sort()).toEqual(['{a}1', '{a}2']);
  });

  test('the loop is free between slices, keys that come and go meanwhile do no harm', async () => {
    const site = open(3);
    const { store, clock } = site;
    for (let i = 0; i < 10_000; i++) set(store, `k${i}`, bytesOf('v'));
    const names = new Set<string>();
    let isOver = false;
    const comparing = store
      .compare({ atMs: clock.time }, (key) => names.add(key.key()))
      .then(() => {
        isOver = true;
      });
    let slices = 0;
    for (; !isOver; slices++) {
      set(store, `new${slices}`, Buffer.alloc(100));
      set(store, `k${slices * 10}`, Buffer.alloc(500));
      await settled(clock, Promise.resolve());
    }
    await comparing;
    expect(slices).toBeGreaterThan(8);
    for (let i = 0; i < 10_000; i++) expect(names.has(`k${i}`)).toBe(true);
  });

  test('data that is discarded meanwhile ends it', async () => {
    const { store, clock } = open(3);
    for (let i = 0; i < 5000; i++) set(store, `k${i}`, bytesOf('v'));
    const comparing = store.compare({ atMs: clock.time }, () => {});
    await store.discard();
    await expect(settled(clock, comparing)).rejects.toMatchObject({ code: 'DISCARDED' });
  });
});

describe('pages and states', () => {
  test('a cursor of another table is refused', async () => {
    const { store } = open(3);
    for (let i = 0; i < 500; i++) set(store, `k${i}`, bytesOf('v'));
    const { next } = await store.page('', 1000);
    expect(next).toBeDefined();
    for (const cursor of ['x', '0.0', `${next}0000000`, `00000000.1`])
      await expect(store.page(cursor, 1000)).rejects.toMatchObject({ code: 'BAD_CURSOR' });
    await store.discard();
    await expect(store.page(next ?? '', 1000)).rejects.toMatchObject({ code: 'BAD_CURSOR' });
  });

  test('states come in the order asked for, as many as fit, at least one', async () => {
    const { store } = open(3);
    for (let i = 0; i < 10; i++) set(store, `k${i}`, Buffer.alloc(100));
    const keys = ['k3', 'none', 'k1', 'k7'];
    const all = await store.states(keys, 1e6);
    expect(all.count).toBe(4);
    expect([...decodeDeltas(all.deltas)].map(({ key }) => key)).toEqual(['k3', 'k1', 'k7']);
    const some = await store.states(keys, 150);
    expect([some.count, [...decodeDeltas(some.deltas)].length]).toEqual([3, 2]);
    expect((await store.states(keys, 1)).count).toBe(1);
    expect((await store.states([], 1)).count).toBe(0);
  });
});

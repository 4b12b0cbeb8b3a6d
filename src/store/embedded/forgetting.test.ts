// Forgetting: what goes, what stays, that nothing shown changes, that its memory is used again, and clocks that jump.
import { describe, expect, test, vi } from 'vitest';
import {
  FORGET_AFTER_JUMP_MS,
  FORGET_MARGIN_MS,
  HORIZON_MS,
  seededRandom,
  silentLogger,
  SLOTS,
  STABLE_MS,
} from '../../base/index.ts';
import { decodeDeltas } from '../../crdt/index.ts';
import type { Page } from '../store.ts';
import { type EmbeddedStore, openEmbeddedStore } from './index.ts';
import { ManualClock, settled } from './testing.ts';

vi.setConfig({ testTimeout: 60_000 });

const START = 1_000 * HORIZON_MS;
const MINUTE_MS = 60_000;

interface Site {
  readonly clock: ManualClock;
  readonly store: EmbeddedStore;
}

function open({
  isActive = false,
  origin = 1,
  warn = (_fields: object, _message: string): void => {},
} = {}): Site {
  const clock = new ManualClock(START);
  const logger = { ...silentLogger, warn };
  const options = { clock, random: seededRandom(origin), logger, origin };
  return { clock, store: openEmbeddedStore({ ...options, activeExpiry: isActive }) };
}

function set({ keyspace }: EmbeddedStore, key: string, value: string, at = 0): void {
  const bytes = Buffer.from(key + value, 'latin1');
  keyspace.setString(bytes, 0, key.length, key.length, bytes.length, at);
}

function drain(store: EmbeddedStore): Buffer {
  return store.outbox.takeDeltas(1e9) ?? Buffer.alloc(0);
}

/** One key of each kind that shows nothing, and some that do. */
function fill({ store, clock }: Site): void {
  const { keyspace } = store;
  const soon = clock.time + 1000;
  set(store, 'lives', 'v');
  set(store, 'lives long', 'v', START + 10 * HORIZON_MS);
  keyspace.putField('lives on', 2, 'f', 'v');
  set(store, 'deleted', 'v');
  keyspace.overwrite('deleted');
  set(store, 'deleted big', 'v'.repeat(70_000));
  keyspace.overwrite('deleted big');
  set(store, 'expired', 'v', soon);
  set(store, 'expired unfreed', 'v', soon);
  keyspace.putField('expired hash', 2, 'f', 'v');
  keyspace.expire('expired hash', soon);
  keyspace.putField('emptied', 3, 'm', true);
  keyspace.removeField('emptied', 3, 'm');
  keyspace.addString('counted', 1n);
  keyspace.overwrite('counted');
  clock.time += 2000;
  store.free('expired', clock.time);
  store.free('expired hash', clock.time);
}

const LIVING = ['lives', 'lives long', 'lives on'];
const DEAD_KEYS = [
  'counted',
  'deleted',
  'deleted big',
  'emptied',
  'expired',
  'expired hash',
  'expired unfreed',
];

describe('what goes', () => {
  test('at the horizon, not before', async () => {
    const site = open();
    const { store, clock } = site;
    fill(site);
    drain(store);
    clock.time = START + HORIZON_MS - 1;
    expect(await store.forget()).toBe(0);
    clock.time = START + HORIZON_MS + 3000;
    expect(await store.forget()).toBe(DEAD_KEYS.length);
    expect(store.allKeys().sort()).toEqual(LIVING);
    expect(store.stats()).toMatchObject({ keys: 3, tombstones: 0 });
    for (const key of LIVING) expect(store.keyspace.type(key)).not.toBe(0);
  });

  test('early when it is stable, and no earlier than STABLE_MS', async () => {
    const site = open();
    const { store, clock } = site;
    fill(site);
    drain(store);
    clock.time = START + STABLE_MS + FORGET_MARGIN_MS + 3000;
    expect(await store.forget()).toBe(0);
    store.stableBeforeMs = START;
    expect(await store.forget()).toBe(0);
    store.stableBeforeMs = clock.time;
    clock.time = START + STABLE_MS + FORGET_MARGIN_MS;
    expect(await store.forget()).toBe(0);
    clock.time += 3000;
    expect(await store.forget()).toBe(DEAD_KEYS.length);
    expect(store.allKeys().sort()).toEqual(LIVING);
  });

  test('F1: what is marked stays until it is sent', async () => {
    const site = open();
    const { store, clock } = site;
    fill(site);
    clock.time = START + 2 * HORIZON_MS;
    expect(await store.forget()).toBe(0);
    drain(store);
    store.outbox.remark(['deleted', 'emptied', 'no such key']);
    expect(store.outbox.pending).toBe(2);
    expect(await store.forget()).toBe(DEAD_KEYS.length - 2);
    drain(store);
    expect(await store.forget()).toBe(2);
  });

  test('tombstones of a key that lives, and what old registers have seen', async () => {
    const { store, clock } = open();
    const far = open({ origin: 2 }).store;
    const { keyspace } = store;
    far.keyspace.addField('k', 2, 'n', 5n);
    store.merge(drain(far));
    clock.time += 10;
    for (const field of ['a', 'b']) keyspace.putField('k', 2, field, 'v');
    keyspace.putField('k', 2, 'n', '1');
    keyspace.removeField('k', 2, 'a');
    const registers = () => store.stateOf('k')?.registers.get(2);
    expect(registers()?.get('n')?.seen?.size).toBe(1);
    drain(store);
    clock.time = START + STABLE_MS * 2;
    store.stableBeforeMs = clock.time;
    await store.forget();
    expect([...(registers()?.keys() ?? [])].sort()).toEqual(['b', 'n']);
    expect(registers()?.get('n')?.seen?.size).toBe(1);
    clock.time = START + HORIZON_MS + 1000;
    for (let round = 0; round < 60; round++) await store.forget();
    expect(registers()?.get('n')?.seen).toBeUndefined();
    expect(keyspace.hash('k')?.get('n')).toBe('1');
  });

  test('a pending TTL of a key that shows nothing keeps it', async () => {
    const { store, clock } = open();
    store.keyspace.putField('k', 2, 'f', 'v');
    store.keyspace.expire('k', START + 3 * HORIZON_MS);
    store.keyspace.removeField('k', 2, 'f');
    drain(store);
    clock.time = START + 2 * HORIZON_MS;
    expect(await store.forget()).toBe(0);
    clock.time = START + 5 * HORIZON_MS;
    expect(await store.forget()).toBe(1);
  });

  test('a key written again begins anew', async () => {
    const site = open();
    const { store, clock } = site;
    fill(site);
    drain(store);
    clock.time = START + 2 * HORIZON_MS;
    await store.forget();
    for (const key of DEAD_KEYS) {
      expect(store.stateOf(key)).toBeUndefined();
      store.keyspace.addString(key, 3n);
      expect(store.keyspace.getString(key)?.toString()).toBe('3');
    }
    expect(store.stats().keys).toBe(10);
  });
});

async function minutes({ clock }: Site, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    clock.advance(MINUTE_MS);
    await settled(clock, new Promise<void>((resolve) => void clock.after(0, resolve)));
    for (let turn = 0; turn < 50; turn++) await settled(clock, Promise.resolve());
  }
}

describe('by itself', () => {
  test('about once a minute, in slices', async () => {
    const site = open({ isActive: true });
    const { store, clock } = site;
    for (let i = 0; i < 5000; i++) set(store, `k${i}`, 'v', START + 1000);
    drain(store);
    await minutes(site, 17);
    expect(store.allKeys()).toHaveLength(5000);
    store.stableBeforeMs = clock.time;
    await minutes(site, 2);
    expect(store.allKeys()).toHaveLength(0);
    await store.close();
  });

  test('F3: a clock that jumps ahead forgets nothing until it has stayed there', async () => {
    const warned: string[] = [];
    const site = open({ isActive: true, warn: (_fields, message) => void warned.push(message) });
    const { store, clock } = site;
    fill(site);
    drain(store);
    const all = store.allKeys().length;
    await minutes(site, 3);
    clock.time += 2 * HORIZON_MS;
    await minutes(site, FORGET_AFTER_JUMP_MS / MINUTE_MS);
    expect(warned).toEqual(['the clock has jumped ahead: nothing is forgotten until it has stayed there']);
    expect(store.allKeys()).toHaveLength(all);
    await minutes(site, 2);
    expect(store.allKeys().sort()).toEqual(LIVING);
  });

  test('F3: a clock that jumps ahead and back forgets nothing', async () => {
    const site = open({ isActive: true });
    const { store, clock } = site;
    fill(site);
    drain(store);
    const all = store.allKeys().length;
    await minutes(site, 3);
    for (let i = 0; i < 3; i++) {
      clock.time += 2 * HORIZON_MS;
      await minutes(site, 5);
      clock.time -= 2 * HORIZON_MS;
      await minutes(site, 5);
    }
    expect(store.allKeys()).toHaveLength(all);
    await minutes(site, 20);
    expect(store.allKeys()).toHaveLength(all);
  });

  test('keys with a TTL of 60 s, new ones all the time: less than 20 minutes of headers, no growth', async () => {
    const site = open({ isActive: true });
    const { store, clock } = site;
    const perSecond = 100;
    const peaks = { records: 0, bytes: 0 };
    let bytesAtHalf = 0;
    for (let second = 0; second < 30 * 60; second++) {
      for (let i = 0; i < perSecond; i++)
        set(store, `s${second}:${i}`.padEnd(16), 'v'.repeat(64), clock.time + MINUTE_MS);
      drain(store);
      store.stableBeforeMs = clock.time - 1000;
      clock.advance(1000);
      for (let turn = 0; turn < 3; turn++) await settled(clock, Promise.resolve());
      const { keys, tombstones, memoryBytes } = store.stats();
      peaks.records = Math.max(peaks.records, keys + tombstones);
      if (second === 22 * 60) bytesAtHalf = memoryBytes;
      peaks.bytes = Math.max(peaks.bytes, memoryBytes);
    }
    expect(peaks.records).toBeGreaterThan(15 * 60 * perSecond);
    expect(peaks.records).toBeLessThan(20 * 60 * perSecond);
    expect(peaks.bytes).toBe(bytesAtHalf);
    expect(store.stats().keys).toBeLessThan(63 * perSecond);
    await store.close();
  });
});

test('the empty key is forgotten too', async () => {
  const { store, clock } = open();
  set(store, '', 'v');
  store.keyspace.overwrite('');
  drain(store);
  clock.time += 2 * HORIZON_MS;
  expect(await store.forget()).toBe(1);
  expect(store.allKeys()).toEqual([]);
});

test('what was taken and waits long to be accepted holds up forgetting; collapsed marks end that', async () => {
  const { store, clock } = open();
  set(store, 'k', 'v');
  store.keyspace.overwrite('k');
  const taken = store.outbox.take(1e9);
  clock.time += 2 * HORIZON_MS;
  expect(await store.forget()).toBe(0);
  store.outbox.collapse(new Uint8Array(SLOTS));
  expect(await store.forget()).toBe(1);
  store.outbox.takeCollapsed();
  set(store, 'k', 'v');
  store.keyspace.overwrite('k');
  drain(store);
  clock.time += 2 * HORIZON_MS;
  expect(await store.forget()).toBe(0);
  taken?.accepted();
  expect(await store.forget()).toBe(1);
});

test('a site alone keeps no marks, and forgets what shows nothing after STABLE_MS', async () => {
  const clock = new ManualClock(START);
  const options = { clock, random: seededRandom(1), logger: silentLogger };
  const store = openEmbeddedStore({ ...options, isAlone: true });
  const site = { clock, store };
  fill(site);
  store.keyspace.putField('marked', 2, 'f', 'v');
  expect(store.outbox.pending).toBeGreaterThan(0);
  clock.advance(2000);
  expect([store.outbox.pending, store.outbox.pendingBytes]).toEqual([0, 0]);
  set(store, 'lives', 'again');
  clock.advance(2000);
  expect(store.outbox.pending).toBe(0);
  await minutes(site, 18);
  expect(store.allKeys().sort()).toEqual([...LIVING, 'marked']);
  await store.close();
});

test('an index that once held many keys becomes small again, and is walked over to its end', async () => {
  const site = open();
  const { store, clock } = site;
  for (let i = 0; i < 100_000; i++) set(store, `k${i}`, 'v', START + 1);
  drain(store);
  clock.time += 2 * HORIZON_MS;
  const { memoryBytes } = store.stats();
  expect(await settled(clock, store.forget())).toBe(100_000);
  expect(store.stats().memoryBytes).toBeLessThan(memoryBytes - 500_000);
  set(store, 'left', 'v');
  const found: string[] = [];
  for (let cursor: string | undefined = ''; cursor !== undefined; ) {
    const page: Page = await store.page(cursor, 65_536);
    cursor = page.next;
    found.push(...[...decodeDeltas(page.deltas)].map(({ key }) => key));
  }
  expect(found).toEqual(['left']);
  const compared: string[] = [];
  await settled(
    clock,
    store.compare({ atMs: clock.time }, (key) => compared.push(key.key())),
  );
  expect(compared).toEqual(['left']);
});

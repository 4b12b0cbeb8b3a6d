// Comparisons and pages on a real Redis: slots of many keys, large values, what Redis has expired or others removed.
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Broker, requireBroker, startRedis } from '../../../test/brokers/index.ts';
import { bytesOf, type Latin1, SLOTS, slotOf } from '../../base/index.ts';
import {
  DEAD,
  DeltaWriter,
  decodeDeltas,
  encodeDelta,
  fingerprintOf,
  KeyState,
  makeVersion,
  plainState,
  SETTLED,
  type Standing,
} from '../../crdt/index.ts';
import type { Comparison, Store } from '../store.ts';
import type { RedisStore, RedisStoreOptions } from './redis-store.ts';
import { slotKey } from './slots.ts';
import { openTestAccess, openTestStore, runUnit, setPlain, type TestAccess } from './testing.ts';

vi.setConfig({ testTimeout: 60_000 });
const { skip } = requireBroker('redis-server');
const MS = 1_000_000;

interface Print {
  readonly low: number;
  readonly high: number;
  readonly standing: Standing;
}

async function compare(store: Store, comparison: Comparison): Promise<Map<Latin1, Print>> {
  const prints = new Map<Latin1, Print>();
  await store.compare(comparison, (compared) => {
    const { low, high, standing } = compared;
    expect(prints.has(compared.key())).toBe(false);
    prints.set(compared.key(), { low, high, standing });
  });
  return prints;
}

/** Merges plain SETs of another site. */
async function fill(store: Store, keys: readonly Latin1[], value: (i: number) => Buffer): Promise<void> {
  const writer = new DeltaWriter();
  for (const [i, key] of keys.entries()) {
    encodeDelta(writer, bytesOf(key), plainState(makeVersion(MS + i, 0, 9), value(i), 0), 'whole');
    if (writer.length > 1e6) await store.merge(writer.take());
  }
  await store.merge(writer.take());
}

async function expectRight(
  store: RedisStore,
  prints: ReadonlyMap<Latin1, Print>,
  atMs: number,
): Promise<void> {
  for (const [key, print] of prints) {
    const state = (await store.stateOf(key)) ?? new KeyState();
    expect(print, key.slice(0, 40)).toEqual(fingerprintOf(key, state, atMs));
  }
}

function numbered(prefix: string, count: number): Latin1[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

describe.skipIf(skip)(`whole keys of a Redis${skip ? ` (${skip})` : ''}`, () => {
  let redis: Broker;
  let control: TestAccess;
  beforeAll(async () => {
    redis = await startRedis();
    control = await openTestAccess(redis.port);
  });
  afterAll(async () => {
    await control[Symbol.asyncDispose]();
    await redis.stop();
  });
  beforeEach(async () => {
    await control.ask('FLUSHALL');
  });
  const open = (more: Partial<RedisStoreOptions> = {}): Promise<RedisStore> =>
    openTestStore(redis.port, { isWalking: false, ...more });

  test('a slot of many keys, values beyond one reading, long keys', async () => {
    await using store = await open();
    const keys = [...numbered('{t}', 1500), ...numbered(`{t}${'n'.repeat(100)}`, 40), ...numbered('k', 300)];
    await fill(store, keys, (i) => Buffer.alloc(i % 100 === 7 ? 400_000 : 20, i));
    const atMs = MS + 60_000;
    const prints = await compare(store, { atMs });
    expect([...prints.keys()].sort()).toEqual([...keys].sort());
    await expectRight(store, prints, atMs);
    const slots = new Uint8Array(SLOTS);
    slots[slotOf('t')] = 1;
    expect((await compare(store, { atMs, slots })).size).toBe(1540);
  });

  test('what Redis has expired is dead, what others removed or changed is told as it lies', async () => {
    await using store = await open();
    await setPlain(store, 'expired', { value: 'v', ttlMs: 1 });
    await setPlain(store, 'expires', { value: 'v', ttlMs: 50_000 });
    await runUnit(store, [['HSET', 'h', 'f', 'v']], ['h']);
    await runUnit(store, [['PEXPIRE', 'h', '1']], ['h']);
    await fill(store, ['removed', 'changed', 'type'], () => Buffer.from('v'));
    await control.ask('DEL', 'removed', 'type');
    await control.ask('SET', 'changed', 'w');
    await control.ask('RPUSH', 'type', 'a');
    for (const atMs of [Date.now() + 5, Date.now() + 40_000, Date.now() + 60_000]) {
      const prints = await compare(store, { atMs });
      expect([prints.get('expired')?.standing, prints.get('h')?.standing]).toEqual([DEAD, DEAD]);
      expect(prints.get('expires')?.standing === DEAD).toBe(atMs > Date.now() + 50_000);
      await expectRight(store, prints, atMs);
    }
    // Of a clock that is behind that of Redis.
    const early = await compare(store, { atMs: Date.now() - 3_600_000 });
    expect([early.get('expired')?.standing, early.get('h')?.standing]).toEqual([DEAD, DEAD]);
    expect(early.get('changed')?.standing).toBe(SETTLED);
  });

  test('pages of one slot are cut between keys, each key comes once while nothing changes', async () => {
    await using store = await open();
    const keys = [...numbered('{t}', 300), ...numbered(`{t}${'n'.repeat(100)}`, 30)];
    await fill(store, keys, () => Buffer.alloc(100));
    const found: Latin1[] = [];
    let pages = 0;
    for (let cursor: string | undefined = ''; cursor !== undefined; pages++) {
      const page = await store.page(cursor, 2_000);
      // A step of HSCAN over the large hash, some 20 keys, is not cut.
      expect(page.deltas.length).toBeLessThan(8_000);
      for (const { key } of decodeDeltas(page.deltas)) found.push(key);
      cursor = page.next;
    }
    expect(found.sort()).toEqual([...keys].sort());
    expect(pages).toBeGreaterThan(15);
  });

  test('pages of a slot that grows and shrinks meanwhile, and is of another node then', async () => {
    await using one = await open();
    const keys = numbered('{t}', 900);
    await fill(one, keys, () => Buffer.alloc(10));
    const found = new Set<Latin1>();
    let cursor: string | undefined = '';
    let reading = one;
    await using other = await open({ origin: 77 });
    for (let i = 0; cursor !== undefined; i++) {
      const page: { readonly deltas: Buffer; readonly next: string | undefined } = await reading.page(
        cursor,
        1,
      );
      for (const { key } of decodeDeltas(page.deltas)) found.add(key);
      cursor = page.next;
      if (i === 5) await fill(one, numbered('{t}more', 3_000), () => Buffer.alloc(1));
      if (i === 9) reading = other;
      if (i === 12)
        // Headers alone, so that the hash shrinks.
        for (let at = 0; at < 3_000; at += 500)
          await control.ask('HDEL', slotKey(slotOf('t')), ...numbered('{t}more', 3_000).slice(at, at + 500));
    }
    expect(keys.filter((key) => !found.has(key))).toEqual([]);
  });
});

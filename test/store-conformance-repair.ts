// What every store must do for repair and bootstrap: part of the store conformance suite.
import assert from 'node:assert/strict';
import { below, bytesOf, type Latin1, seededRandom, SLOTS, slotOf } from '../src/base/index.ts';
import {
  DEAD,
  decodeDeltas,
  deletedState,
  digest,
  Edit,
  fingerprintOf,
  keyHash,
  KeyState,
  makeVersion,
  merge,
  SETTLED,
  TYPE_HASH,
} from '../src/crdt/index.ts';
import type { ComparedKey, Comparison, Store } from '../src/store/index.ts';
import { eventually } from './brokers/index.ts';
import type { Case, StoreUnderTest, StoreWorld } from './store-conformance.ts';
import {
  allPages,
  BASE_MS,
  deltaOf,
  randomState,
  stateOfString,
  takeAll,
  takeOne,
} from './store-conformance-states.ts';

export const repairCases: readonly Case[] = [
  { name: 'a comparison sees each key once, with the fingerprint of its state', run: comparing },
  { name: 'the fingerprints are those of the merge', run: fingerprints },
  { name: 'a comparison of some slots sees their keys only', run: comparingSlots },
  { name: 'pages go on after their cursor while keys come and go', run: paging },
  { name: 'states come in the order asked for, as many as fit', run: states },
  { name: 'keys marked again are sent again, whole', run: remarking },
  { name: 'discarded: as if it had never held anything', run: discarding },
];

type Seen = Omit<ComparedKey, 'key'>;

async function compare(store: Store, comparison: Comparison): Promise<Map<Latin1, Seen>> {
  const seen = new Map<Latin1, Seen>();
  await store.compare(comparison, (compared) => {
    const { slot, hash, low, high, standing } = compared;
    assert(!seen.has(compared.key()), 'once each while nothing changes');
    seen.set(compared.key(), { slot, hash, low, high, standing });
  });
  return seen;
}

/** Keys of all types, some old, some deleted, some expiring. */
async function fill({ store, run }: StoreUnderTest): Promise<void> {
  const random = seededRandom(11);
  for (let i = 0; i < 60; i++) await store.merge(deltaOf(`r${i % 30}`, randomState(random, i)));
  await store.merge(deltaOf('old', deletedState(makeVersion(BASE_MS, 3, 9))));
  for (const [command, key, ...rest] of [
    ['SET', 'plain', 'v'],
    ['SET', 'ttl', 'v', 'PX', '100000'],
    ['SET', 'short', 'v', 'PX', '1'],
    ['SET', 'gone', 'v'],
    ['DEL', 'gone'],
    ['INCRBY', 'n', '5'],
    ['HSET', 'h', 'f', 'v', 'g', 'w'],
    ['HDEL', 'h', 'g'],
    ['HINCRBY', 'h', 'n', '3'],
    ['SADD', 's', 'a', 'b'],
    ['SREM', 's', 'a'],
    ['ZADD', 'z', '1.5', 'm'],
    ['ZINCRBY', 'z', '1', 'm'],
    ['EXPIRE', 'z', '1000'],
    ['SET', '', 'of the empty key'],
    ['SET', '\xff\0{x}', '\xff\0'],
    ['SET', 'n'.repeat(65_536), 'v'],
    ['SET', 'large', 'v'.repeat(100_000)],
  ] as const)
    await run([[command, key, ...rest]], [key]);
}

async function comparing(world: StoreWorld): Promise<void> {
  const site = await world.open();
  await fill(site);
  const atMs = Date.now() + 60_000;
  const seen = await compare(site.store, { atMs });
  assert.deepEqual([...seen.keys()].sort(), [...(await site.allKeys())].sort());
  const standings = new Set<number>();
  for (const [key, { slot, hash, ...print }] of seen) {
    const state = (await site.stateOf(key)) ?? new KeyState();
    assert.deepEqual(print, fingerprintOf(key, state, atMs), key.slice(0, 50));
    assert.equal(slot, slotOf(key));
    assert.equal(hash, keyHash(bytesOf(key), 0, key.length));
    standings.add(print.standing);
  }
  assert.equal(seen.get('plain')?.standing, SETTLED);
  assert.equal(seen.get('short')?.standing, DEAD);
  assert.equal(seen.get('old')?.standing, DEAD);
  const now = await compare(site.store, { atMs: Date.now() });
  assert.notEqual(now.get('plain')?.standing, SETTLED, 'just written');
  assert.equal(now.get('r1')?.low, seen.get('r1')?.low, 'of what is settled the time changes nothing');
}

async function fingerprints(world: StoreWorld): Promise<void> {
  const { store } = await world.open();
  const random = seededRandom(12);
  const model = new Map<Latin1, KeyState>();
  for (let i = 0; i < 200; i++) {
    const key = `k${below(random, 15)}`;
    const from = randomState(random, i);
    const into = model.get(key) ?? new KeyState();
    merge(into, from);
    model.set(key, into);
    await store.merge(deltaOf(key, from));
  }
  const atMs = BASE_MS + 60_000;
  const seen = await compare(store, { atMs });
  assert.equal(seen.size, model.size);
  for (const [key, state] of model) {
    const { low, high, standing } = seen.get(key) ?? {};
    assert.deepEqual({ low, high, standing }, fingerprintOf(key, state, atMs), key);
  }
}

async function comparingSlots(world: StoreWorld): Promise<void> {
  const { store } = await world.open();
  for (let i = 0; i < 100; i++) await store.merge(deltaOf(`k${i}`, stateOfString(BASE_MS, 'v')));
  for (const key of ['{a}1', '{a}2']) await store.merge(deltaOf(key, stateOfString(BASE_MS, 'v')));
  const slots = new Uint8Array(SLOTS);
  slots[slotOf('a')] = 1;
  slots[slotOf('k7')] = 1;
  const seen = await compare(store, { atMs: Date.now(), slots });
  assert.deepEqual([...seen.keys()].sort(), ['k7', '{a}1', '{a}2']);
}

async function paging(world: StoreWorld): Promise<void> {
  const { store } = await world.open();
  const names = Array.from({ length: 200 }, (_, i) => `k${i}`);
  const put = async (key: Latin1, ms: number): Promise<void> =>
    void (await store.merge(deltaOf(key, stateOfString(ms, 'v'.repeat(50)))));
  for (const key of names) await put(key, BASE_MS);
  const found = new Set<Latin1>();
  let page = await store.page('', 1_000);
  for (let i = 0; ; i++) {
    for (const { key } of decodeDeltas(page.deltas)) found.add(key);
    if (page.next === undefined) break;
    await put(`new${i}`, BASE_MS);
    await put(`k${i}`, BASE_MS + 1);
    page = await store.page(page.next, 1_000);
  }
  assert.deepEqual(
    names.filter((key) => !found.has(key)),
    [],
  );
  for (const cursor of ['nonsense', '-1', '\0'])
    await assert.rejects(() => store.page(cursor, 1_000), { code: 'BAD_CURSOR' });
}

async function states(world: StoreWorld): Promise<void> {
  const { store, stateOf } = await world.open();
  const keys = Array.from({ length: 20 }, (_, i) => `k${(i * 7) % 20}`);
  for (const key of keys) await store.merge(deltaOf(key, stateOfString(BASE_MS, 'v'.repeat(100))));
  const hash = new KeyState();
  for (const [i, field] of ['f', 'g'].entries())
    new Edit(hash, makeVersion(BASE_MS + i, 0, 3), BASE_MS).put(TYPE_HASH, field, 'v');
  await store.merge(deltaOf('h', hash));
  const asked = ['h', 'none', ...keys];
  const all = await store.states(asked, 1e6);
  const found = [...decodeDeltas(all.deltas)];
  assert.deepEqual([all.count, found.map(({ key }) => key)], [22, ['h', ...keys]]);
  assert.equal(digest(found[0]?.state ?? new KeyState(), 0), digest((await stateOf('h')) ?? hash, 0));
  let from = 0;
  let rounds = 0;
  const got: Latin1[] = [];
  for (; from < asked.length; rounds++) {
    const some = await store.states(asked.slice(from), 500);
    assert(some.count > 0 && some.deltas.length < 2_000, 'about as much as asked for');
    got.push(...[...decodeDeltas(some.deltas)].map(({ key }) => key));
    from += some.count;
  }
  assert.deepEqual(got, ['h', ...keys]);
  assert(rounds > 3, 'in several answers');
}

async function remarking(world: StoreWorld): Promise<void> {
  const { store, run, stateOf } = await world.open();
  await run([['HSET', 'h', 'f', '1', 'g', '2']], ['h']);
  await run([['SET', 'gone', 'v']], ['gone']);
  await run([['DEL', 'gone']], ['gone']);
  await run([['SET', 'quiet', 'v']], ['quiet']);
  await store.merge(deltaOf('far', stateOfString(BASE_MS, 'v')));
  await takeAll(store);
  let marks = 0;
  store.outbox.onMark = () => marks++;
  await store.outbox.remark(['h', 'none', 'gone', 'far']);
  await eventually('the marks', () => marks > 0 && store.outbox.pending === 3);
  const again = await takeAll(store);
  assert.deepEqual(again.map(({ key }) => key).sort(), ['far', 'gone', 'h']);
  for (const { key, state } of again)
    assert.equal(digest(state, 0), digest((await stateOf(key)) ?? new KeyState(), 0), key);
}

async function discarding(world: StoreWorld): Promise<void> {
  const site = await world.open();
  await fill(site);
  await site.store.notes.write({ complete: '1' });
  await site.store.discard();
  assert.deepEqual(await site.allKeys(), []);
  assert.equal((await site.store.notes.read()).size, 0);
  assert.equal(site.store.outbox.pending, 0);
  assert.equal(await takeOne(site.store, 1e9), undefined);
  assert.deepEqual(Buffer.concat(await allPages(site.store, 1e6)).length, 0);
  assert.equal((await compare(site.store, { atMs: Date.now() })).size, 0);
  assert.deepEqual([site.store.stats().keys, site.store.stats().tombstones], [0, 0]);
  await site.run([['SET', 'k', 'v']], ['k']);
  assert.deepEqual(
    (await takeAll(site.store)).map(({ key }) => key),
    ['k'],
  );
}

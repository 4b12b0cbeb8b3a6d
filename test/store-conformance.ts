// What every store must do, as tests that need no runner: a list of names and functions.
import assert from 'node:assert/strict';
import { below, type Latin1, seededRandom } from '../src/base/index.ts';
import {
  copyState,
  decodeDeltas,
  digest,
  Edit,
  KeyState,
  makeVersion,
  merge,
  shownType,
  TYPE_HASH,
} from '../src/crdt/index.ts';
import type { Store } from '../src/store/index.ts';
import { eventually } from './brokers/index.ts';
import { forgettingCases } from './store-conformance-forgetting.ts';
import { notesCases } from './store-conformance-notes.ts';
import { repairCases } from './store-conformance-repair.ts';
import {
  ALL,
  allPages,
  BASE_MS,
  deltaOf,
  keysIn,
  randomState,
  shownText,
  shuffled,
  stateOfString,
  takeAll,
  takeOne,
} from './store-conformance-states.ts';

/** A store as the suite drives it. */
export interface StoreUnderTest {
  readonly store: Store;
  /** Runs commands as one unit; their keys lie in one slot. */
  run(commands: readonly (readonly Latin1[])[], keys: readonly Latin1[]): Promise<void>;
  stateOf(key: Latin1): Promise<KeyState | undefined>;
  allKeys(): Promise<readonly Latin1[]>;
  /** One round of what the store does about once a minute: it forgets, and looks for marks that were left behind, where it has such. */
  walk(): Promise<void>;
}

/** Data of its own, empty; a fresh one for each test. */
export interface StoreWorld extends AsyncDisposable {
  /** Opens a store over the data. The world closes what is left open. */
  open(): Promise<StoreUnderTest>;
}

export interface StoreCapabilities {
  /** Data and marks outlive the process. */
  readonly outlives: boolean;
  /** Several processes serve the same data at one time. */
  readonly shared: boolean;
  /** `renewOrigin` takes another one. */
  readonly choosesOrigin: boolean;
}

export interface StoreAdapter {
  readonly name: string;
  readonly open: () => Promise<StoreWorld>;
  readonly capabilities: StoreCapabilities;
  /** Tests that do not apply, each with its reason. Errors: an unknown name throws. */
  readonly skip: readonly { readonly test: string; readonly reason: string }[];
}

/** A test; `skip` is the reason where it does not apply. */
export interface StoreTest {
  readonly name: string;
  readonly skip: string | undefined;
  readonly run: () => Promise<void>;
}

/** A test as the suite has it. */
export interface Case {
  readonly name: string;
  readonly needs?: keyof StoreCapabilities;
  readonly run: (world: StoreWorld) => Promise<void>;
}

/** All tests for that adapter, those to skip included. */
export function storeConformance(adapter: StoreAdapter): readonly StoreTest[] {
  for (const { test } of adapter.skip)
    assert(
      cases.some(({ name }) => name === test),
      `no test "${test}" to skip`,
    );
  return cases.map(({ name, needs, run }) => {
    const reason = adapter.skip.find(({ test }) => test === name)?.reason;
    const lacks = needs === undefined || adapter.capabilities[needs] ? undefined : `no capability "${needs}"`;
    return {
      name,
      skip: reason ?? lacks,
      run: async () => {
        await using world = await adapter.open();
        await run(world);
      },
    };
  });
}

const cases: readonly Case[] = [
  { name: 'random deltas in any order, doubled: what the merge says', run: convergence },
  { name: 'a malformed delta merges nothing', run: malformed },
  { name: 'what was written is taken, whole groups, and told accepted', run: taking },
  { name: 'of many writes of one key one delta is taken', run: collapsing },
  { name: 'marks appear: onMark is called', run: marking },
  { name: 'pages have every key, tombstones too', run: snapshots },
  { name: 'what is shown expires at its time, and late deltas stay dead', run: expiring },
  { name: 'a value of 1 MB, binary keys, the empty key, a key of 64 KB', run: sizes },
  { name: 'a local write lies above what was merged, whatever the clock', run: above },
  { name: 'what was not accepted is taken again by the next process', needs: 'outlives', run: unaccepted },
  { name: 'two gateways: each merges and takes its own', needs: 'shared', run: twoGateways },
  ...repairCases,
  ...notesCases,
  ...forgettingCases,
];

async function convergence(world: StoreWorld): Promise<void> {
  const { store, stateOf } = await world.open();
  const random = seededRandom(3);
  const model = new Map<Latin1, KeyState>();
  let changed = 0;
  const sent: Buffer[] = [];
  for (let i = 0; i < 300; i++) {
    const key = `k${below(random, 20)}`;
    const from = randomState(random, i);
    const into = model.get(key) ?? new KeyState();
    merge(into, copyState(from));
    model.set(key, into);
    sent.push(deltaOf(key, from));
  }
  for (const delta of shuffled(sent, random)) changed += (await store.merge(delta)).changed;
  assert(changed > 50, 'the deltas did something');
  const check = async (): Promise<void> => {
    for (const [key, state] of model)
      assert.equal(digest((await stateOf(key)) ?? new KeyState(), 0), digest(state, 0), key);
  };
  await check();
  const again = await store.merge(Buffer.concat(shuffled(sent, random)));
  assert.deepEqual(again, { changed: 0, conflicts: 0 });
  await check();
}

async function malformed(world: StoreWorld): Promise<void> {
  const { store, allKeys } = await world.open();
  const good = deltaOf('good', stateOfString(BASE_MS, 'v'));
  await assert.rejects(async () => store.merge(Buffer.concat([good, good.subarray(0, good.length - 1)])), {
    code: 'MALFORMED_DELTA',
  });
  assert.deepEqual(await allKeys(), []);
}

async function taking(world: StoreWorld): Promise<void> {
  const { store, run, stateOf } = await world.open();
  await run(
    [
      ['SET', '{t}a', '1'],
      ['SET', '{t}b', '2'],
    ],
    ['{t}a', '{t}b'],
  );
  await run([['HSET', 'h', 'f', 'v']], ['h']);
  await run([['INCRBY', 'n', '5']], ['n']);
  const first = await takeOne(store, 1);
  assert.deepEqual(keysIn(first), ['{t}a', '{t}b']);
  assert(store.isOwn(first?.origin ?? 0), 'deltas are of a present origin');
  const rest = await takeAll(store);
  assert.deepEqual(rest.map(({ key }) => key).sort(), ['h', 'n']);
  for (const { key, state } of rest)
    assert.equal(digest(state, 0), digest((await stateOf(key)) ?? new KeyState(), 0));
  assert.equal(store.outbox.pending, 0);
}

async function collapsing(world: StoreWorld): Promise<void> {
  const { store, run } = await world.open();
  for (let i = 0; i < 20; i++) await run([['SET', 'k', String(i)]], ['k']);
  for (let i = 0; i < 20; i++) await run([['HSET', 'h', 'f', String(i)]], ['h']);
  assert.equal(store.outbox.pending, 2);
  assert(store.outbox.pendingBytes > 0, 'pending marks take memory');
  const taken = await takeAll(store);
  assert.deepEqual(
    taken.map(({ key, state }) => [key, shownText(state)]),
    [
      ['k', '19'],
      ['h', '19'],
    ],
  );
}

async function marking(world: StoreWorld): Promise<void> {
  const { store, run } = await world.open();
  let marks = 0;
  store.outbox.onMark = () => marks++;
  await run([['SET', 'k', 'v']], ['k']);
  await eventually('the mark', () => marks > 0);
  await takeAll(store);
  marks = 0;
  await store.merge(deltaOf('far', stateOfString(BASE_MS, 'v')));
  assert.equal(store.outbox.pending, 0, 'merges mark nothing');
  await run([['SET', 'k', 'w']], ['k']);
  await eventually('the next mark', () => marks > 0);
}

async function snapshots(world: StoreWorld): Promise<void> {
  const { store, run, stateOf } = await world.open();
  const names = Array.from({ length: 300 }, (_, i) => `k${i}`);
  for (const key of names) await run([['SET', key, 'v'.repeat(50)]], [key]);
  await run([['DEL', 'k0']], ['k0']);
  await run([['ZADD', 'z', '1', 'm']], ['z']);
  const found = new Map<Latin1, KeyState>();
  const pages = await allPages(store, 2_000);
  for (const page of pages) {
    assert(page.length < 40_000, 'pages are about as large as asked for');
    for (const { key, state } of decodeDeltas(page)) found.set(key, state);
  }
  assert(pages.length > 3, 'there are several');
  assert.deepEqual([...found.keys()].sort(), [...names, 'z'].sort());
  for (const key of ['k0', 'k7', 'z'])
    assert.equal(
      digest(found.get(key) ?? new KeyState(), 0),
      digest((await stateOf(key)) ?? new KeyState(), 0),
    );
}

async function expiring(world: StoreWorld): Promise<void> {
  const { store, run, stateOf } = await world.open();
  await run([['SET', 'k', 'v', 'PX', '80']], ['k']);
  const [taken] = await takeAll(store);
  const shows = async (): Promise<boolean> => {
    const state = await stateOf('k');
    return state !== undefined && shownType(state, Date.now()) !== 0;
  };
  await eventually('it expires', async () => !(await shows()));
  await store.merge(deltaOf('k', taken?.state ?? new KeyState()));
  assert.equal(await shows(), false);
}

async function sizes(world: StoreWorld): Promise<void> {
  const { store, run, stateOf, allKeys } = await world.open();
  const keys = ['', 'a}b', '{}x', '\xff\0\r\n', 'n'.repeat(65_536), 'x'.repeat(65), 'y'.repeat(64)];
  for (const key of keys) await run([['HSET', key, 'f\0', '1']], [key]);
  await run([['SET', 'big', 'v'.repeat(1_000_000)]], ['big']);
  assert.deepEqual([...(await allKeys())].sort(), [...keys, 'big'].sort());
  const taken = await takeAll(store);
  assert.deepEqual(taken.map(({ key }) => key).sort(), [...keys, 'big'].sort());
  for (const key of keys) {
    const later = new KeyState();
    new Edit(later, makeVersion(Date.now() + 1000, 0, 9), BASE_MS).put(TYPE_HASH, 'f\0', '2');
    await store.merge(deltaOf(key, later));
    assert.equal(shownText((await stateOf(key)) ?? new KeyState()), '2');
  }
}

async function above(world: StoreWorld): Promise<void> {
  const { store, run, stateOf } = await world.open();
  const ahead = Date.now() + 3_600_000;
  await store.merge(deltaOf('k', stateOfString(ahead, 'far')));
  await run([['SET', 'k', 'near']], ['k']);
  assert.equal(shownText((await stateOf('k')) ?? new KeyState()), 'near');
  await run([['SET', 'other', 'v']], ['other']);
  const other = await stateOf('other');
  assert((other?.newest.ms ?? ahead) < ahead - 1_000_000, 'only keys that hold it are pushed');
}

async function unaccepted(world: StoreWorld): Promise<void> {
  {
    const { store, run } = await world.open();
    await run([['SET', 'k', 'v']], ['k']);
    await run([['SADD', '{k}s', 'm']], ['{k}s']);
    const taken = await takeOne(store, ALL);
    assert.deepEqual(keysIn(taken), ['k', '{k}s']);
    taken?.failed?.();
    await store.close();
  }
  const { store, walk } = await world.open();
  await eventually('the marks are found', async () => {
    await walk();
    return store.outbox.pending === 2;
  });
  assert.deepEqual((await takeAll(store)).map(({ key }) => key).sort(), ['k', '{k}s']);
}

async function twoGateways(world: StoreWorld): Promise<void> {
  const one = await world.open();
  const two = await world.open();
  assert.equal(one.store.id, two.store.id);
  await one.run([['INCR', 'n']], ['n']);
  await two.run([['INCR', 'n']], ['n']);
  await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      (i % 2 === 0 ? one : two).store.merge(deltaOf('m', stateOfString(BASE_MS + i, String(i)))),
    ),
  );
  assert.equal(shownText((await one.stateOf('m')) ?? new KeyState()), '39');
  const [first] = await takeAll(one.store);
  assert.equal(shownText(first?.state ?? new KeyState()), '2');
  const again = new KeyState();
  for (const { state } of [first, ...(await takeAll(two.store))]) merge(again, state ?? new KeyState());
  assert.equal(shownText(again), '2');
}

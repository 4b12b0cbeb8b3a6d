// What every store must do, as tests that need no runner: a list of names and functions.
import assert from 'node:assert/strict';
import { below, bytesOf, type Latin1, type Random, seededRandom } from '../src/base/index.ts';
import {
  copyState,
  type Delta,
  DeltaWriter,
  decodeDeltas,
  digest,
  Edit,
  encodeDelta,
  KeyState,
  makeVersion,
  merge,
  shownType,
  TYPE_HASH,
  TYPE_LIST,
  TYPE_SET,
  TYPE_STRING,
  TYPE_ZSET,
} from '../src/crdt/index.ts';
import type { Page, Store, Taken } from '../src/store/index.ts';
import { encodeList } from '../src/store/redis/whole-value.ts';
import { eventually } from './brokers/index.ts';

/** A store as the suite drives it. */
export interface StoreUnderTest {
  readonly store: Store;
  /** Runs commands as one unit; their keys lie in one slot. */
  run(commands: readonly (readonly Latin1[])[], keys: readonly Latin1[]): Promise<void>;
  stateOf(key: Latin1): Promise<KeyState | undefined>;
  allKeys(): Promise<readonly Latin1[]>;
  /** Looks for marks that were left behind, where a store does. */
  walk?(): Promise<void>;
}

/** Data of its own, empty; a fresh one for each test. */
export interface StoreWorld extends AsyncDisposable {
  /** Opens a store over the data. The world closes what is left open. */
  open(): Promise<StoreUnderTest>;
}

export interface StoreCapabilities {
  /** Data and marks outlive the process; several processes serve the same data. */
  readonly outlives: boolean;
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

interface Case {
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

/** Long after every version of the random deltas; before the clock of any store. Units: Unix ms. */
const BASE_MS = 1_000_000;
const ALL = 1e9;

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
  { name: 'two gateways: each merges and takes its own', needs: 'outlives', run: twoGateways },
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
  let parts = 0;
  for (let cursor: string | undefined = ''; cursor !== undefined; parts++) {
    const page: Page = await store.page(cursor, 2_000);
    cursor = page.next;
    assert(page.deltas.length < 40_000, 'pages are about as large as asked for');
    for (const { key, state } of decodeDeltas(page.deltas)) found.set(key, state);
  }
  assert(parts > 3, 'it comes in parts');
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
    await walk?.();
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

async function takeOne(store: Store, maxBytes: number): Promise<Taken | undefined> {
  return store.outbox.take(maxBytes);
}

async function takeAll(store: Store): Promise<Delta[]> {
  const all: Delta[] = [];
  for (let taken = await takeOne(store, ALL); taken !== undefined; taken = await takeOne(store, ALL)) {
    all.push(...decodeDeltas(taken.deltas));
    taken.accepted();
  }
  return all;
}

function keysIn(taken: Taken | undefined): Latin1[] {
  return [...decodeDeltas(taken?.deltas ?? Buffer.alloc(0))].map(({ key }) => key).sort();
}

/** The one value that a key shows, runs counted. */
function shownText(state: KeyState): string {
  const [register] = state.registers.get(state.type === 0 ? TYPE_STRING : state.type)?.values() ?? [];
  if (register?.runs !== undefined)
    return String([...register.runs.values()].reduce((sum, { total }) => sum + Number(total), 0));
  const value = register?.value;
  return Buffer.isBuffer(value) ? value.toString('latin1') : String(value);
}

function stateOfString(ms: number, value: string): KeyState {
  const s = new KeyState();
  const edit = new Edit(s, makeVersion(ms, 0, 9), ms);
  edit.overwrite();
  edit.put(TYPE_STRING, '', bytesOf(value));
  edit.finish();
  return s;
}

function deltaOf(key: Latin1, state: KeyState): Buffer {
  const writer = new DeltaWriter();
  encodeDelta(writer, bytesOf(key), state, 'whole');
  return Buffer.from(writer.bytes());
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const order = items.map((item) => ({ item, at: random.uint32() }));
  return order.sort((a, b) => a.at - b.at).map(({ item }) => item);
}

/** Versions ascend and are unique, as at real sites. Without expiries: their firing depends on when each store looks. */
function randomState(random: Random, from: number): KeyState {
  const s = new KeyState();
  const origin = 1 + below(random, 6);
  for (let i = 0; i < 1 + below(random, 4); i++) {
    const edit = new Edit(s, makeVersion(BASE_MS + from * 10 + i, below(random, 3), origin), BASE_MS);
    randomEffect(edit, random, `${from}.${i}`);
    edit.finish();
  }
  return s;
}

function randomEffect(edit: Edit, random: Random, unique: string): void {
  const field = `f${below(random, 3)}`;
  const onHash = [
    () => edit.put(TYPE_HASH, field, `x${unique}`),
    () => edit.add(TYPE_HASH, field, 3n),
    () => edit.remove(TYPE_HASH, field),
  ];
  const effects = [
    () => edit.put(TYPE_SET, field, true),
    () => edit.put(TYPE_ZSET, field, random.uint32() / 7),
    () => edit.put(TYPE_LIST, '', encodeList([bytesOf(unique)])),
    () => edit.put(TYPE_STRING, '', bytesOf(unique)),
    () => edit.overwrite(),
  ];
  // Changes of type and overwrites end most of what came before.
  const isRare = below(random, 40) === 0;
  (isRare ? effects[below(random, effects.length)] : onHash[below(random, onHash.length)])?.();
}

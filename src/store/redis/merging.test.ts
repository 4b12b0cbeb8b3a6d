// Merging into a real Redis: random states in any order, against the merge of src/crdt; native values and TTLs follow.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { requireBroker, startRedis, type Broker } from '../../../test/brokers/index.ts';
import { below, bytesOf, type Latin1, latin1Of, type Random, seededRandom } from '../../base/index.ts';
import {
  copyState,
  DeltaWriter,
  digest,
  Edit,
  encodeDelta,
  free,
  hasFields,
  KeyState,
  makeVersion,
  merge,
  plainState,
  shownAt,
  shownType,
  shownValue,
  TYPE_HASH,
  TYPE_SET,
  TYPE_STRING,
  TYPE_ZSET,
} from '../../crdt/index.ts';
import { plainReply } from '../../resp/index.ts';
import { readKeys, stateOfHeld } from './held-key.ts';
import { Merging } from './merging.ts';
import { withTestClock } from './scripts.ts';
import { storeScripts } from './store-scripts.ts';
import { openTestAccess, type TestAccess } from './testing.ts';

vi.setConfig({ testTimeout: 60_000 });
const { skip } = requireBroker('redis-server');

describe.skipIf(skip)(`merging into Redis${skip ? ` (${skip})` : ''}`, () => {
  let redis: Broker;
  let access: TestAccess;
  beforeAll(async () => {
    redis = await startRedis();
    access = await openTestAccess(redis.port);
  });
  afterAll(async () => {
    await access[Symbol.asyncDispose]();
    await redis.stop();
  });

  const tested = storeScripts(withTestClock);

  async function clock(now: number): Promise<void> {
    await access.ask('SET', 'mqkv:clock', String(now));
  }

  async function stateIn(key: Latin1): Promise<KeyState> {
    const { keys } = await readKeys(access, tested.read, [{ key, names: 'all' }]);
    const [held] = keys;
    if (held === undefined) throw new Error('nothing read');
    return stateOfHeld(held);
  }

  function deltaOf(key: Latin1, s: KeyState): Buffer {
    const writer = new DeltaWriter();
    encodeDelta(writer, bytesOf(key), s, 'whole');
    return Buffer.from(writer.bytes());
  }

  /** What Redis shows of a key, in the form of `shownOf`. */
  async function nativeOf(key: Latin1): Promise<unknown> {
    const type = plainReply(await access.ask('TYPE', key));
    if (type === 'none') return '-';
    if (type === 'string') return ['string', plainReply(await access.ask('GET', key))];
    if (type === 'hash')
      return ['hash', sorted(pairs(plainReply(await access.ask('HGETALL', key)) as string[]))];
    if (type === 'set')
      return [
        'set',
        sorted((plainReply(await access.ask('SMEMBERS', key)) as string[]).map((m) => [m, '1'])),
      ];
    const scores = pairs(plainReply(await access.ask('ZRANGE', key, '0', '-1', 'WITHSCORES')) as string[]);
    return [
      'zset',
      sorted(scores.map(([m, score]) => [m, String(Number(score.replace('inf', 'Infinity')))])),
    ];
  }

  function pairs(flat: readonly string[]): [string, string][] {
    return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] ?? '', flat[2 * i + 1] ?? '']);
  }

  function sorted(all: readonly (readonly string[])[]): unknown {
    return [...all].sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
  }

  const NAMES = { 1: 'string', 2: 'hash', 3: 'set', 4: 'zset' } as Readonly<Record<number, string>>;

  function shownOf(s: KeyState, now: number): unknown {
    const type = shownType(s, now);
    if (type === 0) return '-';
    const all: string[][] = [];
    for (const [field, register] of shownAt(s, now).registers.get(type) ?? []) {
      const value = shownValue(register, type);
      if (value === undefined) continue;
      if (!hasFields(type)) return [NAMES[type], latin1Of(value as Buffer)];
      all.push([field, value === true ? '1' : String(value === 0 ? 0 : value)]);
    }
    return [NAMES[type], sorted(all)];
  }

  test('random deltas, several keys a call: states, values and TTLs are those of the definition', async () => {
    const random = seededRandom(5);
    const count = { changed: 0, fired: 0, partial: 0, types: new Set<number>() };
    for (let round = 0; round < 120; round++) {
      await access.ask('FLUSHALL');
      const now = 2000 + below(random, 3000);
      await clock(now);
      const changedKeys: Latin1[] = [];
      const store = new Merging(access, tested, {
        changed: (keys) => changedKeys.push(...keys),
        partial: () => count.partial++,
      });
      const model = new Map<Latin1, KeyState>();
      for (let step = 0; step < 8; step++) {
        const batch: Buffer[] = [];
        for (let i = 0; i < 1 + below(random, 3); i++) {
          const key = ['a', 'b'.repeat(80), 'c\xff\0'][below(random, 3)] ?? 'a';
          const from = below(random, 3) === 0 ? plain(random) : randomState(random);
          batch.push(deltaOf(key, from));
          const into = model.get(key) ?? new KeyState();
          merge(into, copyState(from));
          model.set(key, into);
        }
        const result = await store.merge(Buffer.concat(batch));
        count.changed += result.changed;
        for (const [key, s] of model) {
          if (free(s, now)) count.fired++;
          const held = await stateIn(key);
          expect(digest(held, now)).toBe(digest(s, now));
          expect(await nativeOf(key)).toEqual(shownOf(s, now));
          count.types.add(shownType(s, now));
        }
        const again = await store.merge(Buffer.concat(batch));
        for (const [key, s] of model) expect(digest(await stateIn(key), now)).toBe(digest(s, now));
        expect(again.conflicts).toBe(0);
      }
      expect(changedKeys.length).toBeGreaterThan(0);
    }
    expect(count.changed).toBeGreaterThan(500);
    expect(count.fired).toBeGreaterThan(10);
    expect(count.partial).toBeGreaterThan(5);
    expect([...count.types].sort()).toEqual([0, 1, 2, 3, 4]);
  });

  test('native TTLs are those shown', async () => {
    const scripts = storeScripts();
    const store = new Merging(access, scripts, { changed: () => {}, partial: () => {} });
    await access.ask('FLUSHALL');
    const now = Date.now();
    const at = now + 60_000;
    await store.merge(deltaOf('k', plainState(makeVersion(now, 0, 9), bytesOf('v'), at)));
    expect(plainReply(await access.ask('PEXPIRETIME', 'k'))).toBe(at);
    const hash = new KeyState();
    const edit = new Edit(hash, makeVersion(now, 0, 9), now);
    edit.put(TYPE_HASH, 'f', 'v');
    edit.expire(at + 5);
    edit.finish();
    await store.merge(deltaOf('h', hash));
    expect(plainReply(await access.ask('PEXPIRETIME', 'h'))).toBe(at + 5);
    const persisted = copyState(hash);
    const later = new Edit(persisted, makeVersion(now + 1, 0, 9), now);
    later.expire(0);
    later.finish();
    await store.merge(deltaOf('h', persisted));
    expect(plainReply(await access.ask('PTTL', 'h'))).toBe(-1);
    await store.merge(deltaOf('gone', plainState(makeVersion(now, 0, 9), bytesOf('v'), now - 1)));
    expect(plainReply(await access.ask('EXISTS', 'gone'))).toBe(0);
  });

  test('a hash too large to read whole: only its touched fields, and all when a type change needs it', async () => {
    await access.ask('FLUSHALL');
    await clock(5000);
    const store = new Merging(access, tested, { changed: () => {}, partial: () => {} });
    const s = new KeyState();
    const edit = new Edit(s, makeVersion(1000, 0, 9), 1000);
    for (let i = 0; i < 5000; i++) edit.put(TYPE_HASH, `f${i}`, `v${i}`);
    edit.finish();
    await store.merge(deltaOf('h', s));
    const one = new KeyState();
    new Edit(one, makeVersion(1001, 0, 8), 1001).put(TYPE_HASH, 'f7', 'new');
    expect(await store.merge(deltaOf('h', one))).toEqual({ changed: 1, conflicts: 0 });
    merge(s, one);
    expect(digest(await stateIn('h'), 5000)).toBe(digest(s, 5000));
    expect(plainReply(await access.ask('HGET', 'h', 'f7'))).toBe('new');
    const list = new KeyState();
    new Edit(list, makeVersion(1002, 0, 8), 1002).put(TYPE_SET, 'm', true);
    await store.merge(deltaOf('h', list));
    merge(s, list);
    expect(digest(await stateIn('h'), 5000)).toBe(digest(s, 5000));
    expect(plainReply(await access.ask('SMEMBERS', 'h'))).toEqual(['m']);
  });

  test('equal versions that differ: the larger bytes win, counted', async () => {
    await access.ask('FLUSHALL');
    await clock(5000);
    const store = new Merging(access, tested, { changed: () => {}, partial: () => {} });
    const v = makeVersion(1000, 0, 9);
    await store.merge(deltaOf('k', plainState(v, bytesOf('b'), 0)));
    expect((await store.merge(deltaOf('k', plainState(v, bytesOf('a'), 0)))).conflicts).toBe(1);
    expect(plainReply(await access.ask('GET', 'k'))).toBe('b');
    expect(await store.merge(deltaOf('k', plainState(v, bytesOf('c'), 0)))).toEqual({
      changed: 1,
      conflicts: 1,
    });
    expect(plainReply(await access.ask('GET', 'k'))).toBe('c');
  });
});

function plain(random: Random): KeyState {
  const v = makeVersion(1000 + below(random, 20), below(random, 2), 1 + below(random, 6));
  return plainState(v, Buffer.from(`v${v.ms}.${v.tail}`), below(random, 2) * 3000);
}

function randomState(random: Random): KeyState {
  const s = new KeyState();
  const origin = 1 + below(random, 6);
  for (let i = 0; i < 1 + below(random, 4); i++) {
    const v = makeVersion(1000 + i * 5 + below(random, 5), below(random, 3), origin);
    const edit = new Edit(s, v, 1000);
    randomEffect(edit, random, `${v.ms}.${v.tail}`);
    edit.finish();
  }
  return s;
}

function randomEffect(edit: Edit, random: Random, unique: string): void {
  const field = `f${below(random, 3)}`;
  const total = [1n, -3n, 0.5][below(random, 3)] ?? 0n;
  const effects = [
    () => edit.put(TYPE_STRING, '', bytesOf(below(random, 2) === 0 ? '12' : `x${unique}`)),
    () => edit.put(TYPE_HASH, field, below(random, 2) === 0 ? '7' : `x${unique}`),
    () => edit.put(TYPE_SET, field, true),
    () => edit.put(TYPE_ZSET, field, below(random, 5)),
    () => edit.add(TYPE_HASH, field, total),
    () => edit.add(TYPE_STRING, '', total),
    () => edit.add(TYPE_ZSET, field, Number(total)),
    () => edit.remove(TYPE_HASH, field),
    () => edit.overwrite(),
    () => edit.expire(below(random, 2) * 3000),
  ];
  effects[below(random, effects.length)]?.();
}

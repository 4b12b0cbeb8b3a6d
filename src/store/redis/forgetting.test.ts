// The walker on a real Redis: what it counts, forgets and finds.
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Broker, eventually, requireBroker, startRedis } from '../../../test/brokers/index.ts';
import { bytesOf, type Clock, type Latin1, slotOf, STABLE_MS, systemClock } from '../../base/index.ts';
import {
  DeltaWriter,
  decodeDeltas,
  deletedState,
  Edit,
  encodeDelta,
  KeyState,
  makeVersion,
  shownType,
  TYPE_HASH,
} from '../../crdt/index.ts';
import { plainReply } from '../../resp/index.ts';
import type { RedisStore, RedisStoreOptions } from './redis-store.ts';
import { openTestAccess, openTestStore, runUnit, setPlain, type TestAccess } from './testing.ts';

vi.setConfig({ testTimeout: 60_000 });
const { skip } = requireBroker('redis-server');
const HOUR_MS = 3_600_000;

/** Units: ms between two steps of the slow walk. */
const STEP_MS = 100;

/** Time runs so many times as fast, and the slow walk stands still. */
function quickClock(times: number): Clock {
  const start = Date.now();
  return {
    now: () => start + (Date.now() - start) * times,
    after: (delayMs, task) => systemClock.after(delayMs / times, task),
    every: (periodMs, task) =>
      periodMs === STEP_MS ? { cancel() {} } : systemClock.every(periodMs / times, task),
  };
}

function deltaOf(key: Latin1, state: KeyState): Buffer {
  const writer = new DeltaWriter();
  encodeDelta(writer, bytesOf(key), state, 'whole');
  return Buffer.from(writer.bytes());
}

/** HINCRBY at another origin, then HSET at a third: the field has seen the counting. */
function seenState(ms: number): KeyState {
  const state = new KeyState();
  const edit = (at: number, origin: number, act: (edit: Edit) => void): void => {
    const one = new Edit(state, makeVersion(at, 0, origin), at);
    act(one);
    one.finish();
  };
  edit(ms, 8, (one) => one.add(TYPE_HASH, 'f', 5n));
  edit(ms + 1, 9, (one) => one.put(TYPE_HASH, 'f', 'v'));
  return state;
}

describe.skipIf(skip)(`the walker of a Redis${skip ? ` (${skip})` : ''}`, () => {
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
    openTestStore(redis.port, more);

  test('headers that show nothing are counted, and every gateway knows', async () => {
    await using one = await open();
    await using two = await open();
    await setPlain(one, 'lives', { value: 'v', ttlMs: 0 });
    await setPlain(one, 'lives on', { value: 'v', ttlMs: 60_000 });
    await setPlain(one, 'expires', { value: 'v', ttlMs: 1 });
    await runUnit(one, [['HSET', 'h', 'f', 'v', 'g', 'v']], ['h']);
    await runUnit(one, [['HDEL', 'h', 'f']], ['h']);
    await runUnit(one, [['SADD', 'emptied', 'm']], ['emptied']);
    await runUnit(one, [['SREM', 'emptied', 'm']], ['emptied']);
    await runUnit(one, [['DEL', 'never']], ['never']);
    await runUnit(one, [['SET', 'deleted', 'v']], ['deleted']);
    await runUnit(one, [['DEL', 'deleted']], ['deleted']);
    await eventually(
      'one walks',
      () => one.walker?.stats().isWalking === true || two.walker?.stats().isWalking === true,
    );
    await one.walker?.round();
    await two.walker?.round();
    await eventually('both tell', () => one.stats().tombstones === 3 && two.stats().tombstones === 3);
    expect(one.stats().keys).toBe(3);
  });

  test('what registers have seen is forgotten at the horizon, not when it is only stable', async () => {
    await using store = await open({ horizonMs: 10 * HOUR_MS });
    const seen = async (key: Latin1): Promise<boolean> =>
      (await store.stateOf(key))?.registers.get(TYPE_HASH)?.get('f')?.seen !== undefined;
    const now = Date.now();
    await store.merge(deltaOf('old', seenState(now - 11 * HOUR_MS)));
    await store.merge(deltaOf('stable', seenState(now - 9 * HOUR_MS)));
    await store.merge(deltaOf('gone', deletedState(makeVersion(now - 9 * HOUR_MS, 0, 9))));
    await store.merge(deltaOf('lately', deletedState(makeVersion(now - STABLE_MS, 0, 9))));
    expect([await seen('old'), await seen('stable')]).toEqual([true, true]);
    store.stableBeforeMs = now - HOUR_MS;
    await store.walker?.round();
    expect([await seen('old'), await seen('stable')]).toEqual([false, true]);
    expect((await store.allKeys()).sort()).toEqual(['lately', 'old', 'stable']);
    expect(plainReply(await control.ask('HGET', 'old', 'f'))).toBe('v');
  });

  test('a gateway that is killed: another one finds its marks within seconds', async () => {
    const last = Array.from({ length: 20_000 }, (_, i) => `k${i}`).find((key) => slotOf(key) > 16_350) ?? '';
    const before = await open({ isWalking: false });
    await runUnit(before, [['SET', last, 'v']], [last]);
    await before.close();
    await using left = await open({ clock: quickClock(10) });
    await eventually('the look at the start is over', () => left.outbox.pending === 1);
    await left.outbox.take(1e6).then((taken) => taken?.accepted());
    const killed = await open({ clock: quickClock(10) });
    await eventually(
      'both are known',
      async () => plainReply(await control.ask('ZCARD', 'mqkv:gateways')) === 2,
    );
    await eventually('this one walks', () => left.walker?.stats().isWalking === true);
    await runUnit(killed, [['SET', 'k', 'v']], ['k']);
    await killed.topology.close();
    await eventually('it is found', () => left.outbox.pending === 1);
    const taken = await left.outbox.take(1e6);
    expect([...decodeDeltas(taken?.deltas ?? Buffer.alloc(0))].map(({ key }) => key)).toEqual(['k']);
    expect(plainReply(await control.ask('ZCARD', 'mqkv:gateways'))).toBe(1);
    await killed.close();
  });

  test('an expiry that is freed late takes along nothing that was written after it', async () => {
    // The header that a fired expiry leaves says when it fired, not when it was noticed: else it would outdo the newer write.
    await using store = await open({ isWalking: false });
    const start = Date.now() - HOUR_MS;
    const expiring = new KeyState();
    const first = new Edit(expiring, makeVersion(start, 0, 8), start);
    first.put(TYPE_HASH, 'old', '1');
    first.expire(start + 1_000);
    first.finish();
    const later = new KeyState();
    const second = new Edit(later, makeVersion(start + 5_000, 0, 9), start + 5_000);
    second.put(TYPE_HASH, 'new', '2');
    second.finish();
    await store.merge(deltaOf('h', expiring));
    await store.freeExpired();
    const freed = (await store.stateOf('h')) ?? new KeyState();
    expect([shownType(freed, Date.now()), freed.newest.ms <= start + 1_000]).toEqual([0, true]);
    await store.merge(deltaOf('h', later));
    await store.merge(deltaOf('h', expiring));
    await store.freeExpired();
    expect(plainReply(await control.ask('HGETALL', 'h'))).toEqual(['new', '2']);
  });
});

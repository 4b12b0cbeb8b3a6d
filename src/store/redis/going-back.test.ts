// A store that went back: failover to a replica that lacked the last writes, a restart from an old RDB, FLUSHALL behind mqkv's back.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Broker, eventually, requireBroker, startRedis } from '../../../test/brokers/index.ts';
import { openEmbeddedStore } from '../embedded/index.ts';
import { silentLogger, systemClock, systemRandom } from '../../base/index.ts';
import { plainReply } from '../../resp/index.ts';
import type { RedisStore } from './redis-store.ts';
import type { RedisUrl } from './url-type.ts';
import { openTestAccess, openTestStore, runUnit, setPlain, type TestAccess, urlOf } from './testing.ts';

vi.setConfig({ testTimeout: 60_000 });
const { skip } = requireBroker('redis-server', 'redis-sentinel');
const around = { clock: systemClock, random: systemRandom(), logger: silentLogger };

describe.skipIf(skip)(`a Redis that went back${skip ? ` (${skip})` : ''}`, () => {
  let redis: Broker;
  let control: TestAccess;
  beforeEach(async () => {
    redis = await startRedis(['--repl-diskless-sync-delay', '0']);
    control = await openTestAccess(redis.port);
  });
  afterEach(async () => {
    await control[Symbol.asyncDispose]();
    await redis.stop();
  });
  const set = (store: RedisStore, key: string, value: string): Promise<void> =>
    setPlain(store, key, { value, ttlMs: 0 });
  const text = async (access: TestAccess, ...keys: string[]): Promise<unknown> =>
    plainReply(await access.ask('MGET', ...keys));

  /** Sends all that is pending to the other site. */
  async function sendAll(store: RedisStore, far: { merge(deltas: Buffer): unknown }): Promise<void> {
    for (
      let taken = await store.outbox.take(1e6);
      taken !== undefined;
      taken = await store.outbox.take(1e6)
    ) {
      far.merge(taken.deltas);
      taken.accepted();
    }
  }

  /** What a comparison brings. */
  async function repair(
    store: RedisStore,
    far: { page(cursor: string, maxBytes: number): Promise<{ deltas: Buffer }> },
  ): Promise<void> {
    await store.merge((await far.page('', 1e6)).deltas);
  }

  test('an old RDB: data, marks and notes go back together, what lies here unsent is sent and restored', async () => {
    await using far = openEmbeddedStore(around);
    await using store = await openTestStore(redis.port);
    await set(store, 'old', '1');
    await store.notes.write({ applied: 'old' });
    await control.ask('SAVE');
    let told = 0;
    store.onOrigin = () => told++;
    await set(store, 'sent', '2');
    await runUnit(store, [['INCRBY', 'n', '5']], ['n']);
    await sendAll(store, far);
    await store.outbox.settled();
    await store.notes.write({ applied: 'new' });
    await set(store, 'unsent', '3');
    await redis.kill();
    await redis.restart();
    await eventually('the new origin is told', () => told === 1);
    control = await openTestAccess(redis.port);
    expect(await text(control, 'old', 'sent', 'unsent', 'n')).toEqual(['1', null, null, null]);
    expect((await store.notes.read()).get('applied')).toBe('old');
    await sendAll(store, far);
    expect(await text(control, 'unsent')).toEqual(['3']);
    await repair(store, far);
    expect(await text(control, 'old', 'sent', 'unsent', 'n')).toEqual(['1', '2', '3', '5']);
    await runUnit(store, [['INCRBY', 'n', '2']], ['n']);
    await sendAll(store, far);
    expect(await text(control, 'n')).toEqual(['7']);
    const inFar = await far.states(['old', 'sent', 'unsent', 'n'], 1e6);
    const inRedis = await store.states(['old', 'sent', 'unsent', 'n'], 1e6);
    expect(inFar.deltas.equals(inRedis.deltas)).toBe(true);
  });

  test('FLUSHALL behind its back: the store is there again within about a second, its id stays', async () => {
    await using store = await openTestStore(redis.port);
    const { id } = store;
    await set(store, 'k', 'v');
    await runUnit(store, [['INCRBY', 'n', '5']], ['n']);
    await store.notes.write({ complete: '1' });
    const taken = await store.outbox.take(1e6);
    taken?.accepted();
    const { origin } = store;
    await set(store, 'unsent', 'w');
    let told = 0;
    store.onOrigin = () => told++;
    await control.ask('FLUSHALL');
    await eventually('it is noticed', () => told === 1);
    expect(plainReply(await control.ask('HGET', 'mqkv:meta', 'id'))).toBe(id);
    expect((await store.notes.read()).size).toBe(0);
    expect([store.isOwn(origin), store.isOwn(store.origin)]).toEqual([false, true]);
    await runUnit(store, [['INCRBY', 'n', '2']], ['n']);
    const again = await store.outbox.take(1e6);
    expect(again?.deltas.toString('latin1')).toContain('unsent');
    expect(await text(control, 'k', 'unsent')).toEqual([null, 'w']);
    await store.merge(taken?.deltas ?? Buffer.alloc(0));
    expect(await text(control, 'k', 'unsent', 'n')).toEqual(['v', 'w', '7']);
  });

  test('another gateway discards: what is not sent is forgotten here too', async () => {
    await using one = await openTestStore(redis.port);
    await using two = await openTestStore(redis.port);
    await set(two, 'k', 'v');
    await set(one, 'l', 'v');
    let told = 0;
    two.onOrigin = () => told++;
    await one.discard();
    await eventually('it is noticed', () => told === 1);
    expect([one.outbox.pending, two.outbox.pending]).toEqual([0, 0]);
    expect(plainReply(await control.ask('HMGET', 'mqkv:meta', 'site', 'id', 'format'))).toEqual([
      'a',
      one.id,
      '1',
    ]);
    expect(plainReply(await control.ask('DBSIZE'))).toBeLessThan(5);
    await set(two, 'k', 'again');
    expect(two.outbox.pending).toBe(1);
  });

  test('marks of another gateway are found, however young', async () => {
    await using one = await openTestStore(redis.port);
    await using two = await openTestStore(redis.port);
    await set(two, 'k', 'v');
    expect(one.outbox.pending).toBe(0);
    await one.findMarks();
    expect(one.outbox.pending).toBe(1);
    expect((await one.outbox.take(1e6))?.deltas.toString('latin1')).toContain('k');
  });

  test('discarding that ended half-way is done again at the next start', async () => {
    {
      await using store = await openTestStore(redis.port);
      await set(store, 'k', 'v');
      await control.ask('HSET', 'mqkv:meta', 'discarding', '1');
    }
    await using store = await openTestStore(redis.port);
    expect(await text(control, 'k')).toEqual([null]);
    expect(await store.allKeys()).toEqual([]);
    expect(plainReply(await control.ask('HEXISTS', 'mqkv:meta', 'discarding'))).toBe(0);
  });

  test('a store that holds keys says so as soon as it is open', async () => {
    await control.ask('SET', 'adopted', 'v');
    await using store = await openTestStore(redis.port);
    expect(store.stats().keys).toBe(1);
    await store.discard();
    expect(store.stats().keys).toBe(0);
    await using again = await openTestStore(redis.port);
    expect(again.stats().keys).toBe(0);
  });

  test('a stale replica becomes the master', async () => {
    const replica = await startRedis(['--replicaof', '127.0.0.1', String(redis.port)]);
    const stale = await openTestAccess(replica.port);
    try {
      const url: RedisUrl = urlOf(redis.port);
      await using far = openEmbeddedStore(around);
      await using store = await openTestStore(redis.port, { url });
      await set(store, 'both', '1');
      await eventually('the replica follows', async () => (await text(stale, 'both'))?.toString() === '1');
      await stale.ask('REPLICAOF', 'NO', 'ONE');
      await set(store, 'sent', '2');
      await sendAll(store, far);
      await using after = await openTestStore(replica.port);
      expect(after.id).toBe(store.id);
      expect(after.origin).not.toBe(store.origin);
      expect(await text(stale, 'both', 'sent')).toEqual(['1', null]);
      await repair(after, far);
      expect(await text(stale, 'both', 'sent')).toEqual(['1', '2']);
    } finally {
      await stale[Symbol.asyncDispose]();
      await replica.stop();
    }
  });
});

// What MQKV.VERIFY finds on a real Redis, reports and adopts; and what it must not find.
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Broker, requireBroker, startRedis } from '../../../test/brokers/index.ts';
import { silentLogger, systemClock, systemRandom } from '../../base/index.ts';
import { decodeDeltas } from '../../crdt/index.ts';
import { openRedisStore, type RedisStore } from './redis-store.ts';
import { openTestAccess, runUnit, type TestAccess, urlOf } from './testing.ts';

vi.setConfig({ testTimeout: 60_000 });
const { skip } = requireBroker('redis-server');
const NONE = { unrecorded: 0, missing: 0, type: 0, fields: 0, value: 0, ttl: 0, adopted: 0, refused: 0 };

describe.skipIf(skip)(`verifying a Redis store${skip ? ` (${skip})` : ''}`, () => {
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

  function open(foreignWrites: 'report' | 'adopt'): Promise<RedisStore> {
    const url = urlOf(redis.port);
    const around = { clock: systemClock, random: systemRandom(), logger: silentLogger };
    return openRedisStore({ ...around, url, site: 'a', marks: true, foreignWrites, isWalking: false });
  }

  async function fill(store: RedisStore): Promise<void> {
    const commands = [
      ['SET', 'plain', 'v'],
      ['SET', 'ttl', 'v', 'PX', '60000'],
      ['INCR', 'n'],
      ['HSET', 'h', 'f', '1', 'g', '2'],
      ['HINCRBY', 'h', 'f', '4'],
      ['HDEL', 'h', 'g'],
      ['ZADD', 'z', '1', 'm'],
      ['SADD', 's', 'm'],
      ['RPUSH', 'l', 'a'],
      ['XADD', 'x', '1-1', 'a', 'b'],
      ['SET', 'gone', 'v', 'PX', '1'],
      ['SET', 'deleted', 'v'],
      ['DEL', 'deleted'],
      ['EXPIRE', 'h', '100'],
    ];
    for (const command of commands) await runUnit(store, [command], [command[1] ?? '']);
    await store.outbox.take(1e9);
  }

  test('nothing is found where only mqkv wrote', async () => {
    await using store = await open('report');
    await fill(store);
    expect(await store.verify()).toEqual({ ...NONE, keys: 10 });
  });

  test('what another program wrote is found and reported', async () => {
    await using store = await open('report');
    await fill(store);
    await control.ask('SET', 'new', 'v');
    await control.ask('DEL', 'plain');
    await control.ask('SET', 'n', '77');
    await control.ask('HSET', 'h', 'other', '1');
    await control.ask('SREM', 's', 'm');
    await control.ask('SADD', 's', 'other');
    await control.ask('DEL', 'z');
    await control.ask('SET', 'z', 'string');
    await control.ask('PERSIST', 'ttl');
    const found = await store.verify();
    expect(found).toEqual({
      ...NONE,
      keys: 11,
      unrecorded: 1,
      missing: 1,
      type: 1,
      fields: 2,
      value: 1,
      ttl: 1,
    });
    expect(await store.verify()).toEqual(found);
    expect(store.outbox.pending).toBe(0);
  });

  test('adopted: it is a local write from then on, and travels', async () => {
    await using store = await open('adopt');
    await fill(store);
    await control.ask('SET', 'new', 'v', 'PX', '50000');
    await control.ask('DEL', 'plain');
    await control.ask('HSET', 'h', 'other', '1');
    await control.ask('SET', 'n', '77');
    await control.ask('PERSIST', 'ttl');
    expect(await store.verify()).toMatchObject({
      unrecorded: 1,
      missing: 1,
      fields: 1,
      value: 1,
      ttl: 1,
      adopted: 5,
    });
    expect(await store.verify()).toEqual({ ...NONE, keys: 11 });
    const taken = await store.outbox.take(1e9);
    const deltas = [...decodeDeltas(taken?.deltas ?? Buffer.alloc(0))];
    expect(deltas.map(({ key }) => key).sort()).toEqual(['h', 'n', 'new', 'plain', 'ttl']);
    expect([
      ...(deltas
        .find(({ key }) => key === 'h')
        ?.state.registers.get(2)
        ?.keys() ?? []),
    ]).toContain('other');
  });
});

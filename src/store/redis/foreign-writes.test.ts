// Keyspace notifications: somebody else's write is told and adopted, mqkv's own and what expires is not.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Broker, eventually, requireBroker, startRedis } from '../../../test/brokers/index.ts';
import { type Latin1, silentLogger, systemClock, systemRandom } from '../../base/index.ts';
import { decodeDeltas } from '../../crdt/index.ts';
import { openRedisStore } from './redis-store.ts';
import { openTestAccess, runUnit, type TestAccess, urlOf } from './testing.ts';

vi.setConfig({ testTimeout: 60_000 });
const { skip } = requireBroker('redis-server');

describe.skipIf(skip)(`writes behind mqkv's back${skip ? ` (${skip})` : ''}`, () => {
  let redis: Broker;
  let control: TestAccess;
  beforeAll(async () => {
    redis = await startRedis(['--notify-keyspace-events', 'KA']);
    control = await openTestAccess(redis.port);
  });
  afterAll(async () => {
    await control[Symbol.asyncDispose]();
    await redis.stop();
  });

  test('are adopted, and travel; own ones and expiries are not taken for such', async () => {
    const url = urlOf(redis.port);
    const told: string[] = [];
    const logger = { ...silentLogger, warn: (fields: object) => void told.push(JSON.stringify(fields)) };
    const around = { clock: systemClock, random: systemRandom(), logger };
    await using store = await openRedisStore({
      ...around,
      url,
      site: 'a',
      marks: true,
      foreignWrites: 'adopt',
    });
    const heard: Latin1[] = [];
    store.onChanged((keys) => heard.push(...keys));
    await runUnit(store, [['SET', 'own', 'v', 'PX', '100']], ['own']);
    await runUnit(store, [['SADD', 's', 'm']], ['s']);
    await eventually('the listener is there and the own key expired', async () => {
      const patterns = await control.ask('PUBSUB', 'NUMPAT');
      const exists = await control.ask('EXISTS', 'own');
      return (
        patterns.kind === 'integer' && patterns.value === 1 && exists.kind === 'integer' && exists.value === 0
      );
    });
    await store.outbox.take(1e9);
    told.length = 0;
    await runUnit(store, [['SET', 'mine', 'v']], ['mine']);
    await control.ask('HSET', 'foreign', 'f', 'v');
    await eventually('it is adopted', async () => (await store.stateOf('foreign')) !== undefined);
    expect(told).toEqual([JSON.stringify({ key: '"foreign"' })]);
    await eventually('and pending', () => store.outbox.pending === 2);
    const taken = await store.outbox.take(1e9);
    expect([...decodeDeltas(taken?.deltas ?? Buffer.alloc(0))].map(({ key }) => key).sort()).toEqual([
      'foreign',
      'mine',
    ]);
    expect(heard).toContain('foreign');
  });
});

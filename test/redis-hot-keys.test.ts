// A key that this site writes all the time, from two gateways: what other sites did to it is merged all the same, at once.
import { describe, expect, test } from 'vitest';
import { seededRandom, silentLogger, systemClock } from '../src/base/index.ts';
import { openRedisStore, type RedisStore } from '../src/store/redis/redis-store.ts';
import { runUnit } from '../src/store/redis/testing.ts';
import { parseStoreUrl } from '../src/site/urls.ts';
import { requireBroker, startRedis } from './brokers/index.ts';

const { skip } = requireBroker('redis-server');
/** Writers of each gateway: each sends when its last write is answered. */
const WRITERS = 20;
const MERGES = 10;

function open(port: number, index: number): Promise<RedisStore> {
  const url = parseStoreUrl(`redis://127.0.0.1:${port}/${index}`);
  if (url.kind !== 'redis') throw new Error('a Redis is wanted');
  return openRedisStore({
    url,
    clock: systemClock,
    random: seededRandom(index + 1),
    logger: silentLogger,
    site: 'hot',
    marks: true,
    isWalking: false,
    // Sites of one Redis have one origin, but for this.
    changeScript: (script) => ({
      ...script,
      text: script.text.replace(
        'ORIGIN, MAX_VALUE_BYTES = ARGV[1],',
        `ORIGIN, MAX_VALUE_BYTES = '0000000${index + 1}',`,
      ),
    }),
  });
}

const HOT: readonly (readonly [string, readonly string[], readonly string[], readonly string[]])[] = [
  ['a counter', ['INCR', 'k'], ['INCRBY', 'k', '1000000'], ['GET', 'k']],
  ['a field of a hash', ['HINCRBY', 'k', 'f', '1'], ['HINCRBY', 'k', 'f', '1000000'], ['HGET', 'k', 'f']],
  ['a score', ['ZINCRBY', 'k', '1', 'm'], ['ZINCRBY', 'k', '1000000', 'm'], ['ZSCORE', 'k', 'm']],
];

describe.skipIf(skip)(`hot keys${skip ? ` (${skip})` : ''}`, () => {
  test.each(HOT)('%s', { timeout: 60_000 }, async (_, ours, theirs, read) => {
    await using redis = await startRedis();
    const gateways = [await open(redis.port, 0), await open(redis.port, 0)];
    const [gateway] = gateways as [RedisStore];
    await using far = await open(redis.port, 1);
    const state = { isOver: false, writes: 0 };
    const writing = gateways.flatMap((one) =>
      Array.from({ length: WRITERS }, async () => {
        for (; !state.isOver; state.writes++) await runUnit(one, [ours], ['k']);
      }),
    );
    await expect.poll(() => state.writes).toBeGreaterThan(WRITERS);
    for (let i = 0; i < MERGES; i++) {
      await runUnit(far, [theirs], ['k']);
      const taken = await far.outbox.take(1_000_000);
      taken?.accepted();
      await gateway.merge(taken?.deltas ?? Buffer.alloc(0));
    }
    const during = state.writes;
    await expect.poll(() => state.writes).toBeGreaterThan(during);
    state.isOver = true;
    await Promise.all(writing);
    const reply = await gateway.router.call(0, read);
    const shown = reply.kind === 'bulk' ? Number(reply.bytes.toString()) : undefined;
    expect(shown).toBe(MERGES * 1_000_000 + state.writes);
    for (const one of gateways) await one.close();
  });
});

// Clients that others wrote: they connect, shake hands, pipeline, transact, subscribe, in RESP2 and RESP3.
import { createClient } from '@redis/client';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LOCAL_STORES, type Local, skipped } from './local-stores.ts';

/** What only a Redis store has: lists, streams, scripts, waiting. */
async function lists(redis: Redis): Promise<void> {
  const waiting = redis.duplicate();
  const popped = waiting.blpop('l', 0);
  expect(await redis.eval('return redis.call("RPUSH", KEYS[1], ARGV[1])', 1, 'l', 'x')).toBe(1);
  expect(await popped).toEqual(['l', 'x']);
  redis.defineCommand('twice', { numberOfKeys: 1, lua: 'return redis.call("INCRBY", KEYS[1], ARGV[1] * 2)' });
  expect(await redis.call('INCRBY', 'twice', 1)).toBe(1);
  const twice = Reflect.get(redis, 'twice') as (key: string, by: number) => Promise<number>;
  expect(await twice.call(redis, 'twice', 4)).toBe(9);
  const id = await redis.xadd('s', '*', 'f', 'v');
  expect(await redis.xrange('s', '-', '+')).toEqual([[id, ['f', 'v']]]);
  await redis.del('l', 's', 'twice');
  waiting.disconnect();
}

for (const store of LOCAL_STORES)
  describe.skipIf(store.skip !== false)(`${store.name} store${skipped(store)}`, () => {
    let local: Local;
    beforeAll(async () => {
      local = await store.open();
    });
    afterAll(() => local.close());

    describe('ioredis', () => {
      it('commands, pipeline, transaction, scan stream, pub/sub', async () => {
        const redis = new Redis({ port: local.port, host: '127.0.0.1' });
        const subscriber = new Redis({ port: local.port, host: '127.0.0.1' });
        await redis.flushall();
        expect(await redis.set('k', 'v', 'EX', 100)).toBe('OK');
        expect(await redis.get('k')).toBe('v');
        expect(await redis.getBuffer('nothing')).toBeNull();
        await redis.hset(
          'h',
          new Map([
            ['a', '1'],
            ['b', '2'],
          ]),
        );
        expect(await redis.hgetall('h')).toEqual({ a: '1', b: '2' });
        await redis.zadd('z', 1, 'one', 2.5, 'two');
        expect(await redis.zrange('z', '0', '-1', 'WITHSCORES')).toEqual(['one', '1', 'two', '2.5']);
        const piped = await redis.pipeline().incr('n').incr('n').get('n').exec();
        expect(piped).toEqual([
          [null, 1],
          [null, 2],
          [null, '2'],
        ]);
        expect(await redis.multi().set('m', '1').incr('m').exec()).toEqual([
          [null, 'OK'],
          [null, 2],
        ]);
        if (store.name === 'embedded')
          await expect(redis.call('LPUSH', 'l', 'x')).rejects.toThrow(
            "'LPUSH' is not supported by the embedded store yet",
          );
        else await lists(redis);
        await subscriber.subscribe('news');
        const heard = new Promise<string>((resolve) =>
          subscriber.on('message', (_channel, text) => resolve(text)),
        );
        expect(await redis.publish('news', 'hello')).toBe(1);
        expect(await heard).toBe('hello');
        redis.disconnect();
        subscriber.disconnect();
      });
    });

    describe.each([2, 3] as const)('@redis/client, RESP%d', (protocol) => {
      it('commands, pipeline, transaction, WATCH, scan iterator, pub/sub', async () => {
        const url = `redis://127.0.0.1:${local.port}`;
        const client = await createClient({ url, RESP: protocol, name: 'test' }).connect();
        const subscriber = await createClient({ url, RESP: protocol }).connect();
        await client.flushAll();
        expect(await client.clientGetName()).toBe('test');
        expect(await client.set('k', 'v', { expiration: { type: 'PX', value: 100_000 } })).toBe('OK');
        expect(await client.pTTL('k')).toBeGreaterThan(90_000);
        await client.hSet('h', { a: '1', b: '2' });
        expect({ ...(await client.hGetAll('h')) }).toEqual({ a: '1', b: '2' });
        await client.zAdd('z', [
          { score: 1, value: 'one' },
          { score: 2.5, value: 'two' },
        ]);
        expect(await client.zRangeWithScores('z', 0, -1)).toEqual([
          { score: 1, value: 'one' },
          { score: 2.5, value: 'two' },
        ]);
        expect(await client.sAdd('s', ['x', 'y'])).toBe(2);
        expect([...(await client.sMembers('s'))].sort()).toEqual(['x', 'y']);
        expect(await Promise.all([client.incr('n'), client.incr('n'), client.get('n')])).toEqual([1, 2, '2']);
        await client.watch('m');
        expect(await client.multi().set('m', '1').incr('m').exec()).toEqual(['OK', 2]);
        const keys: string[] = [];
        for await (const batch of client.scanIterator({ COUNT: 2 })) keys.push(...batch);
        expect([...new Set(keys)].sort()).toEqual(['h', 'k', 'm', 'n', 's', 'z']);
        const heard = new Promise<string>((resolve) => {
          void subscriber.subscribe('news', resolve).then(() => client.publish('news', 'hello'));
        });
        expect(await heard).toBe('hello');
        client.destroy();
        subscriber.destroy();
      });
    });
  });

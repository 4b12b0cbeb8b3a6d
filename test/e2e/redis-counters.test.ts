// Counters beyond what a double holds, added up at three sites whose stores are Redis: exact everywhere.
import { afterEach, describe, expect, test } from 'vitest';
import { eventually, requireBroker, startRedis } from '../brokers/index.ts';
import { startLinkedSites } from './linked-sites.ts';

const { skip } = requireBroker('redis-server');
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

describe.skipIf(skip)('counters at Redis stores', () => {
  test('HINCRBY, INCRBY and HINCRBYFLOAT at three sites sum up exactly beyond 2^53', async () => {
    const redises = [await startRedis(), await startRedis(), await startRedis()];
    for (const redis of redises) closers.push(() => redis.stop());
    const linked = await startLinkedSites(
      redises.map(({ port }) => ['--store', `redis://127.0.0.1:${port}`]),
    );
    closers.push(() => linked.stop());
    const steps = [9_007_199_254_740_993n, 1_152_921_504_606_846_977n, -3n];
    let sum = 0n;
    for (let round = 0; round < 3; round++) {
      await Promise.all(
        linked.clients.map(async (client, i) => {
          const step = (steps[(round + i) % steps.length] ?? 0n) / 3n;
          await client.hincrby('h', 'n', String(step));
          await client.incrby('k', String(step));
        }),
      );
      for (const step of steps) sum += step / 3n;
    }
    expect(sum).toBeGreaterThan(2n ** 53n);
    for (const client of linked.clients) {
      const shown = async (): Promise<string> => `${await client.hget('h', 'n')} ${await client.get('k')}`;
      await eventually(`${sum} is shown`, async () => (await shown()) === `${sum} ${sum}`).catch(async () => {
        expect(await shown()).toBe(`${sum} ${sum}`);
      });
    }
    for (const redis of redises) expect(redis.pid).toBeDefined();
  }, 60_000);
});

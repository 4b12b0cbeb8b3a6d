// What went wrong elsewhere when memory ran out, on a real Redis.
import { afterEach, describe, expect, test } from 'vitest';
import { eventually, openControl, requireBroker, startRedis } from '../brokers/index.ts';
import { startLinkedSites } from './linked-sites.ts';

const { skip } = requireBroker('redis-server');
const closers: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const KEYS = 200;

describe.skipIf(skip)('incidents of other systems: memory', () => {
  test('tombstone dropped under memory pressure', async () => {
    const redis = await startRedis();
    closers.push(() => redis.stop());
    const linked = await startLinkedSites([['--store', `redis://127.0.0.1:${redis.port}`], []]);
    closers.push(() => linked.stop());
    const [small, far] = linked.clients;
    const pid = linked.sites[1]?.pid ?? 0;
    const keys = Array.from({ length: KEYS }, (_, i) => `key${i}`);
    await far?.pipeline(keys.map((key) => ['set', key, 'v'])).exec();
    await eventually('all keys', async () => (await small?.dbsize()) === KEYS);
    await linked.settled();
    // The far site still has the keys, and hears nothing of their deletion.
    process.kill(pid, 'SIGSTOP');
    closers.push(() => void process.kill(pid, 'SIGCONT'));
    const deleted = await small?.pipeline(keys.slice(1).map((key) => ['del', key])).exec();
    expect(deleted?.every(([error, reply]) => error === null && reply === 1)).toBe(true);
    const control = openControl(redis.port);
    closers.push(() => control.close());
    const used = /used_memory:(\d+)/.exec(String(await control.call('INFO', 'memory')))?.[1];
    await control.call('CONFIG', 'SET', 'maxmemory', Number(used) + 2_000_000);
    const filler = 'x'.repeat(50_000);
    const refused = await eventually('memory is full', () =>
      small?.set(`filler${Math.random()}`, filler).then(
        () => undefined,
        (error: Error) => error.message,
      ),
    );
    expect(refused).toMatch(/^OOM/);
    // Memory can still be freed by deleting.
    expect(await small?.del('key0')).toBe(1);
    process.kill(pid, 'SIGCONT');
    const left = (): Promise<number>[] => linked.clients.map((client) => client.exists(...keys));
    await eventually(
      'all are gone at both',
      async () => (await Promise.all(left())).every((n) => n === 0),
      60_000,
    );
    await control.call('CONFIG', 'SET', 'maxmemory', 0);
    await linked.settled();
    // The far site's writes still arrive, and nothing of the old ones.
    await far?.set('after', 'v');
    await eventually('what was written afterwards', async () => (await small?.get('after')) === 'v', 60_000);
    expect(await Promise.all(left())).toEqual([0, 0]);
  }, 150_000);
});

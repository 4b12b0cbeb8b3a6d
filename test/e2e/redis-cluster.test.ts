// A site on a Redis Cluster: odd key names, and no half-written state while slots move under load.
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { slotKey, slotOf } from '../../src/store/redis/slots.ts';
import { below, seededRandom } from '../../src/base/index.ts';
import {
  type ClusterNode,
  eventually,
  type RedisCluster,
  requireBroker,
  startRedisCluster,
} from '../brokers/index.ts';
import { type LinkedSites, startLinkedSites } from './linked-sites.ts';
import { clientOf, differences, dump } from './workload.ts';

const { skip } = requireBroker('redis-server');
/** Moved to and fro. */
const SLOTS = 40;

describe.skipIf(skip)('a site on a Redis Cluster', () => {
  let cluster: RedisCluster;
  let linked: LinkedSites;
  beforeEach(async () => {
    cluster = await startRedisCluster({ masters: 3 });
    linked = await startLinkedSites([['--store', cluster.url], []]);
  }, 60_000);
  afterEach(async () => {
    await linked.stop();
    await cluster.stop();
  }, 60_000);

  const names: readonly (readonly [string, Buffer])[] = [
    ['a}b', Buffer.from('a}b')],
    ['{}x', Buffer.from('{}x')],
    ['x{}y', Buffer.from('x{}y')],
    ['{{a}}', Buffer.from('{{a}}')],
    ['the empty key', Buffer.alloc(0)],
    ['64 KB', Buffer.alloc(65_536, 'long{')],
    ['65 bytes', Buffer.alloc(65, 'y')],
    ['binary', Buffer.from([0, 255, 13, 10, 123, 128, 125, 1])],
  ];

  test('keys of every name are written, merged, scanned, expired and forgotten', async () => {
    const [here, far] = linked.clients as [Redis, Redis];
    for (const [name, key] of names) {
      await here.set(key, name);
      expect(await here.get(key), name).toBe(name);
      await eventually(`${name} at the far site`, async () => (await far.get(key)) === name);
      await far.del(key);
      await eventually(`${name} deleted`, async () => (await here.exists(key)) === 0);
      await far.hset(key, 'f', name);
      await eventually(`${name} as a hash`, async () => (await here.hget(key, 'f').catch(() => '')) === name);
      await here.hincrby(key, 'n', 5);
      await eventually(`${name} counted`, async () => (await far.hget(key, 'n')) === '5');
    }
    const scanned = new Set<string>();
    for (let cursor = '0', isFirst = true; isFirst || cursor !== '0'; isFirst = false) {
      const [next, keys] = await here.scanBuffer(cursor);
      cursor = next.toString();
      for (const key of keys) scanned.add(key.toString('latin1'));
    }
    expect([...scanned].sort()).toEqual(names.map(([, key]) => key.toString('latin1')).sort());
    expect(await here.dbsize()).toBe(names.length);
    for (const [, key] of names) await here.pexpire(key, 300);
    for (const [name, key] of names) {
      await eventually(`${name} expired`, async () => (await here.exists(key)) === 0);
      await eventually(`${name} expired at the far site`, async () => (await far.exists(key)) === 0);
    }
    expect(await here.dbsize()).toBe(0);
  }, 120_000);

  test('slots move under load: nothing is lost, and data and version never lie without each other', async () => {
    const [here, far] = linked.clients as [Redis, Redis];
    const [from, to] = [await cluster.masterOf(0), await cluster.masterOf(16_383)];
    const keys = keysInSlots(SLOTS);
    let isMoving = true;
    const acked = new Map<string, string>();
    const errors: string[] = [];
    let writes = 0;
    const writers = Array.from({ length: 4 }, async (_, w) => {
      const client = clientOf(linked.sites[0]?.port ?? 0);
      await client.connect();
      const random = seededRandom(w);
      for (let i = 0; isMoving; i++) {
        const key = `${keys[below(random, keys.length)]}${w}`;
        const value = `${w}:${i}`;
        const result = await (i % 3 === 0
          ? client.hset(`h${key}`, 'f', value)
          : client.set(key, value)
        ).catch((error: Error) => errors.push(error.message));
        writes++;
        if (result !== undefined) acked.set(i % 3 === 0 ? `h${key}` : key, value);
      }
      client.disconnect();
    });
    const slots = Array.from({ length: SLOTS }, (_, slot) => slot);
    for (let round = 0; round < 3 || writes < 1_000; round++) {
      await cluster.moveSlots(from, to, slots);
      await cluster.moveSlots(to, from, slots);
    }
    isMoving = false;
    await Promise.all(writers);
    expect(errors).toEqual([]);
    expect(acked.size).toBeGreaterThan(100);
    expect(await torn(cluster.nodes)).toEqual([]);
    await linked.settled();
    await eventually(
      'both sites answer alike',
      async () =>
        differences([await dump(linked.sites[0]?.port ?? 0), await dump(linked.sites[1]?.port ?? 0)])
          .length === 0,
      60_000,
    );
    for (const [key, value] of acked) {
      const shown = key.startsWith('h') ? await far.hget(key, 'f') : await here.get(key);
      expect(shown, key).toBe(value);
    }
  }, 180_000);
});

/** A key in each of the first slots. */
function keysInSlots(count: number): readonly string[] {
  const found = new Map<number, string>();
  for (let i = 0; found.size < count; i++) {
    const slot = slotOf(`{k${i}}`);
    if (slot < count && !found.has(slot)) found.set(slot, `{k${i}}`);
  }
  return [...found.values()];
}

/** Data keys without a header, and headers of live keys without data. */
async function torn(nodes: readonly ClusterNode[]): Promise<string[]> {
  const found: string[] = [];
  const natives = new Set<string>();
  const headers = new Map<string, string>();
  for (const { control } of nodes) {
    const keys = (await control.call('KEYS', '*')) as string[];
    for (const key of keys) if (!key.startsWith('mqkv:')) natives.add(key);
  }
  for (const { control } of nodes) {
    const own = ((await control.call('KEYS', 'mqkv:{*}*')) as string[]).filter((key) =>
      /^mqkv:\{...\}\.?$/.test(key),
    );
    for (const hash of own) {
      const pairs = (await control.call('HGETALL', hash)) as string[];
      for (let i = 0; i + 1 < pairs.length; i += 2) headers.set(String(pairs[i]), String(pairs[i + 1]));
    }
  }
  for (const key of natives) {
    if (!headers.has(key)) found.push(`${key} has data and no version`);
    else if (slotKey(slotOf(key)) === '') found.push(key);
  }
  for (const [key, text] of headers)
    if (!/^[Dd]/.test(text) && !natives.has(key)) found.push(`${key} has the version ${text} and no data`);
  return found;
}

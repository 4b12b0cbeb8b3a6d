// Commands about all keys on one Redis: what is mqkv's own stays hidden, a scan survives another history.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Clock, silentLogger, systemClock, systemRandom } from '../../src/base/index.ts';
import { type AllNodes, openAllNodes } from '../../src/store/redis/all-nodes.ts';
import { openRouter, type Router } from '../../src/store/redis/router.ts';
import { openTopology, type Topology } from '../../src/store/redis/topology/index.ts';
import {
  type Broker,
  eventually,
  openControl,
  type RedisControl,
  requireBroker,
  startRedis,
} from '../brokers/index.ts';
import { urlOf } from '../../src/store/redis/testing.ts';

const { skip } = requireBroker('redis-server');
const around = { clock: systemClock, random: systemRandom(), logger: silentLogger };

describe.skipIf(skip)('all keys of one Redis', () => {
  let redis: Broker;
  let control: RedisControl;
  let topology: Topology;
  let router: Router;
  let all: AllNodes;

  beforeAll(async () => {
    redis = await startRedis(['--enable-debug-command', 'yes']);
    control = openControl(redis.port);
    const url = urlOf(redis.port);
    topology = await openTopology(url, around);
    router = openRouter(topology, around);
    all = openAllNodes({ router, topology, ...around });
  });

  afterAll(async () => {
    await router?.close();
    await topology?.close();
    control?.close();
    await redis?.stop();
  });

  beforeEach(async () => {
    await control.call('FLUSHALL');
  });

  /** `shown` keys and `hidden` ones. */
  const fill = async (shown: number, hidden: number): Promise<void> => {
    const script = "for i=1,ARGV[2] do redis.call('SET', ARGV[1]..i, 'v') end";
    await control.call('EVAL', script, 0, 'key', shown);
    await control.call('EVAL', script, 0, 'mqkv:{tag}:', hidden);
  };
  const scanned = async (
    options: readonly string[],
    each?: (n: number) => Promise<void>,
  ): Promise<string[]> => {
    const keys: string[] = [];
    let cursor = '0';
    let pages = 0;
    do {
      const page = await all.scan(cursor, options);
      if (page.kind === 'error') throw new Error(page.text);
      keys.push(...page.keys.map(String));
      cursor = page.cursor;
      expect(BigInt(cursor)).toBeLessThan(2n ** 64n);
      await each?.(++pages);
    } while (cursor !== '0');
    return keys;
  };

  it('hides what is mqkv own', async () => {
    await fill(2500, 3000);
    expect(await all.size()).toBe(2500);
    expect((await all.keys('*')).length).toBe(2500);
    expect(await all.keys('mqkv:*')).toEqual([]);
    expect(new Set(await scanned([])).size).toBe(2500);
    expect(new Set(await scanned(['MATCH', '*99', 'COUNT', '500'])).size).toBe(25);
    expect(await scanned(['TYPE', 'hash'])).toEqual([]);
    const seen = new Set<string>();
    await all.each((keys) => {
      for (const key of keys) seen.add(String(key));
    });
    expect(seen.size).toBe(2500);
  });

  it('picks a random key that is shown, or none', async () => {
    expect(await all.randomKey()).toBeUndefined();
    await fill(0, 500);
    expect(await all.randomKey()).toBeUndefined();
    await fill(1, 500);
    expect(String(await all.randomKey())).toBe('key1');
    expect(await all.size()).toBe(1);
  });

  it('answers errors as Redis does', async () => {
    expect(await all.scan('x', [])).toEqual({ kind: 'error', text: 'ERR invalid cursor' });
    expect(await all.scan('18446744073709551616', [])).toMatchObject({ kind: 'error' });
    expect(await all.scan('0', ['COUNT', '0'])).toEqual({ kind: 'error', text: 'ERR syntax error' });
  });

  it('begins a scan again when the node is another history', async () => {
    await fill(1000, 0);
    const before = topology.nodeOf(0)?.origin;
    const keys = await scanned([], async (n) => {
      if (n !== 3) return;
      await control.call('DEBUG', 'CHANGE-REPL-ID');
      await eventually('the origin is another one', () => topology.nodeOf(0)?.origin !== before);
    });
    expect(new Set(keys).size).toBe(1000);
    expect(keys.length).toBeGreaterThan(1000);
  });

  it('counts large ones seldom', async () => {
    await fill(120_000, 10);
    let now = 0;
    const clock: Clock = { ...systemClock, now: () => (now += 50) };
    const counting = openAllNodes({ router, topology, random: around.random, clock });
    expect(await counting.size()).toBe(120_000);
    await fill(120_000, 20);
    expect(await counting.size()).toBe(120_010);
    now += 100_000;
    expect(await counting.size()).toBe(120_000);
  });
});

// Two sites with a Redis each write at once, values that travel whole among others; once each has all of the other they show the same.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { below, seededRandom } from '../src/base/index.ts';
import { type Broker, requireBroker, startRedis } from './brokers/index.ts';
import { randomCommand } from './redis-random-commands.ts';
import { FarRedis, keysIn, ScriptedRedis, shown } from './redis-rows.ts';

const { skip } = requireBroker('redis-server');
const KEYS = ['a', 'b', 'c', 'd', 'p', 'q'];

describe.skipIf(skip)(`two sites ${skip || ''}`, () => {
  let servers: readonly Broker[] = [];
  beforeAll(async () => {
    servers = await Promise.all([startRedis(), startRedis()]);
  });
  afterAll(async () => {
    for (const server of servers) await server.stop();
  });

  async function contents(site: ScriptedRedis): Promise<unknown> {
    const all: Record<string, unknown> = {};
    for (const key of await keysIn(site.control)) all[key] = await shown(site.control, key);
    return all;
  }

  it.each([1, 2, 3])('show the same in the end, seed %i', async (seed) => {
    const random = seededRandom(seed);
    const [here, there] = servers.map(({ port }) => port);
    const sites = [await ScriptedRedis.open(here), await ScriptedRedis.open(there)] as const;
    const ways = [await FarRedis.open(here, there), await FarRedis.open(there, here)] as const;
    sites[1].origin = '0000cafe';
    let differed = 0;
    for (let round = 0; round < 40; round++) {
      for (let n = 0; n < 12; n++) await sites[below(random, 2)].run(randomCommand(random));
      if (JSON.stringify(await contents(sites[0])) !== JSON.stringify(await contents(sites[1]))) differed++;
      for (const way of below(random, 2) === 0 ? ways : [...ways].reverse()) await way.take(KEYS);
      expect(await contents(sites[1]), `round ${round}`).toEqual(await contents(sites[0]));
    }
    expect(differed).toBeGreaterThan(30);
    for (const site of sites) site.control.close();
    for (const way of ways) await way.close();
  });
});

// The conformance suite on every store: embedded, and Redis standalone, behind sentinels and as a cluster.
import { describe, it, vi } from 'vitest';
import { bytesOf, silentLogger, systemClock, systemRandom } from '../src/base/index.ts';
import { executeArgs } from '../src/commands/index.ts';
import { parseStoreUrl } from '../src/site/urls.ts';
import { openEmbeddedStore } from '../src/store/embedded/index.ts';
import { openRedisStore, type RedisStore } from '../src/store/redis/redis-store.ts';
import { runUnit } from '../src/store/redis/testing.ts';
import { requireBroker, startRedis, startRedisCluster, startSentinel } from './brokers/index.ts';
import {
  type StoreAdapter,
  storeConformance,
  type StoreUnderTest,
  type StoreWorld,
} from './store-conformance.ts';

vi.setConfig({ testTimeout: 180_000 });
const around = { clock: systemClock, random: systemRandom(), logger: silentLogger };

async function openEmbeddedWorld(): Promise<StoreWorld> {
  const stores: { close(): Promise<void> }[] = [];
  return {
    async open() {
      const store = openEmbeddedStore(around);
      stores.push(store);
      return {
        store,
        run: async (commands) => {
          const args = commands.map((command) => command.map(bytesOf));
          const replies = executeArgs(store.keyspace, args, { now: Date.now() });
          if (replies.toString('latin1').startsWith('-')) throw new Error(replies.toString('latin1'));
        },
        stateOf: async (key) => store.stateOf(key),
        allKeys: async () => store.allKeys(),
        walk: async () => void (await store.forget()),
      };
    },
    [Symbol.asyncDispose]: async () => {
      for (const store of stores) await store.close();
    },
  };
}

/** Redis servers that stay for all tests of a kind; each test finds them empty. */
function redisKind(start: () => Promise<{ readonly url: string } & AsyncDisposable>) {
  let running: Promise<{ readonly url: string } & AsyncDisposable> | undefined;
  const open = async (): Promise<StoreWorld> => {
    running ??= start();
    const url = parseStoreUrl((await running).url);
    if (url.kind !== 'redis') throw new Error('a Redis is wanted');
    const stores: RedisStore[] = [];
    const openOne = async (): Promise<StoreUnderTest> => {
      const store = await openRedisStore({ ...around, url, site: 'test', marks: true });
      stores.push(store);
      return underTest(store);
    };
    const first = await openRedisStore({ ...around, url, site: 'test', marks: true, isWalking: false });
    await flush(first);
    await first.close();
    return {
      open: openOne,
      [Symbol.asyncDispose]: async () => {
        for (const store of stores) await store.close();
      },
    };
  };
  return { open, stop: async () => void (await (await running)?.[Symbol.asyncDispose]()) };
}

async function flush({ topology, router }: RedisStore): Promise<void> {
  const nodes = new Map<unknown, number>();
  for (let slot = 0; slot < 16_384; slot++) nodes.set(topology.nodeOf(slot), slot);
  for (const slot of nodes.values()) await router.call(slot, ['FLUSHALL']);
}

function underTest(store: RedisStore): StoreUnderTest {
  return {
    store,
    run: async (commands, keys) => {
      const reply = await runUnit(store, commands, keys);
      if (reply[0] === 45) throw new Error(reply.toString('latin1'));
    },
    stateOf: (key) => store.stateOf(key),
    allKeys: () => store.allKeys(),
    walk: async () => store.walker?.round(),
  };
}

function suite(
  { adapter, stop }: { adapter: StoreAdapter; stop?: () => Promise<void> },
  skip: string | false,
) {
  describe.skipIf(skip)(`${adapter.name} conforms to Store${skip ? ` (${skip})` : ''}`, () => {
    for (const test of storeConformance(adapter))
      it.skipIf(test.skip)(`${test.name}${test.skip ? ` (${test.skip})` : ''}`, test.run);
    if (stop !== undefined) it('stops', stop);
  });
}

suite(
  {
    adapter: {
      name: 'memory',
      open: openEmbeddedWorld,
      capabilities: { outlives: false, shared: false, choosesOrigin: true },
      skip: [],
    },
  },
  false,
);

const KINDS = {
  'redis standalone': async () => {
    const redis = await startRedis();
    return Object.assign(redis, { url: `redis://127.0.0.1:${redis.port}` });
  },
  'redis behind sentinels': () => startSentinel({}),
  'redis cluster': () => startRedisCluster({ masters: 3 }),
};
for (const [name, start] of Object.entries(KINDS)) {
  const { open, stop } = redisKind(start);
  const { skip } = requireBroker('redis-server', 'redis-sentinel');
  suite(
    {
      adapter: { name, open, capabilities: { outlives: true, shared: true, choosesOrigin: false }, skip: [] },
      stop,
    },
    skip,
  );
}

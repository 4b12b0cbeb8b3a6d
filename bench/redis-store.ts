// The Redis store beside a twin redis-server driven directly: both under the same load in turn, nothing pinned.
import { caughtUp, compare, linked, until } from './compare.ts';
import { ask, benchmark, type Server, startMqkv, startRedis, stop } from './processes.ts';

/** How much. `scale` 1: a million keys. */
export interface RedisBench {
  readonly runs: number;
  readonly scale: number;
}

const CORE = 'any';
const SHAPES = [
  { label: 'P512, 50 connections', pipeline: 512, clients: 50, gets: 2_000_000, sets: 500_000 },
  { label: 'P16, 50 connections', pipeline: 16, clients: 50, gets: 1_000_000, sets: 300_000 },
  { label: 'P1, 50 connections', pipeline: 1, clients: 50, gets: 150_000, sets: 60_000 },
];

/** GET and SET, with a queue and a live consumer. */
export async function benchRedisStore({ runs, scale }: RedisBench): Promise<void> {
  const keys = Math.round(1_000_000 * scale);
  const [twin, below] = [await startRedis(CORE), await startRedis(CORE)];
  const consumer = await startMqkv({ site: 'consumer', peers: [1], core: CORE });
  const store = ['--store', `redis://127.0.0.1:${below.port}`];
  const mqkv = await startMqkv({ site: 'server', peers: [consumer.port], core: CORE, flags: store });
  try {
    await linked(mqkv);
    for (const server of [twin, mqkv]) fill(server, keys);
    await caughtUp(mqkv, consumer, 300);
    console.log(
      `\n${runs} runs each, in turn; ratio mqkv / redis-server (median, least, most); ${keys} random keys`,
    );
    for (const { gets, sets, ...shape } of SHAPES) {
      for (const command of ['get', 'set'] as const) {
        const requests = Math.round((command === 'get' ? gets : sets) * scale);
        compare([twin, mqkv], { ...shape, command, requests, keys, core: CORE }, runs);
        await caughtUp(mqkv, consumer, 300);
      }
    }
  } finally {
    for (const server of [mqkv, consumer, below, twin]) await stop(server);
  }
}

/** Key spaces that the near cache holds whole. */
const CACHED_KEYS = [1_000, 100_000, 1_000_000];

/** Hits of the near cache at P512. */
export async function benchNearCache({ runs, scale }: RedisBench): Promise<void> {
  const [twin, below] = [await startRedis(CORE), await startRedis(CORE)];
  const flags = ['--store', `redis://127.0.0.1:${below.port}`, '--cache', '512mb'];
  const mqkv = await startMqkv({ site: 'server', peers: [], core: CORE, flags });
  try {
    for (const keys of CACHED_KEYS.map((count) => Math.round(count * scale))) {
      for (const server of [twin, mqkv]) fill(server, keys);
      await warm(mqkv, keys);
      const [before, requests] = [cacheNumber(mqkv, 'hits'), Math.round(3_000_000 * scale)];
      const label = `${keys} keys in the cache`;
      compare(
        [twin, mqkv],
        { label, command: 'get', requests, keys, pipeline: 512, clients: 50, core: CORE },
        runs,
      );
      const hits = (cacheNumber(mqkv, 'hits') - before) / (runs * requests);
      console.log(`     ${(hits * 100).toFixed(2)} % were hits`);
    }
  } finally {
    for (const server of [mqkv, below, twin]) await stop(server);
  }
}

/** Reads until the cache answers nearly everything. */
async function warm(mqkv: Server, keys: number): Promise<void> {
  await until('a warm cache', 600, () => {
    const before = cacheNumber(mqkv, 'misses');
    benchmark(mqkv.port, { command: 'get', requests: keys * 2, keys, pipeline: 64, clients: 50, core: CORE });
    return cacheNumber(mqkv, 'misses') - before < keys * 0.02;
  });
}

function cacheNumber(mqkv: Server, name: 'hits' | 'misses'): number {
  return Number(new RegExp(`cache_${name}:(\\d+)`).exec(ask(mqkv.port, 'info', 'mqkv'))?.[1]);
}

function fill(server: Server, keys: number): void {
  // One key in four hundred stays absent.
  const requests = keys * 6;
  benchmark(server.port, { command: 'set', requests, keys, pipeline: 512, clients: 50, core: CORE });
}

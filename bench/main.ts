// `npm run bench`: the parts, chosen by --part (repeatable; default: embedded, redis, cache, memory).
//   embedded  speed, memory and pauses of the embedded store beside a redis-server, servers and clients on a core each
//   redis     speed of a Redis store beside a twin redis-server driven directly, with a queue and a live consumer, nothing pinned
//   cache     hits of the near cache, likewise
//   memory    what a Redis store holds beyond plain SETs, per key, with and without pending marks; --ten-million: also at 10 M keys
// Options: --runs N (5), --scale X (1: a million keys).
import { setTimeout as sleep } from 'node:timers/promises';
import { benchRedisMemory } from './redis-memory.ts';
import { benchNearCache, benchRedisStore } from './redis-store.ts';
import { caughtUp, compare, linked, until } from './compare.ts';
import { ask, benchmark, residentBytes, type Server, startMqkv, startRedis, stop } from './processes.ts';

const RUNS = numberOption('--runs', 5);
const SCALE = numberOption('--scale', 1);
const KEYS = Math.round(1_000_000 * SCALE);

const SHAPES = [
  { label: 'P512, 512 connections', pipeline: 512, clients: 512, requests: 3_000_000 },
  { label: 'P16, 50 connections', pipeline: 16, clients: 50, requests: 1_000_000 },
  { label: 'P1, 50 connections', pipeline: 1, clients: 50, requests: 150_000 },
];

function numberOption(name: string, otherwise: number): number {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
}

const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  embedded: benchEmbedded,
  redis: () => benchRedisStore({ runs: RUNS, scale: SCALE }),
  cache: () => benchNearCache({ runs: RUNS, scale: SCALE }),
  memory: () => benchRedisMemory({ scale: SCALE, tenMillion: process.argv.includes('--ten-million') }),
};

async function main(): Promise<void> {
  const chosen = process.argv.filter((_, i) => process.argv[i - 1] === '--part');
  for (const name of chosen.length === 0 ? Object.keys(PARTS) : chosen) {
    const part = PARTS[name];
    if (part === undefined)
      throw new Error(`--part "${name}" must be one of ${Object.keys(PARTS).join(', ')}`);
    console.log(`== ${name}`);
    await part();
  }
}

async function benchEmbedded(): Promise<void> {
  const redis = await startRedis();
  const consumer = await startMqkv({ site: 'consumer', peers: [1], core: 'client' });
  const mqkv = await startMqkv({ site: 'server', peers: [consumer.port], core: 'server' });
  const all = [redis, consumer, mqkv];
  try {
    await linked(mqkv);
    await memory(mqkv);
    for (const server of [redis, mqkv]) fill(server);
    await caughtUp(mqkv, consumer);
    console.log(
      `\n${RUNS} runs each, in turn; ratio mqkv / redis-server (median, least, most); ${KEYS} random keys, values of 64 bytes`,
    );
    for (const shape of SHAPES) {
      for (const command of ['set', 'get'] as const) {
        const load = { ...shape, command, requests: Math.round(shape.requests * SCALE), keys: KEYS };
        compare([redis, mqkv], load, RUNS);
        await caughtUp(mqkv, consumer);
      }
    }
    await pauses(mqkv);
  } finally {
    for (const server of all) await stop(server);
  }
}

/** Memory per key: the difference of resident sizes over distinct keys. */
async function memory(mqkv: Server): Promise<void> {
  const before = residentBytes(mqkv);
  while (Number(ask(mqkv.port, 'dbsize')) < KEYS * 0.99) fill(mqkv, SHAPES[1]);
  await sleep(2_000);
  const keys = Number(ask(mqkv.port, 'dbsize'));
  const perKey = (residentBytes(mqkv) - before) / keys;
  const payload = 'key:000000000000'.length + 64;
  console.log(
    `memory: ${perKey.toFixed(1)} bytes a key, ${(perKey - payload).toFixed(1)} above key and value (${keys} distinct keys)`,
  );
  await pauses(mqkv);
}

function fill(server: Server, shape = SHAPES[0]): void {
  const { pipeline = 512, clients = 512 } = shape ?? {};
  benchmark(server.port, { command: 'set', requests: KEYS * 2, pipeline, clients, keys: KEYS });
}

/** The longest stops of the server so far. */
async function pauses(mqkv: Server): Promise<void> {
  const before = mqkv.log().length;
  process.kill(mqkv.child.pid ?? 0, 'SIGUSR2');
  await until('the pauses', 5, () => mqkv.log().slice(before).includes('pauses'));
  const line = mqkv
    .log()
    .slice(before)
    .split('\n')
    .find((text) => text.includes('pauses'));
  console.log(`pauses so far: ${line ?? ''}`);
}

await main();

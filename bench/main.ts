// `npm run bench`: speed, memory and pauses of the embedded store beside a redis-server measured in the same run.
// Options: --runs N (5), --scale X (1: a million keys).
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ask,
  benchmark,
  type Load,
  median,
  residentBytes,
  type Server,
  startMqkv,
  startRedis,
  stop,
} from './processes.ts';

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

async function main(): Promise<void> {
  const redis = await startRedis();
  const consumer = await startMqkv('consumer', [1], 'client');
  const mqkv = await startMqkv('server', [consumer.port], 'server');
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
        compare(redis, mqkv, {
          ...shape,
          command,
          requests: Math.round(shape.requests * SCALE),
          keys: KEYS,
        });
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

function compare(redis: Server, mqkv: Server, load: Load & { readonly label: string }): void {
  const rates: { redis: number; mqkv: number }[] = [];
  for (let run = 0; run < RUNS; run++)
    rates.push({ redis: benchmark(redis.port, load), mqkv: benchmark(mqkv.port, load) });
  const ratios = rates.map((rate) => rate.mqkv / rate.redis);
  const [ratio, least, most] = [median(ratios), Math.min(...ratios), Math.max(...ratios)].map((x) =>
    x.toFixed(2),
  );
  const [ours, theirs] = [
    median(rates.map((rate) => rate.mqkv)),
    median(rates.map((rate) => rate.redis)),
  ].map(thousands);
  console.log(
    `${load.command.toUpperCase().padEnd(4)} ${load.label.padEnd(24)} ${ratio} (${least} .. ${most})   mqkv ${ours}/s   redis-server ${theirs}/s`,
  );
}

function thousands(rate: number): string {
  return `${Math.round(rate / 1000)}k`;
}

async function linked(mqkv: Server): Promise<void> {
  await until('the peer link', 10, () => ask(mqkv.port, 'info', 'mqkv').includes('peers_linked:1'));
}

/** The consumer shares the client's core: it may lag while there is load, and is equal within 30 s after. */
async function caughtUp(mqkv: Server, consumer: Server): Promise<void> {
  const since = Date.now();
  await until('the consumer to be equal', 30, () =>
    ask(mqkv.port, 'info', 'mqkv').includes('outbox_empty:1'),
  );
  const sizes = [mqkv, consumer].map(({ port }) => ask(port, 'dbsize'));
  if (sizes[0] !== sizes[1]) throw new Error(`keys differ: ${sizes.join(', ')}`);
  const waitedMs = Date.now() - since;
  if (waitedMs > 1_000) console.log(`     (the consumer was equal after ${waitedMs} ms)`);
}

async function until(what: string, seconds: number, condition: () => boolean): Promise<void> {
  for (const end = Date.now() + seconds * 1000; !condition(); await sleep(100)) {
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}`);
  }
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

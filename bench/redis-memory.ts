// What a Redis store holds beyond plain SETs: used_memory of the Redis below mqkv minus that of a twin with the same keys.
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { slotOf } from '../src/store/redis/slots.ts';
import { until } from './compare.ts';
import { ask, type Server, startMqkv, startRedis, stop } from './processes.ts';

/** How much. `scale` 1: a million keys. */
export interface MemoryBench {
  readonly scale: number;
  readonly tenMillion: boolean;
}

const VALUE = 'x'.repeat(64);
const AT_ONCE = 512;
const SLOTS = 16_384;
const LONG_BYTES = 100;
const NOWHERE = 1;

/** Units: bytes a key beyond plain SET's. */
export async function benchRedisMemory({ scale, tenMillion }: MemoryBench): Promise<void> {
  const sizes = [1_000_000, ...(tenMillion ? [10_000_000] : [])].map((keys) => Math.round(keys * scale));
  for (const keys of sizes) {
    await measure(keys, 'nothing pending');
    await measure(keys, 'all pending');
  }
}

/** Pending: the queue is never reached, so every key keeps its mark. */
async function measure(keys: number, marks: 'nothing pending' | 'all pending'): Promise<void> {
  const [twin, below] = [await startRedis('any'), await startRedis('any')];
  const flags = ['--store', `redis://127.0.0.1:${below.port}`];
  const peers = marks === 'all pending' ? [NOWHERE] : [];
  const mqkv = await startMqkv({ site: 'server', peers, core: 'any', flags });
  try {
    const names = (i: number): string => `key:${String(i).padStart(12, '0')}`;
    const before = await beyond(below, twin);
    for (const server of [twin, mqkv]) await fill(server, keys, names);
    const perKey = ((await beyond(below, twin)) - before) / keys;
    console.log(`${keys} keys, ${marks}: ${perKey.toFixed(1)} bytes a key beyond plain SET's`);
    const long = longNames();
    for (const server of [twin, mqkv]) await fill(server, SLOTS, (i) => long[i] ?? '');
    const withLong = ((await beyond(below, twin)) - before) / (keys + SLOTS);
    console.log(`   and one name of ${LONG_BYTES} bytes in each slot: ${withLong.toFixed(1)}`);
  } finally {
    for (const server of [mqkv, below, twin]) await stop(server);
  }
}

/** One name for each slot. */
function longNames(): readonly string[] {
  const found = new Map<number, string>();
  for (let i = 0; found.size < SLOTS; i++) {
    const name = `long:${i}`.padEnd(LONG_BYTES, 'x');
    const slot = slotOf(name);
    if (!found.has(slot)) found.set(slot, name);
  }
  return [...found.values()];
}

async function beyond(below: Server, twin: Server): Promise<number> {
  await sleep(500);
  return usedMemory(below) - usedMemory(twin);
}

function usedMemory({ port }: Server): number {
  return Number(/^used_memory:(\d+)/m.exec(ask(port, 'info', 'memory'))?.[1]);
}

/** SETs of consecutive keys, each batch answered before the next goes. */
async function fill(server: Server, keys: number, name: (i: number) => string): Promise<void> {
  const socket = connect(server.port, '127.0.0.1');
  await once(socket, 'connect');
  for (let from = 0; from < keys; from += AT_ONCE) {
    const count = Math.min(AT_ONCE, keys - from);
    const commands = Array.from({ length: count }, (_, i) => setOf(name(from + i)));
    socket.write(commands.join(''));
    await answered(socket, count);
  }
  socket.destroy();
  await until('all keys', 60, () => Number(ask(server.port, 'dbsize')) >= keys * 0.99);
}

function setOf(key: string): string {
  return `*3\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$${VALUE.length}\r\n${VALUE}\r\n`;
}

async function answered(socket: Socket, count: number): Promise<void> {
  for (let bytes = 0; bytes < count * '+OK\r\n'.length; ) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    if (chunk.includes('-')) throw new Error(chunk.toString('latin1'));
    bytes += chunk.length;
  }
}

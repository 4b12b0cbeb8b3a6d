// kill -9 of mqkv under write load: what it acknowledged is in its Redis, and reaches the other site (G5).
import { Redis } from 'ioredis';
import { afterEach, describe, expect, test } from 'vitest';
import { below, type Random, seededRandom } from '../../src/base/index.ts';
import { eventually, openControl, requireBroker, startNsqd, startRedis } from '../brokers/index.ts';
import { type MqkvProcess, startMqkv } from './mqkv.ts';
import { clientOf } from './workload.ts';

const { skip } = requireBroker('redis-server', 'nsqd');
const KILLS = 20;
const WRITERS = 8;

const closers: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** What clients were told. */
class Told {
  /** Values of keys that are written once. */
  readonly values = new Map<string, string>();
  readonly counted = new Map<string, { acked: number; uncertain: number }>();
  serial = 0;

  counter(key: string): { acked: number; uncertain: number } {
    const found = this.counted.get(key) ?? { acked: 0, uncertain: 0 };
    this.counted.set(key, found);
    return found;
  }
}

/** Writes until the server is gone. */
async function write(port: number, told: Told, random: Random): Promise<void> {
  const client = clientOf(port);
  await client.connect();
  for (let isAlive = true; isAlive; ) {
    const id = told.serial++;
    const counter = `count:${below(random, 20)}`;
    const ttl = below(random, 2) === 0 ? (['EX', '9999'] as const) : ([] as const);
    const replies =
      (await client
        .pipeline([
          ['set', `string:${id}`, `v${id}`, ...ttl],
          ['hset', `hash:${id % 50}`, `f${id}`, `v${id}`],
          ['incr', counter],
          ['rpush', `list:${id}`, 'a', `v${id}`],
        ])
        .exec()) ?? [];
    const failed = replies.map(([error]) => error !== null);
    if (failed[0] === false) told.values.set(`string:${id}`, `v${id}`);
    if (failed[1] === false) told.values.set(`hash:${id % 50} f${id}`, `v${id}`);
    if (failed[3] === false) told.values.set(`list:${id}`, `v${id}`);
    if (failed[2] === false) told.counter(counter).acked++;
    else told.counter(counter).uncertain++;
    isAlive = !failed.includes(true);
  }
  client.disconnect();
}

async function missing(client: Redis, told: Told): Promise<string[]> {
  const lost: string[] = [];
  const all = [...told.values];
  for (let from = 0; from < all.length; from += 500) {
    const part = all.slice(from, from + 500);
    const shown = (await client.pipeline(part.map(([name]) => readOf(name))).exec()) ?? [];
    for (const [i, [name, value]] of part.entries())
      if (shown[i]?.[1] !== value) lost.push(`${name} is ${String(shown[i]?.[1])}, not ${value}`);
  }
  for (const [key, { acked, uncertain }] of told.counted) {
    const shown = Number(await client.get(key));
    if (shown < acked || shown > acked + uncertain)
      lost.push(`${key} is ${shown}, ${acked} to ${acked + uncertain} were made`);
  }
  return lost;
}

function readOf(name: string): string[] {
  const [key = '', field] = name.split(' ');
  if (field !== undefined) return ['hget', key, field];
  return key.startsWith('list') ? ['lindex', key, '1'] : ['get', key];
}

describe.skipIf(skip)('mqkv killed under write load', () => {
  test(`${KILLS} times: no acknowledged write is lost, here or at the far site`, async () => {
    const [redis, farRedis, nsqd] = [await startRedis(), await startRedis(), await startNsqd()];
    for (const broker of [nsqd, redis, farRedis]) closers.push(() => broker.stop());
    const queue = `nsq://127.0.0.1:${nsqd.port}?http=127.0.0.1:${nsqd.httpPort}`;
    const start = async (site: string, flags: readonly string[]): Promise<MqkvProcess> => {
      const process = await startMqkv(['--site', site, '--queue', queue, '--serve-while-loading', ...flags]);
      closers.push(() => process.kill());
      return process;
    };
    const far = await start('far', ['--store', `redis://127.0.0.1:${farRedis.port}`]);
    await eventually('the far site reads', async () => (await fetch(`${far.admin}/readyz`)).status === 200);
    const told = new Told();
    const random = seededRandom(Date.now() % 1_000_000);
    const store = ['--store', `redis://127.0.0.1:${redis.port}`];
    for (let kill = 0; kill < KILLS; kill++) {
      const here = await start('here', store);
      const writing = Array.from({ length: WRITERS }, () => write(here.port, told, random));
      const before = told.serial;
      // At any moment, but after some writes.
      await eventually('some writes', () => told.serial > before + 50 + below(random, 400));
      await here.kill();
      await Promise.all(writing);
    }
    expect(told.values.size).toBeGreaterThan(KILLS * 50);
    const here = clientOf((await start('here', store)).port);
    const there = clientOf(far.port);
    await Promise.all([here.connect(), there.connect()]);
    closers.push(
      () => here.disconnect(),
      () => there.disconnect(),
    );
    expect(await missing(here, told)).toEqual([]);
    let lost: string[] = [];
    await eventually(
      'everything at the far site',
      async () => (lost = await missing(there, told)).length === 0,
      200_000,
    ).catch(() => expect(lost.slice(0, 10)).toEqual([]));
    const direct = openControl(redis.port);
    closers.push(() => direct.close());
    expect(
      await direct.call('GET', [...told.values.keys()].find((key) => key.startsWith('string:')) ?? ''),
    ).toMatch(/^v/);
  }, 400_000);
});

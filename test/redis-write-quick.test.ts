// The short ways (the commonest commands, runs of plain SETs) beside the general one: the same replies, versions, touched fields, marks, headers
// and registers after every unit.
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { below, type Random, seededRandom } from '../src/base/index.ts';
import { parseHeader } from '../src/store/redis/header-text.ts';
import type { Script } from '../src/store/redis/scripts.ts';
import { slotKey, slotOf } from '../src/store/redis/slots.ts';
import { type Broker, requireBroker, startRedis } from './brokers/index.ts';
import type { Words } from './differential/streams.ts';
import { commandUnit, RedisSite, textOf } from './redis-write/site.ts';

const UNITS = Number(process.env.QUICK_UNITS ?? 3000);
const SEEDS = (process.env.QUICK_SEEDS ?? '1,2').split(',').map(Number);
const START = 1_700_000_000_000;

const { skip } = requireBroker('redis-server');

function edited(script: Script, [from, to]: readonly [string, string]): Script {
  expect(script.text).toContain(from);
  const text = script.text.replace(from, to);
  return { ...script, text, sha1: createHash('sha1').update(text).digest('hex') };
}
const TAKEN = 'if result then return result, after end';
const counting = (script: Script): Script =>
  edited(script, [TAKEN, `redis.call('INCRBY', 'quick', result and 1 or 0) ${TAKEN}`]);
const never = (script: Script): Script =>
  edited(edited(script, ['pcall(quick, i)', 'true']), ['n > 2 and not try', 'false and not try']);

function pick<T>(random: Random, list: readonly T[]): T {
  return list[below(random, list.length)];
}

const field = (r: Random): string => pick(r, ['f', 'g', 'h', '', '\x00\xff']);
const number = (r: Random): string =>
  pick(r, ['1', '-1', '7', '0', '-0', '007', '99999999999999', '9007199254740993', 'x']);
const time = (r: Random): string => pick(r, ['3', '10', '60', '0', '-1', 'x']);

/** By kind of key, and what every key gets. */
const STRINGS: readonly ((r: Random, key: string) => Words)[] = [
  (r, key) => ['set', key, number(r)],
  (r, key) => ['append', key, pick(r, ['1', 'x'.repeat(150)])],
  (r, key) => [
    'set',
    key,
    number(r),
    ...pick(r, [['nx'], ['XX'], ['get'], ['PX', time(r)], ['EX', time(r), 'NX'], ['KEEPTTL']]),
  ],
  (r, key) => [pick(r, ['setex', 'psetex']), key, time(r), number(r)],
  (r, key) => [pick(r, ['getset', 'setnx']), key, number(r)],
  (_, key) => ['getdel', key],
  (r, key) => [pick(r, ['INCR', 'decr']), key],
  (r, key) => [pick(r, ['incrby', 'decrby']), key, number(r)],
  (r, key) => ['incrbyfloat', key, pick(r, ['0.5', '2', '-3.25'])],
];
const HASHES: readonly ((r: Random, key: string) => Words)[] = [
  (r, key) => ['HSET', key, field(r), number(r), field(r), number(r)],
  (r, key) => ['hset', key, field(r), number(r), ...pick(r, [[], ['odd']])],
  (r, key) => ['hsetnx', key, field(r), number(r)],
  (r, key) => ['hdel', key, field(r), ...pick(r, [[], [field(r)]])],
  (r, key) => ['hincrby', key, field(r), number(r)],
  (r, key) => ['hincrbyfloat', key, field(r), '0.5'],
];
const SETS: readonly ((r: Random, key: string) => Words)[] = [
  (r, key) => ['sadd', key, field(r), ...pick(r, [[], [field(r)]])],
  (r, key) => ['srem', key, field(r), ...pick(r, [[], [field(r)]])],
  (_, key) => ['srem', key, 'f', 'g', 'h', '', '\x00\xff'],
];
const ZSETS: readonly ((r: Random, key: string) => Words)[] = [
  (r, key) => ['zadd', key, number(r), field(r), ...pick(r, [[], ['2', field(r)]])],
  (r, key) => ['zadd', key, pick(r, ['nx', 'ch', 'inf', '+2']), ...pick(r, [['3', field(r)], [field(r)]])],
  (r, key) => ['zrem', key, field(r), ...pick(r, [[], [field(r)]])],
  (r, key) => ['zincrby', key, '1', field(r)],
];
const LISTS: readonly ((r: Random, key: string) => Words)[] = [
  (r, key) => [pick(r, ['lpush', 'rpush']), key, number(r), ...pick(r, [[], ['x', 'y']])],
  (r, key) => [pick(r, ['lpop', 'rpop']), key, ...pick(r, [[], [], ['1']])],
];
const ANY: readonly ((r: Random, key: string) => Words)[] = [
  (r, key) => [pick(r, ['del', 'unlink']), key],
  (r, key) => ['expire', key, time(r), ...pick(r, [[], [], ['nx']])],
  (r, key) => ['pexpire', key, `${time(r)}0`],
  (r, key) => ['pexpireat', key, String(START + below(r, 20_000))],
  (_, key) => ['persist', key],
  (_, key) => ['setnx', key, '5'],
];
const GROUPS = [STRINGS, HASHES, SETS, ZSETS, LISTS];
const LONG = 'k'.repeat(63);

function randomCommand(r: Random): Words {
  const group = below(r, GROUPS.length);
  const key = pick(r, [
    `a${group}`,
    `b${group}`,
    `c${group}`,
    `{x}${group}`,
    `${LONG}${group}`,
    `${LONG}a${group}`,
  ]);
  if (below(r, 5) === 0) return pick(r, ANY)(r, key);
  return pick(r, below(r, 12) === 0 ? pick(r, GROUPS) : GROUPS[group])(r, key);
}

/** Plain SETs one after another, some of the same key, some of keys that need the general way, some too long. */
function randomSets(r: Random): Words[] {
  const length = pick(r, [1, 2, 3, 5, 70]);
  return Array.from({ length }, () => {
    const key = pick(r, [`a${below(r, 5)}`, `b${below(r, 5)}`, `${LONG}a0`, 's1', 's2', 's3', 's4']);
    return [slotKey(slotOf(key)), key, below(r, 20) === 0 ? 'v'.repeat(300) : number(r)];
  });
}

/** All that lies at a key. */
async function held(site: RedisSite, key: string): Promise<unknown> {
  const header = await site.header(key);
  const registers = [...(await site.pairs(['HGETALL', `${slotKey(slotOf(key))}:${key}`]))].toSorted();
  const members = (await site.call(['SMEMBERS', key])).items.map(textOf).toSorted();
  const native = members.length > 0 ? members : textOf(await site.call(['DUMP', key]));
  const stub = textOf(await site.call(['HGET', slotKey(slotOf(key)), key]));
  return {
    header: header && parseHeader(header),
    form: header?.[0],
    isStub: stub === 'L',
    registers,
    native,
  };
}

describe.skipIf(skip !== false)(
  `the short way of the write script${skip === false ? '' : ` (${skip})`}`,
  () => {
    let servers: Broker[];
    beforeAll(async () => {
      servers = [await startRedis(), await startRedis()];
    });
    afterAll(async () => {
      for (const server of servers) await server.stop();
    });

    for (const seed of SEEDS)
      it(`seed ${seed}: changes what the general way changes`, { timeout: 120_000 }, async () => {
        const random = seededRandom(seed);
        const quick = await RedisSite.open(servers[0].port, { testClock: true, change: counting });
        const general = await RedisSite.open(servers[1].port, { testClock: true, change: never });
        const sites = [quick, general];
        for (const site of sites) site.maxValueBytes = 200;
        let now = START;
        for (let unit = 0; unit < UNITS; unit++) {
          if (below(random, 4) === 0) now += pick(random, [1, 3, 50, 4000]);
          const origin =
            below(random, 40) === 0 ? pick(random, ['00000001', '00000002', 'fffffffe']) : quick.origin;
          const flags = below(random, 20) === 0 ? pick(random, ['', 'm']) : quick.flags;
          const units = below(random, 6) === 0 ? randomSets(random) : [commandUnit(randomCommand(random))];
          for (const site of sites) Object.assign(site, { origin, flags });
          for (const site of sites) await site.setClock(now);
          const [a, b] = await Promise.all(sites.map((site) => site.run(...units)));
          const about = `call ${unit}: ${JSON.stringify(units)}`;
          expect(a, about).toEqual(b);
          for (const key of new Set(units.map((words) => words[words[0] === 'C' ? 2 : 1]))) {
            const [at, bt] = await Promise.all(sites.map((site) => held(site, key)));
            expect(at, about).toEqual(bt);
          }
        }
        const taken = Number(textOf(await quick.call(['GET', 'quick'])));
        expect(taken).toBeGreaterThan(UNITS / 10);
        for (const site of sites) site.close();
      });
  },
);

// Random histories at one site: the states that the write script leaves in Redis are those of the embedded store, versions
// included, after every unit. The site takes new origins on its way, so that runs of others are met.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { below, type Random, seededRandom, silentLogger } from '../src/base/index.ts';
import { executeArgs } from '../src/commands/index.ts';
import { digest, free, KeyState, shownType, type Version } from '../src/crdt/index.ts';
import { copyState } from '../src/crdt/view.ts';
import { type EmbeddedStore, openEmbeddedStore } from '../src/store/embedded/index.ts';
import { ManualClock } from '../src/store/embedded/testing.ts';
import { slotKey, slotOf } from '../src/store/redis/slots.ts';
import { type Broker, requireBroker, startRedis } from './brokers/index.ts';
import { canonical, cut, innerReplies, type Node } from './differential/replies.ts';
import type { Words } from './differential/streams.ts';
import { commandUnit, RedisSite, transactionUnit, type UnitResult } from './redis-write/site.ts';
import { allPages } from './store-conformance-states.ts';

const UNITS = Number(process.env.STATES_UNITS ?? 4000);
const SEEDS = (process.env.STATES_SEEDS ?? '1,2').split(',').map(Number);
const KEYS = ['a', 'b', 'c', 'k'.repeat(70), '{}x', 'x}y{', '', 'bin\x00\xff\r\n'];
const FIELDS = ['f', 'g', 'h', '', '\x00\xff'];
const ORIGINS = [1, 0x7fffffff, 0xfffffffe];
const START = 1_000_000;

const { skip } = requireBroker('redis-server');

function pick<T>(random: Random, list: readonly T[]): T {
  return list[below(random, list.length)];
}

type Make = (r: Random, now: number) => Words;
/** Each kind of value is mostly at keys of its own, and the next command mostly at the same key: most find what they are for. */
const home = { type: 0, key: 'a' };
function k(r: Random): string {
  if (below(r, 6) === 0) home.key = pick(r, KEYS);
  else if (below(r, 3) === 0) home.key = pick(r, KEYS.slice(home.type * 2, home.type * 2 + 2));
  return home.key;
}
const f = (r: Random): string => pick(r, FIELDS);
const n = (r: Random): string =>
  pick(r, ['1', '-1', '5', '-3', '0', '4611686018427387904', '-4611686018427387905', '9007199254740993']);
const fl = (r: Random): string => pick(r, ['0.1', '1.5', '-0.3', '1e-7', '3', '1e20', '-2.25', '1e17']);
const ttl = (r: Random): string => pick(r, ['1', '2', '5', '10', '40', '100']);
const value = (r: Random): string =>
  pick(r, ['1', 'x', '10', '0.5', '', '-7', '12345678901234567890', 'long'.repeat(30)]);
const score = (r: Random): string => pick(r, ['1', '2', '-0.5', '3.25', '0.1', 'inf', '-inf', '1e300']);

const STRINGS: readonly Make[] = [
  (r) => ['SET', k(r), value(r)],
  (r) => ['SET', k(r), value(r), 'PX', ttl(r)],
  (r, now) => ['SET', k(r), value(r), 'PXAT', String(now + below(r, 20) - 4)],
  (r) => ['SET', k(r), value(r), pick(r, ['NX', 'XX', 'GET', 'KEEPTTL'])],
  (r) => ['SETNX', k(r), value(r)],
  (r) => ['PSETEX', k(r), ttl(r), value(r)],
  (r) => ['GETSET', k(r), value(r)],
  (r) => ['GETDEL', k(r)],
  (r) => ['GETEX', k(r), ...pick(r, [['PX', ttl(r)], ['PERSIST'], []])],
  (r) => ['MSET', k(r), value(r), k(r), value(r)],
  (r) => ['MSETNX', k(r), value(r), k(r), value(r)],
  (r) => ['APPEND', k(r), value(r)],
  (r) => ['SETRANGE', k(r), pick(r, ['0', '2', '5']), value(r)],
  (r) => [pick(r, ['INCR', 'DECR']), k(r)],
  (r) => [pick(r, ['INCRBY', 'DECRBY']), k(r), n(r)],
  (r) => ['INCRBY', k(r), n(r)],
  (r) => ['INCRBYFLOAT', k(r), fl(r)],
];

const ANY: readonly Make[] = [
  (r) => [pick(r, ['DEL', 'UNLINK']), k(r), k(r)],
  (r) => ['PEXPIRE', k(r), ttl(r), ...pick(r, [[], ['NX'], ['XX'], ['GT'], ['LT']])],
  (r) => ['PEXPIRE', k(r), ttl(r)],
  (r, now) => ['PEXPIREAT', k(r), String(now + below(r, 30) - 3)],
  (r) => ['PERSIST', k(r)],
  (r) => ['RENAME', k(r), k(r)],
  (r) => ['RENAMENX', k(r), k(r)],
  (r) => ['COPY', k(r), k(r), ...pick(r, [[], ['REPLACE']])],
];

const HASHES: readonly Make[] = [
  (r) => ['HSET', k(r), f(r), value(r), f(r), value(r)],
  (r) => ['HSET', k(r), f(r), value(r)],
  (r) => ['HSETNX', k(r), f(r), value(r)],
  (r) => ['HDEL', k(r), f(r), f(r)],
  (r) => ['HINCRBY', k(r), f(r), n(r)],
  (r) => ['HINCRBY', k(r), f(r), n(r)],
  (r) => ['HINCRBYFLOAT', k(r), f(r), fl(r)],
];

const SETS: readonly Make[] = [
  (r) => ['SADD', k(r), f(r), f(r)],
  (r) => ['SREM', k(r), f(r), f(r)],
  (r) => ['SPOP', k(r), '100'],
  (r) => ['SMOVE', k(r), k(r), f(r)],
  (r) => [pick(r, ['SUNIONSTORE', 'SINTERSTORE', 'SDIFFSTORE']), k(r), k(r), k(r)],
];

const ZSETS: readonly Make[] = [
  (r) => ['ZADD', k(r), score(r), f(r), score(r), f(r)],
  (r) => ['ZADD', k(r), pick(r, ['NX', 'XX', 'GT', 'LT']), 'CH', score(r), f(r), score(r), f(r)],
  (r) => ['ZADD', k(r), pick(r, ['NX', 'XX', 'GT', 'LT']), 'INCR', score(r), f(r)],
  (r) => ['ZINCRBY', k(r), score(r), f(r)],
  (r) => ['ZINCRBY', k(r), pick(r, ['0.1', '0.7', '-0.3']), f(r)],
  (r) => ['ZREM', k(r), f(r), f(r)],
  (r) => [pick(r, ['ZPOPMIN', 'ZPOPMAX']), k(r), '2'],
  (r) => ['ZMPOP', '2', k(r), k(r), 'MIN'],
  (r) => ['ZREMRANGEBYRANK', k(r), '0', '0'],
  (r) => ['ZREMRANGEBYSCORE', k(r), '-1', '(2'],
  (r) => [pick(r, ['ZUNIONSTORE', 'ZINTERSTORE', 'ZDIFFSTORE']), k(r), '2', k(r), k(r)],
  (r) => ['ZRANGESTORE', k(r), k(r), '0', '1'],
];

/** A key emptied and filled again while its TTL is pending, until after its time. */
const SECOND_LIVES: readonly ((key: string, field: string) => readonly Words[])[] = [
  (key, field) => [
    ['DEL', key],
    ['SADD', key, 'f', 'g'],
    ['PEXPIRE', key, '20'],
    ['SPOP', key, '100'],
    ['SADD', key, field],
    ['SADD', key, 'g', 'h'],
    ['SREM', key, field],
  ],
  (key, field) => [
    ['DEL', key],
    ['ZADD', key, '1', 'f'],
    ['PEXPIRE', key, '20'],
    ['ZREM', key, 'f'],
    ['ZINCRBY', key, '2', field],
    ['ZADD', key, 'XX', '3', field],
  ],
  (key, field) => [
    ['DEL', key],
    ['HSET', key, 'f', 'x'],
    ['PEXPIRE', key, '20'],
    ['HDEL', key, 'f'],
    ['HINCRBY', key, field, '2'],
    ['PERSIST', key],
    ['HSET', key, 'f', 'x'],
    ['PEXPIRE', key, '10', 'NX'],
  ],
  (key, field) => [
    ['DEL', key],
    ['SADD', key, 'f'],
    ['PEXPIRE', key, '20'],
    ['SREM', key, 'f'],
    ['INCRBY', key, '7'],
    ['APPEND', key, field],
  ],
];

const GROUPS = [STRINGS, HASHES, SETS, ZSETS];

const READS: readonly Make[] = [
  (r) => ['GET', k(r)],
  (r) => ['HGETALL', k(r)],
  (r) => ['SMEMBERS', k(r)],
  (r) => ['ZRANGE', k(r), '0', '-1', 'WITHSCORES'],
  (r) => ['TYPE', k(r)],
];

function plainUnit(words: Words): string[] | undefined {
  const [name, key, text, option, at] = words;
  if (name !== 'SET' || (words.length !== 3 && option !== 'PX' && option !== 'PXAT')) return undefined;
  const letters = { PX: ['x'], PXAT: ['X'] }[option ?? ''] ?? [];
  const rest = at === undefined ? [] : [at];
  return [...letters, slotKey(slotOf(key)), key, text, ...rest];
}

/** All that is held, for a person. */
function show(s: KeyState | undefined): string {
  if (s === undefined) return 'nothing';
  const text = (v: Version): string =>
    `${v.ms}.${Math.floor(v.tail / 2 ** 32)}.${(v.tail % 2 ** 32).toString(16)}`;
  const registers = [...s.registers].flatMap(([type, fields]) =>
    [...fields].map(([field, { v, value: held, seen, runs }]) => {
      const seenText = [...(seen ?? [])]
        .sort()
        .map(([o, x]) => `${o.toString(16)}:${text(x.start)}=${x.total}`);
      const runText = [...(runs ?? [])]
        .sort()
        .map(([o, x]) => `${o.toString(16)}:${text(x.v)} ${text(x.start)}=${x.total}`);
      return `\n  ${type}${JSON.stringify(field)} ${text(v)} ${String(held)} seen ${seenText} runs ${runText}`;
    }),
  );
  return `clear ${text(s.clear)} kind ${text(s.kindV)} ${s.type} expiry ${text(s.expiryV)} at ${s.expiryAt} until ${text(s.until)} reach ${text(s.reach)} newest ${text(s.newest)}${registers.sort()}`;
}

describe.skipIf(skip !== false)(`states of the write script${skip === false ? '' : ` (${skip})`}`, () => {
  let redis: Broker;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  class Pair {
    readonly clock = new ManualClock(START);
    readonly site: RedisSite;
    store: EmbeddedStore;
    readonly log: string[] = [];
    readonly counts = { units: 0, changed: 0, seen: 0, runs: 0, until: 0, freed: 0, plain: 0 };

    constructor(site: RedisSite) {
      this.site = site;
      this.store = this.#open(ORIGINS[0]);
    }

    #open(origin: number): EmbeddedStore {
      return openEmbeddedStore({
        clock: this.clock,
        random: seededRandom(1),
        logger: silentLogger,
        origin,
        activeExpiry: false,
      });
    }

    async move(ms: number): Promise<void> {
      this.clock.time += ms;
      await this.site.setClock(this.clock.time);
    }

    /** As after a restart: the same data, another origin. */
    async reborn(origin: number): Promise<void> {
      const next = this.#open(origin);
      for (const part of await allPages(this.store, 1e9)) next.merge(part);
      await this.store.close();
      this.store = next;
      this.site.origin = origin.toString(16).padStart(8, '0');
      this.log.push(`origin ${origin.toString(16)}`);
    }

    async unit(commands: readonly Words[]): Promise<void> {
      const single = commands.length === 1 ? commands[0] : undefined;
      const plain = single && plainUnit(single);
      this.log.push(`${this.clock.time} ${JSON.stringify(commands)}`);
      const unit = single === undefined ? transactionUnit(commands) : (plain ?? commandUnit(single));
      const [result] = await this.site.run(unit);
      const bytes = executeArgs(
        this.store.keyspace,
        commands.map((words) => words.map((word) => Buffer.from(word, 'latin1'))),
        { now: this.clock.time },
      );
      this.#compareReplies(commands, result, cut(bytes.toString('latin1')).replies);
      const near = KEYS.filter((key) => commands.some((words) => words.includes(key)));
      for (const key of this.counts.units % 10 === 0 ? KEYS : near) await this.#compareState(key);
      this.counts.units++;
      if (result.version !== '') this.counts.changed++;
      if (plain && result.entry.head[0] === '$') this.counts.plain++;
    }

    #compareReplies(commands: readonly Words[], result: UnitResult, expected: readonly Node[]): void {
      const fixed = (node: Node): Node =>
        node.head.startsWith('+\x01I')
          ? { head: `:${node.head.slice(3)}`, items: [] }
          : node.head === '+\x01N'
            ? { head: '*-1', items: [] }
            : { head: node.head, items: node.items.map(fixed) };
      const mine = fixed(result.reply);
      const single = commands.length === 1;
      const theirs: Node = single ? expected[0] : { head: `*${expected.length}`, items: expected };
      const a = single ? canonical(commands[0], mine) : innerReplies(mine, commands);
      const b = single ? canonical(commands[0], theirs) : innerReplies(theirs, commands);
      if (a !== b) this.#fail(`replies\nredis    ${JSON.stringify(a)}\nembedded ${JSON.stringify(b)}`);
    }

    async #compareState(key: string): Promise<void> {
      const { time } = this.clock;
      const held = this.store.stateOf(key);
      const expected = held && copyState(held);
      const found = await this.site.state(key);
      this.#count(expected);
      for (const s of [expected, found]) if (s !== undefined && free(s, time)) this.counts.freed++;
      const same = (s: KeyState | undefined): string =>
        s === undefined ? '' : `${digest(s, 0)} ${shownType(s, time)}`;
      if (same(expected) !== same(found))
        this.#fail(
          `key ${JSON.stringify(key)}\nredis    ${show(found)}\n${await this.site.header(key)}\nembedded ${show(expected)}`,
        );
      if (
        found &&
        expected &&
        held &&
        found.newest.ms + found.newest.tail !== expected.newest.ms + expected.newest.tail &&
        held.expiryAt === 0
      )
        this.#fail(`newest of ${key}\nredis    ${show(found)}\nembedded ${show(expected)}`);
    }

    #count(s: KeyState | undefined): void {
      if (s === undefined) return;
      if (s.until.ms > 0) this.counts.until++;
      for (const fields of s.registers.values())
        for (const { seen, runs } of fields.values()) {
          if (seen !== undefined) this.counts.seen++;
          if (runs !== undefined) this.counts.runs++;
        }
    }

    #fail(what: string): never {
      throw new Error(`${what}\nafter:\n${this.log.slice(-25).join('\n')}`);
    }
  }

  it.each(SEEDS)(`seed %i: ${UNITS} units leave equal states`, async (seed) => {
    const random = seededRandom(seed);
    const site = await RedisSite.open(redis.port, { testClock: true });
    await site.call(['FLUSHALL']);
    site.close();
    const pair = new Pair(await RedisSite.open(redis.port, { testClock: true }));
    await pair.move(0);
    for (let i = 0; i < UNITS; i++) {
      if (below(random, 2) === 0) await pair.move(below(random, 12));
      if (below(random, 30) === 0) await pair.reborn(pick(random, ORIGINS));
      const count = below(random, 6) === 0 ? 2 + below(random, 3) : 1;
      if (below(random, 40) === 0) {
        const key = pick(random, KEYS);
        for (const words of pick(random, SECOND_LIVES)(key, f(random))) {
          await pair.unit([words]);
          if (below(random, 3) === 0) await pair.move(below(random, 6));
        }
      }
      if (below(random, 4) === 0) home.type = below(random, 4);
      const make = (): Words => {
        const own =
          below(random, 10) < 7 ? GROUPS[home.type] : below(random, 3) > 0 ? ANY : pick(random, GROUPS);
        return pick(random, count > 1 && below(random, 4) === 0 ? READS : own)(random, pair.clock.time);
      };
      await pair.unit(Array.from({ length: count }, make));
    }
    console.log(JSON.stringify(pair.counts));
    for (const [name, count] of Object.entries(pair.counts)) expect(count, name).toBeGreaterThan(UNITS / 400);
    pair.site.close();
    await pair.store.close();
  });
});

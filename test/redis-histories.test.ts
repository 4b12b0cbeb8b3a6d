// Random histories on sites whose stores are Redis, by their real clock: several gateways on one Redis write and merge at
// once, are killed between write, publish and unmark, deltas come doubled and in any order, short TTLs fire natively. In
// the end nothing is marked, all sites hold the same, counters are exact, and what lies natively is what shows.
import { describe, expect, test } from 'vitest';
import {
  below,
  type Clock,
  type Random,
  seededRandom,
  silentLogger,
  systemClock,
} from '../src/base/index.ts';
import { openRedisStore, type RedisStore } from '../src/store/redis/redis-store.ts';
import { openTestAccess, runUnit } from '../src/store/redis/testing.ts';
import type { RedisUrl } from '../src/store/redis/url-type.ts';
import { requireBroker, startRedis } from './brokers/index.ts';
import { lasting, mortal, type Unit } from './model/random-units.ts';
import { complaintsAbout, marksIn } from './redis-state-check.ts';

const FIRST_SEED = Number(process.env.CASES_SEED ?? 1);
/** Units: s, of all histories together. */
const SECONDS = Number(process.env.CASES_SECONDS ?? 12);
const STEPS = 25;
const { skip } = requireBroker('redis-server');

/** Sees marks of gateways that died just now as old. */
const lateClock: Clock = {
  now: () => systemClock.now() + 10_000,
  after: (ms, run) => systemClock.after(ms, run),
  every: (ms, run) => systemClock.every(ms, run),
};

class Site {
  readonly index: number;
  readonly url: RedisUrl;
  gateways: RedisStore[] = [];
  constructor(index: number, url: RedisUrl) {
    this.index = index;
    this.url = { ...url, db: index };
  }

  open(clock: Clock, isWalking: boolean): Promise<RedisStore> {
    return openRedisStore({
      url: this.url,
      clock,
      random: seededRandom(this.index + 1),
      logger: silentLogger,
      site: 'case',
      marks: true,
      origin: this.index + 1,
      isWalking,
      // One site's Redis merges by itself from the first or second try on.
      triesOutside: this.index,
      // Few registers are read along, so that most decisions are about parts of a key.
      changeScript: (script) => ({
        ...script,
        text: script.text
          .replace('length <= tonumber(ARGV[1])', 'length <= 2')
          // Sites of one Redis have one origin, but for this.
          .replace(
            'ORIGIN, MAX_VALUE_BYTES = ARGV[1],',
            `ORIGIN, MAX_VALUE_BYTES = '0000000${this.index + 1}',`,
          ),
      }),
    });
  }

  get any(): RedisStore {
    const [first] = this.gateways;
    if (first === undefined) throw new Error('a site has a gateway');
    return first;
  }

  ask = (...args: readonly (string | Uint8Array)[]) => this.any.router.call(0, args);

  async now(): Promise<number> {
    const reply = await this.ask('TIME');
    if (reply.kind !== 'array') throw new Error('TIME');
    const [s, us] = reply.items.map((item) => (item.kind === 'bulk' ? Number(item.bytes) : 0));
    return (s ?? 0) * 1000 + Math.floor((us ?? 0) / 1000);
  }

  /** What does not hold twice in a row: TTLs may fire between two looks. */
  async complaints(isLax: boolean): Promise<string[]> {
    const look = async () => complaintsAbout(this.ask, { now: await this.now(), isLax, hasTtls: true });
    const first = await look();
    if (first.length === 0) return [];
    const second = new Set(await look());
    return first.filter((one) => second.has(one)).map((one) => `s${this.index} ${one}`);
  }
}

interface Message {
  readonly from: number;
  readonly deltas: Buffer;
}

class History {
  readonly random: Random;
  readonly sites: Site[];
  readonly sent: Message[] = [];
  /** Exact ends of the counters that are only added to. */
  readonly sums = { n: 0, h: 0, z: 0 };
  killed = 0;
  units = 0;

  constructor(seed: number, sites: Site[]) {
    this.random = seededRandom(seed);
    this.sites = sites;
  }

  async run(): Promise<void> {
    for (const site of this.sites)
      for (let count = site.index === 0 ? 2 : 1; count > 0; count--)
        site.gateways.push(await site.open(systemClock, false));
    await Promise.all(this.sites.flatMap((site) => site.gateways.map((_, g) => this.#drive(site, g))));
  }

  async #drive(site: Site, g: number): Promise<void> {
    for (let step = 0; step < STEPS; step++) {
      const gateway = site.gateways[g] as RedisStore;
      const work: Promise<unknown>[] = [];
      for (let i = below(this.random, 6); i >= 0; i--) work.push(this.#write(gateway));
      if (below(this.random, 2) === 0) work.push(this.#take(site, gateway));
      for (let i = below(this.random, 3); i > 0; i--) work.push(this.#merge(site, gateway));
      if (below(this.random, 6) === 0) work.push(gateway.freeExpired());
      await Promise.all(work);
      if (below(this.random, 12) === 0) await this.#kill(site, g);
      if (below(this.random, 3) === 0)
        await new Promise((resolve) => setTimeout(resolve, below(this.random, 12)));
    }
  }

  async #write(gateway: RedisStore): Promise<void> {
    this.units++;
    const { random } = this;
    const kind = below(random, 10);
    if (kind < 2) return this.#count(gateway);
    const unit: Unit = kind < 6 ? lasting(random) : mortal(random);
    await runUnit(gateway, unit.commands, unit.keys);
  }

  async #count(gateway: RedisStore): Promise<void> {
    const by = below(this.random, 100) - 30;
    const which = (['n', 'h', 'z'] as const)[below(this.random, 3)] ?? 'n';
    this.sums[which] += by;
    const commands = {
      n: ['INCRBY', 'n', `${by}`],
      h: ['HINCRBY', 'counts', 'f', `${by}`],
      z: ['ZINCRBY', 'scores', `${by}`, 'm'],
    };
    const command = commands[which];
    await runUnit(gateway, [command], [command[1] ?? '']);
  }

  /** Publishes, or dies before, or before the mark has gone. */
  async #take(site: Site, gateway: RedisStore): Promise<void> {
    const taken = await gateway.outbox.take(1 + below(this.random, 4000));
    if (taken === undefined) return;
    const fate = below(this.random, 6);
    if (fate > 0 && taken.deltas.length > 0) this.sent.push({ from: site.index, deltas: taken.deltas });
    if (fate > 1) taken.accepted();
    else taken.failed?.();
  }

  async #merge(site: Site, gateway: RedisStore): Promise<void> {
    const message = this.sent[below(this.random, Math.max(1, this.sent.length))];
    if (message !== undefined && message.from !== site.index) await gateway.merge(message.deltas);
  }

  /** The gateway is gone with all that it remembered; another comes. */
  async #kill(site: Site, g: number): Promise<void> {
    this.killed++;
    const old = site.gateways[g] as RedisStore;
    site.gateways[g] = await site.open(systemClock, false);
    await old.close();
  }

  async close(): Promise<void> {
    for (const site of this.sites) for (const gateway of site.gateways.splice(0)) await gateway.close();
  }

  /** Marks left behind are found, and everything reaches everyone. */
  async settle(): Promise<void> {
    for (const site of this.sites) {
      for (const { outbox } of site.gateways) await outbox.settled();
      await using walking = await site.open(lateClock, true);
      await walking.walker?.round();
      for (let taken = await walking.outbox.take(10_000); taken; taken = await walking.outbox.take(10_000)) {
        if (taken.deltas.length > 0) this.sent.push({ from: site.index, deltas: taken.deltas });
        taken.accepted();
      }
      await walking.outbox.settled();
    }
    for (const site of this.sites) {
      const due = this.sent.filter(({ from }) => from !== site.index);
      while (due.length > 0) {
        const [one] = due.splice(below(this.random, due.length), 1);
        if (one !== undefined) await site.any.merge(one.deltas);
      }
    }
  }

  /** What repair does in the end: everyone gets everyone's states. */
  async repair(): Promise<void> {
    for (let round = 0; round < 2; round++)
      for (const from of this.sites)
        for await (const deltas of from.any.snapshot(100_000))
          for (const to of this.sites) if (to !== from) await to.any.merge(deltas);
  }

  async marked(): Promise<string[]> {
    const found = await Promise.all(this.sites.map(({ ask }) => marksIn(ask)));
    return found.flat();
  }

  /** What a site shows natively. */
  async shows(site: Site, keys: RegExp): Promise<Record<string, string>> {
    const names = await site.ask('KEYS', '*');
    if (names.kind !== 'array') throw new Error('KEYS');
    const found: Record<string, string> = {};
    for (const name of names.items) {
      const key = name.kind === 'bulk' ? name.bytes.toString() : '';
      if (!keys.test(key) || key.startsWith('mqkv:')) continue;
      const value = await site.ask('EVAL', READ, '1', key);
      found[key] = value.kind === 'bulk' ? value.bytes.toString('latin1') : JSON.stringify(value);
    }
    return Object.fromEntries(Object.entries(found).sort());
  }
}

const READ = `local k = KEYS[1] local t = redis.call('TYPE', k).ok local r
if t == 'string' then r = {redis.call('GET', k)} elseif t == 'hash' then r = redis.call('HGETALL', k)
elseif t == 'set' then r = redis.call('SMEMBERS', k) elseif t == 'zset' then r = redis.call('ZRANGE', k, 0, -1, 'WITHSCORES')
elseif t == 'list' then return t .. table.concat(redis.call('LRANGE', k, 0, -1), ',')
elseif t == 'stream' then return t .. cjson.encode(redis.call('XRANGE', k, '-', '+'))
else return t end
if t == 'hash' or t == 'zset' then local p = {} for i = 1, #r, 2 do p[#p + 1] = r[i] .. '=' .. r[i + 1] end r = p end
table.sort(r) return t .. ' ' .. table.concat(r, ',') .. ' ' .. redis.call('PEXPIRETIME', k)`;

describe.skipIf(skip)(`histories on Redis${skip ? ` (${skip})` : ''}`, () => {
  test(`for ${SECONDS} s`, { timeout: 900_000 }, async () => {
    await using redis = await startRedis();
    await using access = await openTestAccess(redis.port);
    const url: RedisUrl = {
      kind: 'redis',
      mode: 'standalone',
      db: 0,
      tls: false,
      readReplica: false,
      addresses: [{ host: '127.0.0.1', port: redis.port }],
      user: undefined,
      password: undefined,
      masterName: undefined,
    } as RedisUrl;
    const sites = [0, 1, 2].map((index) => new Site(index, url));
    const started = performance.now();
    const totals = { histories: 0, units: 0, killed: 0, messages: 0 };
    for (
      let seed = FIRST_SEED;
      performance.now() - started < SECONDS * 1000 || totals.histories < 2;
      seed++
    ) {
      const history = new History(seed, sites);
      await history.run();
      for (const site of sites) expect(await site.complaints(true), `seed ${seed}, written`).toEqual([]);
      await history.settle();
      for (const site of sites) expect(await site.complaints(true), `seed ${seed}, settled`).toEqual([]);
      expect(await history.marked(), `seed ${seed}`).toEqual([]);
      const [one, ...others] = await Promise.all(sites.map((site) => history.shows(site, /^(?!t)/)));
      expect(one?.n, `seed ${seed}`).toBe(`string ${history.sums.n} -1`);
      if (history.sums.h !== 0) expect(one?.counts).toBe(`hash f=${history.sums.h} -1`);
      for (const other of others) expect(other, `seed ${seed}, lasting keys`).toEqual(one);
      await expect.poll(() => shortTtls(sites), { interval: 20, timeout: 5000 }).toBe(0);
      for (const site of sites) await site.any.freeExpired();
      for (const site of sites) expect(await site.complaints(false), `seed ${seed}, freed`).toEqual([]);
      await history.repair();
      for (const site of sites) expect(await site.complaints(false), `seed ${seed}, repaired`).toEqual([]);
      const [all, ...rest] = await Promise.all(sites.map((site) => history.shows(site, /./)));
      for (const other of rest) expect(other, `seed ${seed}, all keys`).toEqual(all);
      await history.close();
      await access.ask('FLUSHALL');
      totals.histories++;
      totals.units += history.units;
      totals.killed += history.killed;
      totals.messages += history.sent.length;
    }
    console.log(JSON.stringify(totals));
    expect(totals.messages).toBeGreaterThan(totals.histories * 10);
    expect(totals.killed).toBeGreaterThan(totals.histories / 2);
  });
});

/** TTLs that fire within the next 2 s. */
async function shortTtls(sites: readonly Site[]): Promise<number> {
  let count = 0;
  for (const site of sites) {
    const now = await site.now();
    for (const key of await site.any.allKeys()) {
      const at = (await site.any.stateOf(key))?.expiryAt ?? 0;
      if (at > now && at < now + 2000) count++;
    }
  }
  return count;
}

// Random cases in the golden language with the views that the definition expects.
import { below, type Random, seededRandom } from '../../src/base/index.ts';
import { printView } from './cases.ts';
import { DefinitionWorld } from './definition-world.ts';

const KEYS = ['a', 'b', 'c'];
const FIELDS = ['f', 'g', 'h'];
const TEXTS = [
  '1',
  '5',
  'x',
  '9223372036854775807',
  '-7',
  '0.5',
  '16777216',
  '007',
  '1e3',
  'xyz',
  '3.0',
  '-0',
  '+5',
];
const NUMBERS = ['1', '2', '-1', '3', '9223372036854775000', '7'];
const FLOATS = ['0.25', '-1.5', '2', '1'];
const TTLS_MS = ['1', '50', '100', '100', '500', '1000', '60000', '700000'];
const PASSES_MS = [1, 5, 5, 5, 100, 200, 200, 1000, 60000];
const JUMPS_MS = [-600000, 600000, -300, 300, -5, 5, 1000, -1000, -50000, 30000];
const LATER_MS = [0, 150, 1500, 70000, 900000];

function pick<T>(random: Random, from: readonly T[]): T {
  const one = from[below(random, from.length)];
  if (one === undefined) throw new Error('nothing to pick from');
  return one;
}

type Make = (r: Random, key: string, other: string) => string[];

const field = (r: Random): string => pick(r, FIELDS);
const ttl = (r: Random): string => pick(r, TTLS_MS);

const ANY: readonly Make[] = [
  (r, k) => ['PEXPIRE', k, ttl(r)],
  (r, k) => ['PEXPIRE', k, ttl(r), pick(r, ['NX', 'XX', 'GT', 'LT'])],
  (r, k) => ['EXPIRE', k, pick(r, ['1', '60', '-1', '0'])],
  (r, k) => ['PEXPIREAT', k, pick(r, ['1200100', '1200300', '1201000', '1'])],
  (r, k) => ['EXPIREAT', k, pick(r, ['1201', '1260', '1900'])],
  (_, k) => ['PERSIST', k],
  (r, k) => [pick(r, ['DEL', 'UNLINK']), k],
  (_, k, o) => ['DEL', k, o],
  (_, k, o) => ['RENAME', k, o],
  (_, k, o) => ['RENAMENX', k, o],
  (_, k, o) => ['COPY', k, o],
  (_, k, o) => ['COPY', k, o, 'REPLACE'],
  (r, k, o) => ['MSET', k, pick(r, TEXTS), o, pick(r, TEXTS)],
  (r, k, o) => [pick(r, ['MSET', 'MSETNX']), k, '1', o, pick(r, TEXTS), k, '3'],
  (_, k, o) => ['MGET', k, o],
  (r, k, o) => [pick(r, ['SINTER', 'SUNION', 'SDIFF', 'EXISTS']), o, k],
  (r, k) => [
    pick(r, ['GET', 'HLEN', 'SCARD', 'ZCARD', 'STRLEN', 'TTL', 'TYPE', 'EXISTS', 'HGETALL', 'SMEMBERS']),
    k,
  ],
];
const TIMES: readonly Make[] = ANY.slice(0, 6);
const STRINGS: readonly Make[] = [
  (r, k) => ['SET', k, pick(r, TEXTS)],
  (r, k) => ['SET', k, pick(r, TEXTS), 'PX', ttl(r)],
  (r, k) => ['SET', k, pick(r, TEXTS), 'EX', '1', pick(r, ['NX', 'XX', 'GET'])],
  (r, k) => ['SET', k, pick(r, TEXTS), 'PXAT', pick(r, ['1200100', '1200500', '1'])],
  (r, k) => ['SET', k, pick(r, TEXTS), pick(r, ['KEEPTTL', 'NX', 'XX', 'GET'])],
  (r, k) => ['SET', k, pick(r, TEXTS), 'XX', 'KEEPTTL'],
  (r, k) => [pick(r, ['SETNX', 'GETSET', 'APPEND']), k, pick(r, TEXTS)],
  (r, k) => ['SETEX', k, '1', pick(r, TEXTS)],
  (r, k) => ['PSETEX', k, '100', pick(r, TEXTS)],
  (_, k) => ['GETDEL', k],
  (r, k) => ['GETEX', k, ...pick(r, [['PERSIST'], ['PX', '100'], ['EX', '60'], ['PXAT', '1200200'], []])],
  (r, k) => ['SETRANGE', k, pick(r, ['0', '1']), pick(r, TEXTS)],
  (r, k) => [pick(r, ['INCR', 'DECR']), k],
  (r, k) => [pick(r, ['INCRBY', 'INCRBY', 'DECRBY']), k, pick(r, NUMBERS)],
  (r, k) => ['INCRBY', k, pick(r, NUMBERS)],
  (r, k) => ['INCRBYFLOAT', k, pick(r, FLOATS)],
];
const HASHES: readonly Make[] = [
  (r, k) => ['HSET', k, field(r), pick(r, TEXTS)],
  (r, k) => ['HSET', k, field(r), pick(r, TEXTS), field(r), pick(r, TEXTS)],
  (r, k) => ['HSETNX', k, field(r), pick(r, TEXTS)],
  (r, k) => ['HINCRBY', k, field(r), pick(r, NUMBERS)],
  (r, k) => ['HINCRBY', k, field(r), pick(r, NUMBERS)],
  (r, k) => ['HINCRBYFLOAT', k, field(r), pick(r, FLOATS)],
  (r, k) => ['HDEL', k, field(r)],
  (r, k) => ['HDEL', k, field(r), field(r)],
  (_, k) => ['HDEL', k, 'h', 'g', 'f'],
];
const SETS: readonly Make[] = [
  (r, k) => ['SADD', k, field(r)],
  (r, k) => ['SADD', k, field(r), field(r)],
  (r, k) => ['SREM', k, field(r)],
  (r, k) => ['SREM', k, field(r), field(r)],
  (_, k) => ['SPOP', k, '9'],
  (r, k, o) => ['SMOVE', k, o, field(r)],
  (r, k, o) => [pick(r, ['SUNIONSTORE', 'SINTERSTORE', 'SDIFFSTORE']), k, k, o],
  (r, k, o) => [pick(r, ['SUNIONSTORE', 'SINTERSTORE', 'SDIFFSTORE']), k, o],
];
const ZSETS: readonly Make[] = [
  (r, k) => ['ZADD', k, pick(r, FLOATS), field(r)],
  (r, k) => ['ZADD', k, pick(r, FLOATS), field(r), pick(r, FLOATS), field(r)],
  (r, k) => ['ZADD', k, pick(r, ['NX', 'XX', 'GT', 'LT', 'CH']), pick(r, FLOATS), field(r)],
  (r, k) => ['ZADD', k, pick(r, ['XX', 'GT', 'NX']), 'INCR', pick(r, FLOATS), field(r)],
  (r, k) => ['ZINCRBY', k, pick(r, FLOATS), field(r)],
  (r, k) => ['ZREM', k, field(r)],
  (r, k) => ['ZREM', k, field(r), field(r)],
  (r, k) => [pick(r, ['ZPOPMIN', 'ZPOPMAX']), k, pick(r, ['1', '2'])],
  (_, k) => ['ZREMRANGEBYRANK', k, '0', '1'],
  (r, k, o) => [pick(r, ['ZUNIONSTORE', 'ZINTERSTORE', 'ZDIFFSTORE']), k, '2', k, o],
  (_, k, o) => ['ZRANGESTORE', k, o, '0', '1'],
];
/** The many ways of two sites ahead of each other to take, give back and take again a key with a TTL. */
const LIVES: readonly Make[] = [
  (r, k) => ['HSET', k, field(r), '1'],
  (r, k) => ['HDEL', k, field(r), field(r), field(r)],
  (r, k) => ['HDEL', k, field(r), field(r)],
  (r, k) => ['PEXPIRE', k, pick(r, ['300', '1000', '60000'])],
  (r, k) => ['HINCRBY', k, field(r), '1'],
];
/** What a case favours; the rest comes in between. */
const THEMES: readonly (readonly Make[])[] = [
  [...STRINGS, ...TIMES],
  [...HASHES, ...TIMES],
  [...HASHES, ...HASHES, ...TIMES],
  [...SETS, ...TIMES],
  [...ZSETS, ...TIMES],
  [...SETS, ...ZSETS, ...TIMES],
  [...STRINGS, ...HASHES, ...TIMES],
  [...STRINGS, ...HASHES, ...SETS, ...ZSETS, ...ANY],
  ANY,
  LIVES,
  LIVES,
];
const ALL = [...STRINGS, ...HASHES, ...SETS, ...ZSETS, ...ANY, ...ANY];

/** How much the cases had in them. */
export interface CaseTotals {
  cases: number;
  commands: number;
  units: number;
  deliveries: number;
  repairs: number;
  views: number;
}

export function emptyCaseTotals(): CaseTotals {
  return { cases: 0, commands: 0, units: 0, deliveries: 0, repairs: 0, views: 0 };
}

/** The case of a seed. `freesNamed`: as DefinitionWorld has it. */
export function randomCase(seed: number, totals: CaseTotals, freesNamed = false): string {
  return new Generator(seed, totals, freesNamed).make();
}

/**
 * The same for sites on Redis, which may free what has expired at any command that names the key. undefined: what the case
 * shows depends on that (what one site has freed just before another prolonged it comes back by repair only).
 */
export function randomRedisCase(seed: number, totals: CaseTotals): string | undefined {
  const line = randomCase(seed, { ...totals }, true);
  return randomCase(seed, totals) === line ? line : undefined;
}

class Generator {
  readonly random: Random;
  readonly totals: CaseTotals;
  readonly world: DefinitionWorld;
  readonly steps: string[];
  readonly theme: readonly Make[];
  readonly keys: readonly string[];

  constructor(seed: number, totals: CaseTotals, freesNamed: boolean) {
    this.random = seededRandom(seed);
    this.totals = totals;
    this.world = new DefinitionWorld(2 + below(this.random, 3), freesNamed);
    this.steps = [`random ${seed}`];
    this.theme = pick(this.random, THEMES);
    this.keys = KEYS.slice(0, this.theme === LIVES ? 1 : 1 + below(this.random, 3));
  }

  make(): string {
    this.totals.cases++;
    if (below(this.random, 3) === 0) this.setAhead();
    while (below(this.random, 5) < 2) this.jump();
    if (this.theme === LIVES && below(this.random, 2) === 0) this.openLife();
    const steps = 4 + below(this.random, 4 + below(this.random, 26));
    for (let i = 0; i < steps; i++) this.step();
    this.sync();
    this.views();
    if (below(this.random, 3) === 0) this.repair();
    for (const ms of LATER_MS.slice(0, 1 + below(this.random, LATER_MS.length))) {
      if (ms > 0) this.pass(ms);
      this.views();
    }
    return this.steps.join(' | ');
  }

  site(): number {
    // The highest site is always named, so that the case has them all.
    return below(this.random, this.world.sites.length);
  }

  step(): void {
    const kind = below(this.random, 100);
    if (kind < 50) this.command();
    else if (kind < 64) this.pass(pick(this.random, PASSES_MS));
    else if (kind < 76) this.deliver();
    else if (kind < 80) this.deliverAll();
    else if (kind < 84) this.sync();
    else if (kind < 88) this.free();
    else if (kind < 92) this.jump();
    else if (kind < 94) this.repair();
    else this.oneView(this.site(), pick(this.random, this.keys));
  }

  run(site: number, lines: readonly string[][]): void {
    this.totals.commands += lines.length;
    if (lines.length > 1) this.totals.units++;
    this.steps.push(`s${site} ${lines.map((line) => line.join(' ')).join('; ')}`);
    this.world.run(site, lines);
  }

  command(): void {
    const site = this.site();
    const lines = [this.line()];
    while (below(this.random, 5) === 0) lines.push(this.line());
    this.run(site, lines);
    if (below(this.random, 2) === 0) this.oneView(site, pick(this.random, this.keys));
  }

  line(): string[] {
    const key = pick(this.random, this.keys);
    const others = KEYS.filter((k) => k !== key);
    const from = below(this.random, 8) === 0 ? ALL : this.theme;
    return pick(this.random, from)(this.random, key, pick(this.random, others));
  }

  pass(ms: number): void {
    this.steps.push(`+${ms}`);
    this.world.pass(ms);
  }

  /** All sites but the first ahead by the same: what they write lies beyond the ends of its TTLs. */
  setAhead(): void {
    const ms = pick(this.random, [600, 1000, 2000, 600000]);
    for (let site = 1; site < this.world.sites.length; site++) this.jump(site, ms);
  }

  /** A TTL at the first site, and what lies beyond its end from the others before and after a write of the first. */
  openLife(): void {
    this.setAhead();
    this.run(0, [
      ['HSET', 'a', field(this.random), '1'],
      ['PEXPIRE', 'a', '1000'],
    ]);
    this.run(1, [['HSET', 'a', field(this.random), '2']]);
    this.deliverAll(1, 0);
    this.run(0, [this.line()]);
    this.run(this.world.sites.length - 1, [['HSET', 'a', field(this.random), '3']]);
    if (below(this.random, 2) === 0) this.sync();
    this.views();
  }

  jump(site = this.site(), ms = pick(this.random, JUMPS_MS)): void {
    this.steps.push(`s${site} clock ${ms}`);
    this.world.jump(site, ms);
  }

  deliver(): void {
    const { length } = this.world.deltas;
    if (length === 0) return;
    const number = below(this.random, length);
    const to = this.site();
    this.totals.deliveries++;
    this.steps.push(`d${number + 1}>s${to}`);
    this.world.deliver(number, to);
  }

  deliverAll(from = this.site(), to = this.site()): void {
    this.steps.push(`s${from}>s${to}`);
    this.world.deliverAll(from, to);
  }

  free(): void {
    const site = this.site();
    this.steps.push(`s${site} free`);
    this.world.free(site);
  }

  sync(): void {
    this.steps.push('sync');
    this.world.sync();
  }

  repair(): void {
    this.totals.repairs++;
    this.steps.push('repair');
    this.world.repair();
  }

  oneView(site: number, key: string): void {
    this.totals.views++;
    this.steps.push(`s${site} ${key} = ${printView(this.world.view(site, key), this.world.now(site))}`);
  }

  views(): void {
    for (let site = 0; site < this.world.sites.length; site++)
      for (const key of KEYS) this.oneView(site, key);
  }
}

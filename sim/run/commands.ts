// Random command lines over keys of all types, of those commands that the independent definition decides too.
import { below, type Random } from '../../src/base/index.ts';

const FIELDS = ['f', 'g', 'h'];
const TEXTS = ['1', '5', 'y', '9223372036854775807', '-7', '0.5', '', '007', 'text'];
const NUMBERS = ['1', '2', '-1', '3', '9223372036854775000', '7'];
const FLOATS = ['0.25', '-1.5', '2', '1'];
const TTLS_MS = ['1', '50', '300', '1000', '2000', '5000', '60000', '700000'];

export function pick<T>(random: Random, from: readonly T[]): T {
  const one = from[below(random, from.length)];
  if (one === undefined) throw new Error('nothing to pick from');
  return one;
}

type Make = (r: Random, key: string, other: string) => string[];

const field = (r: Random): string => pick(r, FIELDS);
const text = (r: Random): string => pick(r, TEXTS);
const ttl = (r: Random): string => pick(r, TTLS_MS);

const ANY: readonly Make[] = [
  (r, k) => ['PEXPIRE', k, ttl(r)],
  (r, k) => ['PEXPIRE', k, ttl(r), pick(r, ['NX', 'XX', 'GT', 'LT'])],
  (r, k) => ['EXPIRE', k, pick(r, ['1', '3', '60', '0'])],
  (_, k) => ['PERSIST', k],
  (_, k) => ['PERSIST', k],
  (r, k) => [pick(r, ['DEL', 'UNLINK']), k],
  (_, k, o) => ['DEL', k, o],
  (_, k, o) => ['RENAME', k, o],
  (_, k, o) => ['RENAMENX', k, o],
  (_, k, o) => ['COPY', k, o, 'REPLACE'],
];
const STRINGS: readonly Make[] = [
  (r, k) => ['SET', k, text(r)],
  (r, k) => ['SET', k, text(r), 'PX', ttl(r)],
  (r, k) => ['SET', k, text(r), 'EX', '2', pick(r, ['NX', 'XX', 'GET'])],
  (r, k) => ['SET', k, text(r), pick(r, ['KEEPTTL', 'NX', 'XX', 'GET'])],
  (r, k) => [pick(r, ['SETNX', 'GETSET', 'APPEND']), k, text(r)],
  (_, k) => ['GETDEL', k],
  (r, k) => ['GETEX', k, ...pick(r, [['PERSIST'], ['PX', '900'], ['EX', '60']])],
  (r, k) => ['SETRANGE', k, pick(r, ['0', '1']), text(r)],
  (r, k) => [pick(r, ['INCR', 'DECR']), k],
  (r, k) => ['INCRBY', k, pick(r, NUMBERS)],
  (r, k) => ['INCRBYFLOAT', k, pick(r, FLOATS)],
  (r, k, o) => ['MSET', k, text(r), o, text(r)],
];
const HASHES: readonly Make[] = [
  (r, k) => ['HSET', k, field(r), text(r)],
  (r, k) => ['HSET', k, field(r), text(r), field(r), text(r)],
  (r, k) => ['HSETNX', k, field(r), text(r)],
  (r, k) => ['HINCRBY', k, field(r), pick(r, NUMBERS)],
  (r, k) => ['HINCRBY', k, field(r), pick(r, NUMBERS)],
  (r, k) => ['HINCRBYFLOAT', k, field(r), pick(r, FLOATS)],
  (r, k) => ['HDEL', k, field(r), field(r)],
];
const SETS: readonly Make[] = [
  (r, k) => ['SADD', k, field(r)],
  (r, k) => ['SADD', k, field(r), field(r)],
  (r, k) => ['SREM', k, field(r), field(r)],
  (_, k) => ['SPOP', k, '9'],
  (r, k, o) => ['SMOVE', k, o, field(r)],
  (r, k, o) => [pick(r, ['SUNIONSTORE', 'SINTERSTORE', 'SDIFFSTORE']), k, k, o],
];
const ZSETS: readonly Make[] = [
  (r, k) => ['ZADD', k, pick(r, FLOATS), field(r)],
  (r, k) => ['ZADD', k, pick(r, FLOATS), field(r), pick(r, FLOATS), field(r)],
  (r, k) => ['ZADD', k, pick(r, ['NX', 'XX', 'GT', 'LT']), pick(r, FLOATS), field(r)],
  (r, k) => ['ZINCRBY', k, pick(r, FLOATS), field(r)],
  (r, k) => ['ZREM', k, field(r), field(r)],
  (r, k) => [pick(r, ['ZPOPMIN', 'ZPOPMAX']), k, '1'],
  (r, k, o) => [pick(r, ['ZUNIONSTORE', 'ZINTERSTORE', 'ZDIFFSTORE']), k, '2', k, o],
];
/** The many ways of two sites to take, give back and take again a key with a TTL. */
const LIVES: readonly Make[] = [
  (r, k) => ['HSET', k, field(r), '1'],
  (r, k) => ['HSET', k, field(r), '2'],
  (_, k) => ['HDEL', k, 'f', 'g', 'h'],
  (r, k) => ['HDEL', k, field(r), field(r)],
  // One key whose TTLs do not fire in a run: its whole state is compared with the definition in the end.
  (r, k) => ['PEXPIRE', k, k.endsWith(':0') ? '700000' : pick(r, ['3000', '60000', '700000'])],
  (r, k) => ['HINCRBY', k, field(r), '1'],
];
const TYPES: readonly (readonly Make[])[] = [STRINGS, HASHES, SETS, ZSETS];

/** Commands of one unit, mostly one, and all keys that it names. */
export interface Unit {
  readonly commands: readonly string[][];
  readonly keys: readonly string[];
}

/** What a seed's general keys are like: mostly of one type each, of changing types, or with many lives. */
export type Theme = 'typed' | 'mixed' | 'lives';

/** A unit over `keys` keys of each kind. */
export function randomUnit(random: Random, theme: Theme, keys: number): Unit {
  const type = theme === 'typed' ? below(random, TYPES.length) : 0;
  const names = new Set<string>();
  const commands: string[][] = [];
  do {
    const key = `g${type}:${below(random, keys)}`;
    const other = `g${type}:${below(random, keys)}`;
    commands.push(pick(random, makesOf(random, theme, type))(random, key, other));
    names.add(key).add(other);
  } while (below(random, 6) === 0);
  return { commands, keys: [...names] };
}

function makesOf(random: Random, theme: Theme, type: number): readonly Make[] {
  const chance = below(random, 20);
  if (theme === 'lives') return chance < 19 ? LIVES : pick(random, TYPES);
  if (chance >= 14) return ANY;
  if (theme === 'mixed' || chance === 13) return pick(random, TYPES);
  return TYPES[type] ?? ANY;
}

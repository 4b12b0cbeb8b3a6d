// Random units (a command or a transaction) over all types, for histories by a real clock: keys that never get a TTL, and
// keys, `t…`, that do.
import { below, type Random } from '../../src/base/index.ts';

/** Commands of one unit, and the keys that they name. */
export interface Unit {
  readonly commands: readonly (readonly string[])[];
  readonly keys: readonly string[];
}

type Make = (r: Random, key: string, other: string) => string[];

function pick<T>(random: Random, from: readonly T[]): T {
  const one = from[below(random, from.length)];
  if (one === undefined) throw new Error('nothing to pick from');
  return one;
}

const FIELDS = ['f', 'g', 'h', 'i', 'j', 'k', 'l', 'm'];
const field = (r: Random): string => pick(r, FIELDS);
const value = (r: Random): string => pick(r, ['1', '7', 'x', '0.1', '-3', 'y'.repeat(70)]);
const number = (r: Random): string => `${below(r, 40) - 15}`;
const float = (r: Random): string => pick(r, ['0.1', '-0.7', '3', '1e-3', '2.5']);

const STRINGS: readonly Make[] = [
  (r, k) => ['SET', k, value(r)],
  (r, k) => ['APPEND', k, value(r)],
  (r, k) => ['SETRANGE', k, '1', value(r)],
  (r, k) => ['INCRBY', k, number(r)],
  (r, k) => ['INCRBY', k, number(r)],
  (r, k) => ['INCRBYFLOAT', k, float(r)],
  (_, k) => ['GETDEL', k],
  (r, k) => ['SETBIT', k, `${below(r, 50)}`, `${below(r, 2)}`],
  (r, k) => ['BITFIELD', k, 'INCRBY', 'u8', '#0', '3', 'SET', 'u4', '#3', `${below(r, 16)}`],
  (r, k) => ['MSET', k, value(r)],
  (_, k, o) => ['BITOP', 'OR', k, k, o],
  (r, k) => ['PFADD', k, field(r), value(r)],
];
const HASHES: readonly Make[] = [
  (r, k) => ['HSET', k, field(r), value(r), field(r), value(r)],
  (r, k) => ['HINCRBY', k, field(r), number(r)],
  (r, k) => ['HINCRBY', k, field(r), number(r)],
  (r, k) => ['HINCRBYFLOAT', k, field(r), float(r)],
  (r, k) => ['HDEL', k, field(r), field(r), field(r)],
  (r, k) => ['HSETNX', k, field(r), value(r)],
];
const SETS: readonly Make[] = [
  (r, k) => ['SADD', k, field(r), field(r)],
  (r, k) => ['SREM', k, field(r), field(r)],
  (r, k) => ['SPOP', k, `${1 + below(r, 3)}`],
  (r, k, o) => [pick(r, ['SUNIONSTORE', 'SINTERSTORE', 'SDIFFSTORE']), k, k, o],
  (r, k, o) => ['SMOVE', k, o, field(r)],
];
const ZSETS: readonly Make[] = [
  (r, k) => ['ZADD', k, float(r), field(r), number(r), field(r)],
  (r, k) => ['ZINCRBY', k, float(r), field(r)],
  (r, k) => ['ZINCRBY', k, number(r), field(r)],
  (r, k) => ['ZREM', k, field(r), field(r)],
  (r, k) => ['ZADD', k, pick(r, ['GT', 'LT', 'NX', 'XX']), number(r), field(r)],
  (_, k) => ['ZPOPMIN', k, '2'],
  (_, k, o) => ['ZUNIONSTORE', k, '2', k, o],
  (_, k, o) => ['ZRANGESTORE', k, o, '0', '2'],
  (r, k) => ['GEOADD', k, number(r), number(r), field(r)],
];
const LISTS: readonly Make[] = [
  (r, k) => [pick(r, ['LPUSH', 'RPUSH']), k, value(r), value(r)],
  (r, k) => [pick(r, ['LPOP', 'RPOP']), k, '2'],
  (_, k, o) => ['LMOVE', k, o, 'LEFT', 'RIGHT'],
  (r, k) => ['LREM', k, '1', value(r)],
  (r, k) => ['LTRIM', k, '0', `${below(r, 5)}`],
  (_, k, o) => ['SORT', o, 'ALPHA', 'STORE', k],
];
const STREAMS: readonly Make[] = [
  (r, k) => ['XADD', k, '*', field(r), value(r)],
  (r, k) => ['XADD', k, 'MAXLEN', '3', '*', field(r), value(r)],
  (r, k) => ['XTRIM', k, 'MAXLEN', `${below(r, 4)}`],
];
const KEYS: readonly Make[] = [
  (r, k) => [pick(r, ['DEL', 'UNLINK']), k],
  (_, k, o) => ['RENAME', k, o],
  (_, k, o) => ['COPY', k, o, 'REPLACE'],
];
const TIMES: readonly Make[] = [
  (r, k) => ['PEXPIRE', k, `${1 + below(r, 60)}`],
  (r, k) => ['PEXPIRE', k, `${1 + below(r, 60)}`],
  (_, k) => ['PEXPIRE', k, '60000'],
  (_, k) => ['PERSIST', k],
  (r, k) => ['SET', k, value(r), 'PX', `${1 + below(r, 60)}`],
  (r, k) => ['SET', k, value(r), 'KEEPTTL'],
  (r, k) => ['GETEX', k, 'PX', `${1 + below(r, 60)}`],
];
const TYPES = [STRINGS, HASHES, HASHES, SETS, ZSETS, LISTS, STREAMS];

function unitOf(random: Random, prefix: string, all: readonly Make[]): Unit {
  const type = below(random, TYPES.length);
  const keys = new Set<string>();
  const commands: string[][] = [];
  do {
    const typed = TYPES[type] ?? STRINGS;
    const chance = below(random, 10);
    const from = chance < 7 ? typed : chance < 9 ? all : pick(random, TYPES);
    const names = [`${prefix}${type}a`, `${prefix}${type}b`, `${prefix}${type}${'long'.repeat(20)}`];
    const [key, other] = [pick(random, names), pick(random, names)];
    commands.push(pick(random, from)(random, key, other));
    keys.add(key).add(other);
  } while (below(random, 4) === 0);
  return { commands, keys: [...keys] };
}

/** Never a TTL. */
export function lasting(random: Random): Unit {
  return unitOf(random, 'k', KEYS);
}

/** With TTLs of a few ms, and long ones. */
export function mortal(random: Random): Unit {
  return unitOf(random, 't', [...KEYS, ...TIMES, ...TIMES]);
}

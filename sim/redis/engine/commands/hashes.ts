// Commands on hashes.
import { below } from '../../../../src/base/index.ts';
import { type Command, commands, type Context, lower } from '../command.ts';
import { decimalSum, floatOf, floatText, int64, int64Of, integerOf, sum64, SYNTAX } from '../numbers.ts';
import { fail, OK, Pairs, type RedisReply } from '../replies.ts';
import { scanOptions, scanPage } from '../scan.ts';

/** Small hashes, sets and sorted sets are told whole by a scan. */
export const COMPACT_MAX = 128;
export const COMPACT_BYTES_MAX = 64;

function put(args: readonly string[], { db }: Context): number {
  if (args.length % 2 === 1) fail(`ERR wrong number of arguments for '${args[0].toLowerCase()}' command`);
  const held = db.hash(args[1]);
  const hash = db.hold(args[1], held, () => new Map<string, string>());
  const before = hash.size;
  for (let i = 2; i < args.length; i += 2) hash.set(args[i], args[i + 1]);
  return hash.size - before;
}

function remove([, key, ...fields]: readonly string[], { db }: Context): RedisReply {
  const hash = db.hash(key);
  if (hash === undefined) return 0;
  const gone = fields.filter((field) => hash.delete(field)).length;
  db.dropEmpty(key);
  return gone;
}

function add([, key, field, by]: readonly string[], { db }: Context): RedisReply {
  const amount = int64Of(by);
  const held = db.hash(key);
  const before = int64(held?.get(field) ?? '0') ?? fail('ERR hash value is not an integer');
  const sum = sum64(before, amount) ?? fail('ERR increment or decrement would overflow');
  db.hold(key, held, () => new Map<string, string>()).set(field, String(sum));
  return sum;
}

function addFloat([, key, field, by]: readonly string[], { db }: Context): RedisReply {
  const amount = floatOf(by);
  const held = db.hash(key);
  const sum = floatOf(held?.get(field) ?? '0', 'ERR hash value is not a float') + amount;
  if (!Number.isFinite(sum)) fail('ERR increment would produce NaN or Infinity');
  const text = decimalSum(held?.get(field) ?? '0', by) ?? floatText(sum);
  db.hold(key, held, () => new Map<string, string>()).set(field, text);
  return text;
}

function scan(args: readonly string[], { db }: Context): RedisReply {
  const options = scanOptions(args, 3);
  const hash = db.hash(args[1]);
  if (hash === undefined) return ['0', []];
  let isCompact = hash.size <= COMPACT_MAX;
  for (const [field, value] of isCompact ? hash : [])
    if (field.length > COMPACT_BYTES_MAX || value.length > COMPACT_BYTES_MAX) isCompact = false;
  const page = scanPage([...hash.keys()], args[2], isCompact ? { ...options, count: hash.size } : options);
  return [page.next, page.found.flatMap((field) => [field, hash.get(field) ?? ''])];
}

/** HRANDFIELD and its like: `count` names, negative: with repetition. */
export function randomNames(names: readonly string[], count: number, { random }: Context): string[] {
  if (names.length === 0) return [];
  if (count < 0) return Array.from({ length: -count }, () => names[below(random, names.length)]);
  const left = [...names];
  for (let i = 0; i < Math.min(count, left.length); i++) {
    const other = i + below(random, left.length - i);
    [left[i], left[other]] = [left[other], left[i]];
  }
  return left.slice(0, count);
}

/** A count whose negative is one too. */
export function timesOf(text: string): number {
  if (text === '-9223372036854775808')
    fail('ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807');
  return integerOf(text);
}

function randomField(args: readonly string[], on: Context): RedisReply {
  const count = args.length === 2 ? 1 : timesOf(args[2]);
  const isPaired = lower(args, 3) === 'withvalues';
  if (args.length > (isPaired ? 4 : 3)) fail(SYNTAX);
  const hash = on.db.hash(args[1]);
  const names = [...(hash?.keys() ?? [])];
  if (args.length === 2) return randomNames(names, 1, on)[0] ?? null;
  const found = randomNames(names, count, on);
  if (!isPaired) return found;
  const pairs = found.map((field) => [field, hash?.get(field) ?? '']);
  return on.protocol === 3 ? pairs : pairs.flat();
}

export const HASHES: readonly Command[] = [
  ...commands('read', {
    'hget 3': ([, key, field], { db }) => db.hash(key)?.get(field) ?? null,
    'hmget -3'([, key, ...fields], { db }) {
      const hash = db.hash(key);
      return fields.map((field) => hash?.get(field) ?? null);
    },
    'hgetall 2': ([, key], { db }) => new Pairs([...(db.hash(key) ?? [])].flat()),
    'hkeys 2': ([, key], { db }) => [...(db.hash(key)?.keys() ?? [])],
    'hvals 2': ([, key], { db }) => [...(db.hash(key)?.values() ?? [])],
    'hlen 2': ([, key], { db }) => db.hash(key)?.size ?? 0,
    'hexists 3': ([, key, field], { db }) => (db.hash(key)?.has(field) === true ? 1 : 0),
    'hstrlen 3': ([, key, field], { db }) => db.hash(key)?.get(field)?.length ?? 0,
    'hscan -3': scan,
    'hrandfield -2': randomField,
  }),
  ...commands('write', { 'hdel -3': remove }),
  ...commands('grow', {
    'hset -4': put,
    'hmset -4'(args, on) {
      put(args, on);
      return OK;
    },
    'hsetnx 4'(args, on) {
      if (on.db.hash(args[1])?.has(args[2]) === true) return 0;
      return put(args, on);
    },
    'hincrby 4': add,
    'hincrbyfloat 4': addFloat,
  }),
];

// Commands on strings.
import { type Command, commands, type Context, lower } from '../command.ts';
import {
  decimalSum,
  floatOf,
  floatText,
  indexRange,
  int64,
  int64Of,
  integerOf,
  NOT_INTEGER,
  sum64,
  SYNTAX,
} from '../numbers.ts';
import { fail, OK, type RedisReply } from '../replies.ts';

/** Units: bytes: proto-max-bulk-len. */
const TEXT_MAX = 512 * 1024 * 1024;
const TOO_LONG = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)';
const AT_MAX = 2n ** 63n - 1n;

/** Unix ms of an expiry option. */
function expiryAt(text: string, unit: string, { now }: Context, name: string): number {
  const invalid = `ERR invalid expire time in '${name}' command`;
  const given = int64Of(text);
  if (given <= 0n) fail(invalid);
  const ms = unit.startsWith('e') ? given * 1000n : given;
  const at = unit.endsWith('at') ? ms : ms + BigInt(now);
  return at > AT_MAX ? fail(invalid) : Number(at);
}

interface SetOptions {
  readonly atMs: number;
  readonly isNew: boolean;
  readonly isOld: boolean;
  readonly isGet: boolean;
  readonly isKept: boolean;
}

function setOptions(args: readonly string[], on: Context): SetOptions {
  let [atMs, isNew, isOld, isGet, isKept] = [0, false, false, false, false];
  for (let i = 3; i < args.length; i++) {
    const option = lower(args, i);
    if (option === 'nx' && !isOld) isNew = true;
    else if (option === 'xx' && !isNew) isOld = true;
    else if (option === 'get') isGet = true;
    else if (option === 'keepttl' && atMs === 0) isKept = true;
    else if (/^(ex|px|exat|pxat)$/.test(option) && atMs === 0 && !isKept && i + 1 < args.length)
      atMs = expiryAt(args[++i], option, on, 'set');
    else fail(SYNTAX);
  }
  return { atMs, isNew, isOld, isGet, isKept };
}

function set(args: readonly string[], on: Context): RedisReply {
  const [, key, value] = args;
  const { db } = on;
  const { atMs, isNew, isOld, isGet, isKept } = setOptions(args, on);
  const before = isGet ? db.text(key) : undefined;
  const isThere = db.get(key) !== undefined;
  if ((isNew && isThere) || (isOld && !isThere)) return isGet ? (before ?? null) : null;
  db.put(key, value, isKept ? (db.expiryOf(key) ?? 0) : atMs);
  return isGet ? (before ?? null) : OK;
}

function getEx(args: readonly string[], on: Context): RedisReply {
  const [, key] = args;
  const option = lower(args, 2);
  if (args.length > 2 && option !== 'persist' && !/^(ex|px|exat|pxat)$/.test(option)) fail(SYNTAX);
  if (args.length !== (option === 'persist' ? 3 : option === '' ? 2 : 4)) fail(SYNTAX);
  const value = on.db.text(key);
  if (value === undefined) return null;
  if (option === 'persist') on.db.expire(key, 0);
  else if (option !== '') on.db.expire(key, expiryAt(args[3], option, on, 'getex'));
  return value;
}

function add({ db }: Context, key: string, by: bigint): RedisReply {
  const held = db.text(key) ?? '0';
  const before = int64(held) ?? fail(NOT_INTEGER);
  const sum = sum64(before, by) ?? fail('ERR increment or decrement would overflow');
  db.replace(key, String(sum));
  return sum;
}

function addFloat([, key, by]: readonly string[], { db }: Context): RedisReply {
  const held = db.text(key) ?? '0';
  const sum = floatOf(held) + floatOf(by);
  if (!Number.isFinite(sum)) fail('ERR increment would produce NaN or Infinity');
  const text = decimalSum(held, by) ?? floatText(sum);
  db.replace(key, text);
  return text;
}

function append([, key, more]: readonly string[], { db }: Context): RedisReply {
  const text = (db.text(key) ?? '') + more;
  if (text.length > TEXT_MAX) fail(TOO_LONG);
  db.replace(key, text);
  return text.length;
}

function setRange([, key, offsetText, part]: readonly string[], { db }: Context): RedisReply {
  const offset = integerOf(offsetText);
  if (offset < 0) fail('ERR offset is out of range');
  const held = db.text(key) ?? '';
  if (part === '') return held.length;
  if (offset + part.length > TEXT_MAX) fail(TOO_LONG);
  const text = held.padEnd(offset, '\0');
  db.replace(key, text.slice(0, offset) + part + text.slice(offset + part.length));
  return Math.max(text.length, offset + part.length);
}

function getRange([, key, from, to]: readonly string[], { db }: Context): RedisReply {
  const [start, end] = [integerOf(from), integerOf(to)];
  const text = db.text(key) ?? '';
  if (start < 0 && end < 0 && start > end) return '';
  const range = indexRange(start, end < 0 ? Math.max(0, end + text.length) : end, text.length);
  return range === undefined ? '' : text.slice(range[0], range[1] + 1);
}

function setAll(args: readonly string[], { db }: Context): void {
  for (let i = 1; i < args.length; i += 2) db.put(args[i], args[i + 1]);
}

function evenly(args: readonly string[]): void {
  if (args.length % 2 === 0) fail(`ERR wrong number of arguments for '${args[0].toLowerCase()}' command`);
}

function setEx(unit: string) {
  return ([name, key, ttl, value]: readonly string[], on: Context): RedisReply => {
    on.db.put(key, value, expiryAt(ttl, unit, on, name.toLowerCase()));
    return OK;
  };
}

function decrBy([, key, by]: readonly string[], on: Context): RedisReply {
  const amount = int64Of(by);
  if (amount === -(2n ** 63n)) fail('ERR decrement would overflow');
  return add(on, key, -amount);
}

function setNew([, key, value]: readonly string[], { db }: Context): RedisReply {
  if (db.get(key) !== undefined) return 0;
  db.put(key, value);
  return 1;
}

function textOrNull({ db }: Context, key: string): string | null {
  const value = db.get(key);
  return typeof value === 'string' ? value : null;
}

export const STRINGS: readonly Command[] = [
  ...commands('read', {
    'get 2': ([, key], { db }) => db.text(key) ?? null,
    'mget -2': ([, ...keys], on) => keys.map((key) => textOrNull(on, key)),
    'strlen 2': ([, key], { db }) => db.text(key)?.length ?? 0,
    'getrange 4': getRange,
    'substr 4': getRange,
  }),
  ...commands('write', {
    'getdel 2'([, key], { db }) {
      const value = db.text(key);
      db.delete(key);
      return value ?? null;
    },
    'getex -2': getEx,
  }),
  ...commands('grow', {
    'set -3': set,
    'setnx 3': setNew,
    'setex 4': setEx('ex'),
    'psetex 4': setEx('px'),
    'getset 3'([, key, value], { db }) {
      const before = db.text(key);
      db.put(key, value);
      return before ?? null;
    },
    'mset -3'(args, on) {
      evenly(args);
      setAll(args, on);
      return OK;
    },
    'msetnx -3'(args, on) {
      evenly(args);
      for (let i = 1; i < args.length; i += 2) if (on.db.get(args[i]) !== undefined) return 0;
      setAll(args, on);
      return 1;
    },
    'append 3': append,
    'setrange 4': setRange,
    'incr 2': ([, key], on) => add(on, key, 1n),
    'decr 2': ([, key], on) => add(on, key, -1n),
    'incrby 3': ([, key, by], on) => add(on, key, int64Of(by)),
    'decrby 3': decrBy,
    'incrbyfloat 3': addFloat,
  }),
];

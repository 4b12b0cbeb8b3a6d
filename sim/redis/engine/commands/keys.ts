// Commands on keys of any type, and on a whole database.
import { below } from '../../../../src/base/index.ts';
import { type Command, commands, type Context, lower } from '../command.ts';
import { List, typeName } from '../database.ts';
import { globOf } from '../glob.ts';
import { int64Of, integerOf, SYNTAX } from '../numbers.ts';
import { fail, notSimulated, OK, type RedisReply, Status } from '../replies.ts';
import { scanPage, scanOptions } from '../scan.ts';
import { SortedSet } from '../sorted-set.ts';

const MOMENT_MAX = 2n ** 63n - 1n;

function expire(unit: bigint, isRelative: boolean) {
  return (args: readonly string[], on: Context): RedisReply => {
    const [name, key, amount] = args;
    const { db, now } = on;
    const invalid = `ERR invalid expire time in '${name.toLowerCase()}' command`;
    const given = int64Of(amount) * unit + (isRelative ? BigInt(now) : 0n);
    if (given > MOMENT_MAX || given < -MOMENT_MAX) fail(invalid);
    const flags = expireFlags(args);
    const held = db.expiryOf(key);
    if (held === undefined) return 0;
    const atMs = Number(given);
    if (flags.has('nx') && held !== 0) return 0;
    if (flags.has('xx') && held === 0) return 0;
    if (flags.has('gt') && (held === 0 || atMs <= held)) return 0;
    if (flags.has('lt') && held !== 0 && atMs >= held) return 0;
    if (atMs <= now) db.delete(key);
    else db.expire(key, atMs);
    return 1;
  };
}

function expireFlags(args: readonly string[]): ReadonlySet<string> {
  const flags = new Set<string>();
  for (let i = 3; i < args.length; i++) {
    if (!/^(nx|xx|gt|lt)$/.test(lower(args, i))) fail(`ERR Unsupported option ${args[i]}`);
    flags.add(lower(args, i));
  }
  if (flags.has('nx') && flags.size > 1)
    fail('ERR NX and XX, GT or LT options at the same time are not compatible');
  if (flags.has('gt') && flags.has('lt')) fail('ERR GT and LT options at the same time are not compatible');
  return flags;
}

function left(divisor: number, isMoment: boolean) {
  return ([, key]: readonly string[], { db, now }: Context): RedisReply => {
    const atMs = db.expiryOf(key);
    if (atMs === undefined) return -2;
    if (atMs === 0) return -1;
    if (isMoment) return divisor === 1 ? atMs : Math.floor((atMs + 500) / 1000);
    return divisor === 1 ? Math.max(0, atMs - now) : Math.floor((Math.max(0, atMs - now) + 500) / 1000);
  };
}

function rename([, from, to]: readonly string[], { db }: Context, isNew: boolean): RedisReply {
  const value = db.get(from) ?? fail('ERR no such key');
  if (from === to) return isNew ? 0 : OK;
  if (isNew && db.get(to) !== undefined) return 0;
  const atMs = db.expiryOf(from) ?? 0;
  db.delete(from);
  db.put(to, value, atMs);
  return isNew ? 1 : OK;
}

function copy(args: readonly string[], { db }: Context): RedisReply {
  const [, from, to] = args;
  const isReplacing = lower(args, 3) === 'replace';
  if (args.length > (isReplacing ? 4 : 3)) notSimulated('COPY between databases');
  if (from === to) fail('ERR source and destination objects are the same');
  const value = db.get(from);
  if (value === undefined || (!isReplacing && db.get(to) !== undefined)) return 0;
  db.put(to, db.valueCopy(value), db.expiryOf(from) ?? 0);
  return 1;
}

function scan(args: readonly string[], { db }: Context): RedisReply {
  const options = scanOptions(args, 2);
  const keys =
    options.type === undefined
      ? db.keys()
      : db.keys().filter((key) => typeName(db.get(key)) === options.type);
  const page = scanPage(keys, args[1], options);
  return [page.next, page.found];
}

function removeAll([, ...keys]: readonly string[], { db }: Context): RedisReply {
  return keys.filter((key) => db.delete(key)).length;
}

function count([, ...keys]: readonly string[], { db }: Context): RedisReply {
  return keys.filter((key) => db.get(key) !== undefined).length;
}

function flush(_args: readonly string[], { db }: Context): RedisReply {
  db.clear();
  return OK;
}

/** SORT of numbers or with ALPHA; BY, GET and STORE are not simulated. */
function sort(args: readonly string[], { db }: Context): RedisReply {
  const value = db.get(args[1]);
  let [isAlpha, isDown, from, size] = [false, false, 0, -1];
  for (let i = 2; i < args.length; i++) {
    const option = lower(args, i);
    if (option === 'alpha') isAlpha = true;
    else if (option === 'desc' || option === 'asc') isDown = option === 'desc';
    else if (option === 'limit') [from, size] = [integerOf(args[++i]), integerOf(args[++i])];
    else if (/^(by|get|store)$/.test(option)) notSimulated(`SORT ${option}`);
    else fail(SYNTAX);
  }
  const items =
    value instanceof List
      ? value.items
      : value instanceof Set
        ? [...value]
        : [...(db.sorted(args[1])?.members() ?? [])];
  const number = (text: string): number => {
    const x = Number(text);
    return Number.isNaN(x) ? fail("ERR One or more scores can't be converted into double") : x;
  };
  const text = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  if (!isAlpha) for (const item of items) number(item);
  const ordered = [...items].sort((a, b) => (isAlpha ? text(a, b) : number(a) - number(b) || text(a, b)));
  if (isDown) ordered.reverse();
  return ordered.slice(Math.max(0, from), size < 0 ? undefined : Math.max(0, from) + size);
}

/** About what Redis would say: an entry costs tens of bytes. */
const ENTRY_BYTES = 56;

function memory(args: readonly string[], { db }: Context): RedisReply {
  if (lower(args, 1) !== 'usage') return notSimulated(`MEMORY ${args[1]}`);
  const value = db.get(args[2]);
  if (value === undefined) return null;
  let bytes = ENTRY_BYTES + args[2].length;
  if (typeof value === 'string') return bytes + value.length;
  if (value instanceof Map)
    for (const [field, text] of value) bytes += field.length + text.length + ENTRY_BYTES;
  else if (value instanceof Set) for (const member of value) bytes += member.length + ENTRY_BYTES;
  else if (value instanceof List) for (const item of value.items) bytes += item.length + ENTRY_BYTES;
  else if (value instanceof SortedSet)
    for (const member of value.members()) bytes += member.length + ENTRY_BYTES;
  else for (const { fields } of value.entries) bytes += fields.join('').length + ENTRY_BYTES;
  return bytes;
}

export const KEYS: readonly Command[] = [
  ...commands('read', {
    'memory -2': memory,
    'exists -2': count,
    'touch -2': count,
    'type 2': ([, key], { db }) => new Status(typeName(db.get(key))),
    'ttl 2': left(1000, false),
    'pttl 2': left(1, false),
    'expiretime 2': left(1000, true),
    'pexpiretime 2': left(1, true),
    'keys 2': ([, pattern], { db }) => {
      const glob = globOf(pattern);
      return db.keys().filter((key) => glob.test(key));
    },
    'scan -2': scan,
    'dbsize 1': (_args, { db }) => db.size,
    'randomkey 1': (_args, { db, random }) => {
      const keys = db.keys();
      return keys.length === 0 ? null : keys[below(random, keys.length)];
    },
    'sort_ro -2': sort,
  }),
  ...commands('write', {
    'del -2': removeAll,
    'unlink -2': removeAll,
    'expire -3': expire(1000n, true),
    'pexpire -3': expire(1n, true),
    'expireat -3': expire(1000n, false),
    'pexpireat -3': expire(1n, false),
    'persist 2': ([, key], { db }) => {
      if ((db.expiryOf(key) ?? 0) === 0) return 0;
      db.expire(key, 0);
      return 1;
    },
    'rename 3': (args, on) => rename(args, on, false),
    'renamenx 3': (args, on) => rename(args, on, true),
    'flushdb -1': flush,
    'sort -2': sort,
  }),
  ...commands('grow', { 'copy -3': copy }),
];

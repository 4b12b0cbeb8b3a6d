// Commands on lists. Blocking ones are not simulated: mqkv blocks in the gateway.
import { type Command, commands, type Context, lower } from '../command.ts';
import { List } from '../database.ts';
import { indexRange, integerOf, SYNTAX } from '../numbers.ts';
import { fail, NULL_ARRAY, OK, type RedisReply } from '../replies.ts';
import { anyOf } from './zsets.ts';

function push(isLeft: boolean, isOld: boolean) {
  return ([, key, ...more]: readonly string[], { db }: Context): RedisReply => {
    const held = db.list(key);
    if (held === undefined && isOld) return 0;
    const list = db.hold(key, held, () => new List());
    list.items = isLeft ? [...more.toReversed(), ...list.items] : [...list.items, ...more];
    return list.items.length;
  };
}

function taken(key: string, isLeft: boolean, count: number, { db }: Context): string[] {
  const list = db.list(key);
  if (list === undefined) return [];
  const found = isLeft
    ? list.items.splice(0, count)
    : list.items.splice(Math.max(0, list.items.length - count), count).reverse();
  db.dropEmpty(key);
  return found;
}

function pop(isLeft: boolean) {
  return (args: readonly string[], on: Context): RedisReply => {
    if (args.length > 3) fail(`ERR wrong number of arguments for '${args[0].toLowerCase()}' command`);
    if (args.length === 2) return taken(args[1], isLeft, 1, on)[0] ?? null;
    const positive = 'ERR value is out of range, must be positive';
    const count = integerOf(args[2], positive);
    if (count < 0) fail(positive);
    if (on.db.list(args[1]) === undefined) return NULL_ARRAY;
    return taken(args[1], isLeft, count, on);
  };
}

function popAny(args: readonly string[], on: Context): RedisReply {
  const { keys, where, count } = anyOf(args, /^(left|right)$/);
  for (const key of keys) {
    const found = taken(key, where === 'left', count, on);
    if (found.length > 0) return [key, found];
  }
  return NULL_ARRAY;
}

function index([, key, at]: readonly string[], { db }: Context): RedisReply {
  const list = db.list(key);
  return list === undefined ? null : (list.items.at(integerOf(at)) ?? null);
}

function setAt([, key, at, value]: readonly string[], { db }: Context): RedisReply {
  const list = db.list(key) ?? fail('ERR no such key');
  const given = integerOf(at);
  const place = given < 0 ? given + list.items.length : given;
  if (place < 0 || place >= list.items.length) fail('ERR index out of range');
  list.items[place] = value;
  return OK;
}

function insert(args: readonly string[], { db }: Context): RedisReply {
  const [, key, , pivot, value] = args;
  const where = lower(args, 2);
  if (where !== 'before' && where !== 'after') fail(SYNTAX);
  const list = db.list(key);
  if (list === undefined) return 0;
  const at = list.items.indexOf(pivot);
  if (at < 0) return -1;
  list.items.splice(where === 'before' ? at : at + 1, 0, value);
  return list.items.length;
}

function remove([, key, countText, value]: readonly string[], { db }: Context): RedisReply {
  const count = integerOf(countText);
  const list = db.list(key);
  if (list === undefined) return 0;
  let left = count === 0 ? list.items.length : Math.abs(count);
  let gone = 0;
  const kept = (count < 0 ? list.items.toReversed() : list.items).filter((item) => {
    if (item !== value || left === 0) return true;
    left--;
    gone++;
    return false;
  });
  list.items = count < 0 ? kept.reverse() : kept;
  db.dropEmpty(key);
  return gone;
}

function trim([, key, from, to]: readonly string[], { db }: Context): RedisReply {
  const [start, end] = [integerOf(from), integerOf(to)];
  const list = db.list(key);
  if (list === undefined) return OK;
  const range = indexRange(start, end, list.items.length);
  list.items = range === undefined ? [] : list.items.slice(range[0], range[1] + 1);
  db.dropEmpty(key);
  return OK;
}

function shown([, key, from, to]: readonly string[], { db }: Context): RedisReply {
  const [start, end] = [integerOf(from), integerOf(to)];
  const items = db.list(key)?.items ?? [];
  const range = indexRange(start, end, items.length);
  return range === undefined ? [] : items.slice(range[0], range[1] + 1);
}

function move(key: string, to: string, ends: readonly [string, string], on: Context): RedisReply {
  const { db } = on;
  const [from, into] = ends;
  if (db.list(key) === undefined) return null;
  db.list(to);
  const [value] = taken(key, from === 'left', 1, on);
  const target = db.hold(to, db.list(to), () => new List());
  if (into === 'left') target.items.unshift(value);
  else target.items.push(value);
  return value;
}

function moveEnds(args: readonly string[], on: Context): RedisReply {
  const ends = [lower(args, 3), lower(args, 4)] as const;
  if (!ends.every((end) => /^(left|right)$/.test(end))) fail(SYNTAX);
  return move(args[1], args[2], ends, on);
}

interface PositionOptions {
  readonly rank: number;
  readonly count: number;
  readonly most: number;
}

function positionOptions(args: readonly string[]): PositionOptions {
  let [rank, count, most] = [1, -1, 0];
  for (let i = 3; i < args.length; i += 2) {
    const option = lower(args, i);
    if (i + 1 >= args.length) fail(SYNTAX);
    if (option === 'rank') {
      rank = integerOf(args[i + 1]);
      if (rank === 0)
        fail(
          "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
        );
    } else if (option === 'count') {
      count = integerOf(args[i + 1], "ERR COUNT can't be negative");
      if (count < 0) fail("ERR COUNT can't be negative");
    } else if (option === 'maxlen') {
      most = integerOf(args[i + 1], "ERR MAXLEN can't be negative");
      if (most < 0) fail("ERR MAXLEN can't be negative");
    } else fail(SYNTAX);
  }
  return { rank, count, most };
}

function place(args: readonly string[], { db }: Context): RedisReply {
  const { rank, count, most } = positionOptions(args);
  const items = db.list(args[1])?.items;
  if (items === undefined) return count < 0 ? null : [];
  const order = items.map((item, at) => ({ item, at }));
  if (rank < 0) order.reverse();
  const looked = most > 0 ? order.slice(0, most) : order;
  const found = looked.filter(({ item }) => item === args[2]).slice(Math.abs(rank) - 1);
  if (count < 0) return found[0]?.at ?? null;
  return found.slice(0, count === 0 ? undefined : count).map(({ at }) => at);
}

export const LISTS: readonly Command[] = [
  ...commands('read', {
    'llen 2': ([, key], { db }) => db.list(key)?.items.length ?? 0,
    'lindex 3': index,
    'lrange 4': shown,
    'lpos -3': place,
  }),
  ...commands('write', {
    'lpop -2': pop(true),
    'rpop -2': pop(false),
    'lmpop -4': popAny,
    'lrem 4': remove,
    'ltrim 4': trim,
  }),
  ...commands('grow', {
    'lpush -3': push(true, false),
    'rpush -3': push(false, false),
    'lpushx -3': push(true, true),
    'rpushx -3': push(false, true),
    'lset 4': setAt,
    'linsert 5': insert,
    'lmove 5': moveEnds,
    'rpoplpush 3': ([, key, to], on) => move(key, to, ['right', 'left'], on),
  }),
];

// Commands on sets.
import { type Command, commands, type Context, lower } from '../command.ts';
import { integerOf, SYNTAX } from '../numbers.ts';
import { fail, Members, type RedisReply } from '../replies.ts';
import { scanOptions, scanPage } from '../scan.ts';
import { COMPACT_MAX, randomNames, timesOf } from './hashes.ts';

function add([, key, ...members]: readonly string[], { db }: Context): RedisReply {
  const set = db.hold(key, db.set(key), () => new Set<string>());
  const before = set.size;
  for (const member of members) set.add(member);
  return set.size - before;
}

function remove([, key, ...members]: readonly string[], { db }: Context): RedisReply {
  const set = db.set(key);
  const gone = members.filter((member) => set?.delete(member) === true).length;
  db.dropEmpty(key);
  return gone;
}

function pop(args: readonly string[], on: Context): RedisReply {
  const [, key] = args;
  const count = args.length > 2 ? integerOf(args[2], 'ERR value is out of range, must be positive') : 1;
  if (count < 0) fail('ERR value is out of range, must be positive');
  if (args.length > 3) fail(SYNTAX);
  const set = on.db.set(key);
  const found = randomNames([...(set ?? [])], count, on);
  for (const member of found) set?.delete(member);
  on.db.dropEmpty(key);
  return args.length > 2 ? new Members(found) : (found[0] ?? null);
}

function random(args: readonly string[], on: Context): RedisReply {
  if (args.length > 3) fail(SYNTAX);
  const count = args.length > 2 ? timesOf(args[2]) : 1;
  const members = [...(on.db.set(args[1]) ?? [])];
  return args.length > 2 ? randomNames(members, count, on) : (randomNames(members, 1, on)[0] ?? null);
}

function move([, from, to, member]: readonly string[], { db }: Context): RedisReply {
  if (db.get(from) === undefined) return 0;
  const source = db.set(from);
  const target = db.set(to);
  if (source?.has(member) !== true) return 0;
  if (from === to) return 1;
  source.delete(member);
  db.dropEmpty(from);
  db.hold(to, target, () => new Set<string>()).add(member);
  return 1;
}

type Combine = 'inter' | 'union' | 'diff';

function combined(how: Combine, keys: readonly string[], { db }: Context): string[] {
  const sets = keys.map((key) => db.set(key) ?? new Set<string>());
  const [first = new Set<string>(), ...rest] = sets;
  if (how === 'union') return [...new Set(sets.flatMap((set) => [...set]))];
  return [...first].filter((member) =>
    how === 'inter' ? rest.every((set) => set.has(member)) : !rest.some((set) => set.has(member)),
  );
}

function store(how: Combine) {
  return ([, to, ...keys]: readonly string[], on: Context): RedisReply => {
    const found = combined(how, keys, on);
    on.db.delete(to);
    if (found.length > 0) on.db.put(to, new Set(found));
    return found.length;
  };
}

function interCard(args: readonly string[], on: Context): RedisReply {
  const count = integerOf(args[1], 'ERR numkeys should be greater than 0');
  if (count < 1) fail('ERR numkeys should be greater than 0');
  if (count > args.length - 2) fail("ERR Number of keys can't be greater than number of args");
  const rest = args.slice(2 + count);
  let limit = 0;
  if (rest.length > 0) {
    if (lower(rest, 0) !== 'limit' || rest.length !== 2) fail(SYNTAX);
    limit = integerOf(rest[1], "ERR LIMIT can't be negative");
    if (limit < 0) fail("ERR LIMIT can't be negative");
  }
  const size = combined('inter', args.slice(2, 2 + count), on).length;
  return limit === 0 ? size : Math.min(limit, size);
}

function scan(args: readonly string[], { db }: Context): RedisReply {
  const options = scanOptions(args, 3);
  const set = db.set(args[1]);
  if (set === undefined) return ['0', []];
  const page = scanPage(
    [...set],
    args[2],
    set.size <= COMPACT_MAX ? { ...options, count: set.size } : options,
  );
  return [page.next, page.found];
}

export const SETS: readonly Command[] = [
  ...commands('read', {
    'smembers 2': ([, key], { db }) => new Members([...(db.set(key) ?? [])]),
    'scard 2': ([, key], { db }) => db.set(key)?.size ?? 0,
    'sismember 3': ([, key, member], { db }) => (db.set(key)?.has(member) === true ? 1 : 0),
    'smismember -3'([, key, ...members], { db }) {
      const set = db.set(key);
      return members.map((member) => (set?.has(member) === true ? 1 : 0));
    },
    'srandmember -2': random,
    'sinter -2': ([, ...keys], on) => new Members(combined('inter', keys, on)),
    'sunion -2': ([, ...keys], on) => new Members(combined('union', keys, on)),
    'sdiff -2': ([, ...keys], on) => new Members(combined('diff', keys, on)),
    'sintercard -3': interCard,
    'sscan -3': scan,
  }),
  ...commands('write', { 'srem -3': remove, 'spop -2': pop, 'smove 4': move }),
  ...commands('grow', {
    'sadd -3': add,
    'sinterstore -3': store('inter'),
    'sunionstore -3': store('union'),
    'sdiffstore -3': store('diff'),
  }),
];

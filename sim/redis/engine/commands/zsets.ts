// Commands on sorted sets.
import { type Command, commands, type Context, lower } from '../command.ts';
import { floatOf, integerOf, SYNTAX } from '../numbers.ts';
import { Double, doubleText, fail, NULL_ARRAY, type RedisReply } from '../replies.ts';
import { scanOptions, scanPage } from '../scan.ts';
import { type Scored, SortedSet } from '../sorted-set.ts';
import { COMPACT_BYTES_MAX, COMPACT_MAX, randomNames } from './hashes.ts';
import { memberTest, range, rangeStore, removeRange, scoredReply, scoreTest } from './zset-ranges.ts';
import { ALGEBRA } from './zset-algebra.ts';

const NAN = 'ERR resulting score is not a number (NaN)';

function addFlags(args: readonly string[]): { readonly flags: ReadonlySet<string>; readonly at: number } {
  const flags = new Set<string>();
  let at = 2;
  while (/^(nx|xx|gt|lt|ch|incr)$/.test(lower(args, at))) flags.add(lower(args, at++));
  const pairs = args.length - at;
  if (pairs === 0 || pairs % 2 === 1) fail(SYNTAX);
  if (flags.has('nx') && flags.has('xx')) fail('ERR XX and NX options at the same time are not compatible');
  if ((flags.has('gt') && (flags.has('nx') || flags.has('lt'))) || (flags.has('lt') && flags.has('nx')))
    fail('ERR GT, LT, and/or NX options at the same time are not compatible');
  if (flags.has('incr') && pairs > 2) fail('ERR INCR option supports a single increment-element pair');
  return { flags, at };
}

function add(args: readonly string[], { db }: Context): RedisReply {
  const { flags, at } = addFlags(args);
  const scores: number[] = [];
  for (let i = at; i < args.length; i += 2) scores.push(floatOf(args[i]));
  const held = db.sorted(args[1]);
  if (held === undefined && flags.has('xx')) return flags.has('incr') ? null : 0;
  const set = held ?? new SortedSet();
  let [added, changed, last]: [number, number, number | null] = [0, 0, null];
  for (const [i, given] of scores.entries()) {
    const member = args[at + 2 * i + 1];
    const before = set.score(member);
    last = null;
    if (before === undefined ? flags.has('xx') : flags.has('nx')) continue;
    const score = flags.has('incr') ? (before ?? 0) + given : given;
    if (Number.isNaN(score)) fail(NAN);
    if (
      before !== undefined &&
      ((flags.has('gt') && score <= before) || (flags.has('lt') && score >= before))
    )
      continue;
    last = score;
    if (before === undefined) added++;
    else if (before !== score) changed++;
    if (before !== score) set.put(member, score);
  }
  if (held === undefined && set.size > 0) db.put(args[1], set);
  if (flags.has('incr')) return last === null ? null : new Double(last);
  return flags.has('ch') ? added + changed : added;
}

function increment([, key, by, member]: readonly string[], { db }: Context): RedisReply {
  const amount = floatOf(by);
  const held = db.sorted(key);
  const score = (held?.score(member) ?? 0) + amount;
  if (Number.isNaN(score)) fail(NAN);
  db.hold(key, held, () => new SortedSet()).put(member, score);
  return new Double(score);
}

function remove([, key, ...members]: readonly string[], { db }: Context): RedisReply {
  const set = db.sorted(key);
  const gone = members.filter((member) => set?.delete(member) === true).length;
  db.dropEmpty(key);
  return gone;
}

function score(set: SortedSet | undefined, member: string): RedisReply {
  const found = set?.score(member);
  return found === undefined ? null : new Double(found);
}

function rank(isDown: boolean) {
  return ([, key, member]: readonly string[], { db }: Context): RedisReply => {
    const ordered = db.sorted(key)?.ordered ?? [];
    const at = ordered.findIndex(([name]) => name === member);
    return at < 0 ? null : isDown ? ordered.length - 1 - at : at;
  };
}

function counted(test: (min: string, max: string) => (scored: Scored) => boolean) {
  return ([, key, min, max]: readonly string[], { db }: Context): RedisReply => {
    const isWithin = test(min, max);
    return db.sorted(key)?.ordered.filter(isWithin).length ?? 0;
  };
}

function taken(key: string, isMax: boolean, count: number, { db }: Context): readonly Scored[] {
  const set = db.sorted(key);
  if (set === undefined) return [];
  const ordered = isMax ? [...set.ordered].reverse() : set.ordered;
  const found = ordered.slice(0, count);
  for (const [member] of found) set.delete(member);
  db.dropEmpty(key);
  return found;
}

function pop(isMax: boolean) {
  return (args: readonly string[], on: Context): RedisReply => {
    if (args.length > 3) fail(SYNTAX);
    const positive = 'ERR value is out of range, must be positive';
    const count = args.length > 2 ? integerOf(args[2], positive) : 1;
    if (count < 0) fail(positive);
    const found = taken(args[1], isMax, count, on);
    if (args.length > 2) return scoredReply(found, true, on);
    return found.flatMap(([member, value]) => [member, new Double(value)]);
  };
}

function popAny(args: readonly string[], on: Context): RedisReply {
  const { keys, where, count } = anyOf(args, /^(min|max)$/);
  for (const key of keys) {
    const found = taken(key, where === 'max', count, on);
    if (found.length > 0) return [key, found.map(([member, value]) => [member, new Double(value)])];
  }
  return NULL_ARRAY;
}

/** numkeys key* WHERE [COUNT n]. */
export function anyOf(
  args: readonly string[],
  places: RegExp,
): { readonly keys: readonly string[]; readonly where: string; readonly count: number } {
  const numkeys = integerOf(args[1], 'ERR numkeys should be greater than 0');
  if (numkeys < 1) fail('ERR numkeys should be greater than 0');
  const at = 2 + numkeys;
  const where = lower(args, at);
  if (at >= args.length || !places.test(where)) fail(SYNTAX);
  if (args.length === at + 1) return { keys: args.slice(2, at), where, count: 1 };
  if (args.length !== at + 3 || lower(args, at + 1) !== 'count') fail(SYNTAX);
  const count = integerOf(args[at + 2], 'ERR count should be greater than 0');
  if (count < 1) fail('ERR count should be greater than 0');
  return { keys: args.slice(2, at), where, count };
}

function random(args: readonly string[], on: Context): RedisReply {
  const set = on.db.sorted(args[1]);
  const members = [...(set?.members() ?? [])];
  if (args.length === 2) return randomNames(members, 1, on)[0] ?? null;
  const count = integerOf(args[2]);
  const isScored = lower(args, 3) === 'withscores';
  if (args.length > (isScored ? 4 : 3)) fail(SYNTAX);
  const found = randomNames(members, count, on).map((member): Scored => [member, set?.score(member) ?? 0]);
  return scoredReply(found, isScored, on);
}

function scan(args: readonly string[], { db }: Context): RedisReply {
  const options = scanOptions(args, 3);
  const set = db.sorted(args[1]);
  if (set === undefined) return ['0', []];
  const names = [...set.members()];
  const isCompact = names.length <= COMPACT_MAX && names.every((name) => name.length <= COMPACT_BYTES_MAX);
  const page = scanPage(names, args[2], isCompact ? { ...options, count: names.length } : options);
  return [page.next, page.found.flatMap((name) => [name, doubleText(set.score(name) ?? 0)])];
}

export const ZSETS: readonly Command[] = [
  ...ALGEBRA,
  ...commands('read', {
    'zscore 3': ([, key, member], { db }) => score(db.sorted(key), member),
    'zmscore -3'([, key, ...members], { db }) {
      const set = db.sorted(key);
      return members.map((member) => score(set, member));
    },
    'zcard 2': ([, key], { db }) => db.sorted(key)?.size ?? 0,
    'zcount 4': counted(scoreTest),
    'zlexcount 4': counted(memberTest),
    'zrank 3': rank(false),
    'zrevrank 3': rank(true),
    'zrange -4': range('rank', false, /^(withscores|limit|byscore|bylex|rev)$/),
    'zrevrange -4': range('rank', true, /^withscores$/),
    'zrangebyscore -4': range('score', false, /^(withscores|limit)$/),
    'zrevrangebyscore -4': range('score', true, /^(withscores|limit)$/),
    'zrangebylex -4': range('member', false, /^limit$/),
    'zrevrangebylex -4': range('member', true, /^limit$/),
    'zrandmember -2': random,
    'zscan -3': scan,
  }),
  ...commands('write', {
    'zrem -3': remove,
    'zpopmin -2': pop(false),
    'zpopmax -2': pop(true),
    'zmpop -4': popAny,
    'zremrangebyrank 4': removeRange('rank'),
    'zremrangebyscore 4': removeRange('score'),
    'zremrangebylex 4': removeRange('member'),
  }),
  ...commands('grow', { 'zadd -4': add, 'zincrby 4': increment, 'zrangestore -5': rangeStore }),
];

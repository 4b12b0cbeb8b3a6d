// Unions, intersections and differences of sorted sets.
import { type Command, commands, type Context, lower } from '../command.ts';
import { floatOf, integerOf, SYNTAX } from '../numbers.ts';
import { fail, type RedisReply, WRONG_TYPE } from '../replies.ts';
import { type Scored, SortedSet } from '../sorted-set.ts';
import { scoredReply } from './zset-ranges.ts';

type How = 'union' | 'inter' | 'diff';

interface Request {
  readonly keys: readonly string[];
  readonly weights: readonly number[];
  readonly aggregate: string;
  readonly isScored: boolean;
}

function requestOf(args: readonly string[], at: number, how: How): Request {
  const name = args[0].toLowerCase();
  const bad = `ERR at least 1 input key is needed for '${name}' command`;
  const count = integerOf(args[at]);
  if (count < 1) fail(bad);
  if (count > args.length - at - 1) fail(SYNTAX);
  const keys = args.slice(at + 1, at + 1 + count);
  let [weights, aggregate, isScored] = [keys.map(() => 1), 'sum', false];
  for (let i = at + 1 + count; i < args.length; i++) {
    const option = lower(args, i);
    if (option === 'weights' && how !== 'diff' && args.length > i + count) {
      weights = keys.map((_, k) => floatOf(args[i + 1 + k], 'ERR weight value is not a float'));
      i += count;
    } else if (option === 'aggregate' && how !== 'diff' && /^(sum|min|max)$/.test(lower(args, i + 1)))
      aggregate = lower(args, ++i);
    else if (option === 'withscores' && at === 1) isScored = true;
    else fail(SYNTAX);
  }
  return { keys, weights, aggregate, isScored };
}

function scoresOf(key: string, { db }: Context): ReadonlyMap<string, number> {
  const value = db.get(key);
  if (value === undefined) return new Map();
  if (value instanceof Set) return new Map([...value].map((member) => [member, 1]));
  return value instanceof SortedSet ? new Map(value.ordered) : fail(WRONG_TYPE);
}

function joined(a: number, b: number, aggregate: string): number {
  if (aggregate === 'min') return Math.min(a, b);
  if (aggregate === 'max') return Math.max(a, b);
  return Number.isNaN(a + b) ? 0 : a + b;
}

function combined(how: How, { keys, weights, aggregate }: Request, on: Context): SortedSet {
  const sources = keys.map((key) => scoresOf(key, on));
  if (how === 'diff') {
    const [first, ...rest] = sources;
    return new SortedSet(new Map([...first].filter(([member]) => !rest.some((set) => set.has(member)))));
  }
  const scores = new Map<string, number>();
  for (const [i, source] of sources.entries())
    for (const [member, score] of source) {
      const weighted = Number.isNaN(score * weights[i]) ? 0 : score * weights[i];
      const held = scores.get(member);
      scores.set(member, held === undefined ? weighted : joined(held, weighted, aggregate));
    }
  if (how === 'inter')
    for (const member of scores.keys()) if (!sources.every((set) => set.has(member))) scores.delete(member);
  return new SortedSet(scores);
}

function show(how: How) {
  return (args: readonly string[], on: Context): RedisReply => {
    const request = requestOf(args, 1, how);
    return scoredReply(combined(how, request, on).ordered as readonly Scored[], request.isScored, on);
  };
}

function store(how: How) {
  return (args: readonly string[], on: Context): RedisReply => {
    const set = combined(how, requestOf(args, 2, how), on);
    on.db.delete(args[1]);
    if (set.size > 0) on.db.put(args[1], set);
    return set.size;
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
  const keys = args.slice(2, 2 + count);
  const { size } = combined(
    'inter',
    { keys, weights: keys.map(() => 1), aggregate: 'sum', isScored: false },
    on,
  );
  return limit === 0 ? size : Math.min(limit, size);
}

export const ALGEBRA: readonly Command[] = [
  ...commands('read', {
    'zunion -3': show('union'),
    'zinter -3': show('inter'),
    'zdiff -3': show('diff'),
    'zintercard -3': interCard,
  }),
  ...commands('grow', {
    'zunionstore -4': store('union'),
    'zinterstore -4': store('inter'),
    'zdiffstore -4': store('diff'),
  }),
];

// Ranges of sorted sets: by rank, score or member.
import { type Context, lower } from '../command.ts';
import { boundOf, indexRange, integerOf, SYNTAX } from '../numbers.ts';
import { Double, fail, type RedisReply } from '../replies.ts';
import { type Scored, SortedSet } from '../sorted-set.ts';

const BAD_FLOAT = 'ERR min or max is not a float';
const BAD_TEXT = 'ERR min or max not valid string range item';

/** Whether a score lies within. */
export function scoreTest(min: string, max: string): (scored: Scored) => boolean {
  const bound = (text: string): readonly [number, boolean] =>
    text.startsWith('(') ? [boundOf(text.slice(1), BAD_FLOAT), true] : [boundOf(text, BAD_FLOAT), false];
  const [[low, isAbove], [high, isBelow]] = [bound(min), bound(max)];
  return ([, score]) => (isAbove ? score > low : score >= low) && (isBelow ? score < high : score <= high);
}

/** Whether a member lies within. */
export function memberTest(min: string, max: string): (scored: Scored) => boolean {
  for (const text of [min, max]) if (text !== '-' && text !== '+' && !/^[[(]/.test(text)) fail(BAD_TEXT);
  const [low, high] = [min.slice(1), max.slice(1)];
  return ([member]) => {
    if (min === '+' || max === '-') return false;
    const isAbove = min === '-' || (min.startsWith('(') ? member > low : member >= low);
    return isAbove && (max === '+' || (max.startsWith('(') ? member < high : member <= high));
  };
}

export type By = 'rank' | 'score' | 'member';

/** What a range command asks for. */
interface RangeRequest {
  readonly key: string;
  readonly from: string;
  readonly to: string;
  readonly by: By;
  readonly isDown: boolean;
  readonly offset: number;
  /** Negative: all. */
  readonly count: number;
}

/** Members in the order asked for. For a descending range by score or member, `from` is the higher end. */
function rangeOf(request: RangeRequest, { db }: Context): readonly Scored[] {
  const { key, from, to, by, isDown, offset, count } = request;
  const [min, max] = isDown && by !== 'rank' ? [to, from] : [from, to];
  const test = by === 'score' ? scoreTest(min, max) : by === 'member' ? memberTest(min, max) : undefined;
  const ranks = test === undefined ? [integerOf(from), integerOf(to)] : [];
  const set = db.sorted(key);
  if (set === undefined) return [];
  const ordered = isDown ? [...set.ordered].reverse() : set.ordered;
  if (test === undefined) {
    const range = indexRange(ranks[0], ranks[1], ordered.length);
    return range === undefined ? [] : ordered.slice(range[0], range[1] + 1);
  }
  if (offset < 0) return [];
  const within = ordered.filter(test);
  return within.slice(offset, count < 0 ? undefined : offset + count);
}

/** Members, with their scores where asked. RESP3 pairs them. */
export function scoredReply(found: readonly Scored[], isScored: boolean, { protocol }: Context): RedisReply {
  if (!isScored) return found.map(([member]) => member);
  const pairs = found.map(([member, score]) => [member, new Double(score)]);
  return protocol === 3 ? pairs : pairs.flat();
}

interface Options {
  readonly by: By;
  readonly isDown: boolean;
  readonly isScored: boolean;
  readonly isLimited: boolean;
  readonly offset: number;
  readonly count: number;
}

function options(args: readonly string[], at: number, given: { by: By; isDown: boolean }): Options {
  let { by, isDown } = given;
  let [isScored, isLimited, offset, count] = [false, false, 0, -1];
  for (let i = at; i < args.length; i++) {
    const option = lower(args, i);
    if (option === 'withscores') isScored = true;
    else if (option === 'limit' && i + 2 < args.length) {
      isLimited = true;
      [offset, count] = [integerOf(args[i + 1]), integerOf(args[i + 2])];
      i += 2;
    } else if (option === 'byscore') by = 'score';
    else if (option === 'bylex') by = 'member';
    else if (option === 'rev') isDown = true;
    else fail(SYNTAX);
  }
  return { by, isDown, isScored, isLimited, offset, count };
}

/** ZRANGE and its older kin, which have by and direction in the name and take fewer options. */
export function range(by: By, isDown: boolean, allowed: RegExp) {
  return (args: readonly string[], on: Context): RedisReply => {
    for (let i = 4; i < args.length; i++)
      if (lower(args, i) === 'limit' && allowed.test('limit')) i += 2;
      else if (!allowed.test(lower(args, i))) fail(SYNTAX);
    const held = options(args, 4, { by, isDown });
    if (held.isLimited && held.by === 'rank')
      fail('ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX');
    if (held.isScored && held.by === 'member')
      fail('ERR syntax error, WITHSCORES not supported in combination with BYLEX');
    const found = rangeOf({ key: args[1], from: args[2], to: args[3], ...held }, on);
    return scoredReply(found, held.isScored, on);
  };
}

/** ZRANGESTORE. */
export function rangeStore(args: readonly string[], on: Context): RedisReply {
  const [, to, key, from, until] = args;
  const held = options(args, 5, { by: 'rank', isDown: false });
  if (held.isScored) fail(SYNTAX);
  if (held.isLimited && held.by === 'rank')
    fail('ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX');
  const found = rangeOf({ key, from, to: until, ...held }, on);
  on.db.delete(to);
  if (found.length > 0) on.db.put(to, new SortedSet(new Map(found)));
  return found.length;
}

/** ZREMRANGEBY…. */
export function removeRange(by: By) {
  return ([, key, from, to]: readonly string[], on: Context): RedisReply => {
    const found = rangeOf({ key, from, to, by, isDown: false, offset: 0, count: -1 }, on);
    const set = on.db.sorted(key);
    for (const [member] of found) set?.delete(member);
    on.db.dropEmpty(key);
    return found.length;
  };
}

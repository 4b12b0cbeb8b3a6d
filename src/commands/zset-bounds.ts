// Ranges of sorted sets: by rank, score or name, as half-open ranges of ascending ranks.
import type { ZsetView } from '../store/index.ts';
import { parseLenientDouble } from './numbers.ts';

/** A range in ascending order, whatever it was given by. */
export type ZsetRange =
  | { readonly kind: 'rank'; readonly from: number; readonly to: number }
  | { readonly kind: 'score'; readonly min: ScoreBound; readonly max: ScoreBound }
  | { readonly kind: 'lex'; readonly min: LexBound; readonly max: LexBound };

interface ScoreBound {
  readonly score: number;
  readonly exclusive: boolean;
}

type LexBound = { readonly member: string; readonly exclusive: boolean } | '-' | '+';

/** `(1.5`, `-inf`. undefined: not a bound. */
function scoreBound(text: string): ScoreBound | undefined {
  const exclusive = text.startsWith('(');
  const score = parseLenientDouble(exclusive ? text.slice(1) : text);
  return score === undefined ? undefined : { score, exclusive };
}

/** `[a`, `(a`, `-`, `+`. undefined: not a bound. */
function lexBound(text: string): LexBound | undefined {
  if (text === '-' || text === '+') return text;
  if (text.startsWith('[') || text.startsWith('('))
    return { member: text.slice(1), exclusive: text.startsWith('(') };
  return undefined;
}

/** A range of scores; a text is the error. */
export function scoreRange(min: string, max: string): ZsetRange | string {
  const [low, high] = [scoreBound(min), scoreBound(max)];
  if (low === undefined || high === undefined) return 'ERR min or max is not a float';
  return { kind: 'score', min: low, max: high };
}

/** A range of names; a text is the error. */
export function lexRange(min: string, max: string): ZsetRange | string {
  const [low, high] = [lexBound(min), lexBound(max)];
  if (low === undefined || high === undefined) return 'ERR min or max not valid string range item';
  return { kind: 'lex', min: low, max: high };
}

/** The ascending ranks of a range. `reversed`: ranks count from the end. Shape: [from, to), empty where from >= to. */
export function ranksOf(zset: ZsetView, range: ZsetRange, reversed: boolean): readonly [number, number] {
  const { size } = zset;
  if (range.kind === 'score')
    return [
      zset.rankOfScore(range.min.score, range.min.exclusive),
      zset.rankOfScore(range.max.score, !range.max.exclusive),
    ];
  if (range.kind === 'lex') return [lexRank(zset, range.min, false), lexRank(zset, range.max, true)];
  const from = Math.max(0, range.from < 0 ? size + range.from : range.from);
  const last = Math.min(size - 1, range.to < 0 ? size + range.to : range.to);
  if (from > last) return [0, 0];
  return reversed ? [size - 1 - last, size - from] : [from, last + 1];
}

/** First rank inside (`isUpper`: first behind) a bound. */
function lexRank(zset: ZsetView, bound: LexBound, isUpper: boolean): number {
  if (bound === '-') return 0;
  if (bound === '+') return zset.size;
  return zset.rankOfMember(bound.member, bound.exclusive !== isUpper);
}

// ZRANGE and all its older forms, ZRANGESTORE, ZCOUNT, ZLEXCOUNT, ZREMRANGEBY….
import { TYPE_ZSET } from '../crdt/index.ts';
import type { ZsetView } from '../store/index.ts';
import type { Call, CommandHandler } from './call.ts';
import { NOT_INTEGER, SYNTAX } from './errors.ts';
import { parseLong } from './numbers.ts';
import { lexRange, ranksOf, scoreRange, type ZsetRange } from './zset-bounds.ts';
import { type Element, readZset, replyElements } from './zsets.ts';

type Kind = ZsetRange['kind'];

interface RangeOptions {
  kind: Kind;
  reversed: boolean;
  withScores: boolean;
  offset: number;
  count: number;
  limited: boolean;
}

/** How a command may be given: what its name fixes, and where its range begins. */
interface Form {
  readonly kind?: Kind;
  readonly reversed?: boolean;
  readonly store?: boolean;
}

function rangeOptions(c: Call, form: Form, at: number): RangeOptions | undefined {
  const options: RangeOptions = {
    kind: form.kind ?? 'rank',
    reversed: form.reversed ?? false,
    withScores: false,
    offset: 0,
    count: -1,
    limited: false,
  };
  for (let a = at; a < c.argc; a++) {
    const word = c.word(a);
    if (word === 'WITHSCORES' && form.store !== true) options.withScores = true;
    else if (word === 'LIMIT' && a + 2 < c.argc) {
      const [offset, count] = [parseLong(c.text(a + 1)), parseLong(c.text(a + 2))];
      if (offset === undefined || count === undefined) return c.fail(NOT_INTEGER);
      Object.assign(options, { offset, count, limited: true });
      a += 2;
    } else if (word === 'REV' && form.reversed === undefined && !options.reversed) options.reversed = true;
    else if (word === 'BYLEX' && isKindFree(form, options)) options.kind = 'lex';
    else if (word === 'BYSCORE' && isKindFree(form, options)) options.kind = 'score';
    else return c.fail(SYNTAX);
  }
  if (options.limited && options.count !== -1 && options.kind === 'rank')
    return c.fail('ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX');
  if (options.withScores && options.kind === 'lex')
    return c.fail('ERR syntax error, WITHSCORES not supported in combination with BYLEX');
  return options;
}

/** Neither the command's name nor an option before has said what the range is of. */
function isKindFree(form: Form, options: RangeOptions): boolean {
  return form.kind === undefined && options.kind === 'rank';
}

/** The range at arguments a and a + 1. undefined: an error was replied. */
function parseRange(
  c: Call,
  a: number,
  { kind, reversed }: { kind: Kind; reversed: boolean },
): ZsetRange | undefined {
  const swapped = reversed && kind !== 'rank';
  const [min, max] = swapped ? [c.text(a + 1), c.text(a)] : [c.text(a), c.text(a + 1)];
  if (kind === 'rank') {
    const [from, to] = [parseLong(min), parseLong(max)];
    if (from === undefined || to === undefined) return c.fail(NOT_INTEGER);
    return { kind: 'rank', from, to };
  }
  const range = kind === 'score' ? scoreRange(min, max) : lexRange(min, max);
  return typeof range === 'string' ? c.fail(range) : range;
}

/** The elements that a range command means, in its order. */
function select(zset: ZsetView, range: ZsetRange, options: RangeOptions): Element[] {
  const [first, end] = ranksOf(zset, range, options.reversed);
  if (first >= end || options.offset < 0) return [];
  let [from, to] = [first, end];
  if (options.kind !== 'rank') {
    const count = options.count < 0 ? end - first : options.count;
    if (options.reversed) {
      to = end - options.offset;
      from = Math.max(first, to - count);
    } else {
      from = first + options.offset;
      to = Math.min(end, from + count);
    }
  }
  if (from >= to) return [];
  const elements = [...zset.range(from, to)];
  return options.reversed ? elements.reverse() : elements;
}

function ranging(form: Form): CommandHandler {
  return (c) => {
    const at = form.store === true ? 3 : 2;
    const options = rangeOptions(c, form, at + 2);
    if (options === undefined) return;
    const range = parseRange(c, at, options);
    if (range === undefined) return;
    const zset = readZset(c, at - 1);
    if (zset === undefined) return;
    const elements = zset === null ? [] : select(zset, range, options);
    if (form.store === true) storeElements(c, elements);
    else replyElements(c, elements, options.withScores);
  };
}

/** Overwrites the first key with elements and replies with their number. */
export function storeElements(c: Call, elements: readonly Element[]): void {
  const key = c.text(1);
  if (elements.length === 0) c.keyspace.remove(key);
  else c.keyspace.overwrite(key);
  for (const { member, score } of elements) c.keyspace.putField(key, TYPE_ZSET, member, score);
  c.reply.integer(elements.length);
}

function counting(kind: 'score' | 'lex'): CommandHandler {
  return (c) => {
    const range = parseRange(c, 2, { kind, reversed: false });
    if (range === undefined) return;
    const zset = readZset(c, 1);
    if (zset === undefined) return;
    const [from, to] = zset === null ? [0, 0] : ranksOf(zset, range, false);
    c.reply.integer(Math.max(0, to - from));
  };
}

function removing(kind: Kind): CommandHandler {
  return (c) => {
    const range = parseRange(c, 2, { kind, reversed: false });
    if (range === undefined) return;
    const zset = readZset(c, 1);
    if (zset === undefined) return;
    const [from, to] = zset === null ? [0, 0] : ranksOf(zset, range, false);
    const elements = zset === null || from >= to ? [] : [...zset.range(from, to)];
    for (const { member } of elements) c.keyspace.removeField(c.text(1), TYPE_ZSET, member);
    c.reply.integer(elements.length);
  };
}

export const zsetRanges: Readonly<Record<string, CommandHandler>> = {
  zrange: ranging({}),
  zrangestore: ranging({ store: true }),
  zrevrange: ranging({ kind: 'rank', reversed: true }),
  zrangebyscore: ranging({ kind: 'score', reversed: false }),
  zrevrangebyscore: ranging({ kind: 'score', reversed: true }),
  zrangebylex: ranging({ kind: 'lex', reversed: false }),
  zrevrangebylex: ranging({ kind: 'lex', reversed: true }),
  zcount: counting('score'),
  zlexcount: counting('lex'),
  zremrangebyrank: removing('rank'),
  zremrangebyscore: removing('score'),
  zremrangebylex: removing('lex'),
};

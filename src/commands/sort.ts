// SORT and SORT_RO over sets and sorted sets (lists are not there yet, so STORE is refused: its result is a list).
import type { Latin1 } from '../base/index.ts';
import { TYPE_HASH, TYPE_SET, TYPE_STRING, TYPE_ZSET } from '../crdt/index.ts';
import type { Call, CommandHandler } from './call.ts';
import { NOT_INTEGER, SYNTAX, WRONG_TYPE } from './errors.ts';
import { parseLenientDouble, parseLong } from './numbers.ts';

interface SortOptions {
  by: Latin1 | undefined;
  readonly get: Latin1[];
  offset: number;
  count: number;
  descending: boolean;
  alpha: boolean;
}

function sortOptions(c: Call): SortOptions | undefined {
  const options: SortOptions = {
    by: undefined,
    get: [],
    offset: 0,
    count: -1,
    descending: false,
    alpha: false,
  };
  for (let a = 2; a < c.argc; a++) {
    const word = c.word(a);
    if (word === 'ASC') options.descending = false;
    else if (word === 'DESC') options.descending = true;
    else if (word === 'ALPHA') options.alpha = true;
    else if (word === 'LIMIT' && a + 2 < c.argc) {
      const [offset, count] = [parseLong(c.text(a + 1)), parseLong(c.text(a + 2))];
      if (offset === undefined || count === undefined) return c.fail(NOT_INTEGER);
      Object.assign(options, { offset, count });
      a += 2;
    } else if (word === 'BY' && a + 1 < c.argc) options.by = c.text(++a);
    else if (word === 'GET' && a + 1 < c.argc) options.get.push(c.text(++a));
    else if (word === 'STORE' && a + 1 < c.argc && c.spec.name === 'sort')
      return c.fail("ERR 'SORT STORE' is not supported by the embedded store yet");
    else return c.fail(SYNTAX);
  }
  return options;
}

function members(c: Call): Latin1[] | undefined {
  const key = c.text(1);
  const type = c.keyspace.type(key);
  if (type === TYPE_SET) return [...(c.keyspace.set(key)?.members() ?? [])];
  const zset = type === TYPE_ZSET ? c.keyspace.zset(key) : undefined;
  if (zset !== undefined) return [...zset.range(0, zset.size)].map((element) => element.member);
  return type === 0 ? [] : c.fail(WRONG_TYPE);
}

/** What a pattern names for an element: a string, or a field after `->`. undefined: nothing. */
function lookUp({ keyspace }: Call, pattern: Latin1, element: Latin1): Latin1 | undefined {
  if (pattern === '#') return element;
  const star = pattern.indexOf('*');
  if (star < 0) return undefined;
  const arrow = pattern.indexOf('->', star + 1);
  const isField = arrow >= 0 && arrow + 2 < pattern.length;
  const keyPattern = isField ? pattern.slice(0, arrow) : pattern;
  const key = keyPattern.slice(0, star) + element + keyPattern.slice(star + 1);
  const type = keyspace.type(key);
  if (isField) return type === TYPE_HASH ? keyspace.hash(key)?.get(pattern.slice(arrow + 2)) : undefined;
  return type === TYPE_STRING ? keyspace.getString(key)?.toString('latin1') : undefined;
}

interface Weighted {
  readonly element: Latin1;
  readonly text: Latin1 | undefined;
  readonly weight: number;
}

function weigh(c: Call, options: SortOptions, elements: readonly Latin1[]): Weighted[] | undefined {
  const weighted: Weighted[] = [];
  for (const element of elements) {
    const text = options.by === undefined ? element : lookUp(c, options.by, element);
    const weight = options.alpha || text === undefined ? 0 : parseLenientDouble(text);
    if (weight === undefined) return c.fail("ERR One or more scores can't be converted into double");
    weighted.push({ element, text, weight });
  }
  return weighted;
}

function compareText(a: Latin1 | undefined, b: Latin1 | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return -1;
  return b === undefined || a > b ? 1 : -1;
}

function ordered(options: SortOptions, weighted: Weighted[]): Latin1[] {
  const sign = options.descending ? -1 : 1;
  const compare = (a: Weighted, b: Weighted): number => {
    const first = options.alpha ? compareText(a.text, b.text) : a.weight - b.weight;
    const tie = options.alpha && options.by !== undefined ? 0 : compareText(a.element, b.element);
    return sign * (first === 0 ? tie : first);
  };
  return weighted.sort(compare).map(({ element }) => element);
}

function sort(c: Call): void {
  const options = sortOptions(c);
  if (options === undefined) return;
  const elements = members(c);
  if (elements === undefined) return;
  const isUnsorted = options.by !== undefined && !options.by.includes('*');
  let sorted = elements;
  if (isUnsorted)
    sorted = options.descending && c.keyspace.type(c.text(1)) === TYPE_ZSET ? elements.reverse() : elements;
  else {
    const weighted = weigh(c, options, elements);
    if (weighted === undefined) return;
    sorted = ordered(options, weighted);
  }
  const from = Math.max(0, options.offset);
  const shown = sorted.slice(from, options.count < 0 ? undefined : from + options.count);
  replySorted(c, options, shown);
}

function replySorted(c: Call, { get }: SortOptions, shown: readonly Latin1[]): void {
  if (get.length === 0) return c.strings(shown);
  c.reply.array(shown.length * get.length);
  for (const element of shown) {
    for (const pattern of get) {
      const value = lookUp(c, pattern, element);
      if (value === undefined) c.reply.null();
      else c.reply.latin1(value);
    }
  }
}

export const sortCommands: Readonly<Record<string, CommandHandler>> = { sort, sort_ro: sort };

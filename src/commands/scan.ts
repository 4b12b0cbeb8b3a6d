// SCAN, HSCAN, SSCAN, ZSCAN.
import { type Latin1, SCAN_WHOLE_MAX } from '../base/index.ts';
import { TYPE_HASH, TYPE_SET, TYPE_ZSET, type ValueType } from '../crdt/index.ts';
import { matchesGlob } from '../server/index.ts';
import type { HashView, SetView, ZsetView } from '../store/index.ts';
import type { Call, CommandHandler } from './call.ts';
import { NOT_INTEGER, SYNTAX } from './errors.ts';
import { TYPE_NAMES } from './keys.ts';
import { doubleText, parseLong } from './numbers.ts';

interface ScanOptions {
  cursor: number;
  count: number;
  pattern: string | undefined;
  type: string | undefined;
}

/** The cursor at argument `at`. undefined: an error was replied. */
function cursorAt(c: Call, at: number): number | undefined {
  return /^[0-9]{0,20}$/.test(c.text(at)) ? Number(c.text(at)) : c.fail('ERR invalid cursor');
}

/** Options after the cursor at argument `at`. undefined: an error was replied. */
function scanOptions(c: Call, at: number, cursor: number): ScanOptions | undefined {
  const options: ScanOptions = { cursor, count: 10, pattern: undefined, type: undefined };
  for (let a = at + 1; a < c.argc; a += 2) {
    const word = c.word(a);
    if (a + 1 >= c.argc) return c.fail(SYNTAX);
    if (word === 'COUNT') {
      const count = parseLong(c.text(a + 1));
      if (count === undefined) return c.fail(NOT_INTEGER);
      if (count < 1) return c.fail(SYNTAX);
      options.count = count;
    } else if (word === 'MATCH') options.pattern = c.text(a + 1);
    else if (word === 'TYPE' && at === 1) options.type = c.text(a + 1).toLowerCase();
    else return c.fail(SYNTAX);
  }
  if (options.pattern === '*') options.pattern = undefined;
  return options;
}

function scan(c: Call): void {
  const cursor = cursorAt(c, 1);
  const options = cursor === undefined ? undefined : scanOptions(c, 1, cursor);
  if (options === undefined) return;
  const found: Latin1[] = [];
  const next = c.keyspace.scan(options.cursor, options.count, (key, type) => {
    if (options.type !== undefined && TYPE_NAMES[type] !== options.type) return;
    if (options.pattern === undefined || matchesGlob(options.pattern, key)) found.push(key);
  });
  replyScan(c, next, found);
}

function replyScan(c: Call, next: number, found: readonly Latin1[]): void {
  c.reply.array(2);
  c.reply.latin1(String(next));
  c.strings(found);
}

/** What HSCAN and SSCAN page through: elements by index. */
interface Indexed {
  readonly size: number;
  at(index: number): Latin1;
}

/**
 * A page of a hash or set. Small ones come whole; larger ones from the last index down to 0, the cursor being the number
 * of those not yet seen: a removal only ever moves an element that was seen into the place of one that was removed.
 */
function page(view: Indexed, { cursor, count, pattern }: ScanOptions): { next: number; names: Latin1[] } {
  const isWhole = view.size <= SCAN_WHOLE_MAX;
  const from = cursor === 0 ? view.size : Math.min(cursor, view.size);
  const to = isWhole ? 0 : Math.max(0, from - count);
  const names: Latin1[] = [];
  for (let index = from - 1; index >= to; index--) {
    const name = view.at(index);
    if (pattern === undefined || matchesGlob(pattern, name)) names.push(name);
  }
  return { next: to, names };
}

/** Scans one key: the cursor is checked first, options only where the key exists, as in Redis. */
function scanningKey<View>(
  type: ValueType,
  look: (c: Call, key: Latin1) => View | undefined,
  answer: (c: Call, view: View, options: ScanOptions) => void,
): CommandHandler {
  return (c) => {
    const cursor = cursorAt(c, 2);
    if (cursor === undefined || !c.accepts(c.text(1), type)) return;
    const view = look(c, c.text(1));
    if (view === undefined) return replyScan(c, 0, []);
    const options = scanOptions(c, 2, cursor);
    if (options !== undefined) answer(c, view, options);
  };
}

function hscan(c: Call, hash: HashView, options: ScanOptions): void {
  const { next, names } = page(hash, options);
  replyScan(
    c,
    next,
    names.flatMap((field) => [field, hash.get(field) ?? '']),
  );
}

function sscan(c: Call, set: SetView, options: ScanOptions): void {
  const { next, names } = page(set, options);
  replyScan(c, next, names);
}

/** Always whole: scores move elements about, so that no cursor would see each of them. */
function zscan(c: Call, zset: ZsetView, { pattern }: ScanOptions): void {
  const found: Latin1[] = [];
  for (const { member, score } of zset.range(0, zset.size))
    if (pattern === undefined || matchesGlob(pattern, member)) found.push(member, doubleText(score));
  replyScan(c, 0, found);
}

export const scanCommands: Readonly<Record<string, CommandHandler>> = {
  scan,
  hscan: scanningKey(TYPE_HASH, (c, key) => c.keyspace.hash(key), hscan),
  sscan: scanningKey(TYPE_SET, (c, key) => c.keyspace.set(key), sscan),
  zscan: scanningKey(TYPE_ZSET, (c, key) => c.keyspace.zset(key), zscan),
};

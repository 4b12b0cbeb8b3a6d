// Commands that read strings.
import { TYPE_STRING } from '../crdt/index.ts';
import type { Call, CommandHandler } from './call.ts';
import { NOT_INTEGER } from './errors.ts';
import { lcs } from './lcs.ts';
import { parseLong } from './numbers.ts';

/** The string at argument a. null: no such key; undefined: an error was replied. */
export function readString(c: Call, a: number): Buffer | null | undefined {
  const key = c.text(a);
  if (!c.accepts(key, TYPE_STRING)) return undefined;
  return c.keyspace.getString(key) ?? null;
}

/** Replies with a string or null. */
export function replyString(c: Call, value: Buffer | null): void {
  if (value === null) c.reply.null();
  else c.reply.bulk(value);
}

function get(c: Call): void {
  const value = readString(c, 1);
  if (value !== undefined) replyString(c, value);
}

function strlen(c: Call): void {
  const value = readString(c, 1);
  if (value !== undefined) c.reply.integer(value === null ? 0 : value.length);
}

function mget(c: Call): void {
  c.reply.array(c.argc - 1);
  for (let a = 1; a < c.argc; a++) {
    const key = c.text(a);
    const value = c.keyspace.type(key) === TYPE_STRING ? c.keyspace.getString(key) : undefined;
    replyString(c, value ?? null);
  }
}

function getrange(c: Call): void {
  const from = parseLong(c.text(2));
  const to = parseLong(c.text(3));
  if (from === undefined || to === undefined) return c.fail(NOT_INTEGER);
  const value = readString(c, 1);
  if (value === undefined) return;
  if (value === null) return c.reply.latin1('');
  const [start, end] = byteRange(from, to, value.length);
  c.reply.bulk(value, start, end);
}

/** Offsets as GETRANGE means them, as a half-open range. */
function byteRange(from: number, to: number, length: number): [number, number] {
  if (from < 0 && to < 0 && from > to) return [0, 0];
  const start = Math.max(0, from < 0 ? length + from : from);
  const last = Math.min(length - 1, Math.max(0, to < 0 ? length + to : to));
  return start > last || length === 0 ? [0, 0] : [start, last + 1];
}

interface LcsOptions {
  readonly length: boolean;
  readonly indexes: boolean;
  readonly withLengths: boolean;
  readonly minLength: number;
}

function lcsOptions(c: Call): LcsOptions | undefined {
  const found = { length: false, indexes: false, withLengths: false, minLength: 0 };
  for (let a = 3; a < c.argc; a++) {
    const word = c.word(a);
    if (word === 'LEN') found.length = true;
    else if (word === 'IDX') found.indexes = true;
    else if (word === 'WITHMATCHLEN') found.withLengths = true;
    else if (word === 'MINMATCHLEN' && a + 1 < c.argc) {
      const n = parseLong(c.text(++a));
      if (n === undefined) return c.fail(NOT_INTEGER);
      found.minLength = Math.max(0, n);
    } else return c.fail('ERR syntax error');
  }
  if (found.indexes && found.length)
    return c.fail('ERR If you want both the length and indexes, please just use IDX.');
  return found;
}

function lcsCommand(c: Call): void {
  const types = [c.keyspace.type(c.text(1)), c.keyspace.type(c.text(2))];
  if (types.some((type) => type > TYPE_STRING))
    return c.fail('ERR The specified keys must contain string values');
  const a = readString(c, 1);
  const b = readString(c, 2);
  const options = lcsOptions(c);
  if (a === undefined || b === undefined || options === undefined) return;
  const found = lcs(a ?? Buffer.alloc(0), b ?? Buffer.alloc(0));
  if (found === undefined)
    return c.fail('ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len');
  if (options.length) return c.reply.integer(found.bytes.length);
  if (!options.indexes) return c.reply.bulk(found.bytes);
  const matches = found.matches.filter((match) => match.length >= options.minLength);
  c.reply.map(2);
  c.reply.latin1('matches');
  c.reply.array(matches.length);
  for (const match of matches) {
    c.reply.array(options.withLengths ? 3 : 2);
    for (const start of [match.a, match.b]) {
      c.reply.array(2);
      c.reply.integer(start);
      c.reply.integer(start + match.length - 1);
    }
    if (options.withLengths) c.reply.integer(match.length);
  }
  c.reply.latin1('len');
  c.reply.integer(found.bytes.length);
}

export const stringReaders: Readonly<Record<string, CommandHandler>> = {
  get,
  strlen,
  mget,
  getrange,
  substr: getrange,
  lcs: lcsCommand,
};

// OBJECT and MEMORY: what is known of a value's representation, in the words that Redis would use.
import type { Latin1 } from '../base/index.ts';
import { TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STRING, TYPE_ZSET } from '../crdt/index.ts';
import type { Call, CommandHandler } from './call.ts';
import { NOT_INTEGER, SYNTAX } from './errors.ts';
import { replyHelp } from './help.ts';
import { parseInt64, parseLong } from './numbers.ts';

/** Redis' defaults: above these a collection leaves its compact encoding. */
const EMBSTR_BYTES_MAX = 44;
const LISTPACK_ENTRIES_MAX = 128;
const LISTPACK_BYTES_MAX = 64;
const INTSET_ENTRIES_MAX = 512;

function allShort(texts: Iterable<Latin1>): boolean {
  for (const text of texts) if (text.length > LISTPACK_BYTES_MAX) return false;
  return true;
}

function allIntegers(texts: Iterable<Latin1>): boolean {
  for (const text of texts) if (parseInt64(text) === undefined) return false;
  return true;
}

function* fieldsAndValues(entries: Iterable<readonly [Latin1, Latin1]>): Iterable<Latin1> {
  for (const entry of entries) yield* entry;
}

function* memberNames(elements: Iterable<{ readonly member: Latin1 }>): Iterable<Latin1> {
  for (const { member } of elements) yield member;
}

function stringEncoding(value: Buffer): string {
  if (value.length <= 20 && parseInt64(value.toString('latin1')) !== undefined) return 'int';
  return value.length <= EMBSTR_BYTES_MAX ? 'embstr' : 'raw';
}

function encoding({ keyspace }: Call, key: Latin1): string {
  const type = keyspace.type(key);
  if (type === TYPE_STRING) return stringEncoding(keyspace.getString(key) ?? Buffer.alloc(0));
  if (type === TYPE_HASH) {
    const hash = keyspace.hash(key);
    const isSmall = hash !== undefined && hash.size <= LISTPACK_ENTRIES_MAX;
    return isSmall && allShort(fieldsAndValues(hash.entries())) ? 'listpack' : 'hashtable';
  }
  if (type === TYPE_SET) {
    const set = keyspace.set(key);
    return set !== undefined && set.size <= INTSET_ENTRIES_MAX && allIntegers(set.members())
      ? 'intset'
      : 'hashtable';
  }
  if (type >= TYPE_LIST) return type === TYPE_LIST ? 'quicklist' : 'stream';
  const zset = type === TYPE_ZSET ? keyspace.zset(key) : undefined;
  const isSmall = zset !== undefined && zset.size <= LISTPACK_ENTRIES_MAX;
  return isSmall && allShort(memberNames(zset.range(0, zset.size))) ? 'listpack' : 'skiplist';
}

function object(c: Call): void {
  const word = c.word(1);
  if (word === 'HELP') return replyHelp(c);
  const key = c.text(2);
  if (c.keyspace.type(key) === 0) return c.reply.null();
  if (word === 'ENCODING') c.reply.latin1(encoding(c, key));
  else if (word === 'REFCOUNT') c.reply.integer(1);
  else if (word === 'IDLETIME') c.reply.integer(0);
  else
    c.fail(
      'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.',
    );
}

function memory(c: Call): void {
  const word = c.word(1);
  if (word === 'DOCTOR') return c.reply.verbatim('txt', 'INFO memory and /metrics tell what is used.\n');
  if (word !== 'USAGE') return replyHelp(c);
  if (c.argc > 3) {
    if (c.argc !== 5 || c.word(3) !== 'SAMPLES') return c.fail(SYNTAX);
    const samples = parseLong(c.text(4));
    if (samples === undefined) return c.fail(NOT_INTEGER);
    if (samples < 0) return c.fail(SYNTAX);
  }
  const bytes = c.keyspace.memoryUsage(c.text(2));
  if (bytes === undefined) c.reply.null();
  else c.reply.integer(bytes);
}

export const objectCommands: Readonly<Record<string, CommandHandler>> = { object, memory };

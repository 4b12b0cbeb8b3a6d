// Commands on keys of any type: DEL, EXISTS, TYPE, KEYS, RANDOMKEY, RENAME, COPY, FLUSHALL.
import type { Latin1 } from '../base/index.ts';
import {
  TYPE_HASH,
  TYPE_LIST,
  TYPE_OTHER,
  TYPE_SET,
  TYPE_STREAM,
  TYPE_STRING,
  TYPE_ZSET,
  type ValueType,
} from '../crdt/index.ts';
import type { Keyspace } from '../store/index.ts';
import type { Call, CommandHandler } from './call.ts';
import { NO_SUCH_KEY, NOT_INTEGER, SYNTAX } from './errors.ts';
import { matchesGlob } from '../server/index.ts';
import { parseLong } from './numbers.ts';

/** Names of types, as TYPE replies. */
export const TYPE_NAMES: Readonly<Record<ValueType | 0, string>> = {
  0: 'none',
  [TYPE_STRING]: 'string',
  [TYPE_HASH]: 'hash',
  [TYPE_SET]: 'set',
  [TYPE_ZSET]: 'zset',
  [TYPE_LIST]: 'list',
  [TYPE_STREAM]: 'stream',
  [TYPE_OTHER]: 'other',
};

function del(c: Call): void {
  let deleted = 0;
  for (let a = 1; a < c.argc; a++) if (c.keyspace.remove(c.text(a))) deleted++;
  c.reply.integer(deleted);
}

function exists(c: Call): void {
  let found = 0;
  for (let a = 1; a < c.argc; a++) if (c.keyspace.type(c.text(a)) !== 0) found++;
  c.reply.integer(found);
}

/** Every key shown that matches, each once. */
export function allKeys(keyspace: Keyspace, pattern: string): Latin1[] {
  const found = new Set<Latin1>();
  let cursor = 0;
  do {
    cursor = keyspace.scan(cursor, 1000, (key) => {
      if (pattern === '*' || matchesGlob(pattern, key)) found.add(key);
    });
  } while (cursor !== 0);
  return [...found];
}

function flushAll(c: Call): void {
  const option = c.argc > 1 ? c.word(1) : 'SYNC';
  if (c.argc > 2 || (option !== 'SYNC' && option !== 'ASYNC')) return c.fail(SYNTAX);
  const keys = allKeys(c.keyspace, '*');
  for (const key of keys) c.keyspace.name(key);
  for (const key of keys) c.keyspace.remove(key);
  c.reply.ok();
}

/** Overwrites `to` with the value and expiry of `from`. Both are named by the unit. */
function copyValue(keyspace: Keyspace, from: Latin1, to: Latin1): void {
  const type = keyspace.type(from);
  const at = Math.max(0, keyspace.expiresAt(from));
  if (type === TYPE_STRING) {
    const value = keyspace.getString(from);
    if (value !== undefined) keyspace.overwriteString(to, Buffer.from(value), at);
    return;
  }
  const fields = fieldsOf(keyspace, from, type);
  keyspace.overwrite(to);
  for (const [field, value] of fields) if (type !== 0) keyspace.putField(to, type, field, value);
  if (at > 0) keyspace.expire(to, at);
}

function fieldsOf(keyspace: Keyspace, key: Latin1, type: ValueType | 0): [Latin1, Latin1 | true | number][] {
  const fields: [Latin1, Latin1 | true | number][] = [];
  if (type === TYPE_HASH)
    for (const [f, value] of keyspace.hash(key)?.entries() ?? []) fields.push([f, value]);
  if (type === TYPE_SET) for (const member of keyspace.set(key)?.members() ?? []) fields.push([member, true]);
  const zset = type === TYPE_ZSET ? keyspace.zset(key) : undefined;
  if (zset !== undefined)
    for (const { member, score } of zset.range(0, zset.size)) fields.push([member, score]);
  return fields;
}

/** Values that other sites' Redis made and this store only carries cannot be copied under another name here. */
function isCarriedOnly(c: Call, key: Latin1): boolean {
  const type = c.keyspace.type(key);
  if (type < TYPE_LIST) return false;
  c.fail(`ERR copying a value of type '${TYPE_NAMES[type]}' is not supported by the embedded store yet`);
  return true;
}

function rename(c: Call): void {
  const [from, to] = [c.text(1), c.text(2)];
  if (c.keyspace.type(from) === 0) return c.fail(NO_SUCH_KEY);
  if (isCarriedOnly(c, from)) return;
  if (from !== to) move(c.keyspace, from, to);
  c.reply.ok();
}

function renamenx(c: Call): void {
  const [from, to] = [c.text(1), c.text(2)];
  if (c.keyspace.type(from) === 0) return c.fail(NO_SUCH_KEY);
  if (c.keyspace.type(to) !== 0) return c.reply.integer(0);
  if (isCarriedOnly(c, from)) return;
  move(c.keyspace, from, to);
  c.reply.integer(1);
}

function move(keyspace: Keyspace, from: Latin1, to: Latin1): void {
  copyValue(keyspace, from, to);
  keyspace.remove(from);
}

function copy(c: Call): void {
  let replace = false;
  for (let a = 3; a < c.argc; a++) {
    const word = c.word(a);
    if (word === 'REPLACE') replace = true;
    else if (word === 'DB' && a + 1 < c.argc) {
      const db = parseLong(c.text(++a));
      if (db === undefined) return c.fail(NOT_INTEGER);
      if (db !== 0) return c.fail('ERR DB index is out of range');
    } else return c.fail(SYNTAX);
  }
  const [from, to] = [c.text(1), c.text(2)];
  if (from === to) return c.fail('ERR source and destination objects are the same');
  if (c.keyspace.type(from) === 0 || (!replace && c.keyspace.type(to) !== 0)) return c.reply.integer(0);
  if (isCarriedOnly(c, from)) return;
  copyValue(c.keyspace, from, to);
  c.reply.integer(1);
}

function randomKey(c: Call): void {
  const key = c.keyspace.randomKey();
  if (key === undefined) c.reply.null();
  else c.reply.latin1(key);
}

export const keyCommands: Readonly<Record<string, CommandHandler>> = {
  del,
  unlink: del,
  exists,
  touch: exists,
  type: (c) => c.reply.simple(TYPE_NAMES[c.keyspace.type(c.text(1))]),
  keys: (c) => c.strings(allKeys(c.keyspace, c.text(1))),
  randomkey: randomKey,
  rename,
  renamenx,
  copy,
  dbsize: (c) => c.reply.integer(c.keyspace.size),
  flushall: flushAll,
  flushdb: flushAll,
  move: (c) => c.fail('ERR DB index is out of range'),
  swapdb: (c) => c.fail('ERR DB index is out of range'),
};

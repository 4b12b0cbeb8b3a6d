// Hash commands but the random picks.
import type { Latin1 } from '../base/index.ts';
import { TYPE_HASH } from '../crdt/index.ts';
import type { HashView } from '../store/index.ts';
import type { Call, CommandHandler } from './call.ts';
import { NOT_FLOAT, NOT_INTEGER, OVERFLOW, wrongArity } from './errors.ts';
import { overflows, parseCounter, parseDouble, parseInt64 } from './numbers.ts';

/** The hash at the first key. null: no such key; undefined: an error was replied. */
export function readHash(c: Call): HashView | null | undefined {
  if (!c.accepts(c.text(1), TYPE_HASH)) return undefined;
  return c.keyspace.hash(c.text(1)) ?? null;
}

/** Makes a handler that gets the hash, if there is no error. */
function reading(answer: (c: Call, hash: HashView | null) => void): CommandHandler {
  return (c) => {
    const hash = readHash(c);
    if (hash !== undefined) answer(c, hash);
  };
}

function replyField(c: Call, value: Latin1 | undefined): void {
  if (value === undefined) c.reply.null();
  else c.reply.latin1(value);
}

function put(c: Call): number | undefined {
  if (c.argc % 2 !== 0) return c.fail(wrongArity(c.spec.name));
  const key = c.text(1);
  if (!c.accepts(key, TYPE_HASH)) return undefined;
  let added = 0;
  for (let a = 2; a < c.argc; a += 2) {
    if (c.keyspace.hash(key)?.has(c.text(a)) !== true) added++;
    c.keyspace.putField(key, TYPE_HASH, c.text(a), c.text(a + 1));
  }
  return added;
}

function hset(c: Call): void {
  const added = put(c);
  if (added !== undefined) c.reply.integer(added);
}

function hmset(c: Call): void {
  if (put(c) !== undefined) c.reply.ok();
}

function hsetnx(c: Call, hash: HashView | null): void {
  const has = hash?.has(c.text(2)) === true;
  if (!has) c.keyspace.putField(c.text(1), TYPE_HASH, c.text(2), c.text(3));
  c.reply.integer(has ? 0 : 1);
}

function hdel(c: Call): void {
  if (!c.accepts(c.text(1), TYPE_HASH)) return;
  let removed = 0;
  for (const field of c.rest(2)) if (c.keyspace.removeField(c.text(1), TYPE_HASH, field)) removed++;
  c.reply.integer(removed);
}

function hmget(c: Call, hash: HashView | null): void {
  c.reply.array(c.argc - 2);
  for (const field of c.rest(2)) replyField(c, hash?.get(field));
}

function hgetall(c: Call, hash: HashView | null): void {
  c.reply.map(hash?.size ?? 0);
  for (const [field, value] of hash?.entries() ?? []) {
    c.reply.latin1(field);
    c.reply.latin1(value);
  }
}

function hincrby(c: Call): void {
  const increment = parseInt64(c.text(3));
  if (increment === undefined) return c.fail(NOT_INTEGER);
  const hash = readHash(c);
  if (hash === undefined) return;
  const text = hash?.get(c.text(2));
  const value = text === undefined ? 0n : parseInt64(text);
  if (value === undefined) return c.fail('ERR hash value is not an integer');
  if (overflows(value + increment)) return c.fail(OVERFLOW);
  c.keyspace.addField(c.text(1), TYPE_HASH, c.text(2), increment);
  c.reply.integer(value + increment);
}

function hincrbyfloat(c: Call): void {
  const increment = parseDouble(c.text(3));
  if (increment === undefined) return c.fail(NOT_FLOAT);
  if (!Number.isFinite(increment)) return c.fail('ERR value is NaN or Infinity');
  const hash = readHash(c);
  if (hash === undefined) return;
  const text = hash?.get(c.text(2));
  const value = text === undefined ? 0 : parseCounter(text);
  if (value === undefined) return c.fail('ERR hash value is not a float');
  if (!Number.isFinite(value + increment)) return c.fail('ERR increment would produce NaN or Infinity');
  c.keyspace.addField(c.text(1), TYPE_HASH, c.text(2), increment);
  c.reply.latin1(c.keyspace.hash(c.text(1))?.get(c.text(2)) ?? '');
}

export const hashCommands: Readonly<Record<string, CommandHandler>> = {
  hset,
  hmset,
  hsetnx: reading(hsetnx),
  hdel,
  hget: reading((c, hash) => replyField(c, hash?.get(c.text(2)))),
  hmget: reading(hmget),
  hgetall: reading(hgetall),
  hkeys: reading((c, hash) => c.strings([...(hash?.entries() ?? [])].map(([field]) => field))),
  hvals: reading((c, hash) => c.strings([...(hash?.entries() ?? [])].map(([, value]) => value))),
  hlen: reading((c, hash) => c.reply.integer(hash?.size ?? 0)),
  hexists: reading((c, hash) => c.reply.integer(hash?.has(c.text(2)) === true ? 1 : 0)),
  hstrlen: reading((c, hash) => c.reply.integer(hash?.get(c.text(2))?.length ?? 0)),
  hincrby,
  hincrbyfloat,
};

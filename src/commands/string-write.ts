// Commands that write strings as a whole: the SET family, APPEND, SETRANGE.
import type { Latin1 } from '../base/index.ts';
import { TYPE_STRING } from '../crdt/index.ts';
import type { Call, CommandHandler } from './call.ts';
import { NOT_INTEGER, SYNTAX, TOO_LONG, WRONG_TYPE, wrongArity } from './errors.ts';
import { EXPIRY_OPTIONS, expiryAt } from './expiry-time.ts';
import { parseLong } from './numbers.ts';
import { readString, replyString } from './string-read.ts';

interface SetOptions {
  condition: 'NX' | 'XX' | undefined;
  keepTtl: boolean;
  get: boolean;
  persist: boolean;
  /** Unix ms; 0: none given. */
  at: number;
}

type ExpiryArgument = { readonly name: string; readonly text: string };

/** Options of SET and GETEX. undefined: an error was replied. */
function parseOptions(c: Call, from: number, command: 'set' | 'getex'): SetOptions | undefined {
  const options: SetOptions = { condition: undefined, keepTtl: false, get: false, persist: false, at: 0 };
  let expiry: ExpiryArgument | undefined;
  for (let a = from; a < c.argc; a++) {
    const word = c.word(a);
    const busy = (expiry !== undefined && expiry.name !== word) || options.keepTtl || options.persist;
    if (command === 'set' && (word === 'NX' || word === 'XX')) {
      if (options.condition !== undefined && options.condition !== word) return c.fail(SYNTAX);
      options.condition = word;
    } else if (command === 'set' && word === 'GET') options.get = true;
    else if (command === 'set' && word === 'KEEPTTL' && expiry === undefined) options.keepTtl = true;
    else if (command === 'getex' && word === 'PERSIST' && expiry === undefined) options.persist = true;
    else if (Object.hasOwn(EXPIRY_OPTIONS, word) && a + 1 < c.argc && !busy)
      expiry = { name: word, text: c.text(++a) };
    else return c.fail(SYNTAX);
  }
  if (expiry === undefined) return options;
  if (command === 'getex' && c.keyspace.type(c.text(1)) !== TYPE_STRING) return options;
  const at = expiryAt(c, expiry.text, { ...EXPIRY_OPTIONS[expiry.name], positive: true });
  return at === undefined ? undefined : { ...options, at };
}

/** false: too large, an error was replied. */
function fits(c: Call, length: number): boolean {
  if (length <= c.ctx.maxValueBytes) return true;
  c.fail(TOO_LONG);
  return false;
}

function set(c: Call): void {
  const options = parseOptions(c, 3, 'set');
  if (options === undefined) return;
  const key = c.text(1);
  const old = options.get ? readString(c, 1) : null;
  if (old === undefined || !fits(c, c.bytes(2).length)) return;
  const exists = options.condition !== undefined && c.keyspace.type(key) !== 0;
  if ((options.condition === 'NX' && exists) || (options.condition === 'XX' && !exists)) {
    if (options.get) replyString(c, old);
    else c.reply.null();
    return;
  }
  const at = options.keepTtl ? Math.max(0, c.keyspace.expiresAt(key)) : options.at;
  c.keyspace.overwriteString(key, c.bytes(2), at);
  if (options.get) replyString(c, old);
  else c.reply.ok();
}

function setnx(c: Call): void {
  if (!fits(c, c.bytes(2).length)) return;
  const free = c.keyspace.type(c.text(1)) === 0;
  if (free) c.keyspace.overwriteString(c.text(1), c.bytes(2), 0);
  c.reply.integer(free ? 1 : 0);
}

function setWithExpiry(seconds: boolean): CommandHandler {
  return (c) => {
    const at = expiryAt(c, c.text(2), { seconds, absolute: false, positive: true });
    if (at === undefined || !fits(c, c.bytes(3).length)) return;
    c.keyspace.overwriteString(c.text(1), c.bytes(3), at);
    c.reply.ok();
  };
}

function getset(c: Call): void {
  const old = readString(c, 1);
  if (old === undefined || !fits(c, c.bytes(2).length)) return;
  c.keyspace.overwriteString(c.text(1), c.bytes(2), 0);
  replyString(c, old);
}

function getdel(c: Call): void {
  const old = readString(c, 1);
  if (old === undefined) return;
  if (old !== null) c.keyspace.remove(c.text(1));
  replyString(c, old);
}

function getex(c: Call): void {
  const options = parseOptions(c, 2, 'getex');
  if (options === undefined) return;
  const old = readString(c, 1);
  if (old === undefined) return;
  if (old !== null) {
    if (options.at > 0 && options.at <= c.now) c.keyspace.remove(c.text(1));
    else if (options.at > 0 || (options.persist && c.keyspace.expiresAt(c.text(1)) > 0))
      c.keyspace.expire(c.text(1), options.at);
  }
  replyString(c, old);
}

/** The positions of MSET's keys. undefined: an error was replied. */
function pairs(c: Call): boolean {
  if (c.argc % 2 === 0) {
    c.fail(wrongArity(c.spec.name));
    return false;
  }
  for (let a = 2; a < c.argc; a += 2) if (!fits(c, c.bytes(a).length)) return false;
  return true;
}

function overwriteAll(c: Call): void {
  for (let a = 1; a < c.argc; a += 2) c.keyspace.overwriteString(c.text(a), c.bytes(a + 1), 0);
}

function mset(c: Call): void {
  if (!pairs(c)) return;
  overwriteAll(c);
  c.reply.ok();
}

function msetnx(c: Call): void {
  if (!pairs(c)) return;
  for (let a = 1; a < c.argc; a += 2) if (c.keyspace.type(c.text(a)) !== 0) return c.reply.integer(0);
  overwriteAll(c);
  c.reply.integer(1);
}

function append(c: Call): void {
  const old = readString(c, 1);
  if (old === undefined) return;
  const value = old === null ? c.bytes(2) : Buffer.concat([old, c.bytes(2)]);
  if (!fits(c, value.length)) return;
  c.keyspace.putString(c.text(1), value);
  c.reply.integer(value.length);
}

function setrange(c: Call): void {
  const offset = parseLong(c.text(2));
  if (offset === undefined) return c.fail(NOT_INTEGER);
  if (offset < 0) return c.fail('ERR offset is out of range');
  const key: Latin1 = c.text(1);
  const type = c.keyspace.type(key);
  const patch = c.bytes(3);
  if (type !== 0 && type !== TYPE_STRING) return c.fail(WRONG_TYPE);
  const old = c.keyspace.getString(key) ?? Buffer.alloc(0);
  if (patch.length === 0) return c.reply.integer(old.length);
  if (!fits(c, offset + patch.length)) return;
  const value = Buffer.alloc(Math.max(old.length, offset + patch.length));
  value.set(old, 0);
  value.set(patch, offset);
  c.keyspace.overwriteString(key, value, Math.max(0, c.keyspace.expiresAt(key)));
  c.reply.integer(value.length);
}

export const stringWriters: Readonly<Record<string, CommandHandler>> = {
  set,
  setnx,
  setex: setWithExpiry(true),
  psetex: setWithExpiry(false),
  getset,
  getdel,
  getex,
  mset,
  msetnx,
  append,
  setrange,
};

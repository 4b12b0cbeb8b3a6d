// The hot path: GET, SET, INCR, PING, MGET, HSET, SADD straight from the batch, without a call object.
// true: answered. false: the general path takes over (options, errors that it words, rare cases).
import { TYPE_HASH, TYPE_SET, type ValueType } from '../crdt/index.ts';
import { type CommandBatch, nameCode, type ReplyWriter } from '../resp/index.ts';
import type { Keyspace } from '../store/index.ts';
import { WRONG_TYPE } from './errors.ts';

const GET = nameCode('GET');
const SET = nameCode('SET');
const INCR = nameCode('INCR');
const PING = nameCode('PING');
const MGET = nameCode('MGET');
const HSET = nameCode('HSET');
const SADD = nameCode('SADD');

/** Digits of a number that can be counted in a double without loss, and of its sum with one. */
const SAFE_DIGITS = 15;

/** Counts of the hot commands for INFO. */
export class HotCounts {
  get = 0;
  set = 0;
  incr = 0;
  ping = 0;
  mget = 0;
  hset = 0;
  sadd = 0;
  hits = 0;
  misses = 0;
}

/** Executes hot commands; one per gateway. */
export class HotPath {
  readonly counts = new HotCounts();
  readonly #keyspace: Keyspace;
  readonly #maxValueBytes: number;

  constructor(keyspace: Keyspace, maxValueBytes: number) {
    this.#keyspace = keyspace;
    this.#maxValueBytes = maxValueBytes;
  }

  /** Units: `now` Unix ms. */
  execute(batch: CommandBatch, i: number, reply: ReplyWriter, now: number): boolean {
    switch (batch.code(i)) {
      case GET:
        return this.#get(batch, i, reply, now);
      case SET:
        return this.#set(batch, i, reply, now);
      case INCR:
        return this.#incr(batch, i, reply, now);
      case PING:
        return this.#ping(batch, i, reply);
      case MGET:
        return this.#mget(batch, i, reply, now);
      case HSET:
        return this.#hset(batch, i, reply, now);
      case SADD:
        return this.#sadd(batch, i, reply, now);
      default:
        return false;
    }
  }

  #get(batch: CommandBatch, i: number, reply: ReplyWriter, now: number): boolean {
    if (batch.argc(i) !== 2) return false;
    const keyspace = this.#keyspace;
    this.counts.get++;
    keyspace.begin(now);
    this.#reply(keyspace.findString(batch.buffer, batch.start(i, 1), batch.end(i, 1)), reply);
    keyspace.end();
    return true;
  }

  #reply(result: 1 | 0 | -1, reply: ReplyWriter): void {
    if (result === 1) {
      const { bytes, start, end } = this.#keyspace.found;
      this.counts.hits++;
      reply.bulk(bytes, start, end);
    } else if (result === 0) {
      this.counts.misses++;
      reply.null();
    } else reply.error(WRONG_TYPE);
  }

  #set(batch: CommandBatch, i: number, reply: ReplyWriter, now: number): boolean {
    const argc = batch.argc(i);
    if (argc !== 3 && argc !== 5) return false;
    const at = argc === 3 ? 0 : expiryOf(batch, i, now);
    const keyStart = batch.start(i, 1);
    const keyEnd = batch.end(i, 1);
    const valueStart = batch.start(i, 2);
    const valueEnd = batch.end(i, 2);
    if (at < 0 || valueEnd - valueStart > this.#maxValueBytes || maybeReserved(batch, i)) return false;
    const keyspace = this.#keyspace;
    this.counts.set++;
    keyspace.begin(now);
    keyspace.setString(batch.buffer, keyStart, keyEnd, valueStart, valueEnd, at);
    keyspace.end();
    reply.ok();
    return true;
  }

  #incr(batch: CommandBatch, i: number, reply: ReplyWriter, now: number): boolean {
    if (batch.argc(i) !== 2 || maybeReserved(batch, i)) return false;
    const keyspace = this.#keyspace;
    keyspace.begin(now);
    const result = keyspace.findString(batch.buffer, batch.start(i, 1), batch.end(i, 1));
    const value = result === 1 ? foundInteger(keyspace) : 0;
    if (Number.isNaN(value)) {
      keyspace.end();
      return false;
    }
    this.counts.incr++;
    if (result === -1) reply.error(WRONG_TYPE);
    else {
      keyspace.addString(batch.text(i, 1), 1n);
      reply.integer(value + 1);
    }
    keyspace.end();
    return true;
  }

  #ping(batch: CommandBatch, i: number, reply: ReplyWriter): boolean {
    if (batch.argc(i) !== 1) return false;
    this.counts.ping++;
    reply.simple('PONG');
    return true;
  }

  #mget(batch: CommandBatch, i: number, reply: ReplyWriter, now: number): boolean {
    const argc = batch.argc(i);
    if (argc < 2) return false;
    const keyspace = this.#keyspace;
    this.counts.mget++;
    keyspace.begin(now);
    reply.array(argc - 1);
    for (let a = 1; a < argc; a++) {
      const result = keyspace.findString(batch.buffer, batch.start(i, a), batch.end(i, a));
      this.#reply(result === -1 ? 0 : result, reply);
    }
    keyspace.end();
    return true;
  }

  #hset(batch: CommandBatch, i: number, reply: ReplyWriter, now: number): boolean {
    const argc = batch.argc(i);
    if (argc < 4 || (argc & 1) !== 0 || maybeReserved(batch, i)) return false;
    const keyspace = this.#keyspace;
    const key = batch.text(i, 1);
    this.counts.hset++;
    keyspace.begin(now);
    if (this.#accepts(key, TYPE_HASH, reply)) {
      let added = 0;
      for (let a = 2; a < argc; a += 2) {
        const field = batch.text(i, a);
        if (keyspace.hash(key)?.has(field) !== true) added++;
        keyspace.putField(key, TYPE_HASH, field, batch.text(i, a + 1));
      }
      reply.integer(added);
    }
    keyspace.end();
    return true;
  }

  #sadd(batch: CommandBatch, i: number, reply: ReplyWriter, now: number): boolean {
    const argc = batch.argc(i);
    if (argc < 3 || maybeReserved(batch, i)) return false;
    const keyspace = this.#keyspace;
    const key = batch.text(i, 1);
    this.counts.sadd++;
    keyspace.begin(now);
    if (this.#accepts(key, TYPE_SET, reply)) {
      let added = 0;
      for (let a = 2; a < argc; a++) {
        const member = batch.text(i, a);
        if (keyspace.set(key)?.has(member) !== true) added++;
        keyspace.putField(key, TYPE_SET, member, true);
      }
      reply.integer(added);
    }
    keyspace.end();
    return true;
  }

  #accepts(key: string, type: ValueType, reply: ReplyWriter): boolean {
    const shown = this.#keyspace.type(key);
    if (shown === 0 || shown === type) return true;
    reply.error(WRONG_TYPE);
    return false;
  }
}

/** Unix ms of `EX n` or `PX n`; -1: anything else, the general path words it. */
function expiryOf(batch: CommandBatch, i: number, now: number): number {
  const start = batch.start(i, 3);
  if (batch.end(i, 3) - start !== 2) return -1;
  const { buffer } = batch;
  if ((buffer[start + 1] | 32) !== 120) return -1;
  const unit = buffer[start] | 32;
  if (unit !== 101 && unit !== 112) return -1;
  const from = batch.start(i, 4);
  const to = batch.end(i, 4);
  if (to - from > 10 || to === from || buffer[from] === 48) return -1;
  let n = 0;
  for (let at = from; at < to; at++) {
    const digit = buffer[at] - 48;
    if (digit < 0 || digit > 9) return -1;
    n = n * 10 + digit;
  }
  return now + (unit === 101 ? n * 1000 : n);
}

/** A key that begins with `mqkv`: the general path decides. */
function maybeReserved(batch: CommandBatch, i: number): boolean {
  const { buffer } = batch;
  const at = batch.start(i, 1);
  return buffer[at] === 109 && buffer[at + 1] === 113 && buffer[at + 2] === 107 && buffer[at + 3] === 118;
}

/** The found string as a small integer; NaN: the general path decides. */
function foundInteger(keyspace: Keyspace): number {
  const { bytes, start, end } = keyspace.found;
  const negative = end > start && bytes[start] === 45;
  const from = negative ? start + 1 : start;
  if (end === from || end - from > SAFE_DIGITS) return Number.NaN;
  if (bytes[from] === 48 && (negative || end - from > 1)) return Number.NaN;
  let n = 0;
  for (let at = from; at < end; at++) {
    const digit = bytes[at] - 48;
    if (digit < 0 || digit > 9) return Number.NaN;
    n = n * 10 + digit;
  }
  return negative ? -n : n;
}

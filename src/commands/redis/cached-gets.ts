// GET over a near cache: hits answered at once, misses loaded once for all who ask.
//
// 1. A connection whose writes are under way asks Redis itself: it must see them, and they may not be applied yet.
// 2. While a load is awaited the connection's later commands wait: a write of them would be seen by a load on another socket.
//    The GETs that follow in the same input are loaded meanwhile, so a pipeline of misses costs one round trip.
import type { Clock, Latin1 } from '../../base/index.ts';
import { type CommandBatch, nameCode, type ReplyWriter } from '../../resp/index.ts';
import type { CommandCount, Statistics } from '../statistics.ts';
import type { Port } from './port.ts';
import type { RedisSession } from './redis-session.ts';

const GET = nameCode('GET');
/** Lookups prepared together. */
const GROUP = 32;
/** GETs loaded ahead of the one that is awaited. */
const AHEAD_MAX = 128;

/** What the near cache offers; see `NearCache` of `src/cache`. */
export interface GetCache {
  readonly found: { readonly bytes: Buffer; readonly start: number; readonly end: number };
  find(source: Uint8Array, start: number, end: number, now: number): 1 | 0 | -1;
  has(source: Uint8Array, start: number, end: number, now: number): boolean;
  prepare(source: Uint8Array, ranges: Int32Array, count: number): void;
  fetch(key: Latin1): Promise<Buffer | null | undefined>;
  writing(key: Latin1): void;
  ended(key: Latin1): void;
}

/** A port whose write units are told to a cache. */
export function withCache(port: Port, cache: GetCache): Port {
  const write: Port['write'] = async (session, unit, protocol) => {
    for (const key of unit.keys) cache.writing(key);
    try {
      return await port.write(session, unit, protocol);
    } finally {
      for (const key of unit.keys) cache.ended(key);
    }
  };
  return { ...port, write };
}

/** Answers GETs of one gateway from its cache. */
export class CachedGets {
  readonly #cache: GetCache;
  readonly #clock: Clock;
  readonly #statistics: Statistics;
  readonly #count: CommandCount;
  readonly #ranges = new Int32Array(GROUP * 2);

  constructor(
    cache: GetCache,
    { clock, statistics }: { readonly clock: Clock; readonly statistics: Statistics },
  ) {
    this.#cache = cache;
    this.#clock = clock;
    this.#statistics = statistics;
    this.#count = statistics.of('get');
  }

  /** Hot. Whether the cache is asked for this command. */
  isFor(session: RedisSession, batch: CommandBatch, i: number): boolean {
    return batch.code(i) === GET && session.writesUnderWay === 0 && isPlainGet(batch, i);
  }

  /** Hot. Answers hits from `from` on. Result: how many; 0: `load` the first. */
  take(batch: CommandBatch, from: number, reply: ReplyWriter): number {
    const cache = this.#cache;
    const ranges = this.#ranges;
    const now = this.#clock.now();
    let done = from;
    for (let hits = true; hits; ) {
      const count = this.#group(batch, done);
      if (count === 0) break;
      if (count > 1) cache.prepare(batch.buffer, ranges, count);
      for (let i = 0; i < count && hits; i++) {
        const result = cache.find(batch.buffer, ranges[i * 2], ranges[i * 2 + 1], now);
        if (result === 1) reply.bulk(cache.found.bytes, cache.found.start, cache.found.end);
        else if (result === 0) reply.null();
        hits = result >= 0;
        if (hits) done++;
      }
    }
    this.#note(done - from);
    return done - from;
  }

  /** Loads a key that is not kept. false: Redis must be asked as for any other read. */
  async load(batch: CommandBatch, index: number, reply: ReplyWriter): Promise<boolean> {
    const loading = this.#cache.fetch(batch.text(index, 1));
    this.#loadAhead(batch, index + 1);
    const value = await loading;
    if (value === undefined) return false;
    if (value === null) reply.null();
    else reply.bulk(value);
    this.#note(1);
    return true;
  }

  #loadAhead(batch: CommandBatch, from: number): void {
    const now = this.#clock.now();
    const end = Math.min(batch.count, from + AHEAD_MAX);
    for (let i = from; i < end && isPlainGet(batch, i); i++) {
      if (!this.#cache.has(batch.buffer, batch.start(i, 1), batch.end(i, 1), now))
        void this.#cache.fetch(batch.text(i, 1));
    }
  }

  /** Writes the key ranges of the GETs from `from` on. Result: how many. */
  #group(batch: CommandBatch, from: number): number {
    let count = 0;
    while (count < GROUP && from + count < batch.count && isPlainGet(batch, from + count)) {
      this.#ranges[count * 2] = batch.start(from + count, 1);
      this.#ranges[count * 2 + 1] = batch.end(from + count, 1);
      count++;
    }
    return count;
  }

  #note(calls: number): void {
    this.#count.calls += calls;
    this.#statistics.commandsProcessed += calls;
  }
}

/** A GET of one key that is not reserved. */
function isPlainGet(batch: CommandBatch, i: number): boolean {
  if (batch.code(i) !== GET || batch.argc(i) !== 2) return false;
  const { buffer } = batch;
  const at = batch.start(i, 1);
  return buffer[at] !== 109 || buffer[at + 1] !== 113 || buffer[at + 2] !== 107 || buffer[at + 3] !== 118;
}

// Values read by GET, kept in this process in front of a store elsewhere: single-flight loads, exact TTLs, dropped on every write.
//
// C1  What is kept was shown by the store at some moment after the last write of its key that this process has answered.
// C2  A value is never served at or after the moment at which it expires in the store.
// C3  At most one read of a key that may be joined is under way; a write that is answered ends its being joined and kept.
// C4  When changes are not told any more (connection lost), everything goes, what is being read too.
import {
  bytesOf,
  CACHE_MISSING_MS,
  CACHE_SETTLE_MS_MAX,
  type Clock,
  type Latin1,
  type Random,
} from '../base/index.ts';
import { Kept } from './kept.ts';
import type { FoundValue } from './small-values.ts';
import type { CacheRead, CacheSource } from './source.ts';

/** What a near cache is opened with. */
export interface NearCacheOptions {
  /** Units: bytes. */
  readonly bytesMax: number;
  readonly clock: Clock;
  readonly random: Random;
  /** Owns: the cache, which closes it. */
  readonly source: CacheSource;
}

/** Numbers for INFO and metrics; all but `entries` and `bytes` only grow. */
export interface NearCacheStats {
  readonly hits: number;
  readonly misses: number;
  /** Reads sent to the store. */
  readonly loads: number;
  readonly invalidations: number;
  readonly entries: number;
  /** Units: bytes. */
  readonly bytes: number;
}

/** What a key shows: a value, null when it shows nothing, undefined when the caller must ask the store itself. */
export type Cached = Buffer | null | undefined;

/** A near cache. */
export interface NearCache {
  /** What `find` found. Owns: the cache; valid until its next call. */
  readonly found: Readonly<FoundValue>;
  /**
   * Hot: allocates nothing. What is kept of the key in bytes `start` up to `end`: 1 a value (in `found`), 0 that the key is absent,
   * -1 nothing, `fetch` reads it. Units: `now` Unix ms.
   */
  find(source: Uint8Array, start: number, end: number, now: number): 1 | 0 | -1;
  /** Whether `find` would find something; counted nowhere. */
  has(source: Uint8Array, start: number, end: number, now: number): boolean;
  /** Hint before lookups of these key ranges (pairs of start and end, at most 32): brings near what they will read. */
  prepare(source: Uint8Array, ranges: Int32Array, count: number): void;
  /** Reads a key once for all who ask meanwhile. Owns: not to be changed. undefined: ask the store. Never rejects. */
  fetch(key: Latin1): Promise<Cached>;
  /** A write of this key is on its way: a load of it had better wait for `ended`, or it is outdated when it comes. */
  writing(key: Latin1): void;
  /** A write that `writing` told of has been answered, or never will be. Order: after `written`. */
  ended(key: Latin1): void;
  /** A write of this key was applied, and is about to be answered. */
  written(key: Latin1): void;
  /** Any key may have been written. */
  clear(): void;
  stats(): NearCacheStats;
  close(): void;
}

interface Load {
  readonly promise: Promise<Cached>;
  /** C3: false once a write was answered since it was sent. */
  isCurrent: boolean;
  isSent: boolean;
  /** It has waited for a write: a key that is always being written must be readable too. */
  hasWaited: boolean;
}

class OpenNearCache implements NearCache {
  readonly #kept: Kept;
  readonly #loads = new Map<Latin1, Load>();
  /** Writes on their way, by key, and the load that waits for one of them to end. */
  readonly #writes = new Map<Latin1, { count: number; waiting: (() => void) | undefined }>();
  readonly #clock: Clock;
  readonly #source: CacheSource;
  #hits = 0;
  #misses = 0;
  #reads = 0;
  #invalidations = 0;

  constructor({ bytesMax, clock, random, source }: NearCacheOptions) {
    this.#kept = new Kept(bytesMax, random);
    this.#clock = clock;
    this.#source = source;
    source.onChange = (key) => this.#changed(key);
  }

  get found(): Readonly<FoundValue> {
    return this.#kept.found;
  }

  find(source: Uint8Array, start: number, end: number, now: number): 1 | 0 | -1 {
    const result = this.#kept.find(source, start, end, now);
    if (result < 0) this.#misses++;
    else this.#hits++;
    return result;
  }

  has(source: Uint8Array, start: number, end: number, now: number): boolean {
    return this.#kept.find(source, start, end, now) >= 0;
  }

  prepare(source: Uint8Array, ranges: Int32Array, count: number): void {
    this.#kept.prepare(source, ranges, count);
  }

  fetch(key: Latin1): Promise<Cached> {
    const running = this.#loads.get(key);
    if (running !== undefined) return running.promise;
    let settle: (cached: Cached) => void = () => {};
    const promise = new Promise<Cached>((resolve) => {
      settle = resolve;
    });
    const load = { promise, isCurrent: true, isSent: false, hasWaited: false };
    this.#loads.set(key, load);
    this.#begin(key, load, settle);
    return promise;
  }

  writing(key: Latin1): void {
    const held = this.#writes.get(key);
    if (held === undefined) this.#writes.set(key, { count: 1, waiting: undefined });
    else held.count++;
  }

  ended(key: Latin1): void {
    const held = this.#writes.get(key);
    if (held === undefined) return;
    held.count--;
    if (held.count === 0) this.#writes.delete(key);
    const { waiting } = held;
    held.waiting = undefined;
    waiting?.();
  }

  written(key: Latin1): void {
    this.#kept.remove(bytesOf(key));
    this.#outdate(key);
  }

  clear(): void {
    this.#kept.clear();
    for (const key of this.#loads.keys()) this.#outdate(key);
  }

  stats(): NearCacheStats {
    const { count: entries, bytes } = this.#kept;
    return {
      hits: this.#hits,
      misses: this.#misses,
      loads: this.#reads,
      invalidations: this.#invalidations,
      entries,
      bytes,
    };
  }

  close(): void {
    this.#source.onChange = undefined;
    this.clear();
    this.#source.close();
  }

  #outdate(key: Latin1): void {
    const load = this.#loads.get(key);
    if (load === undefined || !load.isSent) return;
    load.isCurrent = false;
    this.#loads.delete(key);
  }

  /** Sends a load, when there is no reason to wait. A timer may fire a little early: it looks again. */
  #begin(key: Latin1, load: Load, settle: (cached: Cached) => void): void {
    const write = load.hasWaited ? undefined : this.#writes.get(key);
    if (write !== undefined) {
      load.hasWaited = true;
      write.waiting = () => this.#begin(key, load, settle);
      return;
    }
    const delayMs = this.#settleMs(key);
    if (delayMs > 0) this.#clock.after(delayMs, () => this.#begin(key, load, settle));
    else this.#load(key, load, settle);
  }

  /**
   * The time left in which a value just expired here may still live in the store, as far as the clocks are known. Reading then would
   * only find the old value for a moment: the one read waits for it to be gone, so that an expiry costs one. Units: ms.
   */
  #settleMs(key: Latin1): number {
    const leftMs = this.#kept.goneAt(bytesOf(key)) - this.#clock.now();
    return leftMs > 0 && leftMs <= CACHE_SETTLE_MS_MAX ? leftMs : 0;
  }

  #load(key: Latin1, load: Load, settle: (cached: Cached) => void): void {
    this.#reads++;
    load.isSent = true;
    this.#source.read(key, (read) => {
      if (load.isCurrent && read !== undefined) this.#keep(bytesOf(key), read);
      this.#forget(key, load);
      settle(read?.value);
    });
  }

  #forget(key: Latin1, load: Load): void {
    if (this.#loads.get(key) === load) this.#loads.delete(key);
  }

  #keep(key: Buffer, { value, until, goneAt, isTorn }: CacheRead): void {
    if (isTorn) this.#kept.remove(key);
    else if (value === null)
      this.#kept.put(key, null, { until: this.#clock.now() + CACHE_MISSING_MS, slackMs: 0 });
    else this.#kept.put(key, value, { until, slackMs: slackOf(until, goneAt) });
  }

  #changed(key: Latin1 | undefined): void {
    this.#invalidations++;
    // A read under way is answered after this, with the new value.
    if (key === undefined) this.clear();
    else this.#kept.remove(bytesOf(key));
  }
}

/** Units: ms, whole; 0: too long to wait for. */
function slackOf(until: number, goneAt: number): number {
  const slackMs = Math.ceil(goneAt - until);
  return slackMs <= CACHE_SETTLE_MS_MAX ? slackMs : 0;
}

/** Opens a near cache over a source. */
export function openNearCache(options: NearCacheOptions): NearCache {
  return new OpenNearCache(options);
}

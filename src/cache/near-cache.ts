// Values read by GET, kept in this process in front of a store elsewhere: single-flight loads, exact TTLs, dropped on every write.
//
// C1  What is kept was shown by the store at some moment after the last write of its key that this process has answered.
// C2  A value is never served at or after the moment at which it expires in the store.
// C3  At most one read of a key that may be joined is under way; a write that is answered ends its being joined and kept.
// C4  While changes are not told (connection lost), nothing is kept.
import { LRUCache } from 'lru-cache';
import { CACHE_MISSING_MS, CACHE_SETTLE_MS_MAX, type Clock, type Latin1 } from '../base/index.ts';
import type { CacheRead, CacheSource } from './source.ts';

/** Units: bytes. What an entry costs beside key and value: two strings' headers, the entry, its places in the map and the order. */
const ENTRY_BYTES = 200;
/** A value larger than this part of the cache would push out too much. */
const ENTRY_PART_MAX = 1 / 8;

/** What a near cache is opened with. */
export interface NearCacheOptions {
  /** Units: bytes, estimated. */
  readonly bytesMax: number;
  readonly clock: Clock;
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
  /** Units: bytes, estimated. */
  readonly bytes: number;
}

/** What a key shows: a value, null when it shows nothing, undefined when the caller must ask the store itself. */
export type Cached = Latin1 | null | undefined;

/** A near cache. Keys and values are byte strings. */
export interface NearCache {
  /** What is kept of a key. Hot: allocates nothing. Units: `now` Unix ms. undefined: nothing; `fetch` reads it. */
  get(key: Latin1, now: number): Cached;
  /** Reads a key once for all who ask meanwhile. undefined: ask the store. Never rejects. */
  fetch(key: Latin1): Promise<Cached>;
  /** A write of this key was applied, and is about to be answered. */
  written(key: Latin1): void;
  /** Any key may have been written. */
  clear(): void;
  stats(): NearCacheStats;
  close(): void;
}

interface Entry {
  readonly value: Latin1 | null;
  /** The value surely lives before it. Units: Unix ms. */
  readonly until: number;
  /** The value is surely gone from then on. Units: Unix ms. */
  readonly goneAt: number;
}

interface Load {
  readonly promise: Promise<Cached>;
  /** C3: false once a write was answered since it was sent. */
  isCurrent: boolean;
  isSent: boolean;
}

class LruNearCache implements NearCache {
  readonly #entries: LRUCache<Latin1, Entry>;
  readonly #loads = new Map<Latin1, Load>();
  readonly #clock: Clock;
  readonly #source: CacheSource;
  #hits = 0;
  #misses = 0;
  #reads = 0;
  #invalidations = 0;

  constructor({ bytesMax, clock, source }: NearCacheOptions) {
    this.#clock = clock;
    this.#source = source;
    this.#entries = new LRUCache({
      maxSize: bytesMax,
      maxEntrySize: Math.floor(bytesMax * ENTRY_PART_MAX),
      sizeCalculation: ({ value }, key) => key.length + (value?.length ?? 0) + ENTRY_BYTES,
    });
    source.onChange = (key) => this.#changed(key);
  }

  get(key: Latin1, now: number): Cached {
    const entry = this.#entries.get(key);
    if (entry === undefined || now >= entry.until) {
      this.#misses++;
      return undefined;
    }
    this.#hits++;
    return entry.value;
  }

  fetch(key: Latin1): Promise<Cached> {
    const running = this.#loads.get(key);
    if (running !== undefined) return running.promise;
    let settle: (cached: Cached) => void = () => {};
    const promise = new Promise<Cached>((resolve) => {
      settle = resolve;
    });
    const load = { promise, isCurrent: true, isSent: false };
    this.#loads.set(key, load);
    const delayMs = this.#settleMs(key);
    if (delayMs > 0) this.#clock.after(delayMs, () => this.#load(key, load, settle));
    else this.#load(key, load, settle);
    return promise;
  }

  written(key: Latin1): void {
    this.#entries.delete(key);
    const load = this.#loads.get(key);
    if (load === undefined || !load.isSent) return;
    load.isCurrent = false;
    this.#loads.delete(key);
  }

  clear(): void {
    this.#entries.clear();
    for (const key of this.#loads.keys()) this.written(key);
  }

  stats(): NearCacheStats {
    return {
      hits: this.#hits,
      misses: this.#misses,
      loads: this.#reads,
      invalidations: this.#invalidations,
      entries: this.#entries.size,
      bytes: this.#entries.calculatedSize,
    };
  }

  close(): void {
    this.#source.onChange = undefined;
    this.clear();
    this.#source.close();
  }

  /**
   * The time left in which a value just expired here may still live in the store, by as much as its load took. Reading then would
   * only find the old value for a moment: the one read waits for it to be gone, so that an expiry costs one. Units: ms.
   */
  #settleMs(key: Latin1): number {
    const entry = this.#entries.peek(key);
    if (entry === undefined) return 0;
    const leftMs = entry.goneAt - this.#clock.now();
    return leftMs > 0 && leftMs <= CACHE_SETTLE_MS_MAX ? leftMs : 0;
  }

  #load(key: Latin1, load: Load, settle: (cached: Cached) => void): void {
    if (!this.#source.isTold) {
      this.#forget(key, load);
      return settle(undefined);
    }
    this.#reads++;
    load.isSent = true;
    const sentAt = this.#clock.now();
    return this.#source.read(key, (read) => {
      if (load.isCurrent && read !== undefined && this.#source.isTold) this.#keep(key, read, sentAt);
      this.#forget(key, load);
      settle(read?.value);
    });
  }

  #forget(key: Latin1, load: Load): void {
    if (this.#loads.get(key) === load) this.#loads.delete(key);
  }

  /** C2: the store counted the TTL after the request was sent and before its answer came. */
  #keep(key: Latin1, { value, ttlMs, isTorn }: CacheRead, sentAt: number): void {
    if (isTorn) {
      this.#entries.delete(key);
      return;
    }
    const livesMs = ttlMs >= 0 ? ttlMs : value === null ? CACHE_MISSING_MS : Number.POSITIVE_INFINITY;
    // The clock is in whole ms: + 1.
    const goneAt = ttlMs >= 0 ? this.#clock.now() + ttlMs + 1 : 0;
    this.#entries.set(key, { value, until: sentAt + livesMs, goneAt });
  }

  #changed(key: Latin1 | undefined): void {
    this.#invalidations++;
    // A read under way is answered after this, with the new value.
    if (key === undefined) this.clear();
    else this.#entries.delete(key);
  }
}

/** Opens a near cache over a source. */
export function openNearCache(options: NearCacheOptions): NearCache {
  return new LruNearCache(options);
}

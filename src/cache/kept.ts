// What the near cache holds: small values in generations outside the JavaScript heap, large ones in an LRU list.
import { LRUCache } from 'lru-cache';
import { CACHE_SMALL_BYTES_MAX, type Latin1, latin1Of, type Random } from '../base/index.ts';
import type { Life } from './generation.ts';
import { type FoundValue, SmallValues } from './small-values.ts';

/** The part of the cache for large values, and the largest part of that for one. */
const LARGE_PART = 1 / 4;
const LARGEST_PART = 1 / 2;
/** Units: bytes. What an entry of the list costs beside key and value. */
const ENTRY_BYTES = 300;

interface LargeValue extends Life {
  readonly value: Buffer;
}

/** All values held, within a number of bytes. */
export class Kept {
  readonly found: FoundValue = { bytes: Buffer.alloc(0), start: 0, end: 0 };
  readonly #small: SmallValues;
  readonly #large: LRUCache<Latin1, LargeValue>;

  constructor(bytesMax: number, random: Random) {
    const largeBytes = Math.floor(bytesMax * LARGE_PART);
    this.#small = new SmallValues(bytesMax - largeBytes, random);
    this.#large = new LRUCache({
      maxSize: largeBytes,
      maxEntrySize: Math.floor(largeBytes * LARGEST_PART),
      sizeCalculation: ({ value }, key) => key.length + value.length + ENTRY_BYTES,
    });
  }

  get count(): number {
    return this.#small.count + this.#large.size;
  }

  /** Units: bytes. */
  get bytes(): number {
    return this.#small.bytes + this.#large.calculatedSize;
  }

  /** See `NearCache.find`. */
  find(source: Uint8Array, start: number, end: number, now: number): 1 | 0 | -1 {
    const result = this.#small.find(source, start, end, now, this.found);
    if (result >= 0 || this.#large.size === 0) return result;
    const held = this.#large.get(latin1Of(source.subarray(start, end)));
    if (held === undefined || now >= held.until) return -1;
    this.found.bytes = held.value;
    this.found.start = 0;
    this.found.end = held.value.length;
    return 1;
  }

  prepare(source: Uint8Array, ranges: Int32Array, count: number): void {
    this.#small.prepare(source, ranges, count);
  }

  /** When the value of a key that has expired here is surely gone. Units: Unix ms; 0: not known. */
  goneAt(key: Buffer): number {
    const held = this.#large.peek(latin1Of(key));
    if (held === undefined) return this.#small.goneAt(key);
    return held.slackMs === 0 ? 0 : held.until + held.slackMs;
  }

  /** Owns: the value is copied. */
  put(key: Buffer, value: Buffer | null, life: Life): void {
    this.remove(key);
    if (value !== null && key.length + value.length > CACHE_SMALL_BYTES_MAX)
      this.#large.set(latin1Of(key), { value: Buffer.from(value), ...life });
    else if (key.length <= CACHE_SMALL_BYTES_MAX) this.#small.put(key, value, life);
  }

  remove(key: Buffer): void {
    this.#small.remove(key);
    if (this.#large.size > 0) this.#large.delete(latin1Of(key));
  }

  clear(): void {
    this.#small.clear();
    this.#large.clear();
  }
}

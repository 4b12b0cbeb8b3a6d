// The small values of the near cache: two generations. When the young one is full the old one is dropped and they change places;
// what is found in the old one moves to the young. So what was used lately stays, and no entry has a list of its own to keep.
import { type HashBytes, openHash, type Random } from '../base/index.ts';
import { Generation, type Life } from './generation.ts';

/** Commands that are prepared together. */
const GROUP = 32;

/** A value within bytes. Owns: valid until the next change of the cache. */
export interface FoundValue {
  bytes: Buffer;
  start: number;
  end: number;
}

/** Values of a few KB by key. */
export class SmallValues {
  readonly hash: HashBytes;
  #young: Generation;
  #old: Generation;
  readonly #near = new Int32Array(GROUP);
  /** What `prepare` has read, so that the reads are not optimized away. */
  protected prepared = 0;

  /** Units: bytes for both generations. */
  constructor(bytesMax: number, random: Random) {
    this.hash = openHash(random);
    this.#young = new Generation(Math.floor(bytesMax / 2), this.hash);
    this.#old = new Generation(Math.floor(bytesMax / 2), this.hash);
  }

  /** Entries that can be found. */
  get count(): number {
    return this.#young.count + this.#old.count;
  }

  /** Units: bytes used. */
  get bytes(): number {
    return this.#young.used + this.#old.used;
  }

  /**
   * Hot, hence its numbers. What is kept of the key in bytes `start` up to `end`: 1 a value (in `found`), 0 that it is absent,
   * -1 nothing. Units: `now` Unix ms.
   */
  find(source: Uint8Array, start: number, end: number, now: number, found: FoundValue): 1 | 0 | -1 {
    let generation = this.#young;
    let record = generation.find(source, start, end);
    if (record < 0) {
      record = this.#old.find(source, start, end);
      if (record < 0) return -1;
      const moved = this.#promote(record, source.subarray(start, end));
      if (moved < 0) generation = this.#old;
      else record = moved;
    }
    if (now >= generation.until(record)) return -1;
    const length = generation.valueLength(record);
    if (length < 0) return 0;
    found.bytes = generation.bytes;
    found.start = generation.valueStart(record);
    found.end = found.start + length;
    return 1;
  }

  /** When the value of a key that has expired here is surely gone. Units: Unix ms; 0: not known. */
  goneAt(key: Uint8Array): number {
    const record = this.#young.find(key, 0, key.length);
    if (record < 0) return 0;
    const slackMs = this.#young.slackMs(record);
    return slackMs === 0 ? 0 : this.#young.until(record) + slackMs;
  }

  put(key: Uint8Array, value: Uint8Array | null, life: Life): void {
    if (this.#young.put(key, value, life)) {
      this.#old.remove(key);
      return;
    }
    this.#age();
    this.#young.put(key, value, life);
    this.#old.remove(key);
  }

  remove(key: Uint8Array): void {
    this.#young.remove(key);
    this.#old.remove(key);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }

  /** Brings near what lookups of these ranges will read: pairs of start and end, at most 32. */
  prepare(source: Uint8Array, ranges: Int32Array, count: number): void {
    const near = this.#near;
    const young = this.#young;
    for (let i = 0; i < count; i++) near[i] = this.hash(source, ranges[i * 2], ranges[i * 2 + 1]);
    for (let i = 0; i < count; i++) near[i] = young.peekIndex(near[i]);
    let sum = 0;
    for (let i = 0; i < count; i++) sum = (sum + young.peekRecord(near[i])) | 0;
    this.prepared = sum;
  }

  /** Into the young generation, so that it stays; -1: that is full, and the next value that is put makes it the old one. */
  #promote(record: number, key: Uint8Array): number {
    const moved = this.#young.adopt(this.#old, record);
    if (moved >= 0) this.#old.remove(key);
    return moved;
  }

  #age(): void {
    [this.#young, this.#old] = [this.#old, this.#young];
    this.#young.clear();
  }
}

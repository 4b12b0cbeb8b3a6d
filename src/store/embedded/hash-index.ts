// The index: extendible hashing over small segments of [hash, ref] pairs, so that growing never moves more than one.
import { type Random, below } from '../../base/index.ts';
import type { Ref } from './slab.ts';

/** Home slots of one segment by the low bits of the hash; splitting one takes about 0.1 ms. */
const SLOT_BITS = 14;
const HOMES = 1 << SLOT_BITS;
const HOME_MASK = HOMES - 1;
/** Pairs of one segment: five for four homes, so that a segment is full (FILLED_MAX) at a power of two of keys. */
export const SEGMENT_SLOTS = HOMES + (HOMES >> 2);
/** Behind the pairs: how many are filled, and how many leading bits of the hash all of them share. */
const FILLED = SEGMENT_SLOTS * 2;
const DEPTH = FILLED + 1;
/** A segment fuller than this splits: linear probing stays short. */
const FILLED_MAX = HOMES;
/** A segment with fewer pairs is looked at for joining it with its neighbour. */
const SPARSE_FILLED = HOMES / 4;
const PREFIX_BITS = 32 - SLOT_BITS;
const PREFIXES = 1 << PREFIX_BITS;
const SPARES_MAX = 2;
/** Homes that one scan looks at, about 1 ms; and beyond them so many for each pair asked for. */
const HOMES_MAX = 2 * HOMES;
const HOMES_EACH = 8;

/** Where a hash is looked for first. Homes are spread evenly over the pairs. */
export function homeOf(hash: number): number {
  const home = hash & HOME_MASK;
  return home + (home >> 2);
}

/** The slot behind a slot. */
export function slotAfter(slot: number): number {
  return slot + 1 === SEGMENT_SLOTS ? 0 : slot + 1;
}

/** How far `slot` lies behind `from`. */
function distance(slot: number, from: number): number {
  return slot >= from ? slot - from : slot - from + SEGMENT_SLOTS;
}

/** Open addressing within a segment, a directory over the leading bits of the hash. An empty pair has ref 0. */
export class HashIndex {
  /** Entry `hash >>> shift`; several entries share a segment that has fewer bits. */
  directory: Int32Array[];
  /** 32 - bits of the directory. Range: 32 - 18 .. 31 (one bit from the start: a shift by 32 is one by 0). */
  shift = 31;
  #segments = 1;
  readonly #spares: Int32Array[] = [];

  constructor() {
    const first = new Int32Array(SEGMENT_SLOTS * 2 + 2);
    this.directory = [first, first];
  }

  /** Units: bytes. */
  get memoryBytes(): number {
    return (this.#segments + this.#spares.length) * (SEGMENT_SLOTS * 8 + 8) + this.directory.length * 8;
  }

  /** The segment of a hash. */
  segmentOf(hash: number): Int32Array {
    return this.directory[hash >>> this.shift];
  }

  /** Adds a pair that is not there. */
  insert(hash: number, ref: Ref): void {
    let segment = this.segmentOf(hash);
    while (segment[FILLED] >= FILLED_MAX && segment[DEPTH] < PREFIX_BITS) {
      this.#split(hash, segment);
      segment = this.segmentOf(hash);
    }
    place(segment, hash, ref);
  }

  /** Takes out the pair at a slot and closes the gap. */
  removeAt(segment: Int32Array, slot: number): void {
    let gap = slot;
    let i = slot;
    for (;;) {
      i = slotAfter(i);
      const ref = segment[2 * i + 1];
      if (ref === 0) break;
      const home = homeOf(segment[2 * i]);
      // It may move into the gap only when its home does not lie between the gap and where it is.
      if (distance(i, home) < distance(i, gap)) continue;
      segment[2 * gap] = segment[2 * i];
      segment[2 * gap + 1] = ref;
      gap = i;
    }
    segment[2 * gap + 1] = 0;
    segment[FILLED]--;
  }

  /** Whether a segment and its neighbour may be half empty together. */
  isSparse(segment: Int32Array): boolean {
    return segment[FILLED] < SPARSE_FILLED && segment[DEPTH] > 0;
  }

  /** Makes one segment of that of a hash and its neighbour where both together fill half of one. */
  join(hash: number): void {
    const segment = this.segmentOf(hash);
    const depth = segment[DEPTH];
    if (depth === 0) return;
    const neighbour = this.segmentOf(hash ^ (1 << (32 - depth)));
    if (neighbour[DEPTH] !== depth || segment[FILLED] + neighbour[FILLED] > FILLED_MAX / 2) return;
    const joined = this.#take(depth - 1);
    copyPairs(segment, joined);
    copyPairs(neighbour, joined);
    const count = 1 << (33 - this.shift - depth);
    const from = (depth === 1 ? 0 : hash >>> (33 - depth)) * count;
    this.directory.fill(joined, from, from + count);
    this.#segments--;
    this.#retire(segment);
    this.#retire(neighbour);
  }

  #split(hash: number, segment: Int32Array): void {
    const depth = segment[DEPTH] + 1;
    if (depth > 32 - this.shift) this.#double();
    const low = this.#take(depth);
    const high = this.#take(depth);
    for (let i = 0; i < SEGMENT_SLOTS; i++) {
      const ref = segment[2 * i + 1];
      if (ref === 0) continue;
      const moved = segment[2 * i];
      place((moved >>> (32 - depth)) & 1 ? high : low, moved, ref);
    }
    const each = 1 << (32 - this.shift - depth);
    const from = ((hash >>> (32 - depth)) & ~1) * each;
    this.directory.fill(low, from, from + each);
    this.directory.fill(high, from + each, from + 2 * each);
    this.#segments++;
    this.#retire(segment);
  }

  #double(): void {
    const wide: Int32Array[] = [];
    for (const segment of this.directory) wide.push(segment, segment);
    this.directory = wide;
    this.shift--;
  }

  #take(depth: number): Int32Array {
    const segment = this.#spares.pop() ?? new Int32Array(SEGMENT_SLOTS * 2 + 2);
    segment[DEPTH] = depth;
    return segment;
  }

  #retire(segment: Int32Array): void {
    if (this.#spares.length < SPARES_MAX) this.#spares.push(segment.fill(0));
  }

  /**
   * Visits pairs in an order that growth does not change: by the low bits, then by the leading bits. `visit` must not
   * change the index. Result: the next cursor, 0 at the end. Range of cursors: 0 .. 2^32 - 1. It stops at `count` pairs, or before
   * where an index that once held many more is nearly empty, so that one call is never long.
   */
  scan(cursor: number, count: number, visit: (ref: Ref, hash: number) => void): number {
    let home = Math.floor(cursor / PREFIXES) & HOME_MASK;
    let prefix = cursor % PREFIXES;
    let seen = 0;
    let left = count === Number.POSITIVE_INFINITY ? count : HOMES_MAX + HOMES_EACH * count;
    while (seen < count && left-- > 0) {
      const segment = this.directory[prefix >>> (PREFIX_BITS - (32 - this.shift))];
      seen += visitHome(segment, home, prefix, visit);
      const widthBits = PREFIX_BITS - segment[DEPTH];
      prefix = ((prefix >>> widthBits) + 1) << widthBits;
      if (prefix < PREFIXES) continue;
      prefix = 0;
      home++;
      if (home === HOMES) return 0;
    }
    return home * PREFIXES + prefix;
  }

  /** The ref at a random slot; 0: an empty one. */
  randomRef(random: Random): Ref {
    const segment = this.directory[below(random, this.directory.length)];
    return segment[2 * below(random, SEGMENT_SLOTS) + 1];
  }

  /** The ref at a hash's home slot, whatever it is: brings the slot near. */
  peek(hash: number): Ref {
    return this.directory[hash >>> this.shift][2 * homeOf(hash) + 1];
  }
}

function copyPairs(from: Int32Array, to: Int32Array): void {
  for (let i = 0; i < SEGMENT_SLOTS; i++) {
    const ref = from[2 * i + 1];
    if (ref !== 0) place(to, from[2 * i], ref);
  }
}

function place(segment: Int32Array, hash: number, ref: Ref): void {
  let slot = homeOf(hash);
  while (segment[2 * slot + 1] !== 0) slot = slotAfter(slot);
  segment[2 * slot] = hash;
  segment[2 * slot + 1] = ref;
  segment[FILLED]++;
}

/** Visits the pairs with the low bits `home` and whose leading bits are at least `prefix`. */
function visitHome(
  segment: Int32Array,
  home: number,
  prefix: number,
  visit: (ref: Ref, hash: number) => void,
): number {
  let seen = 0;
  for (let i = homeOf(home); ; i = slotAfter(i)) {
    const ref = segment[2 * i + 1];
    if (ref === 0) return seen;
    const hash = segment[2 * i];
    if ((hash & HOME_MASK) !== home || hash >>> SLOT_BITS < prefix) continue;
    visit(ref, hash);
    seen++;
  }
}

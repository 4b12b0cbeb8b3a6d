// The off-heap memory of records: segments of ArrayBuffer, blocks in size classes, a free list per class.
import { assert } from '../../base/index.ts';

/** A block is named by the number of its first 8-byte unit: 32 bits reach 32 GB. 0: none. */
export type Ref = number;

/** Units: bytes of one unit of a block. */
export const UNIT_BYTES = 8;
/** A ref is segment << 21 | unit. */
export const SEGMENT_SHIFT = 21;
export const UNIT_MASK = (1 << SEGMENT_SHIFT) - 1;
const SEGMENT_UNITS = 1 << SEGMENT_SHIFT;
/** The largest block. Units: 8-byte units. Larger values live in Buffers of their own. */
export const BLOCK_UNITS_MAX = 8192;
/** The first segments are short, so that an idle store stays small. */
const FIRST_SEGMENTS_UNITS = [1 << 15, 1 << 18];
/** 32 GB by the width of a ref. */
const SEGMENTS_MAX = 2 ** (32 - SEGMENT_SHIFT);
const EXACT_UNITS = 64;

/** Rounds a size up to that of its class: exact up to 512 bytes, then eight steps to each doubling. */
export function roundUnits(units: number): number {
  if (units <= EXACT_UNITS) return units;
  const step = 1 << (28 - Math.clz32(units - 1));
  return (units + step - 1) & -step;
}

/** The class of a rounded size. */
function classOf(units: number): number {
  if (units <= EXACT_UNITS) return units;
  const exponent = 31 - Math.clz32(units - 1);
  return EXACT_UNITS + 1 + (exponent - 6) * 8 + ((units - 1) >> (exponent - 3)) - 8;
}

const CLASSES = classOf(BLOCK_UNITS_MAX) + 1;
const CLASS_UNITS = new Int32Array(CLASSES);
for (let units = 1; units <= BLOCK_UNITS_MAX; units = roundUnits(units + 1))
  CLASS_UNITS[classOf(units)] = units;

/** Memory in blocks. The free lists are threaded through the free blocks' first words. */
export class Slab {
  /** The segments as words and as bytes; a block's first word: words[ref >>> 21][(ref & UNIT_MASK) << 1]. */
  readonly words: Int32Array[] = [];
  readonly bytes: Buffer[] = [];
  /** Both of each segment together. */
  readonly segments: { readonly words: Int32Array; readonly bytes: Buffer }[] = [];
  /** Units: bytes in blocks handed out. */
  usedBytes = 0;
  /** Units: bytes of all segments. */
  reservedBytes = 0;
  readonly #free = new Int32Array(CLASSES);
  #next = 0;
  #limit = 0;

  constructor() {
    this.#grow();
    this.#next = 1; // ref 0 means none
  }

  /** A block of at least `units`, rounded by `roundUnits`. Its content is undefined. */
  allocate(units: number): Ref {
    const rounded = roundUnits(units);
    const index = classOf(rounded);
    this.usedBytes += rounded * UNIT_BYTES;
    const free = this.#free[index];
    if (free !== 0) {
      this.#free[index] = this.words[free >>> SEGMENT_SHIFT][(free & UNIT_MASK) << 1];
      return free;
    }
    return this.#carve(rounded, index);
  }

  /** Gives a block back; `units` as it was allocated. */
  release(ref: Ref, units: number): void {
    const rounded = roundUnits(units);
    this.usedBytes -= rounded * UNIT_BYTES;
    this.#push(ref, classOf(rounded));
  }

  #push(ref: Ref, index: number): void {
    this.words[ref >>> SEGMENT_SHIFT][(ref & UNIT_MASK) << 1] = this.#free[index];
    this.#free[index] = ref;
  }

  #carve(units: number, index: number): Ref {
    if (this.#next + units > this.#limit) {
      const split = this.#splitLarger(units, index);
      if (split !== 0) return split;
      this.#grow();
    }
    const ref = ((this.words.length - 1) << SEGMENT_SHIFT) | this.#next;
    this.#next += units;
    return ref;
  }

  /** Before a new segment is taken: the head of a larger free block. */
  #splitLarger(units: number, index: number): Ref {
    for (let larger = index + 1; larger < CLASSES; larger++) {
      const ref = this.#free[larger];
      if (ref === 0) continue;
      this.#free[larger] = this.words[ref >>> SEGMENT_SHIFT][(ref & UNIT_MASK) << 1];
      this.#scatter(ref + units, CLASS_UNITS[larger] - units);
      return ref;
    }
    return 0;
  }

  /** Puts a stretch of memory on the free lists. */
  #scatter(ref: Ref, units: number): void {
    let from = ref;
    let left = units;
    while (left > 0) {
      let size = Math.min(left, BLOCK_UNITS_MAX);
      while (roundUnits(size) !== size) size = CLASS_UNITS[classOf(roundUnits(size)) - 1];
      this.#push(from, classOf(size));
      from += size;
      left -= size;
    }
  }

  #grow(): void {
    const number = this.words.length;
    assert(number < SEGMENTS_MAX, 'the store holds less than 32 GB of records');
    if (number > 0) this.#scatter(((number - 1) << SEGMENT_SHIFT) | this.#next, this.#limit - this.#next);
    const units = FIRST_SEGMENTS_UNITS[number] ?? SEGMENT_UNITS;
    const memory = new ArrayBuffer(units * UNIT_BYTES);
    const segment = { words: new Int32Array(memory), bytes: Buffer.from(memory) };
    this.segments.push(segment);
    this.words.push(segment.words);
    this.bytes.push(segment.bytes);
    this.reservedBytes += units * UNIT_BYTES;
    this.#next = 0;
    this.#limit = units;
  }
}

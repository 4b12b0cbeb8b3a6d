// The outbox's marks: a queue of refs in the order of marking, one entry a key, in chunks.
//
// Invariants
// O1 A marked record's word 5 is its position (low 32 bits, never 0), and the entry there is the record's ref.
// O2 Entries of one group follow each other: all but the first are JOINED (holes in between do not matter).
import type { Ref } from './slab.ts';

const CHUNK_BITS = 14;
const CHUNK = 1 << CHUNK_BITS;
const JOINED = 1;
const TOUCHED = 2;
/** Holes beyond this, and beyond twice the live entries, are squeezed out. */
const HOLES_MAX = 4096;

interface Chunk {
  readonly refs: Int32Array;
  readonly flags: Uint8Array;
}

/** Positions are int32, compared by their distance from the head, so they may wrap around. */
export class Ring {
  #chunks: Chunk[] = [];
  /** Position of the first entry of the first chunk. */
  #base: number;
  #head: number;
  #tail: number;
  /** Entries that are not holes. */
  live = 0;
  /** Has grown by a chunk; whoever looks at it takes it back. */
  hasGrown = false;

  /** `first`: the first position, for tests. */
  constructor(first = 1) {
    this.#base = first;
    this.#head = first;
    this.#tail = first;
  }

  /** Entries and holes. */
  get length(): number {
    return (this.#tail - this.#head) >>> 0;
  }

  /** Appends an entry and returns its position. */
  push(ref: Ref): number {
    let position = this.#tail;
    if (position === 0) position = this.#append(0, JOINED); // 0 means "no mark": a hole lies there
    this.#append(ref, 0);
    this.live++;
    return position;
  }

  /** Appends an entry; returns the position of the next. */
  #append(ref: Ref, flags: number): number {
    const offset = (this.#tail - this.#base) >>> 0;
    const number = offset >>> CHUNK_BITS;
    if (number === this.#chunks.length) {
      this.#chunks.push({ refs: new Int32Array(CHUNK), flags: new Uint8Array(CHUNK) });
      this.hasGrown = true;
    }
    const chunk = this.#chunks[number];
    chunk.refs[offset & (CHUNK - 1)] = ref;
    chunk.flags[offset & (CHUNK - 1)] = flags;
    this.#tail = (this.#tail + 1) | 0;
    return this.#tail;
  }

  at(position: number): Ref {
    const offset = (position - this.#base) >>> 0;
    return this.#chunks[offset >>> CHUNK_BITS].refs[offset & (CHUNK - 1)];
  }

  /** The record of an entry has moved. */
  moved(position: number, ref: Ref): void {
    const offset = (position - this.#base) >>> 0;
    this.#chunks[offset >>> CHUNK_BITS].refs[offset & (CHUNK - 1)] = ref;
  }

  /** Makes an entry a hole. */
  remove(position: number): void {
    this.moved(position, 0);
    this.live--;
  }

  /** Remembers an entry as touched by the unit under way. false: it was already. */
  touch(position: number): boolean {
    const offset = (position - this.#base) >>> 0;
    const flags = this.#chunks[offset >>> CHUNK_BITS].flags;
    if ((flags[offset & (CHUNK - 1)] & TOUCHED) !== 0) return false;
    flags[offset & (CHUNK - 1)] |= TOUCHED;
    return true;
  }

  /** Forgets `touch`. */
  untouch(position: number): void {
    this.#setFlags(position, this.#flags(position) & ~TOUCHED);
  }

  /**
   * Makes the touched entries one group at the end (O2). `remark` tells a record its new position.
   * A group that is already exactly these entries stays where it is.
   */
  group(positions: readonly number[], remark: (ref: Ref, position: number) => void): void {
    for (const position of positions) this.untouch(position);
    if (this.#isGroup(positions)) return;
    const last = positions[positions.length - 1];
    if (this.#isTail(positions) && (this.#flags(positions[0]) & JOINED) === 0 && last !== 0) {
      for (let i = 1; i < positions.length; i++) this.#setFlags(positions[i], JOINED);
      return;
    }
    for (const [i, position] of positions.entries()) {
      const ref = this.at(position);
      this.remove(position);
      const moved = this.push(ref);
      if (i > 0) this.#setFlags(moved, JOINED);
      remark(ref, moved);
    }
  }

  #flags(position: number): number {
    const offset = (position - this.#base) >>> 0;
    return this.#chunks[offset >>> CHUNK_BITS].flags[offset & (CHUNK - 1)];
  }

  #setFlags(position: number, flags: number): void {
    const offset = (position - this.#base) >>> 0;
    this.#chunks[offset >>> CHUNK_BITS].flags[offset & (CHUNK - 1)] = flags;
  }

  /** The positions follow each other up to the tail. */
  #isTail(positions: readonly number[]): boolean {
    const first = positions[0];
    for (let i = 1; i < positions.length; i++) if (positions[i] !== ((first + i) | 0)) return false;
    return ((first + positions.length) | 0) === this.#tail;
  }

  #isGroup(positions: readonly number[]): boolean {
    const first = positions[0];
    for (const [i, position] of positions.entries()) {
      if (position !== ((first + i) | 0)) return false;
      if (((this.#flags(position) & JOINED) !== 0) !== i > 0) return false;
    }
    const after = (first + positions.length) | 0;
    return after === this.#tail || (this.#flags(after) & JOINED) === 0;
  }

  /** The oldest group, into `refs`; it stays. false: nothing is marked. */
  peek(refs: Ref[]): boolean {
    refs.length = 0;
    for (let position = this.#head; position !== this.#tail; position = (position + 1) | 0) {
      if (refs.length > 0 && (this.#flags(position) & JOINED) === 0) break;
      const ref = this.at(position);
      if (ref !== 0) refs.push(ref);
      else if (refs.length === 0) this.#advance();
    }
    return refs.length > 0;
  }

  /** Takes the oldest entries off. */
  drop(count: number): void {
    for (let left = count; left > 0; ) {
      if (this.at(this.#head) !== 0) left--;
      this.#advance();
    }
    this.live -= count;
  }

  #advance(): void {
    this.#head = (this.#head + 1) | 0;
    if ((this.#head - this.#base) >>> 0 < CHUNK) return;
    const spent = this.#chunks.shift();
    this.#base = (this.#base + CHUNK) | 0;
    if (spent !== undefined && this.#head === this.#tail && this.#chunks.length === 0)
      this.#chunks.push(spent);
  }

  /** Whether `squeeze` is worth its time. */
  get isSparse(): boolean {
    const holes = this.length - this.live;
    return holes > HOLES_MAX && holes > 2 * this.live;
  }

  /** Squeezes holes out, group by group; `remark` tells each record its new position. */
  squeeze(remark: (ref: Ref, position: number) => void): void {
    const refs: Ref[] = [];
    for (let left = this.live; left > 0 && this.peek(refs); left -= refs.length) {
      this.drop(refs.length);
      for (const [i, ref] of refs.entries()) {
        const position = this.push(ref);
        if (i > 0) this.#setFlags(position, JOINED);
        remark(ref, position);
      }
    }
  }
}

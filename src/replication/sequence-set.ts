// A set of sequences: everything up to a floor, and ranges above it in ascending order.
//
// Invariant  N1  Ranges are disjoint, do not touch each other or the floor, and ascend.

/** From and to, both inside. */
export type Range = [from: number, to: number];

/** Sequences from 1 on. Cheap where they come nearly in order: a range a hole. */
export class SequenceSet {
  /** Everything up to here is inside. */
  floor = 0;
  readonly #ranges: Range[] = [];

  /** Ranges above the floor. Owns: only to be read. */
  get ranges(): readonly Readonly<Range>[] {
    return this.#ranges;
  }

  /** The greatest sequence inside; 0: none. */
  get newest(): number {
    return this.#ranges[this.#ranges.length - 1]?.[1] ?? this.floor;
  }

  has(sequence: number): boolean {
    return this.hasAll(sequence, sequence);
  }

  /** Whether all of a range is inside; an empty range is. */
  hasAll(from: number, to: number): boolean {
    if (to <= this.floor || from > to) return true;
    const range = this.#ranges[this.#find(Math.max(from, this.floor + 1))];
    return range !== undefined && range[0] <= Math.max(from, this.floor + 1) && range[1] >= to;
  }

  /** Adds one sequence. false: it was inside. */
  add(sequence: number): boolean {
    if (this.has(sequence)) return false;
    this.addRange(sequence, sequence);
    return true;
  }

  addRange(from: number, to: number): void {
    if (to < from || to <= this.floor) return;
    const ranges = this.#ranges;
    let [first, last] = [from, to];
    // The ranges that touch the new one: from `begin` on, up to `end` (outside).
    const begin = this.#find(from - 1);
    let end = begin;
    for (let range = ranges[end]; range !== undefined && range[0] <= to + 1; range = ranges[++end]) {
      first = Math.min(first, range[0]);
      last = Math.max(last, range[1]);
    }
    ranges.splice(begin, end - begin, [first, last]);
    this.#settle();
  }

  /** Raises the floor: everything up to there counts as inside. */
  raise(floor: number): void {
    if (floor > this.floor) this.addRange(1, floor);
  }

  /** Calls `visit` with each hole between the floor and `upTo`, ascending, until it returns false. */
  holes(upTo: number, visit: (from: number, to: number) => boolean): void {
    let next = this.floor + 1;
    for (const [from, to] of this.#ranges) {
      if (next > upTo) return;
      if (!visit(next, Math.min(from - 1, upTo))) return;
      next = to + 1;
    }
    if (next <= upTo) visit(next, upTo);
  }

  /** How many up to `upTo` are not inside. */
  missingUpTo(upTo: number): number {
    let missing = 0;
    this.holes(upTo, (from, to) => {
      missing += to - from + 1;
      return true;
    });
    return missing;
  }

  /** The place of the first range that ends at `sequence` or later. */
  #find(sequence: number): number {
    const ranges = this.#ranges;
    let low = 0;
    let high = ranges.length;
    // Nearly always the last one.
    if (high > 0 && ranges[high - 1][1] < sequence) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ranges[middle][1] < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #settle(): void {
    const ranges = this.#ranges;
    while (ranges.length > 0 && ranges[0][0] <= this.floor + 1) {
      this.floor = Math.max(this.floor, ranges[0][1]);
      ranges.shift();
    }
  }
}

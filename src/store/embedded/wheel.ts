// When keys expire: a hierarchical timing wheel over the hashes of keys, drained a little at a time.
// A record's word 7 names the one slot it waits in; entries of other slots are stale and fall out when drained.

/** Units: ms of a slot of the first level. */
const TICK_MS = 128;
const SLOTS = 64;
const LEVELS = 6;
const WIDTH_MS = Array.from({ length: LEVELS }, (_, level) => TICK_MS * SLOTS ** level);
const CHUNK = 4096;
const FIRST_CHUNK = 64;

/** A list of hashes that grows without copying. */
class Hashes {
  #chunks: Int32Array[] = [];
  #filled = 0;
  length = 0;

  push(hash: number): void {
    let last = this.#chunks[this.#chunks.length - 1];
    if (last === undefined || this.#filled === last.length) {
      last = new Int32Array(last === undefined ? FIRST_CHUNK : CHUNK);
      this.#chunks.push(last);
      this.#filled = 0;
    }
    last[this.#filled++] = hash;
    this.length++;
  }

  pop(): number {
    if (this.#filled === 0) {
      this.#chunks.pop();
      this.#filled = this.#chunks[this.#chunks.length - 1].length;
    }
    this.length--;
    return this.#chunks[this.#chunks.length - 1][--this.#filled];
  }
}

/** Slots are numbered 1 + level * 64 + index; 0: none. */
export class Wheel {
  readonly #slots: (Hashes | undefined)[] = new Array(LEVELS * SLOTS + 1).fill(undefined);
  /** Per level: the last slot (counted from the epoch) that was drained. */
  readonly #drained: number[];
  #draining = new Hashes();
  #drainingSlot = 0;
  /** Entries, stale ones included. */
  length = 0;

  constructor(now: number) {
    this.#drained = WIDTH_MS.map((width, level) => Math.floor(now / width) - (level === 0 ? 1 : 0));
  }

  /** Where something that expires at `at` should wait. */
  slotFor(at: number, now: number): number {
    for (let level = 0; level < LEVELS; level++) {
      const here = Math.floor(now / WIDTH_MS[level]);
      const there = Math.max(Math.floor(at / WIDTH_MS[level]), here);
      if (there - here < SLOTS) return 1 + level * SLOTS + (there % SLOTS);
    }
    const top = Math.floor(now / WIDTH_MS[LEVELS - 1]) + SLOTS - 1;
    return 1 + (LEVELS - 1) * SLOTS + (top % SLOTS);
  }

  /** Units: Unix ms; when a slot is drained next. */
  dueAt(slot: number, now: number): number {
    const level = (slot - 1) >> 6;
    const here = Math.floor(now / WIDTH_MS[level]);
    const ahead = (((slot - 1) % SLOTS) - (here % SLOTS) + SLOTS) % SLOTS;
    return (here + ahead + (level === 0 ? 1 : 0)) * WIDTH_MS[level];
  }

  push(slot: number, hash: number): void {
    let list = this.#slots[slot];
    if (list === undefined) {
      list = new Hashes();
      this.#slots[slot] = list;
    }
    list.push(hash);
    this.length++;
  }

  /** Hands at most `count` due entries to `visit`, which may push. Result: whether everything due is done. */
  drain(now: number, count: number, visit: (hash: number, slot: number) => void): boolean {
    for (let left = count; left > 0; left--) {
      if (this.#draining.length === 0 && !this.#next(now)) return true;
      this.length--;
      visit(this.#draining.pop(), this.#drainingSlot);
    }
    return false;
  }

  /** Takes the next due slot that is not empty, the coarse levels first. */
  #next(now: number): boolean {
    for (let level = LEVELS - 1; level >= 0; level--) {
      const due = Math.floor(now / WIDTH_MS[level]) - (level === 0 ? 1 : 0);
      // A clock that went back: slots come round earlier than needed, and their entries are placed anew.
      let drained = Math.min(this.#drained[level], due);
      drained = Math.max(drained, due - SLOTS);
      while (drained < due) {
        drained++;
        const slot = 1 + level * SLOTS + (drained % SLOTS);
        const list = this.#slots[slot];
        if (list === undefined || list.length === 0) continue;
        this.#slots[slot] = undefined;
        this.#draining = list;
        this.#drainingSlot = slot;
        this.#drained[level] = drained;
        return true;
      }
      this.#drained[level] = drained;
    }
    return false;
  }
}

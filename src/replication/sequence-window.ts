// Which sequences of one stream were seen: everything up to a floor, and the few above it.

/** How far above the floor a sequence may lie before the floor is moved up; bounds the memory of one stream. */
const SPAN_MAX = 65_536;

/** Remembers the sequences of one stream. A sequence below a moved floor counts as seen. */
export class SequenceWindow {
  #floor = 0;
  readonly #above = new Set<number>();

  /** The greatest sequence noted. */
  newest = 0;

  /** Notes a sequence. false: it was seen before. */
  note(sequence: number): boolean {
    if (sequence <= this.#floor || this.#above.has(sequence)) return false;
    this.#above.add(sequence);
    if (sequence > this.newest) this.newest = sequence;
    this.#settle();
    return true;
  }

  #settle(): void {
    if (this.newest - this.#floor > SPAN_MAX) {
      const floor = this.newest - SPAN_MAX;
      for (const sequence of this.#above) if (sequence <= floor) this.#above.delete(sequence);
      this.#floor = floor;
    }
    while (this.#above.delete(this.#floor + 1)) this.#floor++;
  }
}

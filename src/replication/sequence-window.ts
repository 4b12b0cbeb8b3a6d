// Which sequences of one stream were seen, and which are missing.
import { MISSING_MAX } from '../base/index.ts';

/** How far above the floor a sequence may lie before the floor is moved up; bounds the memory of one stream. */
const SPAN_MAX = 65_536;

interface Missing {
  /** Units: Unix ms when a later sequence told of it, or when it was last asked for. */
  sinceMs: number;
  asked: number;
}

/** Which missing sequences are overdue. */
interface Overdue {
  /** Units: ms. */
  readonly afterMs: number;
  readonly askedMax: number;
  /** Bounds the result. */
  readonly most: number;
}

/** Remembers the sequences of one stream. A sequence below a moved floor counts as seen. */
export class SequenceWindow {
  #floor = 0;
  readonly #above = new Set<number>();
  readonly #missing = new Map<number, Missing>();

  /** The greatest sequence noted. */
  newest = 0;

  /** Missing sequences given up: too many, or asked for too often. */
  lost = 0;

  /** Whether a sequence was noted. */
  has(sequence: number): boolean {
    return sequence <= this.#floor || this.#above.has(sequence);
  }

  /** Notes a sequence. false: it was seen before. Nothing before the first one noted counts as missing. */
  note(sequence: number, nowMs = 0): boolean {
    if (this.has(sequence)) return false;
    this.#above.add(sequence);
    this.#missing.delete(sequence);
    if (sequence > this.newest) {
      if (this.newest > 0) this.#miss(sequence, nowMs);
      this.newest = sequence;
    }
    this.#settle();
    return true;
  }

  /** Sequences missing for at least `afterMs`; each is given again only after as long, and `askedMax` times. */
  overdue(nowMs: number, options: Overdue): number[] {
    const found: number[] = [];
    for (const [sequence, missing] of this.#missing) {
      if (found.length >= options.most) break;
      if (nowMs - missing.sinceMs < options.afterMs) continue;
      if (missing.asked >= options.askedMax) {
        this.#missing.delete(sequence);
        this.lost++;
        continue;
      }
      missing.sinceMs = nowMs;
      missing.asked++;
      found.push(sequence);
    }
    return found;
  }

  #miss(upTo: number, nowMs: number): void {
    const first = Math.max(this.newest + 1, upTo - MISSING_MAX);
    this.lost += first - this.newest - 1;
    for (let sequence = first; sequence < upTo; sequence++) {
      if (this.#missing.size >= MISSING_MAX) this.lost++;
      else this.#missing.set(sequence, { sinceMs: nowMs, asked: 0 });
    }
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

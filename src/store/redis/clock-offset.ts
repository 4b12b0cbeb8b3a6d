// How far a Redis' clock is ahead of ours, within bounds: from the times at which it answered between our asking and hearing.
//
// It ran TIME at a moment of ours in [asked, heard + 1), as ours is read in whole ms; so ahead lies in (time - heard - 1, time - asked].
// The bounds of several round trips are cut with each other: the quickest ones count.

/** Units: ms. Bounds older than one to two of these are forgotten: clocks drift and are set. */
const WINDOW_MS = 5_000;

interface Bounds {
  least: number;
  most: number;
}

/** Bounds of one clock's lead. Units: ms, with fractions. */
export class ClockOffset {
  #now: Bounds = unknown();
  #before: Bounds = unknown();
  #since = 0;

  /** A round trip. Units: Unix ms; `time` of the other clock. */
  note(asked: number, time: number, heard: number): void {
    if (heard - this.#since > WINDOW_MS || heard < this.#since) {
      this.#before = heard - this.#since > WINDOW_MS * 2 ? unknown() : this.#now;
      this.#now = unknown();
      this.#since = heard;
    }
    const [least, most] = [time - heard - 1, time - asked];
    this.#now.least = Math.max(this.#now.least, least);
    this.#now.most = Math.min(this.#now.most, most);
    // One of the clocks was set: only the newest is known.
    if (this.least > this.most) {
      this.#before = unknown();
      this.#now = { least, most };
    }
  }

  /** It is ahead by at least this. */
  get least(): number {
    return Math.max(this.#now.least, this.#before.least);
  }

  /** It is ahead by at most this. */
  get most(): number {
    return Math.min(this.#now.most, this.#before.most);
  }
}

function unknown(): Bounds {
  return { least: Number.NEGATIVE_INFINITY, most: Number.POSITIVE_INFINITY };
}

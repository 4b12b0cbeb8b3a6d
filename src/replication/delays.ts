// How long heartbeats take from one site to another by the two clocks, and what that says of the clocks.

/** Heartbeats that the median is taken of. */
const DELAYS = 9;

/** The last delays of one site. */
export class Delays {
  readonly #last: number[] = [];

  /** Units: ms, signed. */
  add(delayMs: number): void {
    this.#last.push(delayMs);
    if (this.#last.length > DELAYS) this.#last.shift();
  }

  /** Units: ms; undefined: none was seen. */
  get medianMs(): number | undefined {
    const sorted = this.#last.toSorted((a, b) => a - b);
    return sorted[sorted.length >> 1];
  }
}

/** Units: ms. Heartbeats that were sent closer together tell nothing of the pace: some are sent because they were asked for. */
const PACE_MS = 500;

/** Tells heartbeats that come as they are sent from those of a backlog, which come all at once: what took those so long is no clock. */
export class Pace {
  #sentAtMs: number | undefined;
  #heardAtMs = 0;

  /** Whether one came at the pace it was sent at; the first one does not tell. */
  isKept(sentAtMs: number, heardAtMs: number): boolean {
    const last = this.#sentAtMs;
    if (last !== undefined && Math.abs(sentAtMs - last) < PACE_MS) return false;
    const heardMs = heardAtMs - this.#heardAtMs;
    this.#sentAtMs = sentAtMs;
    this.#heardAtMs = heardAtMs;
    return last !== undefined && heardMs * 2 > sentAtMs - last;
  }
}

/**
 * How far the other clock is ahead of this one, taking both ways to last equally long. `there`: what the other site sees of this one's
 * heartbeats; without it only that the other is ahead by at least as much as its heartbeats seem to come before they are sent.
 * Units: ms; undefined: not known.
 */
export function skewOf(hereMs: number | undefined, thereMs: number | undefined): number | undefined {
  if (hereMs === undefined) return undefined;
  if (thereMs !== undefined) return Math.round((thereMs - hereMs) / 2);
  return hereMs < 0 ? -hereMs : undefined;
}

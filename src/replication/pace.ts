// How fast batches go: a burst of local writes starves neither clients nor links (S5 of sender.ts).
import { PUBLISHES_IN_FLIGHT_MAX } from '../base/index.ts';

/** Units: ms. A batch is open about this long when there was nothing before it. */
const BATCH_OPEN_MS = 1;
/** Units: ms of time that one batch costs; up to PUBLISHES_IN_FLIGHT_MAX of them are saved up. */
const PACE_MS = 1;
const BUSY_PACE_MS = 4;
/** Marks that came since the last batch from which on the site is busy. */
const BUSY_MARKS = 64;

export class Pace {
  /** Units: ms by the clock; batches up to now were paid for until here. */
  #paidUntilMs = 0;
  #paceMs = PACE_MS;
  /** Marks left by the last batch. */
  #backlog = 0;

  /** Units: ms until the next batch. */
  waitMs(nowMs: number): number {
    return Math.min(BUSY_PACE_MS, Math.max(BATCH_OPEN_MS, this.#paidUntilMs - nowMs));
  }

  /** Batches may go now, as `isFree` and `spend` say. `pending`: marks. */
  begin(nowMs: number, pending: number): void {
    this.#paceMs = pending - this.#backlog > BUSY_MARKS ? BUSY_PACE_MS : PACE_MS;
    const oldest = nowMs - this.#paceMs * PUBLISHES_IN_FLIGHT_MAX;
    this.#paidUntilMs = Math.max(oldest, Math.min(this.#paidUntilMs, nowMs + this.#paceMs));
  }

  isFree(nowMs: number): boolean {
    return this.#paidUntilMs <= nowMs;
  }

  spend(): void {
    this.#paidUntilMs += this.#paceMs;
  }

  /** No batch goes until the next `begin`. `pending`: marks left. */
  end(pending: number): void {
    this.#backlog = pending;
  }
}

// A bound on bytes a second, by waiting.
import { type Clock, sleep } from '../../base/index.ts';

/** Units: ms of saved-up time at most. */
const BURST_MS = 20;

/** Owns a rate. */
export class Pace {
  readonly #clock: Clock;
  readonly #bytesPerMs: number;
  /** Units: ms by the clock; everything until now is paid for up to here. */
  #paidUntilMs = 0;

  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  /** Counts bytes that were sent. Resolves when more may go. */
  async spend(bytes: number, signal?: AbortSignal): Promise<void> {
    const now = this.#clock.now();
    const costMs = bytes / this.#bytesPerMs;
    // A clock that went back must not make the wait long.
    const from = Math.min(Math.max(this.#paidUntilMs, now - BURST_MS), now + costMs);
    this.#paidUntilMs = from + costMs;
    const waitMs = Math.floor(this.#paidUntilMs - now);
    if (waitMs > 0) await sleep(this.#clock, waitMs, signal);
  }
}

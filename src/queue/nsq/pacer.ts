// Slows consuming down after requeues: a pause, then one message at a time until as many were acknowledged.
// Invariants: (1) paused: nothing is asked for; (2) level > 0 and not paused: one message at a time; (3) level 0: all.
import type { Clock, Random, Timer } from '../../base/index.ts';
import { backoffMs } from '../backoff.ts';

const PAUSE = { firstMs: 50, mostMs: 10_000 };
/** Beyond this the pause no longer grows. */
const LEVEL_MAX = 8;

export class Pacer {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #changed: () => void;
  #level = 0;
  #pause: Timer | undefined;

  constructor(clock: Clock, random: Random, changed: () => void) {
    this.#clock = clock;
    this.#random = random;
    this.#changed = changed;
  }

  /** How much of `most` may be asked for now. */
  budget(most: number): number {
    if (this.#pause !== undefined) return 0;
    return this.#level > 0 ? Math.min(1, most) : most;
  }

  /** What was under way when a pause began does not prolong it. */
  requeued(): void {
    if (this.#pause !== undefined) return;
    this.#level = Math.min(LEVEL_MAX, this.#level + 1);
    this.#pause = this.#clock.after(backoffMs(PAUSE, this.#level, this.#random), () => {
      this.#pause = undefined;
      this.#changed();
    });
    this.#changed();
  }

  acked(): void {
    if (this.#pause !== undefined || this.#level === 0) return;
    this.#level -= 1;
    this.#changed();
  }

  stop(): void {
    this.#pause?.cancel();
  }
}

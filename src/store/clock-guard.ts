// Forgetting goes by the clock: a clock that jumps ahead must not make everything old.
import { FORGET_AFTER_JUMP_MS } from '../base/index.ts';

/**
 * Whether the clock may be believed. When it has run ahead of the time between two looks by more than half the horizon, which no
 * real pause of the timers explains for sure, it is believed only after it has stayed there for FORGET_AFTER_JUMP_MS: by then
 * a wrong clock is usually set right. A machine that slept forgets so much later, which does no harm. Going back ends the wait:
 * an earlier time makes nothing old.
 */
export class ClockGuard {
  readonly #jumpMs: number;
  #last: number;
  #waitMs = 0;

  constructor(now: number, horizonMs: number) {
    this.#last = now;
    this.#jumpMs = horizonMs / 2;
  }

  /** `periodMs` of timers have passed since the last look. */
  believes(now: number, periodMs: number): boolean {
    const ahead = now - this.#last - periodMs;
    this.#last = now;
    if (ahead > this.#jumpMs) this.#waitMs = FORGET_AFTER_JUMP_MS;
    else if (ahead < -this.#jumpMs) this.#waitMs = 0;
    else this.#waitMs = Math.max(0, this.#waitMs - periodMs);
    return this.#waitMs === 0;
  }
}

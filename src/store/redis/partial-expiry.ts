// Keys of which only a part expires have no native TTL: a timer each at this gateway, and the walker for all others.
import { type Clock, type Latin1, PARTIAL_EXPIRIES_MAX, type Timer } from '../../base/index.ts';

/** Units: ms. The two clocks may differ by this much, and Redis' decides. */
const LATE_MS = 5;
/** Units: ms. Timers reach no further. */
const FAR_MS = 2 ** 31 - 1;

/** One gateway's timers. */
export class PartialExpiry {
  readonly #clock: Clock;
  readonly #fire: (key: Latin1) => void;
  readonly #timers = new Map<Latin1, { readonly atMs: number; readonly timer: Timer }>();

  constructor(clock: Clock, fire: (key: Latin1) => void) {
    this.#clock = clock;
    this.#fire = fire;
  }

  /** The part expires at that time; beyond PARTIAL_EXPIRIES_MAX keys it is left to the walker. Units: Unix ms. */
  note(key: Latin1, atMs: number): void {
    const held = this.#timers.get(key);
    if (held?.atMs === atMs) return;
    held?.timer.cancel();
    this.#timers.delete(key);
    const waitMs = atMs - this.#clock.now() + LATE_MS;
    if (this.#timers.size >= PARTIAL_EXPIRIES_MAX || waitMs > FAR_MS) return;
    const timer = this.#clock.after(Math.max(0, waitMs), () => {
      this.#timers.delete(key);
      this.#fire(key);
    });
    this.#timers.set(key, { atMs, timer });
  }

  get size(): number {
    return this.#timers.size;
  }

  close(): void {
    for (const { timer } of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }
}

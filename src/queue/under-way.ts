// Publishes that have not settled, for a close that waits for them.
import type { Clock } from '../base/index.ts';
import { within } from './within.ts';

/** Units: ms that `close` of a queue waits by default. */
export const CLOSE_GRACE_MS = 5_000;

export class UnderWay {
  readonly #all = new Set<Promise<unknown>>();

  /** Counts a promise until it settles. Result: the promise itself. */
  add<T>(promise: Promise<T>): Promise<T> {
    this.#all.add(promise);
    const over = (): void => void this.#all.delete(promise);
    promise.then(over, over);
    return promise;
  }

  /** Resolves when all that are counted now have settled, or after `graceMs`. */
  async settled(clock: Clock, graceMs: number): Promise<void> {
    if (this.#all.size > 0) await within(clock, graceMs, Promise.allSettled(this.#all));
  }
}

// Large keys that travel whole: each at most WHOLE_BYTES_PER_SECOND_MAX, or a list that is pushed to often would fill the queue with
// copies of itself (DESIGN 3). A key that is written again too early is kept back; what it is by then is sent once.
import {
  type Clock,
  type Latin1,
  type Timer,
  WHOLE_BYTES_PER_SECOND_MAX,
  WHOLE_KEY_BYTES_MAX,
} from '../../base/index.ts';

interface Slow {
  readonly timer: Timer;
  /** The newest version of the writes kept back; undefined: none. */
  version: Latin1 | undefined;
}

/** The keys of one outbox that were sent lately and are large. */
export class SlowKeys {
  readonly #clock: Clock;
  readonly #release: (key: Latin1, version: Latin1) => void;
  readonly #slow = new Map<Latin1, Slow>();
  #held = 0;

  /** `release`: the key may be sent again, whole. */
  constructor(clock: Clock, release: (key: Latin1, version: Latin1) => void) {
    this.#clock = clock;
    this.#release = release;
  }

  /** Keys kept back. */
  get size(): number {
    return this.#held;
  }

  /** A delta of so many bytes was made of the key. */
  sent(key: Latin1, bytes: number): void {
    if (bytes <= WHOLE_KEY_BYTES_MAX || this.#slow.has(key)) return;
    const timer = this.#clock.after((bytes * 1000) / WHOLE_BYTES_PER_SECOND_MAX, () => this.#over(key));
    this.#slow.set(key, { timer, version: undefined });
  }

  /** A write of the key. true: it is kept back. */
  holds(key: Latin1, version: Latin1): boolean {
    const slow = this.#slow.get(key);
    if (slow === undefined) return false;
    if (slow.version === undefined) this.#held++;
    if (slow.version === undefined || slow.version < version) slow.version = version;
    return true;
  }

  /** Nothing is released any more; the marks lie in Redis. */
  close(): void {
    for (const { timer } of this.#slow.values()) timer.cancel();
    this.#slow.clear();
    this.#held = 0;
  }

  #over(key: Latin1): void {
    const version = this.#slow.get(key)?.version;
    this.#slow.delete(key);
    if (version === undefined) return;
    this.#held--;
    this.#release(key, version);
  }
}

// Whose turn it is: a site is in one comparison at a time, as the one that asks or as the one that is asked.
import { type Clock, isWithin } from '../../base/index.ts';

/** Units: ms without a request after which a comparison of another site counts as over. */
const TURN_MS = 15_000;

/** Keeps two comparisons from doing the same work twice, and bounds the memory that they take. */
export class Turns {
  readonly #clock: Clock;
  #asker: string | undefined;
  #untilMs = 0;
  /** This site is comparing. */
  #isOwn = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Another site asks. false: it is not its turn. */
  give(asker: string): boolean {
    if (!this.isFreeFor(asker)) return false;
    this.#asker = asker;
    this.#untilMs = this.#clock.now() + TURN_MS;
    return true;
  }

  /** Whether another site would get its turn. */
  isFreeFor(asker: string): boolean {
    return !this.#isOwn && (!this.#taken || this.#asker === asker);
  }

  /** Another site is through. */
  end(asker: string): void {
    if (this.#asker === asker) this.#asker = undefined;
  }

  /** This site wants to ask. false: another one is at it. */
  take(): boolean {
    if (this.#isOwn || this.#taken) return false;
    this.#isOwn = true;
    return true;
  }

  release(): void {
    this.#isOwn = false;
  }

  get #taken(): boolean {
    return this.#asker !== undefined && isWithin(this.#clock, this.#untilMs, TURN_MS);
  }
}

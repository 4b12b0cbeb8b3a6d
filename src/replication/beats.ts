// When heartbeats are sent: every second, and soon when something is to be told; never two at a time.
import type { Clock, Timer } from '../base/index.ts';

/** Units: ms. What is to be told is collected for so long. */
const SOON_MS = 2;
/** Units: ms between two heartbeats that were asked for: clients' WAITs must not flood the queue. */
const SPACING_MS = 10;

export class Beats {
  readonly #clock: Clock;
  readonly #send: () => Promise<void>;
  #timer: Timer | undefined;
  #isUnderWay = false;
  #isWanted = false;
  #isClosed = false;

  /** `send`: makes and sends one; never rejects. */
  constructor(clock: Clock, send: () => Promise<void>) {
    this.#clock = clock;
    this.#send = send;
  }

  /** Something is to be told. */
  soon(): void {
    if (this.#isClosed || this.#timer !== undefined) return;
    if (this.#isUnderWay) this.#isWanted = true;
    else this.#after(SOON_MS);
  }

  /** Sends one now, unless one is under way. */
  now(): void {
    if (this.#isClosed || this.#isUnderWay) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    void this.#beat();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #after(delayMs: number): void {
    this.#timer = this.#clock.after(delayMs, () => {
      this.#timer = undefined;
      this.now();
    });
  }

  async #beat(): Promise<void> {
    this.#isUnderWay = true;
    this.#isWanted = false;
    await this.#send();
    this.#isUnderWay = false;
    if (this.#isWanted && !this.#isClosed && this.#timer === undefined) this.#after(SPACING_MS);
  }
}

// How many messages may be handed out at one time: a place for each, given back once.

/** Places for messages that are delivered and not yet acknowledged. */
export class Slots {
  readonly #max: number;
  #taken = 0;
  #waiting: (() => void)[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  get free(): number {
    return this.#max - this.#taken;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Takes one. Result: gives it back, at its first call. */
  take(): () => void {
    this.#taken++;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#taken--;
      for (const wake of this.#waiting.splice(0)) wake();
    };
  }

  /** Resolves at the next change of what is free, or at `wake`. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Wakes who waits: something else has changed. */
  wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

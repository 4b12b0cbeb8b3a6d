// When everything that was marked at some time has been given sequences: the outbox hands out its marks oldest first.
//
// Invariant  H1  A wait is over when as many marks as were pending at its beginning have been taken since, and these takings and
//                all before them have been sealed.

interface Wait {
  /** Marks still to be taken. */
  left: number;
  /** The taking that took the last of them; undefined: not yet. */
  through: number | undefined;
  readonly done: (all: boolean) => void;
}

/** Counts takings. */
export class Handover {
  #takings = 0;
  readonly #open = new Map<number, number>();
  #waits: Wait[] = [];

  /** Some marks were taken. Result: the number of this taking. */
  taken(marks: number): number {
    this.#takings++;
    this.#open.set(this.#takings, Math.max(0, marks));
    for (const wait of this.#waits) {
      if (wait.through !== undefined) continue;
      wait.left -= Math.max(0, marks);
      if (wait.left <= 0) wait.through = this.#takings;
    }
    return this.#takings;
  }

  /** What a taking took has its sequences; `isFailed`: it is marked again. */
  sealed(taking: number, isFailed = false): void {
    const marks = this.#open.get(taking) ?? 0;
    this.#open.delete(taking);
    if (isFailed)
      for (const wait of this.#waits) {
        wait.left = Math.max(0, wait.left) + marks;
        if (marks > 0) wait.through = undefined;
      }
    this.#settle();
  }

  /** Resolves when everything marked now is sealed; false: it never will be. */
  wait(pending: number): Promise<boolean> {
    return new Promise((done) => {
      this.#waits.push({ left: pending, through: pending === 0 ? this.#takings : undefined, done });
      this.#settle();
    });
  }

  close(): void {
    for (const { done } of this.#waits.splice(0)) done(false);
  }

  #settle(): void {
    if (this.#waits.length === 0) return;
    const oldest = this.#open.keys().next();
    const sealed = oldest.done === true ? this.#takings : oldest.value - 1;
    const over = this.#waits.filter(({ through }) => through !== undefined && through <= sealed);
    if (over.length === 0) return;
    this.#waits = this.#waits.filter((wait) => !over.includes(wait));
    for (const { done } of over) done(true);
  }
}

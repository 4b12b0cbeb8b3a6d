// A sorted set: scores by member, and the order when it is asked for.

/** A member and its score. */
export type Scored = readonly [member: string, score: number];

function compare([a, x]: Scored, [b, y]: Scored): number {
  if (x !== y) return x < y ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

export class SortedSet {
  readonly #scores: Map<string, number>;
  #order: Scored[] | undefined;

  constructor(scores = new Map<string, number>()) {
    this.#scores = scores;
  }

  copy(): SortedSet {
    return new SortedSet(new Map(this.#scores));
  }

  get size(): number {
    return this.#scores.size;
  }

  score(member: string): number | undefined {
    return this.#scores.get(member);
  }

  put(member: string, score: number): void {
    this.#scores.set(member, score);
    this.#order = undefined;
  }

  delete(member: string): boolean {
    this.#order = undefined;
    return this.#scores.delete(member);
  }

  members(): IterableIterator<string> {
    return this.#scores.keys();
  }

  /** By score, then member. Owns: nobody changes it. */
  get ordered(): readonly Scored[] {
    this.#order ??= [...this.#scores].sort(compare);
    return this.#order;
  }
}

// What happened in the simulations of one run, counted by kind.

/** Counts by name; they only grow. */
class Counts {
  readonly #counts = new Map<string, number>();

  add(kind: string, by: number): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + by);
  }

  get sum(): number {
    let sum = 0;
    for (const count of this.#counts.values()) sum += count;
    return sum;
  }

  of(kind: string): number {
    return this.#counts.get(kind) ?? 0;
  }

  /** Shape: `kind 3, other kind 4`. Order: by name. */
  toString(): string {
    const sorted = [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1));
    return sorted.map(([kind, count]) => `${kind} ${count}`).join(', ');
  }
}

export class Totals {
  readonly operations = new Counts();
  readonly faults = new Counts();
  /** What the checkers looked at, and where they had to be content with less. */
  readonly checks = new Counts();
  seeds = 0;
  violations = 0;
  /** Units: ms of simulated time. */
  simulatedMs = 0;

  operation(kind: string): void {
    this.operations.add(kind, 1);
  }

  fault(kind: string, count = 1): void {
    if (count > 0) this.faults.add(kind, count);
  }

  check(kind: string, count = 1): void {
    this.checks.add(kind, count);
  }

  /** The closing line. */
  toString(): string {
    const minutes = (this.simulatedMs / 60_000).toFixed(1);
    return [
      `${this.seeds} seeds, ${minutes} simulated minutes`,
      `operations ${this.operations.sum} (${this.operations.toString()})`,
      `faults ${this.faults.sum} (${this.faults.toString()})`,
      `checks ${this.checks.sum} (${this.checks.toString()})`,
      `${this.violations} violations`,
    ].join('; ');
  }
}

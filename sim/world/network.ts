// Who reaches whom, and how long it takes.
import { below, type Random } from '../../src/base/index.ts';

export class Network {
  readonly #random: Random;
  readonly #blocked = new Set<string>();
  /** Units: ms. The longest way of one message in quiet times. */
  readonly #latencyMsMax: number;

  constructor(random: Random, latencyMsMax: number) {
    this.#random = random;
    this.#latencyMsMax = latencyMsMax;
  }

  /** Units: ms of one way of one message. */
  latencyMs(): number {
    return 1 + below(this.#random, this.#latencyMsMax);
  }

  reaches(from: string, to: string): boolean {
    return !this.#blocked.has(`${from}>${to}`);
  }

  block(from: string, to: string): void {
    this.#blocked.add(`${from}>${to}`);
  }

  open(from: string, to: string): void {
    this.#blocked.delete(`${from}>${to}`);
  }

  openAll(): void {
    this.#blocked.clear();
  }
}

// The origins of a store: each master's own, or in tests a given one.
import type { Topology } from './topology/index.ts';

export class Origins {
  readonly #topology: Topology;
  readonly #given: number | undefined;
  #last = 1;
  #present: string;

  constructor(topology: Topology, given: number | undefined) {
    this.#topology = topology;
    this.#given = given;
    this.#present = this.#presentOnes();
  }

  /** That of the first master; the last one known while none is. */
  get first(): number {
    if (this.#given !== undefined) return this.#given;
    const known = this.#topology.nodes.find((node) => node.origin !== 0)?.origin;
    if (known !== undefined) this.#last = known;
    return this.#last;
  }

  isOwn(origin: number): boolean {
    if (this.#given !== undefined) return origin === this.#given;
    return this.#topology.nodes.some((node) => node.origin === origin);
  }

  /** Of the master of a slot. */
  of(slot: number): number {
    const origin = this.#given ?? this.#topology.nodeOf(slot)?.origin ?? 0;
    return origin === 0 ? this.first : origin;
  }

  /** Whether they are others than when it was asked last; none does not count. */
  haveChanged(): boolean {
    const present = this.#presentOnes();
    if (present === '' || present === this.#present) return false;
    this.#present = present;
    return true;
  }

  #presentOnes(): string {
    const known = this.#topology.nodes.map(({ origin }) => origin).filter((origin) => origin !== 0);
    return known.sort((a, b) => a - b).join();
  }
}

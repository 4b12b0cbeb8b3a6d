// The origins of a store: each master's own, or in tests a given one.
//
// A history goes on when its data is emptied (FLUSHALL), but what it counted lies at other sites: runs of the same origin that begin
// anew would outdo those. So all that was emptied has a *salt*, mixed into each origin.
import type { Topology } from './topology/index.ts';

export class Origins {
  readonly #topology: Topology;
  readonly #given: number | undefined;
  #last = 1;
  #salt: number;
  #present: string;

  /** `salt`: 8 hex, '' none. */
  constructor(
    topology: Topology,
    { given, salt }: { readonly given: number | undefined; readonly salt: string },
  ) {
    this.#topology = topology;
    this.#given = given;
    this.#salt = saltOf(salt);
    this.#present = this.#presentOnes();
  }

  /** That of the first master; the last one known while none is. */
  get first(): number {
    if (this.#given !== undefined) return this.#given;
    const known = this.#topology.nodes.find((node) => node.origin !== 0)?.origin;
    if (known !== undefined) this.#last = known;
    return this.salted(this.#last);
  }

  isOwn(origin: number): boolean {
    if (this.#given !== undefined) return origin === this.#given;
    return this.#topology.nodes.some((node) => node.origin !== 0 && this.salted(node.origin) === origin);
  }

  /** Of the master of a slot. */
  of(slot: number): number {
    const origin = this.#given ?? this.#topology.nodeOf(slot)?.origin ?? 0;
    return origin === 0 ? this.first : this.salted(origin);
  }

  /** Of the master of a slot, as the topology has it. */
  unsaltedOf(slot: number): number {
    const origin = this.#given ?? this.#topology.nodeOf(slot)?.origin ?? 0;
    return origin === 0 ? this.#last : origin;
  }

  /** An origin of the topology with the salt. Range: neither 0 nor ffffffff. */
  salted(origin: number): number {
    if (this.#salt === 0 || this.#given !== undefined) return origin;
    const mixed = (origin ^ this.#salt) >>> 0;
    return Math.min(Math.max(mixed, 1), 0xfffffffe);
  }

  /** Another data: another salt. */
  setSalt(salt: string): void {
    this.#salt = saltOf(salt);
  }

  /** Whether they are others than when it was asked last; none does not count. */
  haveChanged(): boolean {
    const present = this.#presentOnes();
    if (present === '' || present === this.#present) return false;
    this.#present = present;
    return true;
  }

  #presentOnes(): string {
    const origins = this.#topology.nodes.map(({ origin }) => origin).filter((origin) => origin !== 0);
    const known = origins.map((origin) => this.salted(origin));
    return known.sort((a, b) => a - b).join();
  }
}

function saltOf(text: string): number {
  return Number.parseInt(text.slice(0, 8), 16) || 0;
}

// The shown members of a sorted set in order: sorted chunks; follows single changes of its state.
import type { Latin1 } from '../../base/index.ts';
import { type KeyState, registerOf, shownValue, TYPE_ZSET } from '../../crdt/index.ts';
import type { ZsetView } from '../keyspace.ts';
import { showsSomething } from './fields-view.ts';

interface Element {
  readonly member: Latin1;
  readonly score: number;
}

/** Elements of a chunk before it is cut in two. */
const CHUNK_MAX = 512;

function before(a: Element, b: Element): boolean {
  return a.score < b.score || (a.score === b.score && a.member < b.member);
}

/** Ordered by score, then by bytes. Cost: a rank is found in about (members / 256) additions. */
export class SortedView implements ZsetView {
  /** What it was built on: the key's state, or a copy without what an expiry has ended. */
  readonly state: KeyState;
  /** Whether the key's expiry had fired by then. */
  readonly isFired: boolean;
  readonly #chunks: Element[][] = [];
  readonly #elements = new Map<Latin1, Element>();

  constructor(state: KeyState, isFired: boolean) {
    this.state = state;
    this.isFired = isFired;
    for (const member of state.registers.get(TYPE_ZSET)?.keys() ?? []) {
      const score = this.#shownScore(member);
      if (score !== undefined) this.#elements.set(member, { member, score });
    }
    const sorted = [...this.#elements.values()].sort((a, b) => (before(a, b) ? -1 : 1));
    for (let i = 0; i < sorted.length; i += CHUNK_MAX / 2)
      this.#chunks.push(sorted.slice(i, i + CHUNK_MAX / 2));
  }

  get size(): number {
    return this.#elements.size;
  }

  score(member: Latin1): number | undefined {
    return this.#elements.get(member)?.score;
  }

  rank(member: Latin1): number {
    const element = this.#elements.get(member);
    return element === undefined ? -1 : this.#count((other) => before(other, element));
  }

  at(rank: number): Element {
    const [chunk, index] = this.#locate(rank);
    return this.#chunks[chunk][index];
  }

  rankOfScore(score: number, exclusive: boolean): number {
    return this.#count((element) => element.score < score || (exclusive && element.score === score));
  }

  rankOfMember(member: Latin1, exclusive: boolean): number {
    return this.#count((element) => element.member < member || (exclusive && element.member === member));
  }

  *range(from: number, to: number): Iterable<Element> {
    let left = Math.min(to, this.size) - from;
    if (left <= 0) return;
    let [chunk, index] = this.#locate(from);
    for (; left > 0; left--) {
      yield this.#chunks[chunk][index++];
      if (index < this.#chunks[chunk].length) continue;
      chunk++;
      index = 0;
    }
  }

  /** Follows a change of one member. */
  update(member: Latin1): void {
    const old = this.#elements.get(member);
    const score = this.#shownScore(member);
    if (old?.score === score && Object.is(old?.score, score)) return;
    if (old !== undefined) this.#drop(old);
    if (score !== undefined) this.#add({ member, score });
  }

  #shownScore(member: Latin1): number | undefined {
    const register = registerOf(this.state, TYPE_ZSET, member);
    return showsSomething(register) ? (shownValue(register, TYPE_ZSET) as number) : undefined;
  }

  #add(element: Element): void {
    this.#elements.set(element.member, element);
    if (this.#chunks.length === 0) {
      this.#chunks.push([element]);
      return;
    }
    const number = Math.min(
      this.#chunkAfter((other) => before(other, element)),
      this.#chunks.length - 1,
    );
    const chunk = this.#chunks[number];
    chunk.splice(
      countWhile(chunk, (other) => before(other, element)),
      0,
      element,
    );
    if (chunk.length > CHUNK_MAX) this.#chunks.splice(number + 1, 0, chunk.splice(CHUNK_MAX / 2));
  }

  #drop(element: Element): void {
    this.#elements.delete(element.member);
    const number = this.#chunkAfter((other) => before(other, element));
    const chunk = this.#chunks[number];
    chunk.splice(
      countWhile(chunk, (other) => before(other, element)),
      1,
    );
    if (chunk.length === 0) this.#chunks.splice(number, 1);
  }

  /** How many elements lie in front; `isInFront` holds for a prefix of the order. */
  #count(isInFront: (element: Element) => boolean): number {
    const number = this.#chunkAfter(isInFront);
    let count = 0;
    for (let i = 0; i < number; i++) count += this.#chunks[i].length;
    return number === this.#chunks.length ? count : count + countWhile(this.#chunks[number], isInFront);
  }

  /** The first chunk whose last element does not lie in front. */
  #chunkAfter(isInFront: (element: Element) => boolean): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const chunk = this.#chunks[middle];
      if (isInFront(chunk[chunk.length - 1])) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Chunk and index of a rank that exists. */
  #locate(rank: number): [number, number] {
    let chunk = 0;
    let index = rank;
    while (index >= this.#chunks[chunk].length) index -= this.#chunks[chunk++].length;
    return [chunk, index];
  }
}

function countWhile(chunk: readonly Element[], isInFront: (element: Element) => boolean): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isInFront(chunk[middle])) low = middle + 1;
    else high = middle;
  }
  return low;
}

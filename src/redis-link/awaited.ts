// The requests whose replies are still to come, first in first out.
import type { Request } from './outgoing.ts';

const COMPACT_FROM = 1024;

/** A queue that does not move its elements at each shift. */
export class Awaited {
  #requests: (Request | undefined)[] = [];
  #head = 0;

  get first(): Request | undefined {
    return this.#requests[this.#head];
  }

  get length(): number {
    return this.#requests.length - this.#head;
  }

  push(request: Request): void {
    this.#requests.push(request);
  }

  shift(): void {
    this.#requests[this.#head++] = undefined;
    if (this.#head === this.#requests.length) {
      this.#requests = [];
      this.#head = 0;
    } else if (this.#head >= COMPACT_FROM && this.#head * 2 >= this.#requests.length) {
      this.#requests = this.#requests.slice(this.#head);
      this.#head = 0;
    }
  }

  removeAll(): Request[] {
    const all = this.#requests.slice(this.#head).filter((request) => request !== undefined);
    this.#requests = [];
    this.#head = 0;
    return all;
  }
}

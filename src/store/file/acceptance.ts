// Which marks the queue has accepted: what a block's header says of the blocks before it.
//
// A1 What is in the outbox's ring now, or was taken and not told accepted, is in no block below `upTo` alone.

import type { Fate } from '../embedded/index.ts';

/** Moments remembered at which nothing was marked; at most one for each message under way matters. */
const MOMENTS_MAX = 256;

/** What has to be known of the store. */
export interface AcceptanceView {
  /** Nothing is marked. */
  readonly isEmpty: () => boolean;
  /** The sequence of the block that what is kept now goes to. */
  readonly sequence: () => number;
}

interface Moment {
  /** The last taking before it. */
  readonly taking: number;
  readonly sequence: number;
}

export class Acceptance {
  readonly #view: AcceptanceView;
  readonly #takings = new Map<number, Buffer>();
  #moments: Moment[] = [];
  #lastTaking = 0;
  #upTo: number;
  /** The block behind the last local entry. */
  #behindLocal: number;

  /** `upTo`: as it was read; `next`: the first block to be written. */
  constructor({ upTo, next }: { readonly upTo: number; readonly next: number }, view: AcceptanceView) {
    this.#upTo = upTo;
    this.#behindLocal = next;
    this.#view = view;
  }

  /** Blocks below this sequence hold nothing that is still to be sent. */
  get upTo(): number {
    if (this.#takings.size === 0 && this.#behindLocal > this.#upTo && this.#view.isEmpty())
      this.#upTo = this.#behindLocal;
    return this.#upTo;
  }

  /** A local entry goes to the present block. */
  local(): void {
    this.#behindLocal = this.#view.sequence() + 1;
  }

  /** Deltas taken from the outbox and not told accepted. */
  underWay(): readonly Buffer[] {
    return [...this.#takings.values()];
  }

  /** All data is gone: nothing is to be sent any more. */
  discarded(): void {
    this.#takings.clear();
    this.#moments = [];
  }

  taken(deltas: Buffer): Fate {
    const taking = ++this.#lastTaking;
    this.#takings.set(taking, deltas);
    if (this.#view.isEmpty()) this.#remember({ taking, sequence: this.#view.sequence() });
    return {
      accepted: () => {
        if (this.#takings.delete(taking)) this.#settle();
      },
      // It stays under way: the next start of the store marks it again.
      failed: () => {},
    };
  }

  #remember(moment: Moment): void {
    if (this.#moments.at(-1)?.sequence === moment.sequence || this.#moments.length >= MOMENTS_MAX)
      this.#moments.pop();
    this.#moments.push(moment);
  }

  #settle(): void {
    const [oldest = Number.POSITIVE_INFINITY] = this.#takings.keys();
    while (this.#moments.length > 0 && this.#moments[0].taking < oldest) {
      this.#upTo = Math.max(this.#upTo, this.#moments[0].sequence);
      this.#moments.shift();
    }
  }
}

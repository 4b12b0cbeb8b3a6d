// Those who wait until a slot has a master.
import { type Clock, MqkvError } from '../../../base/index.ts';
import type { Node } from './topology.ts';

/** Units: ms. DESIGN 5: while no master is known commands wait this long. */
const WAIT_MS = 2000;

interface Waiter {
  readonly slot: number;
  settle(node: Node | undefined): void;
}

/** Waiters by slot. `nodeOf` says who serves a slot now. */
export class Waiters {
  readonly #clock: Clock;
  readonly #nodeOf: (slot: number) => Node | undefined;
  readonly #waiting = new Set<Waiter>();

  constructor(clock: Clock, nodeOf: (slot: number) => Node | undefined) {
    this.#clock = clock;
    this.#nodeOf = nodeOf;
  }

  /** Errors: UNAVAILABLE after `waitMs` (Units: ms), or when it is closed. */
  wait(slot: number, waitMs = WAIT_MS): Promise<Node> {
    const ready = this.#nodeOf(slot);
    if (ready !== undefined) return Promise.resolve(ready);
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(waitMs, () => waiter.settle(undefined));
      const waiter: Waiter = {
        slot,
        settle: (node) => {
          this.#waiting.delete(waiter);
          timer.cancel();
          if (node !== undefined) resolve(node);
          else reject(new MqkvError('UNAVAILABLE', `no master is reachable for slot ${slot}`));
        },
      };
      this.#waiting.add(waiter);
    });
  }

  /** Something has changed. */
  look(): void {
    for (const waiter of this.#waiting) {
      const node = this.#nodeOf(waiter.slot);
      if (node !== undefined) waiter.settle(node);
    }
  }

  close(): void {
    for (const waiter of this.#waiting) waiter.settle(undefined);
  }
}

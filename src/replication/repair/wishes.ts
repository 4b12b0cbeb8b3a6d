// Which stores are to be compared with, why, and when: repeated wishes become one.
import type { RepairReason } from '../repair-hooks.ts';

/** Why a comparison is made; `learned`: one with another site brought old things, which others may lack; `slow`: the backstop. */
export type WishReason = RepairReason | 'learned' | 'slow';

/** One store to be compared with. */
export interface Wish {
  readonly storeId: string;
  readonly reasons: Set<WishReason>;
  /** Units: ms by the clock. */
  dueMs: number;
  /** The last wish came then: a comparison that began later settles it. */
  sinceMs: number;
  failures: number;
  /** Only these slots, a byte a slot. undefined: all. */
  slots: Uint8Array | undefined;
}

/** Reasons that mean: something is missing here. */
const LACKING: ReadonlySet<WishReason> = new Set(['gap', 'origin', 'old', 'lost', 'collapsed']);

/** Whether something is known to be missing. */
export function isLacking({ reasons }: Wish): boolean {
  for (const reason of reasons) if (LACKING.has(reason)) return true;
  return false;
}

/** Whether all there is must be compared, also what is on its way by now: lost messages are as young as others. */
export function isThorough({ reasons }: Wish): boolean {
  for (const reason of reasons) if (reason !== 'slow' && reason !== 'learned') return true;
  return false;
}

/** The wishes of one site. */
export class Wishes {
  readonly #wishes = new Map<string, Wish>();

  add(
    storeId: string,
    wish: Pick<Wish, 'dueMs' | 'sinceMs' | 'slots'> & { readonly reason: WishReason },
  ): void {
    const held = this.#wishes.get(storeId);
    if (held === undefined) {
      const { reason, ...rest } = wish;
      this.#wishes.set(storeId, { storeId, reasons: new Set([reason]), failures: 0, ...rest });
      return;
    }
    held.reasons.add(wish.reason);
    held.dueMs = Math.min(held.dueMs, wish.dueMs);
    held.sinceMs = Math.max(held.sinceMs, wish.sinceMs);
    held.slots = together(held.slots, wish.slots);
  }

  get(storeId: string): Wish | undefined {
    return this.#wishes.get(storeId);
  }

  drop(storeId: string): void {
    this.#wishes.delete(storeId);
  }

  all(): Wish[] {
    return [...this.#wishes.values()];
  }

  get size(): number {
    return this.#wishes.size;
  }
}

/** Slots of both; all where one has all. */
export function together(a: Uint8Array | undefined, b: Uint8Array | undefined): Uint8Array | undefined {
  if (a === undefined || b === undefined) return undefined;
  return a.map((held, slot) => held | (b[slot] ?? 0));
}

// Digests of a store at one time: of everything, of its slots, and of 16 parts of each slot. One pass makes them all.
import { SLOTS } from '../../base/index.ts';
import { type ComparedKey, SETTLED, type Store, YOUNG } from '../../store/index.ts';
import { type View, type WireReader, WireWriter } from './wire.ts';

/** Parts of a slot, by the highest bits of the keys' hashes. */
export const PARTS_PER_SLOT = 16;

/** The part of its slot that a key lies in. Range: 0 .. 15. */
export function partOf(hash: number): number {
  return hash >>> 28;
}

/** Digests of a store: XOR of the fingerprints of its keys that count. About 1.2 MB. */
export class Tree {
  readonly #withYoung: boolean;
  readonly low = new Int32Array(SLOTS);
  readonly high = new Int32Array(SLOTS);
  readonly parts = new Int32Array(SLOTS * PARTS_PER_SLOT);

  constructor({ withYoung }: Pick<View, 'withYoung'>) {
    this.#withYoung = withYoung;
  }

  add({ slot, hash, low, high, standing }: ComparedKey): void {
    if (standing !== SETTLED && !(this.#withYoung && standing === YOUNG)) return;
    const part = slot * PARTS_PER_SLOT + partOf(hash);
    this.low[slot] = (this.low[slot] ?? 0) ^ low;
    this.high[slot] = (this.high[slot] ?? 0) ^ high;
    this.parts[part] = (this.parts[part] ?? 0) ^ low;
  }

  /** Of everything. Shape: 8 bytes, on which the order of the slots bears. */
  root(): Buffer {
    let low = 0;
    let high = 0;
    for (let slot = 0; slot < SLOTS; slot++) {
      low = Math.imul(low ^ (this.low[slot] ?? 0), 0x9e3779b1) ^ (low >>> 15);
      high = Math.imul(high ^ (this.high[slot] ?? 0), 0x85ebca6b) ^ (high >>> 13);
    }
    return new WireWriter(8).u32(low).u32(high).done();
  }

  /** Digests of all slots, as SLOTS answers them. */
  slots(): Buffer {
    const writer = new WireWriter(SLOTS * 6);
    for (let slot = 0; slot < SLOTS; slot++)
      writer.u32(this.low[slot] ?? 0).u16((this.high[slot] ?? 0) & 0xffff);
    return writer.done();
  }

  /** Slots whose digest is another there. Order: ascending. Errors: MqkvError `MALFORMED_REQUEST`. */
  differing(slots: WireReader): number[] {
    const differing: number[] = [];
    for (let slot = 0; slot < SLOTS; slot++) {
      const isLow = slots.i32() === this.low[slot];
      const isHigh = slots.u16() === ((this.high[slot] ?? 0) & 0xffff);
      if (!isLow || !isHigh) differing.push(slot);
    }
    return differing;
  }

  /** Digests of the parts of some slots, as PARTS answers them. */
  partsOf(slots: readonly number[]): Buffer {
    const writer = new WireWriter(slots.length * PARTS_PER_SLOT * 4);
    for (const slot of slots)
      for (let i = 0; i < PARTS_PER_SLOT; i++) writer.u32(this.parts[slot * PARTS_PER_SLOT + i] ?? 0);
    return writer.done();
  }

  /**
   * For each of these slots which of its parts differ there, a bit a part. Where none does, the difference hides in
   * the bits that digests of parts leave out: all count as differing.
   */
  masks(slots: readonly number[], parts: WireReader): number[] {
    return slots.map((slot) => {
      let mask = 0;
      for (let i = 0; i < PARTS_PER_SLOT; i++)
        if (parts.i32() !== this.parts[slot * PARTS_PER_SLOT + i]) mask |= 1 << i;
      return mask === 0 ? 0xffff : mask;
    });
  }
}

/** Makes the digests of a store in one pass. Errors: the store's. */
export async function treeOf(store: Store, view: View): Promise<Tree> {
  const tree = new Tree(view);
  await store.compare({ atMs: view.atMs }, (key) => tree.add(key));
  return tree;
}

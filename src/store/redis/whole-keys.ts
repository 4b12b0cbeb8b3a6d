// Whole keys of a store, by name and all of them: what pages, comparisons and tools read.
import { type Latin1, SLOTS } from '../../base/index.ts';
import type { KeyState } from '../../crdt/index.ts';
import type { ComparedKey, Comparison, Page } from '../store.ts';
import { compareSlots } from './comparing.ts';
import { readKeys, stateOfHeld } from './held-key.ts';
import { slotsOf } from './key-scan.ts';
import { type PagingAround, pageOf, statesOf } from './paging.ts';
import { usedSlotGroups, walkSlots } from './slot-walk.ts';
import type { Topology } from './topology/index.ts';

/** So few slots of a cluster are asked one by one, without looking which of them hold something. */
const FEW_SLOTS = 512;

export class WholeKeys {
  readonly #around: PagingAround;
  readonly #topology: Topology;

  constructor(around: PagingAround, topology: Topology) {
    this.#around = around;
    this.#topology = topology;
  }

  /** See `Store.page`. */
  page(cursor: string, maxBytes: number): Promise<Page> {
    return pageOf(this.#around, cursor, maxBytes);
  }

  /** See `Store.states`. */
  states(keys: readonly Latin1[], maxBytes: number): Promise<{ deltas: Buffer; count: number }> {
    return statesOf(this.#around, keys, maxBytes);
  }

  /** See `Store.compare`. */
  async compare({ atMs, slots }: Comparison, visit: (key: ComparedKey) => void): Promise<void> {
    await compareSlots(this.#around, { slots: await this.#heldSlots(slots), atMs }, visit);
  }

  /** Every key's whole state. */
  async *snapshot(maxBytes: number): AsyncGenerator<Buffer, void> {
    for (let cursor: string | undefined = ''; cursor !== undefined; ) {
      const { deltas, next }: Page = await this.page(cursor, maxBytes);
      if (deltas.length > 0) yield deltas;
      cursor = next;
    }
  }

  /** undefined: nothing is held. Owns: the caller. */
  async stateOf(key: Latin1): Promise<KeyState | undefined> {
    const { access, scripts } = this.#around;
    const { keys } = await readKeys(access, scripts.read, [{ key, names: 'all' }]);
    const [held] = keys;
    return held?.header === undefined ? undefined : stateOfHeld(held);
  }

  /** Names of all keys with a header, each page of one slot on a cluster. */
  async *names(): AsyncGenerator<Latin1[], void> {
    const { access, scripts } = this.#around;
    const what = { youngerMs: 0, beforeMs: 0, tidy: 'all' } as const;
    for (const slots of await usedSlotGroups(access, this.slotOfEachNode()))
      for await (const page of walkSlots(access, scripts.walk, { slots, what }))
        yield page.map(({ key }) => key);
  }

  /** A slot of each master. */
  slotOfEachNode(): readonly number[] {
    const topology = this.#topology;
    if (!topology.isCluster) return [0];
    const found = new Map<unknown, number>();
    for (let slot = 0; slot < SLOTS && found.size < topology.nodes.length; slot++) {
      const node = topology.nodeOf(slot);
      if (node !== undefined && !found.has(node)) found.set(node, slot);
    }
    return [...found.values()];
  }

  /** Of the wanted slots; on a cluster, where each costs a call, only those that hold something. */
  async #heldSlots(wanted: Uint8Array | undefined): Promise<readonly number[]> {
    const slots = slotsOf(wanted);
    const { access } = this.#around;
    if (!access.isCluster || slots.length < FEW_SLOTS) return slots;
    const groups = await usedSlotGroups(access, this.slotOfEachNode());
    return groups.flat().filter((slot) => wanted === undefined || wanted[slot] !== 0);
  }
}

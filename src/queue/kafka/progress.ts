// What of each partition is handed out and what is done with: the place up to which may be committed.
//
// Invariant: a partition's place is the first offset that is not acknowledged, or the one after the last that was handed out.

/** One partition. */
interface Partition {
  /** Handed out and not acknowledged. Order: of the offsets. */
  readonly open: Set<bigint>;
  /** Acknowledged, but something before it is not. */
  readonly done: Set<bigint>;
  next: bigint;
  committed: bigint;
}

/** A place to commit. */
export interface Place {
  readonly partition: number;
  readonly offset: bigint;
}

/** The progress of one consumer. */
export class Progress {
  readonly #partitions = new Map<number, Partition>();

  /** A partition is consumed from an offset on, if nothing of it was seen yet. */
  start(partition: number, offset: bigint): void {
    this.#of(partition, offset);
  }

  /** The offset that is handed out next; undefined: nothing is known of it. */
  next(partition: number): bigint | undefined {
    return this.#partitions.get(partition)?.next;
  }

  /** A message has come. Result: whether it is to be handed out; not if it is held here, or was acknowledged and not yet committed. */
  begin(partition: number, offset: bigint): boolean {
    const state = this.#of(partition, offset);
    if (state.open.has(offset) || state.done.has(offset)) return false;
    if (offset < state.next) {
      // The partition was elsewhere meanwhile, or the commit did not arrive: from here on once more.
      if (state.open.size > 0) return false;
      state.done.clear();
    }
    state.open.add(offset);
    state.next = offset + 1n;
    return true;
  }

  /** A message is acknowledged. */
  end(partition: number, offset: bigint): void {
    const state = this.#partitions.get(partition);
    if (state === undefined || !state.open.delete(offset)) return;
    const [first] = state.open;
    if (first === undefined) state.done.clear();
    else {
      state.done.add(offset);
      for (const one of state.done) if (one < first) state.done.delete(one);
    }
  }

  /** The places that have moved since they were committed. */
  places(): Place[] {
    const moved: Place[] = [];
    for (const [partition, state] of this.#partitions) {
      const [first] = state.open;
      const offset = first ?? state.next;
      if (offset !== state.committed) moved.push({ partition, offset });
    }
    return moved;
  }

  /** These were committed. */
  committed(places: readonly Place[]): void {
    for (const { partition, offset } of places) {
      const state = this.#partitions.get(partition);
      if (state !== undefined) state.committed = offset;
    }
  }

  #of(partition: number, offset: bigint): Partition {
    const found = this.#partitions.get(partition);
    if (found !== undefined) return found;
    const made: Partition = { open: new Set(), done: new Set(), next: offset, committed: offset };
    this.#partitions.set(partition, made);
    return made;
  }
}

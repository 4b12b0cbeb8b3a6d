// What a store that keeps its data elsewhere too is told of every change; a memory store has none.
import type { Edited } from '../../crdt/index.ts';

/** Told of changes in the order in which they happen. Everything is synchronous. */
export interface Journal {
  /** A local unit has changed and marked the record at this position of the ring; undefined: all of it (a plain record). */
  touch(position: number, edited: Edited | undefined): void;
  /** The unit is over; also when it touched nothing. Order: before its marks become a group. */
  ended(): void;
  /** A merge has changed something by this delta. Owns: the caller; copied. */
  merged(deltas: Buffer, start: number, end: number): void;
  /** The merge is over. */
  mergeEnded(): void;
  /** Marks were taken from the outbox. Owns: the caller. Result: what is to be told of their fate. */
  taken(deltas: Buffer): Fate;
}

/** What becomes of deltas that were taken. */
export interface Fate {
  accepted(): void;
  failed(): void;
}

// The boundary to a store: where both write paths meet. Nothing else changes data.
import type { CommandBatch } from '../resp/index.ts';

/** Numbers that a merge reports. */
export interface MergeResult {
  /** Keys whose state changed. */
  readonly changed: number;
  /** Parts with an equal version and different content (a write behind mqkv's back); the larger bytes won. */
  readonly conflicts: number;
}

/** Pending work for other sites. */
export interface Outbox {
  /** Called whenever marks appear while there were none. */
  onMark: (() => void) | undefined;
  /** Registers (or keys held whole) marked and not yet taken. */
  readonly pending: number;
  /** Units: bytes, about what the pending marks hold in memory. */
  readonly pendingBytes: number;
  /**
   * Takes the oldest marks: their deltas as the state is now, encoded (see `crdt/codec.ts`), whole groups (one
   * transaction or multi-key command is one group), until `maxBytes` is reached; a larger group comes alone.
   * What is taken is unmarked: the caller keeps the bytes until the queue has acknowledged them.
   * undefined: nothing is marked. Owns: the caller.
   */
  take(maxBytes: number): Buffer | undefined;
}

/** Numbers for INFO, metrics and `/api/v1/stats`. */
export interface StoreStats {
  /** Keys that show something (expired ones not yet freed count, as in Redis). */
  readonly keys: number;
  /** Headers of removed or expired keys that are still held. */
  readonly tombstones: number;
  /** Units: bytes held for data and index. */
  readonly memoryBytes: number;
}

/** A site's full copy. */
export interface Store extends AsyncDisposable {
  readonly name: string;
  /** Random id of this store; two stores never share one. Shape: 16 hex characters. */
  readonly id: string;
  /** The present origin (DESIGN 2). */
  readonly origin: number;
  readonly outbox: Outbox;
  /** Hint before a group of commands of one connection is executed: bring what it names near. Optional. */
  prepare?(batch: CommandBatch, from: number, to: number): void;
  /** Merges encoded deltas of other sites, atomically. Owns: may keep nothing of `deltas`. Errors: MqkvError `MALFORMED_DELTA`, then nothing was merged. */
  merge(deltas: Buffer): MergeResult | Promise<MergeResult>;
  /** Every key's whole state, as encoded deltas of about `maxBytes` each, at the caller's pace. */
  snapshot(maxBytes: number): AsyncIterable<Buffer>;
  stats(): StoreStats;
  close(): Promise<void>;
}

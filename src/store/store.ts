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
   * Takes the oldest marks of one origin: their deltas as the state is now, whole groups (one transaction or multi-key
   * command is one group), until about `maxBytes` is reached; a larger group comes alone. undefined: nothing is marked.
   * Errors: a promise may reject; what was to be taken stays marked in the store, and comes again in time.
   */
  take(maxBytes: number): Taken | undefined | Promise<Taken | undefined>;
}

/** What was taken from an outbox. The caller tells its fate, once. */
export interface Taken {
  /** Of all deltas inside. */
  readonly origin: number;
  /** Encoded (see `crdt/codec.ts`). Owns: the caller. */
  readonly deltas: Buffer;
  /** The queue has accepted them: their marks may go. A store that dropped the marks already does nothing. */
  accepted(): void;
  /** They were given up: what a store still has marked stays so. */
  failed?(): void;
}

/** Messages among the gateways of one site, at most once each. Own messages are not heard. */
export interface GatewayBus {
  /** Shape: `kind` is lower-case letters. Owns: the bytes are the callee's. */
  send(kind: string, bytes: Buffer): void;
  /** One listener a kind. Owns: the bytes are the listener's. */
  on(kind: string, hear: (bytes: Buffer) => void): void;
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
  /** The present origin (DESIGN 2); of a store with several, the first one's. May change while it is open. */
  readonly origin: number;
  /** Whether it is one of the present origins. */
  isOwn(origin: number): boolean;
  readonly outbox: Outbox;
  /** Where several gateways may serve one store. */
  readonly bus?: GatewayBus | undefined;
  /** Hint before a group of commands of one connection is executed: bring what it names near. Optional. */
  prepare?(batch: CommandBatch, from: number, to: number): void;
  /** Merges encoded deltas of other sites, atomically. Owns: may keep nothing of `deltas`. Errors: MqkvError `MALFORMED_DELTA`, then nothing was merged. */
  merge(deltas: Buffer): MergeResult | Promise<MergeResult>;
  /** Every key's whole state, as encoded deltas of about `maxBytes` each, at the caller's pace. */
  snapshot(maxBytes: number): AsyncIterable<Buffer>;
  stats(): StoreStats;
  close(): Promise<void>;
}

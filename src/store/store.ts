// The boundary to a store: where both write paths meet. Nothing else changes data.
import type { Latin1 } from '../base/index.ts';
import type { Standing } from '../crdt/index.ts';
import type { CommandBatch } from '../resp/index.ts';

/** Numbers that a merge reports. */
export interface MergeResult {
  /** Keys whose state changed. */
  readonly changed: number;
  /** Parts with an equal version and different content (a write behind mqkv's back); the larger bytes won. */
  readonly conflicts: number;
  /** Deltas that this store can never take, left out and noted; the others were merged. undefined: none. */
  readonly refused?: number;
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
  /** Marks whole keys again: another site missed what was sent of them. Keys that are not held any more are left out. */
  remark(keys: readonly Latin1[]): void | Promise<void>;
  /**
   * Slots of which marks were dropped because they took more than the outbox may (DESIGN 6): only a comparison of these slots brings
   * the other sites what they lack. Until then the site has something pending, whatever `pending` says. undefined: none; a store
   * that has no such bound leaves it out. Shape: a byte a slot, 0: no.
   */
  readonly collapsed?: Uint8Array | undefined;
  /** The collapsed slots, which it then forgets: the caller compares them, or gives them back by `collapse`. */
  takeCollapsed?(): Uint8Array | undefined;
  /** Adds collapsed slots: those of a comparison that failed. Shape: a byte a slot, 0: no. */
  collapse?(slots: Uint8Array): void;
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

/**
 * Small facts of replication (what is applied, who was heard), kept with the data: when the store goes back, they go back too.
 * Shape: names and values are latin1 strings, together at most NOTES_BYTES_MAX.
 */
export interface Notes {
  read(): Promise<ReadonlyMap<string, string>>;
  /** Sets notes; '' removes one. Order: they are never kept without what was written or merged before the call. */
  write(notes: Readonly<Record<string, string>>): void | Promise<void>;
}

/** One fragment of a large envelope. */
export interface Fragment {
  /** Names the envelope: stream and first sequence. */
  readonly name: string;
  readonly index: number;
  readonly count: number;
  /** Owns: the caller; the store copies. */
  readonly bytes: Buffer;
}

/** Fragments kept until their envelope is whole, at most FRAGMENT_AGE_MAX_MS: any gateway of the site may bring the rest. */
export interface Staging {
  /** Result: the whole body when this was the last piece; it is no longer kept then. */
  add(fragment: Fragment): Buffer | undefined | Promise<Buffer | undefined>;
  /** Units: bytes held, as far as this process knows. */
  readonly bytes: number;
  /** Envelopes given up: too old, or pushed out by FRAGMENT_BYTES_MAX. */
  readonly dropped: number;
}

export { DEAD, SETTLED, type Standing, YOUNG } from '../crdt/index.ts';

/** One key as a comparison sees it. One object for all: read it within the visit. */
export interface ComparedKey {
  /** Range: 0 .. 16383. */
  readonly slot: number;
  /** `keyHash` of crdt/fingerprint.ts; the tree below the slot follows its bits, the highest first. Range: int32. */
  readonly hash: number;
  /** Fingerprint of the key and its state at `atMs` (crdt/fingerprint.ts), the same at every kind of store. Range: int32, both. */
  readonly low: number;
  readonly high: number;
  readonly standing: Standing;
  /** Makes a string: only where it is needed. */
  key(): Latin1;
}

/** What a comparison asks of a store. */
export interface Comparison {
  /** Units: Unix ms; both sites use the same: the later of their clocks. */
  readonly atMs: number;
  /** Only keys of these slots. Shape: a byte a slot, 0: no; undefined: all. */
  readonly slots?: Uint8Array | undefined;
}

/** A piece of a snapshot. */
export interface Page {
  /** Encoded deltas, whole keys. */
  readonly deltas: Buffer;
  /** Where to go on; undefined: that was all. Opaque, good as long as the store is (it survives writes meanwhile). */
  readonly next: string | undefined;
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
  /** All present origins, where there may be several. */
  readonly origins?: readonly number[] | undefined;
  /** Whether it is one of the present origins. */
  isOwn(origin: number): boolean;
  readonly outbox: Outbox;
  /** Where several gateways may serve one store. */
  readonly bus?: GatewayBus | undefined;
  /** Hint before a group of commands of one connection is executed: bring what it names near. Optional. */
  prepare?(batch: CommandBatch, from: number, to: number): void;
  /** Merges encoded deltas of other sites, atomically. Owns: may keep nothing of `deltas`. Errors: MqkvError `MALFORMED_DELTA`, then nothing was merged. */
  merge(deltas: Buffer): MergeResult | Promise<MergeResult>;
  /** About `maxBytes` of every key's whole state, tombstones included, from a place on; '' is the beginning. Errors: MqkvError `BAD_CURSOR`. */
  page(cursor: string, maxBytes: number): Promise<Page>;
  /** Visits every key held, in slices that leave the event loop free; keys changed meanwhile may come in either state, or twice. */
  compare(comparison: Comparison, visit: (key: ComparedKey) => void): Promise<void>;
  /** The whole states of keys, in this order, until about `maxBytes`; `count` keys were looked at, at least one. */
  states(
    keys: readonly Latin1[],
    maxBytes: number,
  ): Promise<{ readonly deltas: Buffer; readonly count: number }>;
  readonly notes: Notes;
  readonly staging: Staging;
  /**
   * Units: Unix ms. Everything older was applied by every member (DESIGN 3, forgetting); 0: nothing is known. Set by replication.
   * What shows nothing is forgotten when it is older than the horizon, or than this and STABLE_MS. What is marked stays.
   */
  stableBeforeMs: number;
  /** Called when an origin came or went while open. */
  onOrigin: (() => void) | undefined;
  /** Takes a new origin, where the store chooses its own; elsewhere it does nothing. */
  renewOrigin(): void;
  /**
   * Marks that lie in a store which several processes write to, and that this process does not know of (another one made them, or a reply
   * was lost), become pending here. Absent: there are none. Errors: the store cannot be reached.
   */
  findMarks?(): Promise<void>;
  /** Forgets all data, notes and marks, and takes a new origin: the site begins anew (DESIGN 3, a site apart for longer than the horizon). */
  discard(): Promise<void>;
  stats(): StoreStats;
  close(): Promise<void>;
}

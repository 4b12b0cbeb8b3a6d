// What command handlers see of a store that executes them in process: one atomic unit over many keys.
import type { Latin1 } from '../base/index.ts';
import type { ValueType } from '../crdt/index.ts';

/** The shown fields of a hash. Valid until the next write of the key. Order: insertion, unspecified across merges. */
export interface HashView {
  readonly size: number;
  get(field: Latin1): Latin1 | undefined;
  has(field: Latin1): boolean;
  entries(): Iterable<readonly [Latin1, Latin1]>;
  /** The i-th field, for HRANDFIELD. Range: 0 <= i < size. */
  at(index: number): Latin1;
}

/** The shown members of a set. Valid until the next write of the key. */
export interface SetView {
  readonly size: number;
  has(member: Latin1): boolean;
  members(): Iterable<Latin1>;
  /** The i-th member, for SPOP and SRANDMEMBER. Range: 0 <= i < size. */
  at(index: number): Latin1;
}

/** The shown members of a sorted set, by score, then by bytes. Valid until the next write of the key. */
export interface ZsetView {
  readonly size: number;
  score(member: Latin1): number | undefined;
  /** Range: 0 <= rank < size, ascending; -1: no such member. */
  rank(member: Latin1): number;
  /** The element at an ascending rank. */
  at(rank: number): { readonly member: Latin1; readonly score: number };
  /** First rank whose score is >= `score` (or > with `exclusive`). */
  rankOfScore(score: number, exclusive: boolean): number;
  /** First rank whose member is >= `member` (or > with `exclusive`), where all scores are equal. */
  rankOfMember(member: Latin1, exclusive: boolean): number;
  /** Elements from rank `from` up to but without `to`. */
  range(from: number, to: number): Iterable<{ readonly member: Latin1; readonly score: number }>;
}

/** Where found bytes lie; overwritten by the next call. Owns: the keyspace; copy before the next call. */
export interface Found {
  bytes: Uint8Array;
  start: number;
  end: number;
}

/**
 * One site's data at one moment. Keys are byte ranges of a buffer on the hot calls, latin1 strings elsewhere.
 * All reads are of what *shows* now. All writes are recorded as effects of the unit's one version (DESIGN 3, local
 * writes 1 to 8) and marked for the outbox. Callers check types before they write (`type`): a write of another
 * type than shown is an assertion failure.
 */
export interface Keyspace {
  /** Units: Unix ms; stands still during a unit. */
  readonly now: number;
  /** Begins an atomic unit (a command, a transaction) at time `now`. */
  begin(now: number): void;
  /** A key that the unit names: its version will lie above all that the key holds. Every key of a unit is named
   *  before the first write; a unit with a single key need not name it. */
  name(key: Latin1): void;
  /** A further command of the unit begins: what it asks of a key (rules 7 and 8) is asked anew. */
  command(): void;
  /** Ends the unit: its marks become one group of the outbox. Also after an error reply; idempotent. */
  end(): void;

  /** Keys shown (expired, not yet freed ones count). */
  readonly size: number;
  /** The type that the key shows; 0: no such key. */
  type(key: Latin1): ValueType | 0;

  /** Hot: finds a string. Result: 1 found (see `found`), 0 no such key, -1 another type. Counters show their sum. */
  findString(source: Uint8Array, start: number, end: number): 1 | 0 | -1;
  readonly found: Found;
  /** Hot: overwrites with a string (rule 5 and put). `at`: Unix ms of its expiry, or 0 for none. A unit of its own
   *  when none was begun. */
  setString(
    source: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    at: number,
  ): void;

  /** A string's bytes (Owns: the caller may keep, not change). undefined: no such key. Only where type() is string or 0. */
  getString(key: Latin1): Buffer | undefined;
  /** Overwrites with a string; `at` as above. */
  overwriteString(key: Latin1, value: Uint8Array, at: number): void;
  /** Puts a string without overwriting the key (APPEND). */
  putString(key: Latin1, value: Uint8Array): void;
  /** Adds to a string's counter and returns what then shows. Callers have checked range and number. */
  addString(key: Latin1, increment: bigint | number): void;

  hash(key: Latin1): HashView | undefined;
  set(key: Latin1): SetView | undefined;
  zset(key: Latin1): ZsetView | undefined;
  /** Puts a field or member, also an equal one. Value: latin1 (hash), true (set), score (zset). */
  putField(key: Latin1, type: ValueType, field: Latin1, value: Latin1 | true | number): void;
  /** Removes a shown field or member. false: it did not show; nothing changed. */
  removeField(key: Latin1, type: ValueType, field: Latin1): boolean;
  /** Adds to a field's counter (HINCRBY, HINCRBYFLOAT, ZINCRBY, ZADD INCR). */
  addField(key: Latin1, type: ValueType, field: Latin1, increment: bigint | number): void;

  /** Deletes what shows. false: nothing showed. */
  remove(key: Latin1): boolean;
  /** An overwrite that leaves the key empty for puts to follow in the same unit (…STORE, RENAME, COPY). */
  overwrite(key: Latin1): void;
  /** The expiry shown. Units: Unix ms; 0: the key has none; -1: no such key. */
  expiresAt(key: Latin1): number;
  /** Sets (`at` Unix ms) or takes away (0) the expiry of a shown key. A time in the past deletes. */
  expire(key: Latin1, at: number): void;

  /** Visits keys from `cursor` (0 first) until about `count` were looked at; returns the next cursor, 0 at the end.
   *  As Redis: each key present from start to end is seen at least once, also while the table grows. */
  scan(cursor: number, count: number, visit: (key: Latin1, type: ValueType) => void): number;
  /** A shown key, about evenly. undefined: none. */
  randomKey(): Latin1 | undefined;

  /** Calls `changed` once when the key changes (write or merge) or its expiry fires; returns a function that stops it. */
  watch(key: Latin1, changed: () => void): () => void;
  /** Units: bytes that the key takes, about; undefined: no such key. */
  memoryUsage(key: Latin1): number | undefined;
}

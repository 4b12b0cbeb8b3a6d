// The shapes of the merge core (DESIGN section 3): versions, registers and the state of one key.
import type { Latin1 } from '../base/index.ts';

/**
 * A version or boundary. Order: `ms`, then `tail`.
 * Units: `ms` Unix ms (48 bits); `tail` = counter * 2^32 + origin (16 + 32 bits, an exact double).
 * `{ms: 0, tail: 0}` (`NONE`) lies below every version and stands for "none".
 */
export interface Version {
  readonly ms: number;
  readonly tail: number;
}

/** Types of values: their numbers on the wire and in memory. */
export const TYPE_STRING = 1;
export const TYPE_HASH = 2;
export const TYPE_SET = 3;
export const TYPE_ZSET = 4;
/** Values that travel whole, the last writer wins: one register each, with the empty field. Their bytes are the store's business. */
export const TYPE_LIST = 5;
export const TYPE_STREAM = 6;
/** Values of modules. */
export const TYPE_OTHER = 7;
export type ValueType = 1 | 2 | 3 | 4 | 5 | 6 | 7;

/** The tombstone of a value part. */
export const TOMBSTONE: unique symbol = Symbol('tombstone');

/**
 * What a value part holds: string, list, stream, other: a Buffer; hash field: latin1; set member: `true`; zset member: its score.
 * Buffers are immutable once they are in a register.
 */
export type Value = Buffer | Latin1 | true | number;

/** Increments of one origin. `total`: bigint while all of its increments were integers, else a double. */
export interface Run {
  readonly v: Version;
  readonly start: Version;
  readonly total: bigint | number;
}

/** The run of another origin that an overwrite replaced. */
export interface SeenRun {
  readonly start: Version;
  readonly total: bigint | number;
}

/** The smallest unit of merging. A register without a value part has `v` = NONE. */
export interface Register {
  v: Version;
  value: Value | typeof TOMBSTONE | undefined;
  seen: Map<number, SeenRun> | undefined;
  runs: Map<number, Run> | undefined;
}

/** Field of the only register of a string, and of a list, stream or other value. */
export const STRING_FIELD: Latin1 = '';

/** Whether keys of the type have many registers, one a field; else one with the empty field. */
export function hasFields(type: ValueType): boolean {
  return type === TYPE_HASH || type === TYPE_SET || type === TYPE_ZSET;
}

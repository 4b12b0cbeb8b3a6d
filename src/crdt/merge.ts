// The merge of two states of one key (DESIGN 3): commutative, associative, idempotent.
import type { Latin1 } from '../base/index.ts';
import { compareParts, compareTotals, differInSeen } from './conflict.ts';
import {
  dropRuns,
  ensureRegister,
  isLive,
  type KeyState,
  noteVersion,
  settleHeader,
  sweep,
} from './key-state.ts';
import { type Register, type Run, TOMBSTONE, type ValueType, type Version } from './types.ts';
import { compareVersions, laterOf, NONE } from './version.ts';

/** What a merge did. */
export interface Merged {
  /** The state is not what it was. */
  changed: boolean;
  /** Parts with an equal version and different content (a write behind mqkv's back); the larger bytes won. */
  conflicts: number;
  /** Value parts or runs went away, other than by being replaced. */
  dropped: boolean;
}

/**
 * Merges `from` into `into`. It frees nothing by itself: a store first frees `into` by its clock.
 * Owns: `from` stays as it is and may be used again; the two share only what is never changed in place.
 */
export function merge(into: KeyState, from: KeyState): Merged {
  const merged: Merged = { changed: false, conflicts: 0, dropped: false };
  const oldType = into.type;
  mergeHeader(into, from, merged);
  const mustSweep = compareVersions(into.low, into.clear) < 0 || (oldType !== into.type && into.live > 0);
  if (mustSweep && sweep(into, into.clear)) {
    merged.dropped = true;
    merged.changed = true;
  }
  for (const [type, fields] of from.registers) {
    for (const [field, register] of fields) mergeRegister({ into, type, field, merged }, register);
  }
  return merged;
}

function mergeHeader(into: KeyState, from: KeyState, merged: Merged): void {
  const { clear, kindV, type, expiryV, expiryAt, until, reach } = into;
  into.clear = laterOf(clear, from.clear);
  into.reach = laterOf(reach, from.reach);
  mergeKind(into, from, merged);
  mergeExpiry(into, from, merged);
  settleHeader(into);
  const isSame =
    equal(clear, into.clear) &&
    equal(reach, into.reach) &&
    equal(kindV, into.kindV) &&
    type === into.type &&
    equal(expiryV, into.expiryV) &&
    expiryAt === into.expiryAt &&
    equal(until, into.until);
  if (!isSame) merged.changed = true;
}

function equal(a: Version, b: Version): boolean {
  return a === b || compareVersions(a, b) === 0;
}

/** The newer kind; where the types differ, `clear` rises to the older one's version. */
function mergeKind(into: KeyState, from: KeyState, merged: Merged): void {
  if (from.type === 0) return;
  const order = compareVersions(into.kindV, from.kindV);
  if (into.type !== 0 && into.type !== from.type) {
    into.clear = laterOf(into.clear, order < 0 ? into.kindV : from.kindV);
    if (order === 0) merged.conflicts++;
  }
  if (order > 0 || (order === 0 && into.type >= from.type)) return;
  into.kindV = from.kindV;
  into.type = from.type;
}

/** The newer expiry; of equal ones the smaller `until` that is not empty. */
function mergeExpiry(into: KeyState, from: KeyState, merged: Merged): void {
  const order = compareVersions(into.expiryV, from.expiryV);
  if (order > 0) return;
  if (order < 0) {
    into.expiryV = from.expiryV;
    into.expiryAt = from.expiryAt;
    into.until = from.until;
    return;
  }
  if (into.expiryAt !== from.expiryAt) {
    merged.conflicts++;
    into.expiryAt = Math.max(into.expiryAt, from.expiryAt);
  }
  const isBounded = !equal(from.until, NONE);
  if (isBounded && (equal(into.until, NONE) || compareVersions(from.until, into.until) < 0))
    into.until = from.until;
}

interface Place {
  readonly into: KeyState;
  readonly type: ValueType;
  readonly field: Latin1;
  readonly merged: Merged;
}

function mergeRegister(place: Place, from: Register): void {
  const { into, type, field } = place;
  const isForeign = type !== into.type;
  const takesValue =
    from.value !== undefined && !isDead(into, from.v) && !(isForeign && from.value !== TOMBSTONE);
  const runs = isForeign ? undefined : from.runs;
  if (!takesValue && runs === undefined) return;
  const register = ensureRegister(into, type, field);
  const wasLive = isLive(register);
  if (takesValue) mergeValue(place, register, from);
  if (runs !== undefined) for (const [origin, run] of runs) mergeRun(place, register, { origin, run });
  if (register.runs?.size === 0) register.runs = undefined;
  if (isLive(register) !== wasLive) into.live += wasLive ? -1 : 1;
  if (register.value === undefined && register.runs === undefined) dropRegister(into, type, field);
}

function isDead(into: KeyState, v: Version): boolean {
  return compareVersions(v, into.clear) < 0;
}

function dropRegister(s: KeyState, type: ValueType, field: Latin1): void {
  const fields = s.registers.get(type);
  fields?.delete(field);
  if (fields?.size === 0) s.registers.delete(type);
}

function mergeValue({ into, merged }: Place, register: Register, from: Register): void {
  const order = compareVersions(register.v, from.v);
  if (order > 0) return;
  if (order === 0) {
    const content = compareParts(register, from);
    if (content !== 0 && !differInSeen(register, from)) merged.conflicts++;
    if (content >= 0) return;
  }
  register.v = from.v;
  register.value = from.value;
  register.seen = from.seen;
  noteVersion(into, from.v);
  merged.changed = true;
  if (dropRuns(register, from.v)) merged.dropped = true;
}

function mergeRun(
  { into, merged }: Place,
  register: Register,
  { origin, run }: { origin: number; run: Run },
): void {
  if (isDead(into, run.v) || compareVersions(run.v, register.v) < 0) return;
  register.runs ??= new Map();
  const held = register.runs.get(origin);
  const order = held === undefined ? -1 : compareVersions(held.v, run.v);
  if (order > 0) return;
  if (order === 0 && held !== undefined) {
    const content = compareVersions(held.start, run.start) || compareTotals(held.total, run.total);
    if (content !== 0) merged.conflicts++;
    if (content >= 0) return;
  }
  register.runs.set(origin, run);
  noteVersion(into, run.v);
  merged.changed = true;
}

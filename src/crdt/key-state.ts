// The state of one key (DESIGN 3): header, registers, and the running bounds that keep a change from scanning them.
//
// Invariants, after every exported operation:
//  1. nothing held lies below `clear` (kind, expiry, reach, value parts, runs);
//  2. no run is older than its register's value part;
//  3. live values and runs are of the kind's type, and not newer than the kind;
//  4. no register is empty, no map of registers, runs or seen is empty;
//  5. `live` counts the registers with a value or runs; `low` and `high` bound all value parts and runs;
//  6. `newest` is the greatest of clear, kind, expiry, reach, value parts and runs.
import type { Latin1 } from '../base/index.ts';
import { type Register, TOMBSTONE, type ValueType, type Version } from './types.ts';
import { compareVersions, laterOf, NONE } from './version.ts';

/** Above every version: the lower bound of no registers. */
const TOP: Version = { ms: Number.MAX_SAFE_INTEGER, tail: 0 };

/** One key's header and registers. Owns: its registers and their `runs` maps; values, runs and `seen` are shared, never changed in place. */
export class KeyState {
  /** Everything below is dead. */
  clear: Version = NONE;
  /** The newest write of a value, and its type. */
  kindV: Version = NONE;
  type: ValueType | 0 = 0;
  expiryV: Version = NONE;
  /** Units: Unix ms; 0: none (persisted, or no expiry at all). */
  expiryAt = 0;
  /** The expiry holds only below this boundary; NONE: for all. */
  until: Version = NONE;
  /** Just above the newest version written while the key had a TTL. */
  reach: Version = NONE;
  registers: Map<ValueType, Map<Latin1, Register>> = new Map();
  /** The greatest of everything held. */
  newest: Version = NONE;
  /** Registers that hold a value or runs (tombstones without runs do not count). */
  live = 0;
  /** No value part or run lies below; exact after a sweep. */
  low: Version = TOP;
  /** No value part or run lies above. */
  high: Version = NONE;
  /** A register that hid the TTL when last looked for: saves the next search. A hint, checked before it is believed. */
  hider: Register | undefined = undefined;
}

/** Whether the register would show while nothing is expired. */
export function isLive(register: Register): boolean {
  return register.runs !== undefined || (register.value !== TOMBSTONE && register.value !== undefined);
}

/** The newest of its value part and its runs. */
export function newestIn(register: Register): Version {
  let newest = register.v;
  if (register.runs !== undefined) for (const run of register.runs.values()) newest = laterOf(newest, run.v);
  return newest;
}

/** The register, where it is held. */
export function registerOf(s: KeyState, type: ValueType, field: Latin1): Register | undefined {
  return s.registers.get(type)?.get(field);
}

/** The register, made empty if need be; the caller fills it. */
export function ensureRegister(s: KeyState, type: ValueType, field: Latin1): Register {
  let fields = s.registers.get(type);
  if (fields === undefined) {
    fields = new Map();
    s.registers.set(type, fields);
  }
  let register = fields.get(field);
  if (register === undefined) {
    register = { v: NONE, value: undefined, seen: undefined, runs: undefined };
    fields.set(field, register);
  }
  return register;
}

/** Notes that a value part or a run at `v` is held now. */
export function noteVersion(s: KeyState, v: Version): void {
  if (compareVersions(v, s.low) < 0) s.low = v;
  s.high = laterOf(s.high, v);
  s.newest = laterOf(s.newest, v);
}

/** Header parts below `clear` go; `newest` learns the header. */
export function settleHeader(s: KeyState): void {
  if (compareVersions(s.kindV, s.clear) < 0) {
    s.kindV = NONE;
    s.type = 0;
  }
  if (compareVersions(s.expiryV, s.clear) < 0) dropExpiry(s);
  if (compareVersions(s.reach, s.clear) < 0) s.reach = NONE;
  s.newest = laterOf(s.newest, newestInHeader(s));
}

export function dropExpiry(s: KeyState): void {
  s.expiryV = NONE;
  s.expiryAt = 0;
  s.until = NONE;
}

export function newestInHeader(s: KeyState): Version {
  return laterOf(laterOf(s.clear, s.kindV), laterOf(s.expiryV, s.reach));
}

/** Raises `clear` and lets go what then lies below it. true: registers went away. */
export function raiseClear(s: KeyState, to: Version): boolean {
  if (compareVersions(to, s.clear) <= 0) return false;
  s.clear = to;
  settleHeader(s);
  return compareVersions(s.low, s.clear) < 0 && sweep(s, s.clear);
}

/** Drops value parts and runs below `floor`, and what is live of another type than the kind's. true: something went. */
export function sweep(s: KeyState, floor: Version): boolean {
  let went = false;
  s.live = 0;
  s.low = TOP;
  s.high = NONE;
  for (const [type, fields] of s.registers) {
    const foreign = type !== s.type;
    for (const [field, register] of fields) {
      if (sweepRegister(register, floor, foreign)) went = true;
      if (register.value === undefined && register.runs === undefined) fields.delete(field);
      else recount(s, register);
    }
    if (fields.size === 0) s.registers.delete(type);
  }
  return went;
}

function recount(s: KeyState, register: Register): void {
  if (isLive(register)) s.live++;
  if (register.value !== undefined) noteVersion(s, register.v);
  if (register.runs !== undefined) for (const run of register.runs.values()) noteVersion(s, run.v);
}

function sweepRegister(register: Register, floor: Version, foreign: boolean): boolean {
  let went = false;
  const isValue = register.value !== TOMBSTONE;
  if (register.value !== undefined && ((foreign && isValue) || compareVersions(register.v, floor) < 0)) {
    dropValuePart(register);
    went = true;
  }
  return dropRuns(register, foreign ? TOP : laterOf(floor, register.v)) || went;
}

export function dropValuePart(register: Register): void {
  register.v = NONE;
  register.value = undefined;
  register.seen = undefined;
}

/** Drops the runs below `floor`. true: some went. */
export function dropRuns(register: Register, floor: Version): boolean {
  const runs = register.runs;
  if (runs === undefined) return false;
  let went = false;
  for (const [origin, run] of runs) {
    if (compareVersions(run.v, floor) >= 0) continue;
    runs.delete(origin);
    went = true;
  }
  if (runs.size === 0) register.runs = undefined;
  return went;
}

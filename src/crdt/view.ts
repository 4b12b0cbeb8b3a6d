// What a key shows at a time (DESIGN 3, "What shows at time t"). Pure: nothing here changes a state.
import { bytesOf, latin1Of } from '../base/index.ts';
import { isLive, KeyState, newestIn, sweep } from './key-state.ts';
import { parseTotal, subtractTotals, sumOf, type Total, totalText } from './number.ts';
import {
  type Register,
  TOMBSTONE,
  TYPE_HASH,
  TYPE_SET,
  TYPE_STRING,
  type Value,
  type ValueType,
  type Version,
} from './types.ts';
import { compareVersions, laterOf, NONE } from './version.ts';

/** Units: bytes. No double is longer when written out; longer texts are not parsed on every read. */
const NUMBER_BYTES_MAX = 400;

/** Whether the expiry has fired. Units: `now` Unix ms. */
export function isFired(s: KeyState, now: number): boolean {
  return s.expiryAt !== 0 && s.expiryAt <= now;
}

/** Where the expiry ends: below it all is under the TTL. NONE without an expiry. */
export function endOf(s: Pick<KeyState, 'expiryAt' | 'reach' | 'until'>): Version {
  if (s.expiryAt === 0) return NONE;
  const at: Version = { ms: s.expiryAt, tail: 0 };
  const end = laterOf(s.reach, at);
  return compareVersions(s.until, NONE) > 0 && compareVersions(s.until, end) < 0 ? s.until : end;
}

/** Below it all is dead at `now`. Units: `now` Unix ms. */
export function floorAt(s: KeyState, now: number): Version {
  return isFired(s, now) ? laterOf(s.clear, endOf(s)) : s.clear;
}

/** The type that the key shows; 0: it shows nothing. Units: `now` Unix ms. */
export function shownType(s: KeyState, now: number): ValueType | 0 {
  if (s.type === 0 || s.live === 0) return 0;
  const floor = floorAt(s, now);
  if (compareVersions(s.kindV, floor) < 0) return 0;
  return compareVersions(s.low, floor) >= 0 || someShown(s, floor, NONE) !== undefined ? s.type : 0;
}

/** Whether a register shows while all below `floor` is dead. */
export function isShown(register: Register, floor: Version): boolean {
  if (!isLive(register)) return false;
  if (register.value !== TOMBSTONE && register.value !== undefined && compareVersions(register.v, floor) >= 0)
    return true;
  if (register.runs === undefined) return false;
  for (const run of register.runs.values()) if (compareVersions(run.v, floor) >= 0) return true;
  return false;
}

/** Whether something that lies at or above the end of the pending expiry hides the TTL. */
function isHidden(s: KeyState, end: Version): boolean {
  const hider = s.hider;
  if (hider === undefined || !isLive(hider) || compareVersions(newestIn(hider), end) < 0) {
    s.hider = someShown(s, s.clear, end);
  }
  return s.hider !== undefined;
}

function someShown(s: KeyState, floor: Version, atOrAbove: Version): Register | undefined {
  const fields = s.type === 0 ? undefined : s.registers.get(s.type);
  if (fields === undefined) return undefined;
  for (const register of fields.values()) {
    if (isShown(register, floor) && compareVersions(newestIn(register), atOrAbove) >= 0) return register;
  }
  return undefined;
}

/**
 * The TTL that the key shows. Units: Unix ms; 0: none, or no such key.
 * Scans only where something held lies at or above the end of the pending expiry.
 */
export function shownTtlAt(s: KeyState, now: number): number {
  if (s.expiryAt <= now || s.live === 0) return 0;
  const end = endOf(s);
  if (compareVersions(s.high, end) < 0) return s.expiryAt;
  if (compareVersions(s.low, end) >= 0) return 0;
  return isHidden(s, end) ? 0 : s.expiryAt;
}

/**
 * The state with nothing dead in it: `s` itself, or where an expiry has fired and was not freed, a copy without the
 * dead. Owns: only to be read. Units: `now` Unix ms.
 */
export function shownAt(s: KeyState, now: number): KeyState {
  if (!isFired(s, now)) return s;
  const floor = floorAt(s, now);
  if (compareVersions(s.low, floor) >= 0 && compareVersions(s.kindV, floor) >= 0) return s;
  const copy = copyState(s);
  if (compareVersions(copy.kindV, floor) < 0) {
    copy.kindV = NONE;
    copy.type = 0;
  }
  sweep(copy, floor);
  return copy;
}

/** A copy that may be changed on its own. */
export function copyState(s: KeyState): KeyState {
  const copy = new KeyState();
  Object.assign(copy, s);
  copy.registers = new Map();
  copy.hider = undefined;
  for (const [type, fields] of s.registers) {
    const copies = new Map<string, Register>();
    for (const [field, r] of fields) {
      copies.set(field, { v: r.v, value: r.value, seen: r.seen, runs: r.runs && new Map(r.runs) });
    }
    copy.registers.set(type, copies);
  }
  return copy;
}

/**
 * The value that a register of a state without dead parts (`shownAt`) shows, runs counted; undefined: nothing.
 * Shape: string, list, stream, other: Buffer; hash: latin1; set: true; zset: score. Owns: only to be read.
 */
export function shownValue(register: Register, type: ValueType): Value | undefined {
  const value = register.value === TOMBSTONE ? undefined : register.value;
  if (register.runs === undefined || type === TYPE_SET) return value;
  const base = baseOf(value, type);
  if (base === undefined) return value;
  const sum = sumOf(base, partsOf(register));
  if (type === TYPE_STRING) return bytesOf(totalText(sum));
  return type === TYPE_HASH ? totalText(sum) : Number(sum);
}

/** What runs add to; undefined: the value is no number. */
function baseOf(value: Value | undefined, type: ValueType): Total | undefined {
  if (value === undefined) return 0n;
  if (typeof value === 'number') return value;
  if (type === TYPE_STRING && typeof value === 'object')
    return value.length > NUMBER_BYTES_MAX ? undefined : parseTotal(latin1Of(value));
  return typeof value === 'string' ? parseTotal(value) : undefined;
}

/** What each run counts, in the order of the origins. */
function partsOf(register: Register): Total[] {
  const runs = [...(register.runs ?? [])].sort(([a], [b]) => a - b);
  return runs.map(([origin, run]) => {
    const seen = register.seen?.get(origin);
    const isSame = seen !== undefined && compareVersions(seen.start, run.start) === 0;
    return isSame ? subtractTotals(run.total, seen.total) : run.total;
  });
}

// Letting go: what has expired (freeing), and what no late delta can need any more (forgetting).
import { type KeyState, newestInHeader, sweep } from './key-state.ts';
import { type Register, TOMBSTONE, type Version } from './types.ts';
import { floorAt, isFired, shownType } from './view.ts';
import { compareVersions } from './version.ts';

/** Drops what is dead under a fired expiry; the header stays. true: something went. Units: `now` Unix ms. */
export function free(s: KeyState, now: number): boolean {
  if (!isFired(s, now)) return false;
  const floor = floorAt(s, now);
  if (compareVersions(s.low, floor) >= 0) return false;
  const went = sweep(s, floor);
  relearnNewest(s);
  return went;
}

/** `newest` falls back when what was the newest has gone: versions depend on what is held, nothing else. */
function relearnNewest(s: KeyState): void {
  s.newest = newestInHeader(s);
  if (compareVersions(s.high, s.newest) > 0) s.newest = s.high;
}

/**
 * Drops tombstones without runs older than `before`. true: some went. Forgetting decides when that is safe (DESIGN 3).
 */
export function forgetTombstones(s: KeyState, before: Version): boolean {
  let went = false;
  for (const [type, fields] of s.registers) {
    for (const [field, register] of fields) {
      if (!isSpentTombstone(register, before)) continue;
      fields.delete(field);
      went = true;
    }
    if (fields.size === 0) s.registers.delete(type);
  }
  if (went) {
    sweep(s, s.clear);
    relearnNewest(s);
  }
  return went;
}

/**
 * Drops what registers without runs that are older than `before` have seen: a run that it would be counted against cannot come
 * any more. true: some went.
 */
export function forgetSeen(s: KeyState, before: Version): boolean {
  let went = false;
  for (const fields of s.registers.values()) {
    for (const register of fields.values()) {
      if (!hasSpentSeen(register, before)) continue;
      register.seen = undefined;
      went = true;
    }
  }
  return went;
}

/** Whether `forgetTombstones` or `forgetSeen` would drop something. */
export function holdsForgettable(s: KeyState, before: Version): boolean {
  if (compareVersions(s.low, before) >= 0) return false;
  for (const fields of s.registers.values()) {
    for (const register of fields.values())
      if (hasSpentSeen(register, before) || isSpentTombstone(register, before)) return true;
  }
  return false;
}

function isSpentTombstone(register: Register, before: Version): boolean {
  return (
    register.value === TOMBSTONE && register.runs === undefined && compareVersions(register.v, before) < 0
  );
}

function hasSpentSeen(register: Register, before: Version): boolean {
  return (
    register.seen !== undefined && register.runs === undefined && compareVersions(register.v, before) < 0
  );
}

/**
 * Whether the whole key may be forgotten: it shows nothing, and the newest thing in it and its `at` are older than
 * `beforeMs`. Units: Unix ms, both.
 */
export function isForgettable(s: KeyState, now: number, beforeMs: number): boolean {
  return s.newest.ms < beforeMs && s.expiryAt < beforeMs && shownType(s, now) === 0;
}

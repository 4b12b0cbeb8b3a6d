// The states that a plain SET leaves: one version in memory (clear = kind = value part), with EX one more word.
import { KeyState } from './key-state.ts';
import { ensureRegister, noteVersion, registerOf, settleHeader } from './key-state.ts';
import { STRING_FIELD, TYPE_STRING, type Version } from './types.ts';
import { above, compareVersions, NONE } from './version.ts';

/** The state after SET (`at` 0) or SET PXAT `at` on a key without tombstones to keep. Owns: keeps `value`. Units: `at` Unix ms. */
export function plainState(v: Version, value: Buffer, at: number): KeyState {
  const s = new KeyState();
  s.clear = v;
  s.kindV = v;
  s.type = TYPE_STRING;
  if (at !== 0) {
    s.expiryV = v;
    s.expiryAt = at;
    s.reach = above(v);
  }
  const register = ensureRegister(s, TYPE_STRING, STRING_FIELD);
  register.v = v;
  register.value = value;
  s.live = 1;
  noteVersion(s, v);
  settleHeader(s);
  return s;
}

/** The state after DEL of a key without tombstones to keep: `clear` alone. */
export function deletedState(v: Version): KeyState {
  const s = new KeyState();
  s.clear = v;
  s.newest = v;
  return s;
}

/** Whether header and string register are those of `plainState`. Other registers (old tombstones) are not looked at. */
export function isPlain(s: KeyState): boolean {
  if (s.type !== TYPE_STRING || s.clear === NONE || compareVersions(s.kindV, s.clear) !== 0) return false;
  const register = registerOf(s, TYPE_STRING, STRING_FIELD);
  if (register === undefined || register.runs !== undefined || register.seen !== undefined) return false;
  if (typeof register.value !== 'object' || compareVersions(register.v, s.clear) !== 0) return false;
  return isPlainTtl(s) || (s.expiryV === NONE && s.reach === NONE);
}

/** Whether the expiry of a plain state is that of SET EX. */
export function isPlainTtl(s: KeyState): boolean {
  return (
    s.expiryAt !== 0 &&
    s.until === NONE &&
    compareVersions(s.expiryV, s.clear) === 0 &&
    compareVersions(s.reach, above(s.clear)) === 0
  );
}

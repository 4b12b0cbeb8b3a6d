// The folder's door.
export {
  type DeltaFields,
  encodeDelta,
  FORM_DELETED,
  FORM_GENERAL,
  FORM_PLAIN,
  FORM_PLAIN_TTL,
} from './codec.ts';
export { type Delta, decodeDeltas } from './decode.ts';
export { visitDeltaKeys } from './delta-keys.ts';
export { DeltaWriter } from './delta-writer.ts';
export { digest } from './digest.ts';
export { Edit, type Edited } from './edit.ts';
export {
  DEAD,
  Fingerprint,
  fingerprintOf,
  keyHash,
  SETTLED,
  type Standing,
  standingOf,
  YOUNG,
} from './fingerprint.ts';
export { forgetSeen, forgetTombstones, free, holdsForgettable, isForgettable } from './free.ts';
export { ensureRegister, isLive, KeyState, newestIn, noteVersion, registerOf } from './key-state.ts';
export { type Merged, merge } from './merge.ts';
export { parseTotal, type Total, totalText } from './number.ts';
export { deletedState, isPlain, isPlainTtl, plainState } from './plain.ts';
export * from './types.ts';
export {
  above,
  compareVersions,
  counterOf,
  laterOf,
  makeVersion,
  NONE,
  nextVersion,
  originOf,
} from './version.ts';
export { copyState, endOf, floorAt, isFired, shownAt, shownTtlAt, shownType, shownValue } from './view.ts';

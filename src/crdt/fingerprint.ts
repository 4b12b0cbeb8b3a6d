// What two sites compare of a key: 64 bits over its canonical delta, and whether it takes part at all (DESIGN 7).
//
// The canonical delta is that of the state as freed at the time of the comparison, in its shortest form with sorted registers,
// without what one site may have forgotten and the other still holds: tombstones without runs older than STABLE_MS, and what
// registers so old and without runs have seen. Equal canonical deltas: nothing to repair.
//
//   input of the lanes = form keyLen [valueLen or bodyLen] [version as three words] [at as two words]   numbers, as in codec.ts
//                        key value | key body | key                                                     bytes
import { bytesOf, type Latin1, STABLE_MS, YOUNG_MS } from '../base/index.ts';
import { encodeDelta, FORM_DELETED, FORM_GENERAL, FORM_PLAIN_TTL } from './codec.ts';
import { DeltaWriter } from './delta-writer.ts';
import { forgetSeen, forgetTombstones, free, holdsForgettable } from './free.ts';
import type { KeyState } from './key-state.ts';
import { Lanes } from './lanes.ts';
import { copyState, floorAt, isFired, shownType } from './view.ts';
import { compareVersions } from './version.ts';

/** In what state a key takes part in a comparison of two sites. */
export const SETTLED = 0;
/** Its newest version lies within YOUNG_MS of the time of the comparison: on its way, not different. Counts in no digest. */
export const YOUNG = 1;
/** It shows nothing, and its expiry has fired or it may have been forgotten elsewhere (older than STABLE_MS). Counts in no digest. */
export const DEAD = 2;
export type Standing = typeof SETTLED | typeof YOUNG | typeof DEAD;

/** A writer that has held a larger delta is let go. Units: bytes. */
const WRITER_BYTES_MAX = 1024 * 1024;

const keyLanes = new Lanes();

/** The hash of a key by which comparisons cut a slot into parts. Range: an int32, all bits good. Unseeded: the same everywhere. */
export function keyHash(source: Uint8Array, start: number, end: number): number {
  keyLanes.begin(0);
  keyLanes.bytes(source, start, end);
  keyLanes.end();
  return keyLanes.high;
}

/** The standing of what shows something, or shows nothing without an expiry that has fired, by its newest version. Units: Unix ms, both. */
export function standingOf(newestMs: number, atMs: number, shows: boolean): Standing {
  if (!shows && newestMs < atMs - STABLE_MS) return DEAD;
  return Math.abs(newestMs - atMs) < YOUNG_MS ? YOUNG : SETTLED;
}

/** Computes fingerprints, one key after the other; the result of the last is in its fields. */
export class Fingerprint {
  /** Range: int32, both; 0 of what is DEAD. */
  low = 0;
  high = 0;
  standing: Standing = SETTLED;
  /** For stores that hash plain deltas from where they lie: feed them as the grammar above says, then `take`. */
  readonly lanes = new Lanes();
  #writer = new DeltaWriter();

  /** Of a key and its state as held, at `atMs`. The state is not changed. Units: `atMs` Unix ms. */
  of(key: Uint8Array, state: KeyState, atMs: number): void {
    const canonical = canonicalAt(state, atMs);
    const shows = shownType(canonical, atMs) !== 0;
    const ended = !shows && isFired(canonical, atMs);
    this.standing = ended ? DEAD : standingOf(canonical.newest.ms, atMs, shows);
    if (this.standing === DEAD) return this.takeDead();
    const writer = this.#writer;
    encodeDelta(writer, key, canonical, 'sorted');
    const bytes = writer.bytes();
    this.#hash(bytes, 0, bytes.length);
    writer.clear();
    if (bytes.length > WRITER_BYTES_MAX) this.#writer = new DeltaWriter();
  }

  /**
   * Of a delta PLAIN, PLAIN_TTL or DELETED that is a key's whole state; `end`: where it ends. Without `atMs` it counts as SETTLED
   * and not expired. Units: `atMs` Unix ms.
   */
  ofPlainDelta(bytes: Uint8Array, start: number, end: number, atMs?: number): void {
    this.standing = atMs === undefined ? SETTLED : plainStanding(bytes, start, atMs);
    if (this.standing === DEAD) this.takeDead();
    else this.#hash(bytes, start, end);
  }

  /** The lanes are fed: ends them and takes the result. */
  take(standing: Standing): void {
    const { lanes } = this;
    lanes.end();
    this.low = lanes.low;
    this.high = lanes.high;
    this.standing = standing;
  }

  takeDead(): void {
    this.low = 0;
    this.high = 0;
    this.standing = DEAD;
  }

  #hash(bytes: Uint8Array, start: number, end: number): void {
    const { lanes } = this;
    const form = bytes[start];
    lanes.begin(form);
    let at = start + 1;
    const next = (): void => {
      lanes.word(u32(bytes, at));
      at += 4;
    };
    next();
    if (form !== FORM_DELETED) next();
    if (form !== FORM_GENERAL) for (let i = 0; i < 3; i++) next();
    if (form === FORM_PLAIN_TTL) {
      next();
      lanes.word(bytes[at] | (bytes[at + 1] << 8));
      at += 2;
    }
    lanes.bytes(bytes, at, end);
    this.take(this.standing);
  }
}

/** The fingerprint and standing of a key, for tests and tools: an object of its own. */
export function fingerprintOf(
  key: Latin1,
  state: KeyState,
  atMs: number,
): { readonly low: number; readonly high: number; readonly standing: Standing } {
  const fingerprint = new Fingerprint();
  fingerprint.of(bytesOf(key), state, atMs);
  const { low, high, standing } = fingerprint;
  return { low, high, standing };
}

/** `s` itself where it is canonical, else a copy. */
function canonicalAt(s: KeyState, atMs: number): KeyState {
  const before = { ms: Math.max(0, atMs - STABLE_MS), tail: 0 };
  const mustFree = isFired(s, atMs) && compareVersions(s.low, floorAt(s, atMs)) < 0;
  if (!mustFree && !holdsForgettable(s, before)) return s;
  const copy = copyState(s);
  free(copy, atMs);
  forgetTombstones(copy, before);
  forgetSeen(copy, before);
  return copy;
}

function plainStanding(bytes: Uint8Array, start: number, atMs: number): Standing {
  const form = bytes[start];
  const versionAt = start + (form === FORM_DELETED ? 5 : 9);
  const ms = u48(bytes, versionAt);
  if (form === FORM_PLAIN_TTL && u48(bytes, versionAt + 12) <= atMs) return DEAD;
  return standingOf(ms, atMs, form !== FORM_DELETED);
}

function u48(bytes: Uint8Array, at: number): number {
  return (u32(bytes, at) >>> 0) + (bytes[at + 4] | (bytes[at + 5] << 8)) * 4294967296;
}

function u32(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}

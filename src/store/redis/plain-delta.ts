// Deltas of plain SETs byte by byte (PLAIN and PLAIN_TTL of crdt/codec.ts): many lie one after another in the outbox' memory.
//
// delta = 1 keyLen:u32 valueLen:u32 version key value | 2 keyLen:u32 valueLen:u32 version at:u48 key value
// version = ms:u48 counter:u16 origin:u32             all little-endian
import type { Latin1 } from '../../base/index.ts';
import { FORM_PLAIN, FORM_PLAIN_TTL } from '../../crdt/index.ts';
import type { NotedSet } from './noted-set.ts';

/** Units: bytes before the version, and before the key. */
export const VERSION_AT = 9;
const HEAD_BYTES = VERSION_AT + 12;
const TTL_HEAD_BYTES = HEAD_BYTES + 6;
const SPAN = 4_294_967_296;
const HEX = '0123456789abcdef';
const HIGH = new Uint8Array(256).map((_, byte) => HEX.charCodeAt(byte >> 4));
const LOW = new Uint8Array(256).map((_, byte) => HEX.charCodeAt(byte & 15));
/** Bytes of version (and at) as hex text has them: the most significant of ms, counter, origin, at first. */
const TEXT_ORDER = [5, 4, 3, 2, 1, 0, 7, 6, 11, 10, 9, 8, 17, 16, 15, 14, 13, 12];

/** Units: bytes of a SET's delta. */
export function plainDeltaBytes({ at, keyBytes, valueBytes }: NotedSet): number {
  return (at === 0 ? HEAD_BYTES : TTL_HEAD_BYTES) + keyBytes + valueBytes;
}

/** Writes what stands before the key. Result: where the key begins. */
export function writePlainHead(out: Uint8Array, start: number, set: NotedSet): number {
  out[start] = set.at === 0 ? FORM_PLAIN : FORM_PLAIN_TTL;
  u32(out, start + 1, set.keyBytes);
  u32(out, start + 5, set.valueBytes);
  u48(out, start + VERSION_AT, set.ms);
  out[start + 15] = set.counter;
  out[start + 16] = set.counter >> 8;
  u32(out, start + 17, set.origin);
  if (set.at === 0) return start + HEAD_BYTES;
  u48(out, start + HEAD_BYTES, set.at);
  return start + TTL_HEAD_BYTES;
}

/** Where the key begins. */
export function keyAtOf(deltas: Uint8Array, start: number): number {
  return start + (deltas[start] === FORM_PLAIN ? HEAD_BYTES : TTL_HEAD_BYTES);
}

/** Units: bytes. */
export function keyBytesOf(deltas: Uint8Array, start: number): number {
  return readU32(deltas, start + 1);
}

/** Where the next delta begins. */
export function nextDelta(deltas: Uint8Array, start: number): number {
  return keyAtOf(deltas, start) + readU32(deltas, start + 1) + readU32(deltas, start + 5);
}

/** Order: negative when a delta's version lies below the SET's. */
export function compareVersion(deltas: Uint8Array, start: number, { ms, counter, origin }: NotedSet): number {
  const at = start + VERSION_AT;
  const heldMs = readU32(deltas, at) + (deltas[at + 4] | (deltas[at + 5] << 8)) * SPAN;
  if (heldMs !== ms) return heldMs - ms;
  const heldCounter = deltas[at + 6] | (deltas[at + 7] << 8);
  return heldCounter !== counter ? heldCounter - counter : readU32(deltas, at + 8) - origin;
}

/** Units: characters of a delta's version and expiry as a header has them. */
export function coreChars(deltas: Uint8Array, start: number): number {
  return deltas[start] === FORM_PLAIN ? 24 : 36;
}

/** Writes them as hex. Result: where they end. */
export function writeCore(out: Uint8Array, to: number, deltas: Uint8Array, start: number): number {
  const bytes = coreChars(deltas, start) / 2;
  let at = to;
  for (let i = 0; i < bytes; i++) {
    const byte = deltas[start + VERSION_AT + TEXT_ORDER[i]];
    out[at++] = HIGH[byte];
    out[at++] = LOW[byte];
  }
  return at;
}

/** Its version. Shape: 24 hex. */
export function versionTextOf(deltas: Uint8Array, start: number): Latin1 {
  const text = Buffer.alloc(36);
  writeCore(text, 0, deltas, start);
  return text.toString('latin1', 0, 24);
}

function u32(out: Uint8Array, at: number, x: number): void {
  out[at] = x;
  out[at + 1] = x >>> 8;
  out[at + 2] = x >>> 16;
  out[at + 3] = x >>> 24;
}

function u48(out: Uint8Array, at: number, x: number): void {
  u32(out, at, x >>> 0);
  const high = Math.floor(x / SPAN);
  out[at + 4] = high;
  out[at + 5] = high >> 8;
}

function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}

// Deltas as bytes: what the outbox sends, the queue carries and the store merges.
import type { Latin1 } from '../base/index.ts';
import type { DeltaWriter } from './delta-writer.ts';
import { type KeyState, registerOf } from './key-state.ts';
import { isPlain, isPlainTtl } from './plain.ts';
import type { Total } from './number.ts';
import {
  hasFields,
  type Register,
  type Run,
  type SeenRun,
  STRING_FIELD,
  TOMBSTONE,
  TYPE_STRING,
  type ValueType,
  type Version,
} from './types.ts';
import { above, compareVersions, counterOf, NONE, originOf } from './version.ts';

// Deltas stand one after the other. All numbers are little-endian.
//
//   delta    = PLAIN | PLAIN_TTL | DELETED | GENERAL
//   PLAIN     = 1 keyLen:u32 valueLen:u32 version key value            clear = kind = value part = version
//   PLAIN_TTL = 2 keyLen:u32 valueLen:u32 version at:u48 key value     also expiry = (version, at, none), reach = above it
//   DELETED   = 3 keyLen:u32 version key                               clear = version, nothing else
//   GENERAL   = 4 keyLen:u32 bodyLen:u32 key body
//   version  = ms:u48 counter:u16 origin:u32
//
//   body     = flags:u8 [clear:ref] [kind:ref type:u8] [expiry:ref at:u48] [until:ref] [reach:ref] register*
//   flags    = 1 clear | 2 kind | 4 expiry | 8 until (only with 4) | 16 reach: which of them follow
//   ref      = 0                      the version of the ref before it in this body
//            | 1                      the boundary just above that
//            | 2 version
//   register = head:u8 [fieldLen:varint field] [value part] [runs]
//   head     = type (1..7, bits 0-2) | 8 value part | 16 its value is a tombstone | 32 it has seen | 64 runs
//              the field of a string, list, stream or other value (types 1, 5, 6, 7) is empty and left out
//   value part = ref [value] [n:varint (start:ref total)*n]            value unless tombstone; n >= 1 seen runs, origins ascending
//   value    = len:varint bytes (string, hash, list, stream, other) | nothing (set) | f64 (zset)
//   runs     = n:varint (v:ref start:ref total)*n                      n >= 1, origins ascending; types 1, 2 and 4 only
//   total    = 255 f64 | n:u8 (0..15) two's complement of n bytes, the shortest
//
// The origin of a run is that of its versions. A key's registers come in any order, none twice.

export const FORM_PLAIN = 1;
export const FORM_PLAIN_TTL = 2;
export const FORM_DELETED = 3;
export const FORM_GENERAL = 4;

export const FLAG_CLEAR = 1;
export const FLAG_KIND = 2;
export const FLAG_EXPIRY = 4;
export const FLAG_UNTIL = 8;
export const FLAG_REACH = 16;

export const REF_SAME = 0;
export const REF_ABOVE = 1;
export const REF_FULL = 2;

export const HEAD_VALUE = 8;
export const HEAD_TOMBSTONE = 16;
export const HEAD_SEEN = 32;
export const HEAD_RUNS = 64;

export const TOTAL_DOUBLE = 255;
/** Units: bytes. 2^56 increments of 64 bits do not fill it; a sender may go one byte further than a receiver accepts. */
export const TOTAL_BYTES_MAX = 15;

/** Which registers a delta carries. */
export type DeltaFields = readonly (readonly [ValueType, Latin1])[] | 'whole';

/**
 * Appends the delta of a key: its header, and all registers or those of `fields` that it still holds. 'sorted': all, in
 * canonical order, so that equal states give equal bytes.
 */
export function encodeDelta(
  writer: DeltaWriter,
  key: Uint8Array,
  s: KeyState,
  fields: DeltaFields | 'sorted',
): void {
  const registers = typeof fields === 'string' ? countRegisters(s) : fields.length;
  if (isPlain(s) && registers === 1 && carriesString(s, fields)) return encodePlain(writer, key, s);
  if (registers === 0 && isDeleted(s)) return encodeDeleted(writer, key, s);
  writer.u8(FORM_GENERAL);
  writer.u32(key.length);
  const lengthAt = writer.length;
  writer.u32(0);
  writer.raw(key);
  encodeBody(writer, s, fields);
  writer.patchU32(lengthAt, writer.length - lengthAt - 4 - key.length);
}

function countRegisters(s: KeyState): number {
  let count = 0;
  for (const fields of s.registers.values()) count += fields.size;
  return count;
}

function carriesString(s: KeyState, fields: DeltaFields | 'sorted'): boolean {
  if (typeof fields !== 'string') return fields[0]?.[0] === TYPE_STRING;
  return registerOf(s, TYPE_STRING, STRING_FIELD) !== undefined;
}

function isDeleted(s: KeyState): boolean {
  return s.clear !== NONE && s.type === 0 && s.expiryV === NONE && s.reach === NONE;
}

function encodePlain(writer: DeltaWriter, key: Uint8Array, s: KeyState): void {
  const value = registerOf(s, TYPE_STRING, STRING_FIELD)?.value as Buffer;
  const hasTtl = isPlainTtl(s);
  writer.u8(hasTtl ? FORM_PLAIN_TTL : FORM_PLAIN);
  writer.u32(key.length);
  writer.u32(value.length);
  writeVersion(writer, s.clear);
  if (hasTtl) writer.u48(s.expiryAt);
  writer.raw(key);
  writer.raw(value);
}

function encodeDeleted(writer: DeltaWriter, key: Uint8Array, s: KeyState): void {
  writer.u8(FORM_DELETED);
  writer.u32(key.length);
  writeVersion(writer, s.clear);
  writer.raw(key);
}

function writeVersion(writer: DeltaWriter, v: Version): void {
  writer.u48(v.ms);
  writer.u16(counterOf(v));
  writer.u32(originOf(v));
}

/** Appends a body; `sorted`: all registers in canonical order, so that equal states give equal bytes (digests). */
export function encodeBody(writer: DeltaWriter, s: KeyState, fields: DeltaFields | 'sorted'): void {
  const body = new BodyWriter(writer);
  body.header(s);
  if (fields === 'whole') {
    for (const [type, held] of s.registers)
      for (const [field, register] of held) body.register(type, field, register);
    return;
  }
  for (const [type, field] of fields === 'sorted' ? sortedFields(s) : fields) {
    const register = registerOf(s, type, field);
    if (register !== undefined) body.register(type, field, register);
  }
}

function sortedFields(s: KeyState): [ValueType, Latin1][] {
  const sorted: [ValueType, Latin1][] = [];
  for (const type of [...s.registers.keys()].sort()) {
    for (const field of [...(s.registers.get(type)?.keys() ?? [])].sort()) sorted.push([type, field]);
  }
  return sorted;
}

/** Writes one body; remembers the version before, for refs. */
class BodyWriter {
  readonly #writer: DeltaWriter;
  #last: Version = NONE;

  constructor(writer: DeltaWriter) {
    this.#writer = writer;
  }

  header(s: KeyState): void {
    const writer = this.#writer;
    writer.u8(flagsOf(s));
    if (s.clear !== NONE) this.#ref(s.clear);
    if (s.type !== 0) {
      this.#ref(s.kindV);
      writer.u8(s.type);
    }
    if (s.expiryV !== NONE) {
      this.#ref(s.expiryV);
      writer.u48(s.expiryAt);
    }
    if (s.until !== NONE) this.#ref(s.until);
    if (s.reach !== NONE) this.#ref(s.reach);
  }

  register(type: ValueType, field: Latin1, register: Register): void {
    const { value, seen, runs } = register;
    const hasValue = value !== undefined;
    const flags = (hasValue ? HEAD_VALUE : 0) | (value === TOMBSTONE ? HEAD_TOMBSTONE : 0);
    this.#writer.u8(
      type | flags | (hasValue && seen !== undefined ? HEAD_SEEN : 0) | (runs === undefined ? 0 : HEAD_RUNS),
    );
    if (hasFields(type)) this.#text(field);
    if (hasValue) this.#valuePart(register);
    if (runs !== undefined) this.#runs(runs);
  }

  #valuePart({ v, value, seen }: Register): void {
    this.#ref(v);
    if (typeof value === 'string') this.#text(value);
    else if (typeof value === 'number') this.#writer.f64(value);
    else if (typeof value === 'object') {
      this.#writer.varint(value.length);
      this.#writer.raw(value);
    }
    if (seen !== undefined) this.#seen(seen);
  }

  #seen(seen: Map<number, SeenRun>): void {
    this.#writer.varint(seen.size);
    for (const [, run] of sortedByOrigin(seen)) {
      this.#ref(run.start);
      this.#total(run.total);
    }
  }

  #runs(runs: Map<number, Run>): void {
    this.#writer.varint(runs.size);
    for (const [, run] of sortedByOrigin(runs)) {
      this.#ref(run.v);
      this.#ref(run.start);
      this.#total(run.total);
    }
  }

  #text(text: Latin1): void {
    this.#writer.varint(text.length);
    this.#writer.latin1(text);
  }

  #total(total: Total): void {
    const writer = this.#writer;
    if (typeof total === 'number') {
      writer.u8(TOTAL_DOUBLE);
      writer.f64(total);
      return;
    }
    const bytes = integerBytes(total);
    writer.u8(bytes);
    for (let i = 0; i < bytes; i++) writer.u8(Number((total >> BigInt(8 * i)) & 255n));
  }

  #ref(v: Version): void {
    if (compareVersions(v, this.#last) === 0) this.#writer.u8(REF_SAME);
    else if (compareVersions(v, above(this.#last)) === 0) this.#writer.u8(REF_ABOVE);
    else {
      this.#writer.u8(REF_FULL);
      writeVersion(this.#writer, v);
    }
    this.#last = v;
  }
}

function flagsOf(s: KeyState): number {
  return (
    (s.clear === NONE ? 0 : FLAG_CLEAR) |
    (s.type === 0 ? 0 : FLAG_KIND) |
    (s.expiryV === NONE ? 0 : FLAG_EXPIRY) |
    (s.until === NONE ? 0 : FLAG_UNTIL) |
    (s.reach === NONE ? 0 : FLAG_REACH)
  );
}

function sortedByOrigin<T>(runs: Map<number, T>): Iterable<[number, T]> {
  return runs.size === 1 ? runs : [...runs].sort(([a], [b]) => a - b);
}

/** Units: bytes of the shortest two's complement. */
function integerBytes(x: bigint): number {
  let bytes = 0;
  for (let rest = x; bytes === 0 ? rest !== 0n : BigInt.asIntN(8 * bytes, x) !== x; rest >>= 8n) bytes++;
  return bytes;
}

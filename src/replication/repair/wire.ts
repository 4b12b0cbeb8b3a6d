// What sites ask each other beside the queue, as bytes.
//
//   request := kind:u8 body                      answer := 0 body   |   1 (busy: ask again later)   |   2 (the cursor is void)
//
//   1 STATUS   age:u32                           now:u48 flags:u8 keys:u48 applied (JSON: last sequence by stream, as `age` ms ago)
//   2 ROOT     view                              digest:8 bytes
//   3 SLOTS    view                              (low:u32 high:u16) of each of the 16,384 slots
//   4 PARTS    view slots                        of each of these slots low:u32 of its 16 parts
//   5 ENTRIES  view slots mask:u16 of each       entries (see entries.ts)
//   6 STATES   (slot:u16 hash:u32)*              looked:u32 deltas
//   7 PUSH     deltas                            -
//   8 PAGE     bytes:u32 cursor                  (length:u32 deltas)* 0:u32 [cursor]   an empty cursor: that was all
//   9 STAY     history (text: see apart.ts)      stays:u8 applied (JSON: last sequence by stream)
//  10 DONE     how:u8 applied (as in STATUS)     -             the asker is through; what it had applied when it began
//  stays   := 1: it keeps its copy; 0: it does not, or is of another history
//  view    := at:u48 young:u8        1: keys younger than YOUNG_MS count, too
//  how     := bits 1: they did; 2: all slots were compared; 4: something differed that was not young
//  slots   := from:u16 bytes:u16 bit*            a bit a slot, the lowest first
// Integers are little-endian; `at` is the time of the comparison, Unix ms.
import { MqkvError, SLOTS } from '../../base/index.ts';

export const STATUS = 1;
export const ROOT = 2;
export const SLOT_DIGESTS = 3;
export const PARTS = 4;
export const ENTRIES = 5;
export const STATES = 6;
export const PUSH = 7;
export const PAGE = 8;
export const STAY = 9;
export const DONE = 10;

const OK = 0;
const BUSY = 1;
const VOID = 2;
const FLAG_COMPLETE = 1;
const FLAG_LOADING = 2;
const FLAG_LACKING = 4;
const FLAG_BUSY = 8;

/** What a site says of itself when it is asked. */
export interface PeerStatus {
  /** Units: Unix ms by its clock. */
  readonly nowMs: number;
  readonly isComplete: boolean;
  readonly isLoading: boolean;
  /** It knows of something missing that only a comparison brings. */
  readonly isLacking: boolean;
  /** It would not compare now. */
  readonly isBusy: boolean;
  readonly keys: number;
  /** Of other sites' streams: all up to there is in its store. */
  readonly applied: Readonly<Record<string, number>>;
}

/** What of a store is compared. */
export interface View {
  /** Units: Unix ms; both sites use the same: the later of their clocks. */
  readonly atMs: number;
  /** Keys younger than YOUNG_MS count as well: what is on its way then differs, too. */
  readonly withYoung: boolean;
}

/** How a comparison went. */
export interface Outcome {
  readonly withYoung: boolean;
  readonly isWhole: boolean;
  /** Something differed that was not young: others may lack it, too. */
  readonly isOld: boolean;
  /** What the asker vouched for when it began: last sequence by stream. */
  readonly applied: Readonly<Record<string, number>>;
}

/** Reads one message. Errors: MqkvError `MALFORMED_REQUEST` where it is too short. */
export class WireReader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#bytes[this.#skip(1)] ?? 0;
  }

  u16(): number {
    return this.#bytes.readUInt16LE(this.#skip(2));
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#skip(4));
  }

  i32(): number {
    return this.#bytes.readInt32LE(this.#skip(4));
  }

  u48(): number {
    return this.#bytes.readUIntLE(this.#skip(6), 6);
  }

  varint(): number {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = this.u8();
      value += (byte & 127) * shift;
      if (byte < 128) return value;
      if (shift > 2 ** 40) throw malformed();
    }
  }

  /** Owns: a view. */
  bytes(length: number): Buffer {
    const at = this.#skip(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** Owns: a view. */
  rest(): Buffer {
    return this.bytes(this.left);
  }

  #skip(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) throw malformed();
    this.#at += length;
    return at;
  }
}

/** Writes one message. */
export class WireWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(bytes = 256) {
    this.#bytes = Buffer.allocUnsafe(bytes);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#bytes.writeUInt16LE(value, at);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#bytes.writeUInt32LE(value >>> 0, at);
    return this;
  }

  u48(value: number): this {
    const at = this.#grow(6);
    this.#bytes.writeUIntLE(value, at, 6);
    return this;
  }

  varint(value: number): this {
    let left = value;
    for (; left >= 128; left = Math.floor(left / 128)) this.u8(128 | (left % 128));
    return this.u8(left);
  }

  raw(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** Owns: the caller; the writer is not used again. */
  done(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(length: number): number {
    const at = this.#length;
    this.#length += length;
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
    }
    return at;
  }
}

/** A request that begins with a kind. */
export function request(kind: number): WireWriter {
  return new WireWriter().u8(kind);
}

/** An answer that is one. */
export function ok(body: Uint8Array = Buffer.alloc(0)): Buffer {
  return new WireWriter(body.length + 1).u8(OK).raw(body).done();
}

/** An answer that puts off. */
export function busy(): Buffer {
  return Buffer.from([BUSY]);
}

/** An answer to a cursor that the store does not know. */
export function voidCursor(): Buffer {
  return Buffer.from([VOID]);
}

/** What an answer holds. Errors: MqkvError `PEER_BUSY`, `BAD_CURSOR`, `MALFORMED_REQUEST`. */
export function answered(answer: Buffer): WireReader {
  const reader = new WireReader(answer);
  const word = reader.u8();
  if (word === BUSY) throw new MqkvError('PEER_BUSY', 'the other site is at another comparison');
  if (word === VOID) throw new MqkvError('BAD_CURSOR', 'the other site begins anew');
  if (word !== OK) throw malformed();
  return reader;
}

/** A site's status as bytes. */
export function encodeStatus(status: PeerStatus): Buffer {
  const flags =
    (status.isComplete ? FLAG_COMPLETE : 0) |
    (status.isLoading ? FLAG_LOADING : 0) |
    (status.isLacking ? FLAG_LACKING : 0) |
    (status.isBusy ? FLAG_BUSY : 0);
  const writer = new WireWriter().u48(status.nowMs).u8(flags).u48(status.keys);
  return writer.raw(Buffer.from(JSON.stringify(status.applied))).done();
}

/** Reads it. Errors: MqkvError `MALFORMED_REQUEST`. */
export function decodeStatus(reader: WireReader): PeerStatus {
  const nowMs = reader.u48();
  const flags = reader.u8();
  const keys = reader.u48();
  return {
    nowMs,
    isComplete: (flags & FLAG_COMPLETE) !== 0,
    isLoading: (flags & FLAG_LOADING) !== 0,
    isLacking: (flags & FLAG_LACKING) !== 0,
    isBusy: (flags & FLAG_BUSY) !== 0,
    keys,
    applied: decodeApplied(reader.rest().toString()),
  };
}

/** What a site that is asked to stay says. */
export interface StayAnswer {
  /** It keeps its copy. */
  readonly stays: boolean;
  /** Of all streams, its own included: all up to there has been applied. Older builds do not tell: nothing. */
  readonly applied: Readonly<Record<string, number>>;
}

/** The answer to STAY as bytes. */
export function encodeStay({ stays, applied }: StayAnswer): Buffer {
  return new WireWriter()
    .u8(stays ? 1 : 0)
    .raw(Buffer.from(JSON.stringify(applied)))
    .done();
}

/** Reads it. Errors: MqkvError `MALFORMED_REQUEST`. */
export function readStay(reader: WireReader): StayAnswer {
  const stays = reader.u8() === 1;
  return { stays, applied: readApplied(reader) };
}

/** Numbers by stream out of JSON. Errors: MqkvError `MALFORMED_REQUEST`. */
export function decodeApplied(text: string): Record<string, number> {
  const applied: Record<string, number> = {};
  for (const [stream, upTo] of Object.entries(parsed(text))) {
    if (typeof upTo !== 'number' || !Number.isSafeInteger(upTo) || upTo < 0) throw malformed();
    applied[stream] = upTo;
  }
  return applied;
}

/** Older builds tell nothing. */
function readApplied(reader: WireReader): Record<string, number> {
  const text = reader.rest().toString();
  return text === '' ? {} : decodeApplied(text);
}

function parsed(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Below.
  }
  throw malformed();
}

/** A request about a view. */
export function viewRequest(kind: number, { atMs, withYoung }: View): WireWriter {
  return request(kind)
    .u48(atMs)
    .u8(withYoung ? 1 : 0);
}

/** Reads it. Errors: MqkvError `MALFORMED_REQUEST`. */
export function readView(reader: WireReader): View {
  return { atMs: reader.u48(), withYoung: reader.u8() === 1 };
}

/** The request that ends a comparison. */
export function doneRequest({ withYoung, isWhole, isOld, applied }: Outcome): WireWriter {
  const how = (withYoung ? 1 : 0) | (isWhole ? 2 : 0) | (isOld ? 4 : 0);
  return request(DONE)
    .u8(how)
    .raw(Buffer.from(JSON.stringify(applied)));
}

/** Reads it. Errors: MqkvError `MALFORMED_REQUEST`. */
export function readOutcome(reader: WireReader): Outcome {
  const how = reader.u8();
  const applied = readApplied(reader);
  return { withYoung: (how & 1) !== 0, isWhole: (how & 2) !== 0, isOld: (how & 4) !== 0, applied };
}

/** Slots, in ascending order, as a range of bits. */
export function writeSlots(writer: WireWriter, slots: readonly number[]): WireWriter {
  const from = slots[0] ?? 0;
  const bits = new Uint8Array(slots.length === 0 ? 0 : (((slots.at(-1) ?? 0) - from) >> 3) + 1);
  for (const slot of slots) bits[(slot - from) >> 3] |= 1 << ((slot - from) & 7);
  return writer.u16(from).u16(bits.length).raw(bits);
}

/** Reads them. Order: ascending. Errors: MqkvError `MALFORMED_REQUEST`. */
export function readSlots(reader: WireReader): number[] {
  const from = reader.u16();
  const bits = reader.bytes(reader.u16());
  const slots: number[] = [];
  for (let i = 0; i < bits.length * 8; i++)
    if ((((bits[i >> 3] ?? 0) >> (i & 7)) & 1) === 1) slots.push(from + i);
  if ((slots.at(-1) ?? 0) >= SLOTS) throw malformed();
  return slots;
}

export function malformed(): MqkvError {
  return new MqkvError('MALFORMED_REQUEST', 'malformed request or answer of another site');
}

// Reading deltas, strictly: the grammar is in codec.ts. What is accepted satisfies the invariants of key-state.ts.
import { type Latin1, MqkvError, VALUE_BYTES_MAX } from '../base/index.ts';
import * as wire from './codec.ts';
import { DeltaReader, expectDelta } from './delta-reader.ts';
import {
  ensureRegister,
  isLive,
  KeyState,
  newestIn,
  noteVersion,
  registerOf,
  settleHeader,
} from './key-state.ts';
import { deletedState, plainState } from './plain.ts';
import type { Total } from './number.ts';
import {
  hasFields,
  type Register,
  type Run,
  type SeenRun,
  STRING_FIELD,
  TOMBSTONE,
  TYPE_HASH,
  TYPE_LIST,
  TYPE_SET,
  TYPE_ZSET,
  type Value,
  type ValueType,
  type Version,
} from './types.ts';
import { compareVersions, makeVersion, NONE, originOf } from './version.ts';

/** One key's delta. Owns: the receiver. */
export interface Delta {
  readonly key: Latin1;
  readonly state: KeyState;
}

/**
 * Decodes deltas one after the other. Errors: MqkvError `MALFORMED_DELTA`, thrown when iteration gets there: collect all
 * before you merge the first. Owns: nothing of `buffer` is kept.
 */
export function* decodeDeltas(buffer: Buffer): Generator<Delta, void> {
  const reader = new DeltaReader(buffer);
  while (reader.left > 0) yield decodeDelta(reader);
}

function decodeDelta(reader: DeltaReader): Delta {
  switch (reader.u8()) {
    case wire.FORM_PLAIN:
      return decodePlain(reader, false);
    case wire.FORM_PLAIN_TTL:
      return decodePlain(reader, true);
    case wire.FORM_DELETED:
      return decodeDeleted(reader);
    case wire.FORM_GENERAL:
      return decodeGeneral(reader);
    default:
      throw new MqkvError('MALFORMED_DELTA', 'malformed delta: unknown form');
  }
}

function decodePlain(reader: DeltaReader, hasTtl: boolean): Delta {
  const keyBytes = reader.u32();
  const valueBytes = reader.u32();
  expectDelta(valueBytes <= VALUE_BYTES_MAX, 'value too large');
  const v = readVersion(reader);
  expectVersion(v);
  const at = hasTtl ? reader.u48() : 0;
  expectDelta(!hasTtl || at !== 0, 'expiry without a time');
  const key = reader.latin1(keyBytes);
  return { key, state: plainState(v, Buffer.from(reader.raw(valueBytes)), at) };
}

function decodeDeleted(reader: DeltaReader): Delta {
  const keyBytes = reader.u32();
  const clear = readVersion(reader);
  expectDelta(compareVersions(clear, NONE) > 0, 'deletion without a version');
  return { key: reader.latin1(keyBytes), state: deletedState(clear) };
}

function decodeGeneral(reader: DeltaReader): Delta {
  const keyBytes = reader.u32();
  const bodyBytes = reader.u32();
  const key = reader.latin1(keyBytes);
  return { key, state: new BodyReader(reader.part(bodyBytes)).state() };
}

function readVersion(reader: DeltaReader): Version {
  const ms = reader.u48();
  const counter = reader.u16();
  return makeVersion(ms, counter, reader.u32());
}

/** A version, not a boundary. */
function expectVersion(v: Version): void {
  const origin = originOf(v);
  expectDelta(origin >= 1 && origin <= 0xfffffffe, 'version without an origin');
}

/** Reads one body; remembers the version before, for refs. */
class BodyReader {
  readonly #reader: DeltaReader;
  readonly #s = new KeyState();
  #last: Version = NONE;

  constructor(reader: DeltaReader) {
    this.#reader = reader;
  }

  state(): KeyState {
    this.#header();
    while (this.#reader.left > 0) this.#register();
    return this.#s;
  }

  #header(): void {
    const s = this.#s;
    const reader = this.#reader;
    const flags = reader.u8();
    expectDelta(flags < 32, 'unknown flags');
    if (flags & wire.FLAG_CLEAR) s.clear = this.#boundary();
    if (flags & wire.FLAG_KIND) {
      s.kindV = this.#version();
      s.type = typeOf(reader.u8());
    }
    if (flags & wire.FLAG_EXPIRY) {
      s.expiryV = this.#version();
      s.expiryAt = reader.u48();
    }
    expectDelta((flags & wire.FLAG_UNTIL) === 0 || s.expiryV !== NONE, 'bound of no expiry');
    if (flags & wire.FLAG_UNTIL) s.until = this.#boundary();
    if (flags & wire.FLAG_REACH) s.reach = this.#boundary();
    const { kindV, expiryV, reach } = s;
    settleHeader(s);
    expectDelta(
      kindV === s.kindV && expiryV === s.expiryV && reach === s.reach,
      'header below its own clear',
    );
  }

  #register(): void {
    const head = this.#reader.u8();
    const type = typeOf(head & 7);
    expectDelta(head < 128 && (head & (wire.HEAD_VALUE | wire.HEAD_RUNS)) !== 0, 'empty register');
    const field = hasFields(type) ? this.#text() : STRING_FIELD;
    expectDelta(registerOf(this.#s, type, field) === undefined, 'register twice');
    const register = ensureRegister(this.#s, type, field);
    if (head & wire.HEAD_VALUE) this.#valuePart(register, type, head);
    else expectDelta((head & (wire.HEAD_TOMBSTONE | wire.HEAD_SEEN)) === 0, 'parts of no value');
    if (head & wire.HEAD_RUNS) this.#runs(register, type);
    this.#admit(register, type);
  }

  /** Invariants 1 to 3 of key-state.ts. */
  #admit(register: Register, type: ValueType): void {
    const s = this.#s;
    if (register.value !== undefined) this.#hold(register.v);
    for (const run of register.runs?.values() ?? []) {
      expectDelta(compareVersions(run.v, register.v) >= 0, 'run older than its value');
      this.#hold(run.v);
    }
    if (!isLive(register)) return;
    const newest = register.value === TOMBSTONE ? newestIn({ ...register, v: NONE }) : newestIn(register);
    expectDelta(
      type === s.type && compareVersions(newest, s.kindV) <= 0,
      'value newer than the kind or of another',
    );
    s.live++;
  }

  #hold(v: Version): void {
    expectDelta(compareVersions(v, this.#s.clear) >= 0, 'register below clear');
    noteVersion(this.#s, v);
  }

  #valuePart(register: Register, type: ValueType, head: number): void {
    register.v = this.#version();
    register.value = head & wire.HEAD_TOMBSTONE ? TOMBSTONE : this.#value(type);
    if (head & wire.HEAD_SEEN) register.seen = this.#seen();
  }

  #value(type: ValueType): Value {
    if (type === TYPE_SET) return true;
    if (type === TYPE_ZSET) return notNaN(this.#reader.f64());
    return type === TYPE_HASH ? this.#text() : Buffer.from(this.#reader.raw(this.#length()));
  }

  #seen(): Map<number, SeenRun> {
    const seen = new Map<number, SeenRun>();
    for (let n = this.#count(), last = 0; n > 0; n--) {
      const start = this.#version();
      last = ascending(last, originOf(start));
      seen.set(last, { start, total: this.#total() });
    }
    return seen;
  }

  #runs(register: Register, type: ValueType): void {
    expectDelta(type < TYPE_LIST && type !== TYPE_SET, 'runs of what does not count');
    const runs = new Map<number, Run>();
    for (let n = this.#count(), last = 0; n > 0; n--) {
      const v = this.#version();
      const start = this.#version();
      last = ascending(last, originOf(v));
      expectDelta(
        originOf(start) === last && compareVersions(start, v) <= 0,
        'run that begins after its end',
      );
      runs.set(last, { v, start, total: this.#total() });
    }
    register.runs = runs;
  }

  #count(): number {
    const n = this.#reader.varint();
    expectDelta(n > 0, 'list of nothing');
    return n;
  }

  #total(): Total {
    const bytes = this.#reader.u8();
    if (bytes === wire.TOTAL_DOUBLE) return notNaN(this.#reader.f64());
    expectDelta(bytes <= wire.TOTAL_BYTES_MAX, 'integer too long');
    let total = 0n;
    for (let i = 0; i < bytes; i++) total |= BigInt(this.#reader.u8()) << BigInt(8 * i);
    const signed = BigInt.asIntN(8 * bytes, total);
    const isShortest =
      bytes === 0 || (bytes === 1 ? signed !== 0n : BigInt.asIntN(8 * bytes - 8, signed) !== signed);
    expectDelta(isShortest, 'integer not in its shortest form');
    return signed;
  }

  #length(): number {
    const length = this.#reader.varint();
    expectDelta(length <= VALUE_BYTES_MAX, 'value too large');
    return length;
  }

  #text(): Latin1 {
    return this.#reader.latin1(this.#length());
  }

  #version(): Version {
    const v = this.#boundary();
    expectVersion(v);
    return v;
  }

  #boundary(): Version {
    const tag = this.#reader.u8();
    expectDelta(tag <= wire.REF_FULL, 'unknown reference');
    if (tag === wire.REF_FULL) this.#last = readVersion(this.#reader);
    else if (tag === wire.REF_ABOVE) this.#last = aboveOf(this.#last);
    expectDelta(compareVersions(this.#last, NONE) > 0, 'version missing');
    return this.#last;
  }
}

function aboveOf(v: Version): Version {
  expectDelta(originOf(v) < 0xffffffff, 'boundary beyond the last origin');
  return { ms: v.ms, tail: v.tail + 1 };
}

function typeOf(x: number): ValueType {
  expectDelta(x >= 1 && x <= 7, 'unknown type');
  return x as ValueType;
}

function ascending(last: number, origin: number): number {
  expectDelta(origin > last, 'origins out of order');
  return origin;
}

function notNaN(x: number): number {
  expectDelta(!Number.isNaN(x), 'not a number');
  return x;
}

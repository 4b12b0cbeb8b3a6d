// One generation of the near cache's small values: records in one block of memory outside the JavaScript heap, added at its end
// until it is full, found by an open-addressing index of hashes.
//
//   record, on a multiple of 8 bytes:  until f64 | hash i32 | key length i32 | value length i32 (-1: absent) | slack i32 | key | value
import type { HashBytes } from '../base/index.ts';

const HEADER_BYTES = 24;
/** Index slots for each 128 bytes of records; two of three may be filled. */
const RECORD_BYTES_USUAL = 128;

/** What is kept of a key beside its value. */
export interface Life {
  /** The value surely lives before it. Units: Unix ms; may be infinite. */
  readonly until: number;
  /** It is surely gone so much later. Units: ms; 0: not known. */
  readonly slackMs: number;
}

/** Records that are dropped together. Hot: nothing is allocated by a lookup. */
export class Generation {
  readonly bytes: Buffer;
  readonly #ints: Int32Array;
  readonly #doubles: Float64Array;
  /** Pairs of hash and record place + 1, the place in units of 8 bytes; 0: empty. */
  readonly #index: Int32Array;
  readonly #mask: number;
  readonly #filledMax: number;
  readonly #hash: HashBytes;
  #end = 0;
  #filled = 0;

  /** Units: bytes for records and index together. */
  constructor(bytes: number, hash: HashBytes) {
    this.#hash = hash;
    const slots = 2 ** Math.max(6, Math.floor(Math.log2(bytes / RECORD_BYTES_USUAL)));
    const size = Math.max(64, Math.floor((bytes - slots * 8) / 8) * 8);
    const block = new ArrayBuffer(size);
    this.bytes = Buffer.from(block);
    this.#ints = new Int32Array(block);
    this.#doubles = new Float64Array(block);
    this.#index = new Int32Array(slots * 2);
    this.#mask = slots - 1;
    this.#filledMax = Math.floor((slots * 2) / 3);
  }

  /** Records that can be found. */
  get count(): number {
    return this.#filled;
  }

  /** Units: bytes used by records, the replaced ones too. */
  get used(): number {
    return this.#end;
  }

  /** Where the record of a key begins; -1: none. */
  find(source: Uint8Array, start: number, end: number): number {
    const slot = this.#slotOf(source, start, end);
    return slot < 0 ? -1 : (this.#index[slot * 2 + 1] - 1) * 8;
  }

  until(record: number): number {
    return this.#doubles[record >> 3];
  }

  slackMs(record: number): number {
    return this.#ints[(record >> 2) + 5];
  }

  /** Units: bytes; -1: the key is absent. */
  valueLength(record: number): number {
    return this.#ints[(record >> 2) + 4];
  }

  valueStart(record: number): number {
    return record + HEADER_BYTES + this.#ints[(record >> 2) + 3];
  }

  /** Adds or replaces; false: full. */
  put(key: Uint8Array, value: Uint8Array | null, { until, slackMs }: Life): boolean {
    const valueBytes = value?.length ?? 0;
    const record = this.#room(key.length + valueBytes);
    if (record < 0) return false;
    const at = record >> 2;
    this.#doubles[record >> 3] = until;
    this.#ints[at + 2] = this.#hash(key, 0, key.length);
    this.#ints[at + 3] = key.length;
    this.#ints[at + 4] = value === null ? -1 : valueBytes;
    this.#ints[at + 5] = slackMs;
    this.bytes.set(key, record + HEADER_BYTES);
    if (value !== null) this.bytes.set(value, record + HEADER_BYTES + key.length);
    this.#enter(record);
    return true;
  }

  /** Takes over a record of another generation. Result: where it lies here; -1: full. */
  adopt(other: Generation, from: number): number {
    const ints = other.#ints;
    const at = from >> 2;
    const record = this.#room(ints[at + 3] + Math.max(0, ints[at + 4]));
    if (record < 0) return -1;
    this.bytes.set(other.bytes.subarray(from, from + this.#end - record), record);
    this.#enter(record);
    return record;
  }

  remove(key: Uint8Array): void {
    const slot = this.#slotOf(key, 0, key.length);
    if (slot >= 0) this.#removeAt(slot);
  }

  clear(): void {
    if (this.#filled > 0) this.#index.fill(0);
    this.#end = 0;
    this.#filled = 0;
  }

  /** Reads what a lookup of that hash will read: brings it near. */
  peekIndex(hash: number): number {
    return this.#index[(hash & this.#mask) * 2 + 1];
  }

  /** The same for the record that `peekIndex` gave. */
  peekRecord(place: number): number {
    if (place === 0) return 0;
    const at = (place - 1) << 1;
    return this.#ints[at] + this.#ints[at + 16];
  }

  /** Room for a record at the end; -1: full. */
  #room(payload: number): number {
    const record = this.#end;
    const end = (record + HEADER_BYTES + payload + 7) & ~7;
    if (end > this.bytes.length || this.#filled >= this.#filledMax) return -1;
    this.#end = end;
    return record;
  }

  #enter(record: number): void {
    const at = record >> 2;
    const keyStart = record + HEADER_BYTES;
    const held = this.#slotOf(this.bytes, keyStart, keyStart + this.#ints[at + 3]);
    const hash = this.#ints[at + 2];
    let slot = held < 0 ? hash & this.#mask : held;
    if (held < 0) {
      while (this.#index[slot * 2 + 1] !== 0) slot = (slot + 1) & this.#mask;
      this.#filled++;
    }
    this.#index[slot * 2] = hash;
    this.#index[slot * 2 + 1] = (record >> 3) + 1;
  }

  #slotOf(source: Uint8Array, start: number, end: number): number {
    const hash = this.#hash(source, start, end);
    const index = this.#index;
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const place = index[slot * 2 + 1];
      if (place === 0) return -1;
      if (index[slot * 2] === hash && this.#isKey((place - 1) * 8, source, start, end)) return slot;
    }
  }

  #isKey(record: number, source: Uint8Array, start: number, end: number): boolean {
    if (this.#ints[(record >> 2) + 3] !== end - start) return false;
    const bytes: Uint8Array = this.bytes;
    for (let i = start, j = record + HEADER_BYTES; i < end; i++, j++)
      if (source[i] !== bytes[j]) return false;
    return true;
  }

  /** Takes a pair out and closes the gap: later ones move up where that brings them nearer to their home. */
  #removeAt(slot: number): void {
    const index = this.#index;
    const mask = this.#mask;
    let gap = slot;
    for (let i = (slot + 1) & mask; index[i * 2 + 1] !== 0; i = (i + 1) & mask) {
      const home = index[i * 2] & mask;
      if (((i - home) & mask) < ((i - gap) & mask)) continue;
      index[gap * 2] = index[i * 2];
      index[gap * 2 + 1] = index[i * 2 + 1];
      gap = i;
    }
    index[gap * 2 + 1] = 0;
    this.#filled--;
  }
}

// Where the outbox and snapshots write deltas: plain records are copied as they lie in the slab.
import { type DeltaFields, DeltaWriter, encodeDelta } from '../../crdt/index.ts';
import type { Core } from './core.ts';
import { copyBytes, type Memory } from './memory.ts';
import { BIG, DELETED, FORM_MASK, FREED, KEY_SHIFT, PLAIN_TTL, TIMED } from './record.ts';
import { type Ref, SEGMENT_SHIFT, UNIT_BYTES, UNIT_MASK } from './slab.ts';

/** Units: bytes; an envelope and the delta that goes over. */
const INITIAL_BYTES = 128 * 1024;
/** Form, lengths, version, at. */
const HEADER_BYTES_MAX = 32;

/** Deltas one after the other (grammar: crdt/codec.ts). Owns: its memory; `take` gives copies. */
export class DeltaBuffer {
  protected memory = memoryOf(INITIAL_BYTES);
  protected bytes = this.memory.bytes;
  protected filled = 0;
  readonly #writer = new DeltaWriter();

  /** Units: bytes written so far. */
  get length(): number {
    return this.filled;
  }

  /** A copy of what was written; it is empty afterwards. */
  take(): Buffer {
    const taken = Buffer.from(this.bytes.subarray(0, this.filled));
    this.filled = 0;
    if (this.bytes.length > 8 * INITIAL_BYTES) this.own(memoryOf(INITIAL_BYTES));
    return taken;
  }

  /** Appends a record's delta; of a COMPLEX one the given registers. */
  add(core: Core, ref: Ref, fields: DeltaFields): void {
    const head = core.table.head(ref);
    if ((head & FORM_MASK) >= FREED) return this.#addState(core, ref, fields);
    const isBig = (head & BIG) !== 0;
    const keyBytes = isBig ? core.table.key(ref).length : head >>> KEY_SHIFT;
    const hasValue = (head & FORM_MASK) !== DELETED;
    const valueBytes = !hasValue ? 0 : isBig ? core.table.value(ref).length : core.table.word(ref, 1);
    this.room(HEADER_BYTES_MAX + keyBytes + valueBytes);
    this.#header(core, ref, { keyBytes, valueBytes });
    if (isBig) this.#addBig(core, ref, hasValue);
    else {
      const start = (ref & UNIT_MASK) * UNIT_BYTES + (head & TIMED ? 32 : 24);
      const size = keyBytes + valueBytes;
      copyBytes(core.table.slab.bytes[ref >>> SEGMENT_SHIFT], start, start + size, this.memory, this.filled);
      this.filled += size;
    }
  }

  #header(core: Core, ref: Ref, { keyBytes, valueBytes }: { keyBytes: number; valueBytes: number }): void {
    const words = core.table.slab.words[ref >>> SEGMENT_SHIFT];
    const o = (ref & UNIT_MASK) << 1;
    const form = words[o] & FORM_MASK;
    this.bytes[this.filled++] = form; // PLAIN, PLAIN_TTL and DELETED have their numbers on the wire
    this.u32(keyBytes);
    if (form !== DELETED) this.u32(valueBytes);
    this.u32(words[o + 2]);
    this.u32(words[o + 3]);
    this.u32(words[o + 4]);
    if (form !== PLAIN_TTL) return;
    this.u32(words[o + 6]);
    this.bytes[this.filled++] = words[o + 7];
    this.bytes[this.filled++] = words[o + 7] >>> 8;
  }

  protected u32(x: number): void {
    const bytes = this.bytes;
    const at = this.filled;
    bytes[at] = x;
    bytes[at + 1] = x >>> 8;
    bytes[at + 2] = x >>> 16;
    bytes[at + 3] = x >>> 24;
    this.filled = at + 4;
  }

  #addBig(core: Core, ref: Ref, hasValue: boolean): void {
    this.raw(core.table.key(ref));
    if (hasValue) this.raw(core.table.value(ref));
  }

  #addState(core: Core, ref: Ref, fields: DeltaFields): void {
    encodeDelta(this.#writer, core.table.key(ref), core.state(ref), fields);
    const bytes = this.#writer.take();
    this.room(bytes.length);
    this.raw(bytes);
  }

  protected raw(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.filled);
    this.filled += bytes.length;
  }

  protected room(bytes: number): void {
    const needed = this.filled + bytes;
    if (needed <= this.bytes.length) return;
    const grown = memoryOf(Math.max(needed, this.bytes.length * 2));
    grown.bytes.set(this.bytes.subarray(0, this.filled));
    this.own(grown);
  }

  protected own(memory: Memory): void {
    this.memory = memory;
    this.bytes = memory.bytes;
  }
}

/** Memory of at least `bytes` bytes. */
export function memoryOf(bytes: number): Memory {
  const memory = new ArrayBuffer(Math.ceil(bytes / 4) * 4);
  return { bytes: Buffer.from(memory), words: new Int32Array(memory) };
}

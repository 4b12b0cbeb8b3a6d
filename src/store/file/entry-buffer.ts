// Where the entries of the next block are written: plain records are copied as they lie in the slab, once.
import type { DeltaFields } from '../../crdt/index.ts';
import { type Core, DeltaBuffer, type Memory, memoryOf, type Ref } from '../embedded/index.ts';
import { HEADER_BYTES } from './blocks.ts';

// The payload of a block is entries one after the other.
//
//   entry = kind:u8 length:u32 body
//   body of
//     LOCAL      deltas (crdt/codec.ts) of what one local unit changed: marked for the outbox
//     MERGED     deltas by which one merge changed something
//     TIME       ms:u48     the store's clock at the entries that follow
//     NOTES      (length:u32 name length:u32 value)*     notes set; an empty value removes
//     DISCARDED  nothing    everything before is gone
//     COLLAPSED  a byte a slot, 16,384 bytes: slots whose marks were dropped (snapshots only)
//     END        nothing    the end of a snapshot

export const LOCAL = 76;
export const MERGED = 77;
export const TIME = 84;
export const NOTES = 78;
export const DISCARDED = 68;
export const COLLAPSED = 67;
export const END = 69;

const ENTRY_BYTES = 5;
/** Units: bytes; blocks grow to about this while a disk keeps up. */
const BLOCK_BYTES = 320 * 1024;
/** Memories kept for the next blocks. */
const SPARES_MAX = 4;

/** The entries of one block, room for its header before them. Owns: its memory; `seal` hands it out. */
export class EntryBuffer extends DeltaBuffer {
  readonly #spares: Memory[] = [];

  constructor() {
    super();
    this.own(memoryOf(BLOCK_BYTES));
    this.filled = HEADER_BYTES;
  }

  /** Nothing was written since `seal`. */
  get isEmpty(): boolean {
    return this.filled === HEADER_BYTES;
  }

  /** Begins an entry. Result: what `end` is told. */
  begin(kind: number): number {
    this.room(ENTRY_BYTES);
    const start = this.filled;
    this.bytes[start] = kind;
    this.filled = start + ENTRY_BYTES;
    return start;
  }

  /** The entry that began at `start` is complete. */
  end(start: number): void {
    const { filled } = this;
    this.filled = start + 1;
    this.u32(filled - start - ENTRY_BYTES);
    this.filled = filled;
  }

  /** Takes an entry back that was begun. */
  cancel(start: number): void {
    this.filled = start;
  }

  /** Units: Unix ms. */
  time(ms: number): void {
    const start = this.begin(TIME);
    this.room(8);
    this.u32(ms);
    const high = Math.floor(ms / 4294967296);
    this.bytes[this.filled++] = high;
    this.bytes[this.filled++] = high >>> 8;
    this.end(start);
  }

  /** Appends bytes to the entry under way. */
  append(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.raw(bytes);
  }

  /** Appends a record's delta to the entry under way. */
  record(core: Core, ref: Ref, fields: DeltaFields): void {
    this.add(core, ref, fields);
  }

  /** A whole entry. */
  entry(kind: number, body: Uint8Array): void {
    const start = this.begin(kind);
    this.append(body);
    this.end(start);
  }

  notes(notes: Iterable<readonly [string, string]>): void {
    const start = this.begin(NOTES);
    for (const text of [...notes].flat()) {
      this.room(4);
      this.u32(text.length);
      this.append(Buffer.from(text, 'latin1'));
    }
    this.end(start);
  }

  /** The block, its header not yet filled; the buffer is empty afterwards. Owns: the caller, who gives it back by `reuse`. */
  seal(): Buffer {
    const block = this.memory.bytes.subarray(0, this.filled);
    this.own(this.#spares.pop() ?? memoryOf(BLOCK_BYTES));
    this.filled = HEADER_BYTES;
    return block;
  }

  /** The memory of a block that has been written. */
  reuse(block: Buffer): void {
    const memory = block.buffer as ArrayBuffer;
    if (memory.byteLength > 4 * BLOCK_BYTES || this.#spares.length >= SPARES_MAX) return;
    this.#spares.push({ bytes: Buffer.from(memory), words: new Int32Array(memory) });
  }
}

/** The notes of an entry's body. */
export function* readNotes(body: Buffer): Generator<readonly [string, string], void> {
  for (let at = 0; at < body.length; ) {
    const nameEnd = at + 4 + body.readUInt32LE(at);
    const valueEnd = nameEnd + 4 + body.readUInt32LE(nameEnd);
    yield [body.toString('latin1', at + 4, nameEnd), body.toString('latin1', nameEnd + 4, valueEnd)];
    at = valueEnd;
  }
}

/** The entries of a block's payload. Errors: RangeError for a payload that this version did not write. */
export function* readEntries(
  payload: Buffer,
): Generator<{ readonly kind: number; readonly body: Buffer }, void> {
  for (let at = 0; at < payload.length; ) {
    const start = at + ENTRY_BYTES;
    const end = start + payload.readUInt32LE(at + 1);
    if (end > payload.length) throw new RangeError('an entry is longer than its block');
    yield { kind: payload[at], body: payload.subarray(start, end) };
    at = end;
  }
}

// The bytes of values that travel whole (DESIGN 3): lists and streams. (Strings are their bytes, values of modules those of DUMP.)
//
// list    = count:u32 (length:u32 bytes)*count
// stream  = lastId entriesAdded:u64 maxDeletedId count:u32 entry*count          entries ascending by id
// entry   = id words:u32 (length:u32 bytes)*words                               words: field, value, field, value, …
// id      = ms:u64 sequence:u64
//
// Numbers are little-endian. Consumer groups are no part of a stream's value: they stay local.

/** Ids of streams as one number: ms * 2^64 + sequence. */
export type StreamId = bigint;

export interface StreamEntry {
  readonly id: StreamId;
  /** Field, value, field, value, … Never empty. */
  readonly words: readonly Buffer[];
}

export interface StreamValue {
  readonly lastId: StreamId;
  /** How many entries were ever added. */
  readonly entriesAdded: bigint;
  /** The largest id that XDEL removed; 0: none. */
  readonly maxDeletedId: StreamId;
  /** Order: ascending by id. */
  readonly entries: readonly StreamEntry[];
}

const ID_SHIFT = 64n;
const U64_MASK = (1n << 64n) - 1n;

/** An id as commands have it. */
export function idText(id: StreamId): string {
  return `${id >> ID_SHIFT}-${id & U64_MASK}`;
}

/** The id that a text is, as replies have it: `ms-sequence`. undefined: it is none. */
export function parseId(text: string): StreamId | undefined {
  const found = /^([0-9]{1,20})-([0-9]{1,20})$/.exec(text);
  if (found === null) return undefined;
  const [ms, sequence] = [BigInt(found[1] ?? ''), BigInt(found[2] ?? '')];
  return ms > U64_MASK || sequence > U64_MASK ? undefined : (ms << ID_SHIFT) | sequence;
}

/** Bytes of a list. Owns: the caller gets a fresh Buffer. */
export function encodeList(elements: readonly Buffer[]): Buffer {
  const writer = new Writer(wordsLength(elements));
  writer.words(elements);
  return writer.bytes;
}

/** The elements of a list; undefined: malformed. Owns: views. */
export function decodeList(bytes: Buffer): Buffer[] | undefined {
  const reader = new Reader(bytes);
  const elements = reader.words();
  return elements !== undefined && reader.isAtEnd ? elements : undefined;
}

/** Bytes of a stream. Owns: the caller gets a fresh Buffer. */
export function encodeStream(stream: StreamValue): Buffer {
  let length = 16 + 8 + 16 + 4;
  for (const { words } of stream.entries) length += 16 + wordsLength(words);
  const writer = new Writer(length);
  writer.id(stream.lastId);
  writer.u64(stream.entriesAdded);
  writer.id(stream.maxDeletedId);
  writer.u32(stream.entries.length);
  for (const { id, words } of stream.entries) {
    writer.id(id);
    writer.words(words);
  }
  return writer.bytes;
}

/** The stream that bytes are; undefined: malformed. Owns: its words are views. */
export function decodeStream(bytes: Buffer): StreamValue | undefined {
  const reader = new Reader(bytes);
  const lastId = reader.id();
  const entriesAdded = reader.u64();
  const maxDeletedId = reader.id();
  const count = reader.u32();
  const entries = readEntries(reader, count ?? 0);
  if (lastId === undefined || entriesAdded === undefined || maxDeletedId === undefined) return undefined;
  if (count === undefined || entries === undefined || !reader.isAtEnd) return undefined;
  if ((entries.at(-1)?.id ?? 0n) > lastId || entriesAdded < BigInt(count)) return undefined;
  return { lastId, entriesAdded, maxDeletedId, entries };
}

function readEntries(reader: Reader, count: number): StreamEntry[] | undefined {
  const entries: StreamEntry[] = [];
  let before = 0n;
  for (let i = 0; i < count; i++) {
    const id = reader.id();
    const words = reader.words();
    if (id === undefined || id <= before || words === undefined) return undefined;
    if (words.length === 0 || words.length % 2 === 1) return undefined;
    entries.push({ id, words });
    before = id;
  }
  return entries;
}

function wordsLength(words: readonly Buffer[]): number {
  let length = 4;
  for (const word of words) length += 4 + word.length;
  return length;
}

class Writer {
  readonly bytes: Buffer;
  #at = 0;

  constructor(length: number) {
    this.bytes = Buffer.allocUnsafe(length);
  }

  u32(x: number): void {
    this.#at = this.bytes.writeUInt32LE(x, this.#at);
  }

  u64(x: bigint): void {
    this.#at = this.bytes.writeBigUInt64LE(x, this.#at);
  }

  id(id: StreamId): void {
    this.u64(id >> ID_SHIFT);
    this.u64(id & U64_MASK);
  }

  words(words: readonly Buffer[]): void {
    this.u32(words.length);
    for (const word of words) {
      this.u32(word.length);
      this.bytes.set(word, this.#at);
      this.#at += word.length;
    }
  }
}

/** Every read answers undefined beyond the end. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  u32(): number | undefined {
    const at = this.#take(4);
    return at === undefined ? undefined : this.#bytes.readUInt32LE(at);
  }

  u64(): bigint | undefined {
    const at = this.#take(8);
    return at === undefined ? undefined : this.#bytes.readBigUInt64LE(at);
  }

  id(): StreamId | undefined {
    const ms = this.u64();
    const sequence = this.u64();
    return ms === undefined || sequence === undefined ? undefined : (ms << ID_SHIFT) | sequence;
  }

  words(): Buffer[] | undefined {
    const count = this.u32();
    const words: Buffer[] = [];
    for (let i = 0; i < (count ?? 0); i++) {
      const length = this.u32();
      const at = length === undefined ? undefined : this.#take(length);
      if (length === undefined || at === undefined) return undefined;
      words.push(this.#bytes.subarray(at, at + length));
    }
    return count === undefined ? undefined : words;
  }

  #take(length: number): number | undefined {
    const at = this.#at;
    if (at + length > this.#bytes.length) return undefined;
    this.#at = at + length;
    return at;
  }
}

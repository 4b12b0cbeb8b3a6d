// A growable buffer that deltas are encoded into.

const INITIAL_BYTES = 256;

/** Appends little-endian numbers and bytes. Owns: its buffer; `bytes()` is a view until the next write. */
export class DeltaWriter {
  #buffer = Buffer.allocUnsafe(INITIAL_BYTES);
  #length = 0;

  /** Units: bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** What was written, a view. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** What was written, as a copy; the writer is empty afterwards. */
  take(): Buffer {
    const taken = Buffer.from(this.bytes());
    this.#length = 0;
    return taken;
  }

  /** It is empty afterwards; a view got from `bytes` holds until the next write. */
  clear(): void {
    this.#length = 0;
  }

  u8(x: number): void {
    this.#room(1);
    this.#buffer[this.#length++] = x;
  }

  u16(x: number): void {
    this.#room(2);
    this.#length = this.#buffer.writeUInt16LE(x, this.#length);
  }

  u32(x: number): void {
    this.#room(4);
    this.#length = this.#buffer.writeUInt32LE(x, this.#length);
  }

  u48(x: number): void {
    this.#room(6);
    this.#length = this.#buffer.writeUIntLE(x, this.#length, 6);
  }

  f64(x: number): void {
    this.#room(8);
    this.#length = this.#buffer.writeDoubleLE(x, this.#length);
  }

  /** LEB128, shortest form. Range: 0 .. 2^32 - 1. */
  varint(x: number): void {
    let rest = x;
    while (rest >= 128) {
      this.u8((rest & 127) | 128);
      rest = Math.floor(rest / 128);
    }
    this.u8(rest);
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  latin1(text: string): void {
    this.#room(text.length);
    this.#length += this.#buffer.write(text, this.#length, 'latin1');
  }

  /** Overwrites a u32 written before. */
  patchU32(at: number, x: number): void {
    this.#buffer.writeUInt32LE(x, at);
  }

  #room(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

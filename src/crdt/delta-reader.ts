// A strict reader of encoded deltas: anything short, overlong or out of range is MALFORMED_DELTA.
import { type Latin1, MqkvError } from '../base/index.ts';

/** Throws MALFORMED_DELTA unless `condition` holds. */
export function expectDelta(condition: boolean, what: string): asserts condition {
  if (!condition) throw new MqkvError('MALFORMED_DELTA', `malformed delta: ${what}`);
}

/** Reads within [at, end) of a buffer; never past it, and allocates nothing before it has checked a length. */
export class DeltaReader {
  readonly #buffer: Buffer;
  #at: number;
  readonly #end: number;

  constructor(buffer: Buffer, at = 0, end = buffer.length) {
    this.#buffer = buffer;
    this.#at = at;
    this.#end = end;
  }

  /** Units: bytes not yet read. */
  get left(): number {
    return this.#end - this.#at;
  }

  u8(): number {
    return this.#buffer[this.#step(1)] as number;
  }

  u16(): number {
    return this.#buffer.readUInt16LE(this.#step(2));
  }

  u32(): number {
    return this.#buffer.readUInt32LE(this.#step(4));
  }

  u48(): number {
    return this.#buffer.readUIntLE(this.#step(6), 6);
  }

  f64(): number {
    return this.#buffer.readDoubleLE(this.#step(8));
  }

  /** LEB128 in its shortest form. Range: 0 .. 2^32 - 1. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 5; i++) {
      const byte = this.u8();
      value += (byte & 127) * scale;
      if (byte < 128) {
        expectDelta((byte !== 0 || i === 0) && value <= 0xffffffff, 'number not in its shortest form');
        return value;
      }
      scale *= 128;
    }
    expectDelta(false, 'number too long');
  }

  /** A view. */
  raw(length: number): Buffer {
    const start = this.#step(length);
    return this.#buffer.subarray(start, start + length);
  }

  latin1(length: number): Latin1 {
    const start = this.#step(length);
    return this.#buffer.toString('latin1', start, start + length);
  }

  /** A reader of the next `length` bytes. */
  part(length: number): DeltaReader {
    const start = this.#step(length);
    return new DeltaReader(this.#buffer, start, start + length);
  }

  #step(bytes: number): number {
    const start = this.#at;
    expectDelta(bytes <= this.#end - start, 'cut short');
    this.#at = start + bytes;
    return start;
  }
}

// The commands that one chunk of input held, as flat integer offsets into it: nothing is allocated per command.
import { codeOfBytes } from './names.ts';

const COMMANDS_AT_FIRST = 16;
const EMPTY = Buffer.alloc(0);
const STAR = 42;
/** Units: bytes. What a chunk of node:net (64 KB) and a rest before it take. */
const SCRATCH_BYTES = 80 * 1024;

/**
 * Commands of one connection, parsed out of one chunk of its input. The server reuses batches: what it points to is
 * valid while the handler of a command runs (for an async handler: until its promise settles).
 */
export class CommandBatch {
  /** The bytes that all ranges point into. Owns: the batch; may be read, not changed. */
  buffer: Buffer = EMPTY;
  /** Commands in the batch. */
  count = 0;
  /** Start and end of every argument of every command, in order. Written by the parsers of this folder only. */
  ranges: Int32Array = new Int32Array(COMMANDS_AT_FIRST * 8);
  /** Where the ranges of command i begin in `ranges`; one entry more than commands. */
  firsts: Int32Array = new Int32Array(COMMANDS_AT_FIRST + 1);
  /** The folded name of command i. */
  codes: Int32Array = new Int32Array(COMMANDS_AT_FIRST);
  /** Where the bytes of command i end in `buffer`: what follows has not been looked at by it. */
  ends: Int32Array = new Int32Array(COMMANDS_AT_FIRST);
  /** Where the parsed part of `buffer` ends, whole commands or not. */
  limit = 0;
  /** Quoted inline commands are unquoted in place; what their lines held before, for `rest`. */
  #originals: { readonly at: number; readonly bytes: Buffer }[] = [];
  #scratch: Buffer = EMPTY;

  /** Arguments of command i, its name included. Range: at least 1. */
  argc(i: number): number {
    return (this.firsts[i + 1] - this.firsts[i]) >> 1;
  }

  /** Where argument a of command i begins in `buffer` (0 is the name). */
  start(i: number, a: number): number {
    return this.ranges[this.firsts[i] + (a << 1)];
  }

  /** Where argument a of command i ends in `buffer`, exclusive. */
  end(i: number, a: number): number {
    return this.ranges[this.firsts[i] + (a << 1) + 1];
  }

  /** The name folded to an integer, see `nameCode`; 0 for names of more than four bytes. */
  code(i: number): number {
    return this.codes[i];
  }

  /** The name in upper case. Shape: latin1. */
  name(i: number): string {
    return this.text(i, 0).toUpperCase();
  }

  /** Argument a as a view. Owns: the batch; copy to keep it. */
  arg(i: number, a: number): Buffer {
    return this.buffer.subarray(this.start(i, a), this.end(i, a));
  }

  /** Argument a as a string, one char a byte. Shape: latin1. */
  text(i: number, a: number): string {
    return this.buffer.toString('latin1', this.start(i, a), this.end(i, a));
  }

  /** Where the bytes of command i begin in `buffer`: behind the one before it. */
  begin(i: number): number {
    return i === 0 ? 0 : this.ends[i - 1];
  }

  /**
   * Whether the bytes of command i are one canonical array of bulks and nothing else, so that they may be passed on as
   * they are: no inline command, no empty command before it.
   */
  isArray(i: number): boolean {
    const begin = this.begin(i);
    const name = this.start(i, 0);
    const headers = 6 + digitsOf(this.argc(i)) + digitsOf(this.end(i, 0) - name);
    return this.buffer[begin] === STAR && name - begin === headers;
  }

  /** Bytes `from` up to `to` of `buffer`, to be kept: a copy where the batch will reuse them. Owns: the caller may not change them. */
  keep(from: number, to: number): Buffer {
    const bytes = this.buffer.subarray(from, to);
    return this.buffer === this.#scratch ? Buffer.from(bytes) : bytes;
  }

  /** A copy of the input after command i, as it was received. Owns: the caller. */
  rest(i: number): Buffer {
    const from = this.ends[i];
    const copy = Buffer.from(this.buffer.subarray(from, this.limit));
    for (const { at, bytes } of this.#originals) if (at >= from) copy.set(bytes, at - from);
    return copy;
  }

  /** Empties the batch for a new chunk. */
  reset(): void {
    this.count = 0;
    this.limit = 0;
    if (this.#originals.length > 0) this.#originals = [];
  }

  /** Joins two pieces in memory of the batch's own. Result: their length; they lie at 0 of `buffer`. */
  join(head: Uint8Array, tail: Uint8Array): number {
    const length = head.length + tail.length;
    if (this.#scratch.length < length)
      this.#scratch = Buffer.allocUnsafeSlow(Math.max(length, SCRATCH_BYTES));
    this.#scratch.set(head, 0);
    this.#scratch.set(tail, head.length);
    this.buffer = this.#scratch;
    return length;
  }

  /**
   * Gives this batch, which is free, the large arrays of `busy`, which goes on with the same commands in the small
   * arrays of this one: a batch kept for long (a blocked command) then holds little. Views stay valid.
   */
  exchange(busy: CommandBatch): void {
    const { ranges, firsts, codes, ends } = this;
    const { count } = busy;
    this.ranges = busy.ranges;
    this.firsts = busy.firsts;
    this.codes = busy.codes;
    this.ends = busy.ends;
    busy.ranges = copied(this.ranges, ranges, this.firsts[count]);
    busy.firsts = copied(this.firsts, firsts, count + 1);
    busy.codes = copied(this.codes, codes, count);
    busy.ends = copied(this.ends, ends, count);
    if (busy.buffer === busy.#scratch) return;
    this.#scratch = busy.#scratch;
    busy.#scratch = EMPTY;
  }

  /** Commands that fit without growing. */
  get capacity(): number {
    return this.codes.length;
  }

  /** Drops the reference to the input, so that an unused batch holds no chunk. */
  release(): void {
    this.buffer = EMPTY;
    this.reset();
  }

  /** Remembers the line at `at` before it is unquoted in place. */
  keepOriginal(at: number, end: number): void {
    this.#originals.push({ at, bytes: Buffer.from(this.buffer.subarray(at, end)) });
  }

  /** Makes room for two more integers at index r of `ranges`. */
  growRanges(r: number): Int32Array {
    if (r + 2 > this.ranges.length) this.ranges = grown(this.ranges, r + 2);
    return this.ranges;
  }

  /** Ends a command whose ranges were written from `firsts[count]` up to r; its bytes end at `end`. */
  add(r: number, end: number): void {
    if (this.count === this.codes.length) this.#growCommands();
    const name = this.firsts[this.count];
    this.codes[this.count] = codeOfBytes(this.buffer, this.ranges[name], this.ranges[name + 1]);
    this.ends[this.count] = end;
    this.firsts[++this.count] = r;
  }

  #growCommands(): void {
    const size = this.codes.length * 2;
    this.codes = grown(this.codes, size);
    this.ends = grown(this.ends, size);
    this.firsts = grown(this.firsts, size + 1);
  }
}

/** Decimal digits of a number from 0. */
function digitsOf(n: number): number {
  let digits = 1;
  for (let bound = 10; bound <= n; bound *= 10) digits++;
  return digits;
}

function grown(array: Int32Array, least: number): Int32Array {
  const larger = new Int32Array(Math.max(least, array.length * 2));
  larger.set(array);
  return larger;
}

function copied(from: Int32Array, into: Int32Array, length: number): Int32Array {
  const target = into.length >= length ? into : new Int32Array(length);
  for (let i = 0; i < length; i++) target[i] = from[i];
  return target;
}

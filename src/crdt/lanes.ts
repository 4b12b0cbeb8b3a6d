// A fast hash of 64 bits in two int32 lanes, the same at every site: unseeded, all bits good, not cryptographic.
//
// The input is numbers (`word`), then one stretch of bytes in any pieces, read as little-endian words, the last one padded with
// zeros; their count is mixed in at the end. Each step is a bijection of (a, b), so different words never collide by themselves.

const C1 = 0x9e3779b1 | 0;
const C2 = 0x85ebca77 | 0;

/** Hashes one input after the other. */
export class Lanes {
  /** The result after `end`. Range: int32. */
  low = 0;
  high = 0;
  /** Bytes fed of this input, and those of them that do not fill a word yet. */
  #count = 0;
  #partial = 0;

  /** Begins an input; `kind` keeps inputs of different kinds apart. */
  begin(kind: number): void {
    this.low = kind ^ 0x165667b1;
    this.high = 0x27d4eb2f;
    this.#count = 0;
    this.#partial = 0;
  }

  /** Feeds a number; only before bytes. Range: int32 or uint32. */
  word(w: number): void {
    let a = Math.imul(this.low ^ w, C1);
    a ^= a >>> 15;
    a = (a + this.high) | 0;
    this.high = Math.imul(((this.high << 13) | (this.high >>> 19)) ^ a, C2);
    this.low = a;
  }

  /** Feeds bytes. */
  bytes(source: Uint8Array, start: number, end: number): void {
    let i = start;
    while ((this.#count & 3) !== 0 && i < end) this.#byte(source[i++]);
    let a = this.low;
    let b = this.high;
    const from = i;
    for (const last = end - 3; i < last; i += 4) {
      const w = source[i] | (source[i + 1] << 8) | (source[i + 2] << 16) | (source[i + 3] << 24);
      a = Math.imul(a ^ w, C1);
      a ^= a >>> 15;
      a = (a + b) | 0;
      b = Math.imul(((b << 13) | (b >>> 19)) ^ a, C2);
    }
    this.low = a;
    this.high = b;
    this.#count += i - from;
    while (i < end) this.#byte(source[i++]);
  }

  /** Feeds the first `count` bytes of words in memory, as the only bytes of this input. */
  words(source: Int32Array, from: number, count: number): void {
    let a = this.low;
    let b = this.high;
    const end = from + (count >> 2);
    for (let i = from; i < end; i++) {
      a = Math.imul(a ^ source[i], C1);
      a ^= a >>> 15;
      a = (a + b) | 0;
      b = Math.imul(((b << 13) | (b >>> 19)) ^ a, C2);
    }
    this.low = a;
    this.high = b;
    this.#count = count;
    const rest = (count & 3) << 3;
    if (rest !== 0) this.#partial = source[end] & ((1 << rest) - 1);
  }

  #byte(x: number): void {
    this.#partial |= x << ((this.#count & 3) << 3);
    this.#count++;
    if ((this.#count & 3) !== 0) return;
    this.word(this.#partial);
    this.#partial = 0;
  }

  /** Ends the input: the result is in `low` and `high`. */
  end(): void {
    if ((this.#count & 3) !== 0) this.word(this.#partial);
    this.word(this.#count);
    let a = (this.low + this.high) | 0;
    let b = (this.high + a) | 0;
    a = Math.imul(a ^ (a >>> 16), 0x85ebca6b);
    a = Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
    b = Math.imul(b ^ (b >>> 16), 0xcc9e2d51);
    b = Math.imul(b ^ (b >>> 13), 0x1b873593);
    a = ((a ^ (a >>> 16)) + b) | 0;
    b = ((b ^ (b >>> 16)) + a) | 0;
    this.low = Math.imul(a ^ (a >>> 15), C2);
    this.high = Math.imul(b ^ (b >>> 15), C1);
  }
}

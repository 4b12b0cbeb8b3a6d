// Finds where replies end, without decoding them: the hot path of reads through the gateway, some ten ns a small bulk.
//
// reply = mark line CRLF                            for + - : , # ( _
//       / ("$" / "=" / "!") n CRLF n(BYTE) CRLF      n = -1: nothing follows
//       / ("*" / "~" / ">") n CRLF n(reply)          n = -1: nothing follows
//       / "%" n CRLF 2n(reply) / "|" n CRLF 2n(reply) reply
//
// 1. Between two calls of `scan` the state is that of the one reply under way: bytes to skip, a cut line, open aggregates.
// 2. Bytes are looked at once: a reply in many chunks is not scanned again, and a large bulk is skipped by arithmetic.
import { INLINE_BYTES_MAX, REPLY_DEPTH_MAX } from '../base/index.ts';

const CR = 13;
const LF = 10;
const MINUS = 45;
const DOLLAR = 36;
const BLOB_ERROR = 33;
const ONE = 49;
const PUSH = 62;
const ATTRIBUTE = 124;
/** Digits of a length: enough for 2^31, exact in a double. */
const DIGITS_MAX = 12;
const NOTHING = Buffer.alloc(0);

/** What a mark begins. */
const LINE = 1;
const BULK = 2;
const AGGREGATE = 3;
const PAIRS = 4;
const KINDS = new Uint8Array(256);
for (const mark of '+-:,#(_') KINDS[mark.charCodeAt(0)] = LINE;
for (const mark of '$=!') KINDS[mark.charCodeAt(0)] = BULK;
for (const mark of '*~>') KINDS[mark.charCodeAt(0)] = AGGREGATE;
for (const mark of '%|') KINDS[mark.charCodeAt(0)] = PAIRS;

/** The scanner of one connection. */
export class ReplyScanner {
  /** What is wrong with the bytes; nothing can follow. */
  problem = '';
  /** After `scan`: the first byte behind the last complete reply (in this chunk), or where it began when there was none. */
  end = 0;
  /** After `scan`: index of the first error among the replies found, -1 without. */
  firstError = -1;
  /** After `scan`: where that error begins in this chunk; -1 when it began in an earlier one. */
  errorAt = -1;
  /** After `scan`: the one reply found is a push. */
  isPush = false;
  /** Bytes of the bulk under way that are still to come, its CRLF included. */
  #skip = 0;
  /** A line that the end of a chunk has cut. */
  #cut: Buffer = NOTHING;
  /** Open aggregates: elements to come, and whether it is an attribute (which is no element itself). */
  readonly #left: number[] = [];
  readonly #attributes: boolean[] = [];
  /** The mark with which the reply under way began; 0: none is under way. */
  #first = 0;

  /** A reply has begun and not ended. */
  get isWithin(): boolean {
    return this.#first !== 0;
  }

  /**
   * Scans from `from`, up to `limit` replies (>= 1), to the end of the chunk, or to a push, which is found alone.
   * Call it again for the rest of the chunk until it finds nothing.
   * Result: how many complete replies; the last of them ends at `end`. 0: the chunk ends before, call again with the next one.
   */
  scan(chunk: Buffer, from: number, limit: number): number {
    this.end = from;
    this.firstError = -1;
    this.errorAt = -1;
    this.isPush = false;
    if (this.#first === 0) return this.#scanWhole(chunk, from, limit);
    const isError = this.#first === MINUS || this.#first === BLOB_ERROR;
    const isPush = this.#first === PUSH;
    const at = this.#goOn(chunk, from);
    if (at < 0) return 0;
    this.end = at;
    this.isPush = isPush;
    if (isError) this.firstError = 0;
    return 1;
  }

  /** From the beginning of a reply. */
  #scanWhole(chunk: Buffer, from: number, limit: number): number {
    const length = chunk.length;
    let at = from;
    let count = 0;
    while (at < length && count < limit) {
      const mark = chunk[at];
      let next = elementEnd(chunk, at, length);
      if (next >= 0) {
        if (mark === MINUS) this.#noteError(count, at);
      } else {
        if (mark === PUSH && count > 0) break;
        this.#first = mark;
        next = this.#goOn(chunk, at);
        if (next < 0) {
          // What was found goes first; the next call begins with this reply again.
          if (count > 0) this.#forget();
          break;
        }
        if (mark === MINUS || mark === BLOB_ERROR) this.#noteError(count, at);
        if (mark === PUSH) {
          this.isPush = true;
          this.end = next;
          return 1;
        }
      }
      at = next;
      count++;
    }
    if (count > 0) this.end = at;
    return count;
  }

  #forget(): void {
    if (this.problem !== '') return;
    this.#first = 0;
    this.#skip = 0;
    this.#cut = NOTHING;
    this.#left.length = 0;
    this.#attributes.length = 0;
  }

  #noteError(index: number, at: number): void {
    if (this.firstError >= 0) return;
    this.firstError = index;
    this.errorAt = at;
  }

  /** Goes on with the reply under way. Result: behind its end, -1 when the chunk ends before (or `problem`). */
  #goOn(chunk: Buffer, from: number): number {
    let at = from;
    for (;;) {
      if (this.#skip > 0) {
        const here = Math.min(this.#skip, chunk.length - at);
        this.#skip -= here;
        at += here;
        if (this.#skip > 0) return -1;
        if (this.#elementEnds()) return at;
      }
      const end = this.#cut.length === 0 ? elementEnd(chunk, at, chunk.length) : -1;
      if (end >= 0) {
        at = end;
        if (this.#elementEnds()) return at;
        continue;
      }
      const lineEnds = lineFeedAt(chunk, at);
      if (lineEnds < 0) return this.#keepCut(chunk, at);
      const isWhole = this.#line(chunk, at, lineEnds);
      if (this.problem !== '') return -1;
      at = lineEnds + 1;
      if (isWhole && this.#elementEnds()) return at;
    }
  }

  #keepCut(chunk: Buffer, at: number): number {
    const rest = chunk.subarray(at);
    this.#cut = this.#cut.length === 0 ? rest : Buffer.concat([this.#cut, rest]);
    if (this.#cut.length > INLINE_BYTES_MAX) this.problem = 'a line is too long';
    return -1;
  }

  /** One line, its beginning perhaps in an earlier chunk. Result: whether it is an element by itself. */
  #line(chunk: Buffer, at: number, lineEnds: number): boolean {
    if (this.#cut.length === 0) return this.#header(chunk, at, lineEnds);
    const joined = Buffer.concat([this.#cut, chunk.subarray(at, lineEnds + 1)]);
    this.#cut = NOTHING;
    return this.#header(joined, 0, joined.length - 1);
  }

  #header(bytes: Buffer, at: number, lineEnds: number): boolean {
    const kind = KINDS[bytes[at]];
    if (kind === 0) return this.#malformed(`not a reply: byte ${bytes[at]}`);
    if (bytes[lineEnds - 1] !== CR || lineEnds - 1 === at) return this.#malformed('LF without CR');
    if (kind === LINE) return true;
    const n = lengthOf(bytes, at + 1, lineEnds - 1);
    if (Number.isNaN(n)) return this.#malformed('invalid length');
    if (n < 0) return true;
    if (kind === BULK) {
      this.#skip = n + 2;
      return false;
    }
    return this.#begin(bytes[at], kind === PAIRS ? n * 2 : n);
  }

  /** An aggregate begins. Result: whether it ends at once. */
  #begin(mark: number, elements: number): boolean {
    const isAttribute = mark === ATTRIBUTE;
    if (elements === 0) return !isAttribute;
    if (this.#left.length === REPLY_DEPTH_MAX) return this.#malformed('aggregates nested too deeply');
    this.#left.push(elements);
    this.#attributes.push(isAttribute);
    return false;
  }

  /** An element is complete, and with it perhaps the aggregates that it ends. Result: whether the whole reply is. */
  #elementEnds(): boolean {
    for (let top = this.#left.length - 1; top >= 0; top--) {
      if (--this.#left[top] > 0) return false;
      this.#left.pop();
      if (this.#attributes.pop() === true) return false;
    }
    this.#first = 0;
    return true;
  }

  #malformed(problem: string): false {
    this.problem = problem;
    return false;
  }
}

/** Behind the bulk or line that begins at `at`; -1: not all here, or nothing so simple: the slow path looks. */
function elementEnd(chunk: Buffer, at: number, length: number): number {
  const mark = chunk[at];
  if (mark === DOLLAR) return bulkEnd(chunk, at, length);
  if (KINDS[mark] !== LINE) return -1;
  const end = lineFeedAt(chunk, at);
  return end > at + 1 && chunk[end - 1] === CR ? end + 1 : -1;
}

function bulkEnd(chunk: Buffer, at: number, length: number): number {
  let line = at + 1;
  let n = 0;
  for (; line < length; line++) {
    const digit = chunk[line] - 48;
    if (digit < 0 || digit > 9) break;
    n = n * 10 + digit;
  }
  if (line === at + 1) return nullEnd(chunk, at, length);
  if (line - at > DIGITS_MAX) return -1;
  const end = line + 4 + n;
  return end <= length && chunk[line] === CR && chunk[line + 1] === LF ? end : -1;
}

/** `$-1`, the absent value. */
function nullEnd(chunk: Buffer, at: number, length: number): number {
  const isNull = at + 5 <= length && chunk[at + 1] === MINUS && chunk[at + 2] === ONE;
  return isNull && chunk[at + 3] === CR && chunk[at + 4] === LF ? at + 5 : -1;
}

/** Lines are short: a loop is quicker than a call of `indexOf`. -1: none. */
function lineFeedAt(chunk: Buffer, from: number): number {
  const { length } = chunk;
  for (let at = from; at < length; at++) if (chunk[at] === LF) return at;
  return -1;
}

/** A length of the header; NaN where it is none. */
function lengthOf(bytes: Buffer, start: number, end: number): number {
  if (end - start === 2 && bytes[start] === MINUS && bytes[start + 1] === 49) return -1;
  if (end === start || end - start > DIGITS_MAX) return Number.NaN;
  let n = 0;
  for (let at = start; at < end; at++) {
    const digit = bytes[at] - 48;
    if (digit < 0 || digit > 9) return Number.NaN;
    n = n * 10 + digit;
  }
  return n;
}

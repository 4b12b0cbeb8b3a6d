// Incremental parser of what clients send: RESP arrays of bulks and inline commands, any pieces, any mixture.
//
// request = *( multibulk / inline )
// multibulk = "*" n CRLF n( "$" length CRLF length(BYTE) CRLF )
// inline    = line LF                                 see inline.ts
import type { CommandBatch } from './command-batch.ts';
import { splitInline } from './inline.ts';
import { LargeRequest } from './large-request.ts';
import { type RequestLimits, requestLimits } from './limits.ts';
import { MALFORMED, NEED_MORE, RequestHeaders } from './request-headers.ts';

/**
 * `done`: the input ended with the last command; `more`: an incomplete command is kept for the next chunk;
 * `malformed`: after the commands in the batch the input makes no sense, `problem` is the error to reply before closing.
 */
export type ParseStatus = 'done' | 'more' | 'malformed';

const EMPTY = Buffer.alloc(0);
const STAR = 42;
const CR = 13;
const LF = 10;
/** Units: bytes. An incomplete command up to this size is parsed again from its start with the next chunk. */
const REPARSE_BYTES_MAX = 16 * 1024;
/** Units: bytes. Known to be this long, it is collected first. */
const COLLECT_BYTES_MIN = 64 * 1024;

/** The parser of one connection. */
export class RequestParser {
  readonly #headers: RequestHeaders;
  #rest: Buffer = EMPTY;
  #large: LargeRequest | undefined;
  #wanted = 0;
  #unread = false;

  constructor(limits: RequestLimits = requestLimits()) {
    this.#headers = new RequestHeaders(limits);
  }

  /** The error reply for `malformed`. Shape: `ERR Protocol error: …`. */
  get problem(): string {
    return this.#headers.problem;
  }

  /** While false, small commands only, and one command a call (see `unread`), so that AUTH counts at once. */
  get authenticated(): boolean {
    return this.#headers.authenticated;
  }

  set authenticated(yes: boolean) {
    this.#headers.authenticated = yes;
  }

  /** Input is kept that has not been looked at: call `parse` again with an empty chunk before the next one. */
  get unread(): boolean {
    return this.#unread;
  }

  /** Units: bytes kept for the next call. */
  get heldBytes(): number {
    return this.#large === undefined ? this.#rest.length : this.#large.bytes;
  }

  /** A copy of the bytes kept. Owns: the caller. */
  held(): Buffer {
    return Buffer.from(this.#large === undefined ? this.#rest : this.#large.joined());
  }

  /** Fills `batch` with the commands that `chunk` completes. Owns: the parser and the batch keep `chunk`. */
  parse(chunk: Buffer, batch: CommandBatch): ParseStatus {
    batch.reset();
    this.#unread = false;
    if (this.#large !== undefined) return this.#parseLarge(chunk, batch, this.#large);
    let end = chunk.length;
    const rest = this.#rest;
    if (rest.length === 0) batch.buffer = chunk;
    else {
      this.#rest = EMPTY;
      if (end === 0) batch.buffer = rest;
      else if (!this.authenticated) batch.buffer = Buffer.concat([rest, chunk]);
      else batch.join(rest, chunk);
      end += rest.length;
    }
    return this.#parseFrom(0, end, batch);
  }

  #parseFrom(from: number, end: number, batch: CommandBatch): ParseStatus {
    batch.limit = end;
    const at = this.#scan(from, end, batch);
    if (at === MALFORMED) return 'malformed';
    if (at === end) return 'done';
    const tail = batch.buffer.subarray(at, end);
    if (this.#unread) {
      this.#rest = tail;
      return 'done';
    }
    const large = tail[0] === STAR && (tail.length > REPARSE_BYTES_MAX || this.#wanted > COLLECT_BYTES_MIN);
    if (!large) {
      this.#rest = Buffer.from(tail);
      return 'more';
    }
    this.#large = new LargeRequest();
    return this.#parseLarge(Buffer.from(tail), batch, this.#large);
  }

  #parseLarge(chunk: Buffer, batch: CommandBatch, large: LargeRequest): ParseStatus {
    large.push(chunk);
    const status = large.parse(this.#headers);
    if (status === NEED_MORE) return 'more';
    if (status === MALFORMED) return 'malformed';
    this.#large = undefined;
    large.addTo(batch);
    if (!this.authenticated) {
      batch.limit = batch.buffer.length;
      this.#rest = batch.buffer.subarray(large.end);
      this.#unread = this.#rest.length > 0;
      return 'done';
    }
    return this.#parseFrom(large.end, batch.buffer.length, batch);
  }

  /** Hot. Reads whole commands; result: where the first incomplete one begins, or MALFORMED. */
  #scan(from: number, end: number, batch: CommandBatch): number {
    const headers = this.#headers;
    const bytes: Uint8Array = batch.buffer;
    const shortMax = Math.min(headers.limits.bulkBytesMax, 99);
    let p = from;
    let ranges: Int32Array = batch.ranges;
    while (p < end) {
      if (bytes[p] !== STAR) {
        const next = this.#inline(p, end, batch);
        if (next < 0) return next === NEED_MORE ? p : MALFORMED;
        p = next;
        ranges = batch.ranges;
      } else {
        let r = batch.firsts[batch.count];
        let q = p + 4;
        let left = bytes[p + 1] - 48;
        if (!(q <= end && bytes[p + 2] === CR && left > 0 && left <= 9)) {
          left = headers.count(bytes, p, end);
          if (left < 0) return this.#incomplete(left, p, 0);
          q = headers.at;
        }
        const empty = left === 0;
        while (left-- > 0) {
          // One or two digits are read here, all else (limits too) by the header reader.
          let length = bytes[q] === 36 && q + 5 <= end ? bytes[q + 1] - 48 : -1;
          let start = q + 4;
          if (bytes[q + 2] !== CR) {
            const low = bytes[q + 2] - 48;
            length = length > 0 && low >= 0 && low <= 9 && bytes[q + 3] === CR ? length * 10 + low : -1;
            start = q + 5;
          } else if (length > 9) length = -1;
          if (!(length >= 0 && length <= shortMax)) {
            length = headers.bulk(bytes, q, end);
            if (length < 0) return this.#incomplete(length, p, 0);
            start = headers.at;
          }
          q = start + length + 2;
          if (q > end) return this.#incomplete(NEED_MORE, p, q - p);
          if (r + 2 > ranges.length) ranges = batch.growRanges(r);
          ranges[r] = start;
          ranges[r + 1] = start + length;
          r += 2;
        }
        p = q;
        if (empty) continue;
        batch.add(r, q);
      }
      if (!headers.authenticated && batch.count > 0 && p < end) {
        this.#unread = true;
        return p;
      }
    }
    return p;
  }

  #incomplete(status: number, start: number, wanted: number): number {
    if (status === MALFORMED) return MALFORMED;
    this.#wanted = wanted;
    return start;
  }

  #inline(start: number, end: number, batch: CommandBatch): number {
    const lf = batch.buffer.indexOf(LF, start);
    if (lf < 0 || lf >= end) {
      this.#wanted = 0;
      const tooBig = end - start > this.#headers.limits.inlineBytesMax;
      return tooBig ? this.#headers.fail('too big inline request') : NEED_MORE;
    }
    const lineEnd = lf > start && batch.buffer[lf - 1] === CR ? lf - 1 : lf;
    const first = batch.firsts[batch.count];
    const r = splitInline(batch, start, lineEnd, first);
    if (r < 0) return this.#headers.fail('unbalanced quotes in request');
    if (r > first) batch.add(r, lf + 1);
    return lf + 1;
  }
}

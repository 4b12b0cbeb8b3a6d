// The two header lines of a RESP request, with Redis' limits and its words for what is wrong.
//
// count = "*" number CRLF      number of arguments; zero and less: an empty command, ignored
// bulk  = "$" number CRLF      bytes of one argument, which follow with a CRLF of their own
// Only the CR is looked for, as in Redis: the byte after it is taken for the LF.
import { UNAUTHENTICATED_ARGUMENTS_MAX, UNAUTHENTICATED_BULK_BYTES_MAX } from '../base/index.ts';
import { lengthOf } from './lengths.ts';
import type { RequestLimits } from './limits.ts';

/** The input ends before the line does. */
export const NEED_MORE = -1;
/** The line is malformed: `problem` says how. */
export const MALFORMED = -2;

const CR = 13;
const DOLLAR = 36;

/** Reads header lines; where the last one ended is in `at`. */
export class RequestHeaders {
  /** After the line read last. */
  at = 0;
  /** What is wrong, a whole error reply without its dash. */
  problem = '';
  /** Before authentication a client may send small commands only. */
  authenticated = true;
  readonly limits: RequestLimits;

  constructor(limits: RequestLimits) {
    this.limits = limits;
  }

  /** Arguments of the command at `start`; 0: an empty one. Errors: NEED_MORE, MALFORMED. */
  count(bytes: Uint8Array, start: number, end: number): number {
    const cr = this.#line(bytes, start, end);
    if (cr < 0) return cr === MALFORMED ? this.fail('too big mbulk count string') : cr;
    const count = lengthOf(bytes, start + 1, cr);
    if (Number.isNaN(count) || count > this.limits.argumentsMax) return this.fail('invalid multibulk length');
    if (count > UNAUTHENTICATED_ARGUMENTS_MAX && !this.authenticated) {
      return this.fail('unauthenticated multibulk length');
    }
    this.at = cr + 2;
    return count > 0 ? count : 0;
  }

  /** Bytes of the argument whose header is at `start`. Errors: NEED_MORE, MALFORMED. */
  bulk(bytes: Uint8Array, start: number, end: number): number {
    const cr = this.#line(bytes, start, end);
    if (cr < 0) return cr === MALFORMED ? this.fail('too big bulk count string') : cr;
    if (bytes[start] !== DOLLAR) return this.fail(`expected '$', got '${String.fromCharCode(bytes[start])}'`);
    const length = lengthOf(bytes, start + 1, cr);
    if (!(length >= 0 && length <= this.limits.bulkBytesMax)) return this.fail('invalid bulk length');
    if (length > UNAUTHENTICATED_BULK_BYTES_MAX && !this.authenticated) {
      return this.fail('unauthenticated bulk length');
    }
    this.at = cr + 2;
    return length;
  }

  /** Notes a protocol error. */
  fail(what: string): typeof MALFORMED {
    this.problem = `ERR Protocol error: ${what}`;
    return MALFORMED;
  }

  /** Where the CR of a whole line lies. */
  #line(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && bytes[at] !== CR) at++;
    if (at + 1 < end) return at;
    return end - start > this.limits.inlineBytesMax ? MALFORMED : NEED_MORE;
  }
}

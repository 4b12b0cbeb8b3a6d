// Incremental parser of replies, all types of RESP2 and RESP3 (streamed strings and aggregates are not: no Redis sends them).
//
// reply = ("+" / "-" / ":" / "," / "#" / "(") text CRLF / "_" CRLF
//       / ("$" / "=" / "!") length CRLF length(BYTE) CRLF / "$-1" CRLF
//       / ("*" / "~" / ">") n CRLF n(reply) / "*-1" CRLF / "%" n CRLF 2n(reply)
//       / "|" n CRLF 2n(reply) reply                attributes: dropped
import { INLINE_BYTES_MAX, REPLY_DEPTH_MAX, VALUE_BYTES_MAX } from '../base/index.ts';
import { lengthOf } from './lengths.ts';
import type { Reply } from './reply.ts';
import { lineReply } from './reply-lines.ts';

/** An aggregate whose elements are still coming. */
interface Frame {
  readonly mark: number;
  left: number;
  readonly items: Reply[];
}

const NEED_MORE = undefined;
const ATTRIBUTE = 124;

/** The parser of one upstream connection. */
export class ReplyParser {
  /** What is wrong, once `parse` has answered `malformed`. */
  problem = '';
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;
  #parts: Buffer[] = [];
  #partBytes = 0;
  #wanted = 0;
  #frames: Frame[] = [];

  /** Units: bytes kept for the next call. */
  get heldBytes(): number {
    return this.#buffer.length - this.#at + this.#partBytes;
  }

  /**
   * Calls `each` for every reply that `chunk` completes. Owns: bulks are views of the chunks; the parser keeps `chunk`.
   * Result: `done` nothing is left over, `more` a reply is under way, `malformed` see `problem`; nothing can follow.
   */
  parse(chunk: Buffer, each: (reply: Reply) => void): 'done' | 'more' | 'malformed' {
    if (this.problem !== '') return 'malformed';
    this.#parts.push(chunk);
    this.#partBytes += chunk.length;
    if (this.heldBytes < this.#wanted) return 'more';
    this.#join();
    this.#wanted = 0;
    while (this.#at < this.#buffer.length) {
      const reply = this.#next();
      if (this.problem !== '') return 'malformed';
      if (reply === NEED_MORE) break;
      each(reply);
    }
    return this.heldBytes === 0 && this.#frames.length === 0 ? 'done' : 'more';
  }

  #join(): void {
    if (this.#at < this.#buffer.length) this.#parts.unshift(this.#buffer.subarray(this.#at));
    this.#buffer = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts);
    this.#at = 0;
    this.#parts = [];
    this.#partBytes = 0;
  }

  /** The next whole top-level reply; elements of aggregates are kept in frames, so nothing is parsed twice. */
  #next(): Reply | undefined {
    while (this.#at < this.#buffer.length) {
      let reply = this.#element();
      if (reply === NEED_MORE) return NEED_MORE;
      if (reply === 'begun') continue;
      for (;;) {
        const frame = this.#frames[this.#frames.length - 1];
        if (frame === undefined) return reply;
        frame.items.push(reply);
        if (--frame.left > 0) break;
        this.#frames.pop();
        if (frame.mark === ATTRIBUTE) break;
        reply = aggregate(frame);
      }
    }
    return NEED_MORE;
  }

  /** One scalar, one empty aggregate, or the beginning of an aggregate. */
  #element(): Reply | 'begun' | undefined {
    const cr = this.#buffer.indexOf(13, this.#at);
    if (cr < 0 || cr + 1 >= this.#buffer.length) {
      if (this.heldBytes > INLINE_BYTES_MAX) this.problem = 'a line is too long';
      return NEED_MORE;
    }
    if (this.#buffer[cr + 1] !== 10) return this.#fail('CR without LF');
    const mark = String.fromCharCode(this.#buffer[this.#at]);
    if ('$=!'.includes(mark)) return this.#bulk(mark, cr);
    if ('*~>%|'.includes(mark)) return this.#aggregate(mark, cr);
    const reply = lineReply(mark, this.#buffer.toString('latin1', this.#at + 1, cr));
    if (reply === undefined) return this.#fail(`not a reply: ${JSON.stringify(mark)}`);
    this.#at = cr + 2;
    return reply;
  }

  #bulk(mark: string, cr: number): Reply | undefined {
    const length = lengthOf(this.#buffer, this.#at + 1, cr);
    if (length === -1 && mark === '$') {
      this.#at = cr + 2;
      return { kind: 'null' };
    }
    if (!(length >= 0 && length <= VALUE_BYTES_MAX)) return this.#fail('invalid bulk length');
    const end = cr + 2 + length;
    if (end + 2 > this.#buffer.length) {
      this.#wanted = end + 2 - this.#at;
      return NEED_MORE;
    }
    if (this.#buffer[end] !== 13 || this.#buffer[end + 1] !== 10) return this.#fail('bulk without CRLF');
    const bytes = this.#buffer.subarray(cr + 2, end);
    if (mark === '=' && (length < 4 || bytes[3] !== 58))
      return this.#fail('verbatim string without a format');
    this.#at = end + 2;
    if (mark === '$') return { kind: 'bulk', bytes };
    if (mark === '!') return { kind: 'error', text: bytes.toString('latin1') };
    return { kind: 'verbatim', format: bytes.toString('latin1', 0, 3), text: bytes.toString('latin1', 4) };
  }

  #aggregate(mark: string, cr: number): Reply | 'begun' | undefined {
    const count = lengthOf(this.#buffer, this.#at + 1, cr);
    const absent = count === -1 && mark === '*';
    if (!absent && !(count >= 0 && count < 2 ** 31)) return this.#fail('invalid aggregate length');
    this.#at = cr + 2;
    if (absent) return { kind: 'null' };
    const pairs = mark === '%' || mark === '|';
    const frame = { mark: mark.charCodeAt(0), left: pairs ? count * 2 : count, items: [] };
    if (count === 0) return mark === '|' ? 'begun' : aggregate(frame);
    if (this.#frames.length === REPLY_DEPTH_MAX) return this.#fail('aggregates nested too deeply');
    this.#frames.push(frame);
    return 'begun';
  }

  #fail(problem: string): undefined {
    this.problem = problem;
    return undefined;
  }
}

function aggregate({ mark, items }: Frame): Reply {
  if (mark === 42) return { kind: 'array', items };
  if (mark === 126) return { kind: 'set', items };
  if (mark === 62) return { kind: 'push', items };
  const entries: [Reply, Reply][] = [];
  for (let i = 0; i < items.length; i += 2) entries.push([items[i], items[i + 1]]);
  return { kind: 'map', entries };
}

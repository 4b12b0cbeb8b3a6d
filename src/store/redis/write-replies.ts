// Decodes what the write script answered: a reply for each client, and what the store is to note of each write.
//
// result  = array of one entry a unit, or an error for all of them
// entry   = version                     a SET; 24 hex digits, with a relative expiry 12 more: the time
//         / error                       nothing was changed
//         / array( reply version *touched )   version empty: nothing was changed
// touched = key ( "*" / "@" at / n *field ) / channel "!" message
import { assert, SCRIPT_UNITS_MAX } from '../../base/index.ts';
import { hex12, NotedSet } from './noted-set.ts';
import { number, replyEnd } from './reply-end.ts';
import {
  UNIT_COMMAND,
  UNIT_NULL_ARRAY,
  UNIT_SET,
  UNIT_TRANSACTION,
  type Part,
  type WriteGroup,
} from './write-group.ts';

/** Any other write: the elements of an entry behind its reply. */
export interface NotedWrite {
  readonly version: string;
  /** Owns: views of the reply; copy to keep. Shape: see `touched` above. */
  readonly touched: readonly Buffer[];
}

/** Who hears of writes. */
export interface WriteListener {
  /** A plain SET. */
  set(write: NotedSet): void;
  write(write: NotedWrite): void;
}

const OK_BYTES = 5;
const OKS = Buffer.from('+OK\r\n'.repeat(SCRIPT_UNITS_MAX));
const NULL_ARRAY = Buffer.from('*-1\r\n');
const VERSION_BYTES = 24;
const STAR = 42;
const DOLLAR = 36;
const MINUS = 45;
const STATUS = 43;
const MARK = '\r\n+\x01';

/** Hands the reply of a script call to the clients. */
export function answerUnits(group: WriteGroup, bytes: Buffer, listener: WriteListener | undefined): void {
  if (bytes[0] === MINUS) return answerAll(group, bytes);
  assert(bytes[0] === STAR, 'the write script answers an array');
  new UnitReplies(group, bytes, listener).run();
}

/** One error for all units. */
function answerAll({ parts }: WriteGroup, error: Buffer): void {
  for (const { sink, units } of parts) for (let i = 0; i < units; i++) sink.replies(error, 1, 0);
}

class UnitReplies {
  readonly #group: WriteGroup;
  readonly #bytes: Buffer;
  readonly #listener: WriteListener | undefined;
  readonly #noted = new NotedSet();
  #at: number;
  #unit = 0;

  constructor(group: WriteGroup, bytes: Buffer, listener: WriteListener | undefined) {
    this.#group = group;
    this.#bytes = bytes;
    this.#listener = listener;
    this.#at = bytes.indexOf(13) + 2;
  }

  run(): void {
    for (const part of this.#group.parts) this.#part(part);
  }

  /** Plain SETs that went well are answered together. */
  #part({ sink, units }: Part): void {
    let oks = 0;
    for (let i = 0; i < units; i++) {
      if (this.#bytes[this.#at] === DOLLAR && this.#group.kindOf(this.#unit) === UNIT_SET) {
        this.#set();
        oks++;
      } else {
        if (oks > 0) sink.replies(OKS.subarray(0, oks * OK_BYTES), oks, -1);
        oks = 0;
        const reply = this.#other();
        sink.replies(reply, 1, reply[0] === MINUS ? 0 : -1);
      }
      this.#unit++;
    }
    if (oks > 0) sink.replies(OKS.subarray(0, oks * OK_BYTES), oks, -1);
  }

  #set(): void {
    const bytes = this.#bytes;
    const length = (bytes[this.#at + 1] - 48) * 10 + bytes[this.#at + 2] - 48;
    const start = this.#at + 5;
    this.#at = start + length + 2;
    if (this.#listener === undefined) return;
    const noted = this.#noted;
    noted.readVersion(bytes, start);
    noted.at = length > VERSION_BYTES ? hex12(bytes, start + VERSION_BYTES) : 0;
    this.#group.note(this.#unit, noted);
    this.#listener.set(noted);
  }

  /** An error, or a command's reply with what it touched. */
  #other(): Buffer {
    const bytes = this.#bytes;
    const begin = this.#at;
    if (bytes[begin] !== STAR) {
      this.#at = replyEnd(bytes, begin);
      return bytes.subarray(begin, this.#at);
    }
    const line = bytes.indexOf(13, begin);
    const elements = number(bytes, begin + 1, line);
    const start = line + 2;
    const end = replyEnd(bytes, start);
    const rest: Buffer[] = [];
    this.#at = end;
    for (let i = 1; i < elements; i++) this.#element(rest);
    this.#note(rest);
    return asCommandReply(bytes.subarray(start, end), this.#group.kindOf(this.#unit));
  }

  #element(into: Buffer[]): void {
    const bytes = this.#bytes;
    const begin = this.#at;
    this.#at = replyEnd(bytes, begin);
    const line = bytes.indexOf(13, begin);
    const isBulk = bytes[begin] === DOLLAR;
    into.push(isBulk ? bytes.subarray(line + 2, this.#at - 2) : bytes.subarray(begin + 1, line));
  }

  #note([version, ...touched]: readonly Buffer[]): void {
    if (this.#listener === undefined || version === undefined) return;
    if (version.length === 0 && touched.length === 0) return;
    this.#listener.write({ version: version.toString('latin1'), touched });
  }
}

/**
 * What the script said, as the command itself would have. Lua has no integers past 2^53 and no null arrays: there it answers a
 * status whose first byte no other status has: `\x01I` and the decimal, `\x01N`.
 */
function asCommandReply(reply: Buffer, kind: number): Buffer {
  const isNull = reply[0] === DOLLAR && reply[1] === MINUS;
  if (isNull && (kind === UNIT_NULL_ARRAY || kind === UNIT_TRANSACTION)) return NULL_ARRAY;
  if (reply[0] === STATUS && reply[1] <= 1) return ofStatus(reply);
  return reply[0] === STAR && reply.indexOf(MARK) >= 0 ? elementsFixed(reply) : reply;
}

function ofStatus(reply: Buffer): Buffer {
  return reply[2] === 78 ? NULL_ARRAY : Buffer.from(`:${reply.toString('latin1', 3)}`, 'latin1');
}

/** The same inside an array. */
function elementsFixed(reply: Buffer): Buffer {
  let at = reply.indexOf(13) + 2;
  const pieces: Buffer[] = [reply.subarray(0, at)];
  while (at < reply.length) {
    const end = replyEnd(reply, at);
    pieces.push(asCommandReply(reply.subarray(at, end), UNIT_COMMAND));
    at = end;
  }
  return Buffer.concat(pieces);
}

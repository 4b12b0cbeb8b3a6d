// Frames of a peer link out of a byte stream: RESP arrays of bulk strings, or an error line.
import { MqkvError, VALUE_BYTES_MAX } from '../../base/index.ts';

/** A message holds one envelope at most, and that no more than a value and its headers. */
const MESSAGE_BYTES_MAX = VALUE_BYTES_MAX + 1024 * 1024;
/** A greeting: names, ids and proofs. Nobody unknown makes a site keep more. */
const GREETING_BYTES_MAX = 4096;
const PARTS_MAX = 16;
const LINE_BYTES_MAX = 4096;
const CR = 13;

// frame := "*" count CRLF (“$” length CRLF bytes CRLF){count}   |   "-" text CRLF

/** Incremental: feed chunks, take whole frames. */
export class PeerFrames {
  #chunks: Buffer[] = [];
  #length = 0;
  /** Bytes needed before looking again makes sense: keeps large frames from being scanned at every chunk. */
  #needed = 1;
  #bytesMax = GREETING_BYTES_MAX;

  /** The other side has proven who it is: frames may be as large as messages. */
  trust(): void {
    this.#bytesMax = MESSAGE_BYTES_MAX;
  }

  /** Owns: keeps `chunk` until its frames are taken. */
  feed(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /** The next whole frame, undefined when more bytes are needed. Owns: the caller; parts are views.
   *  Errors: MqkvError `PEER_REFUSED` for an error line, `MALFORMED_FRAME`. */
  next(): readonly Buffer[] | undefined {
    if (this.#length < this.#needed) return undefined;
    const bytes = this.#joined();
    const parts: Buffer[] = [];
    const head = this.#line(bytes, 0);
    if (head === undefined) return undefined;
    if (bytes[0] === 0x2d) throw new MqkvError('PEER_REFUSED', bytes.toString('latin1', 1, head));
    const count = number(bytes, 0, head, 0x2a);
    if (count < 1 || count > PARTS_MAX) throw malformed(`an array of ${count}`);
    let at = head + 2;
    for (let i = 0; i < count; i++) {
      const end = this.#line(bytes, at);
      if (end === undefined) return undefined;
      const size = number(bytes, at, end, 0x24);
      if (size > this.#bytesMax) throw malformed(`a part of ${size} bytes`);
      at = end + 2 + size + 2;
      if (at > bytes.length) return this.#wait(at);
      parts.push(bytes.subarray(end + 2, end + 2 + size));
    }
    this.#take(bytes, at);
    return parts;
  }

  #joined(): Buffer {
    const [first] = this.#chunks;
    if (this.#chunks.length === 1 && first !== undefined) return first;
    const joined = Buffer.concat(this.#chunks, this.#length);
    this.#chunks = [joined];
    return joined;
  }

  #line(bytes: Buffer, from: number): number | undefined {
    const end = bytes.indexOf(CR, from);
    if (end >= 0 && end - from <= LINE_BYTES_MAX && end + 2 <= bytes.length) return end;
    if (bytes.length - from > LINE_BYTES_MAX) throw malformed('a line without end');
    return this.#wait(bytes.length + 1);
  }

  #wait(needed: number): undefined {
    this.#needed = needed;
    return undefined;
  }

  #take(bytes: Buffer, at: number): void {
    const rest = bytes.subarray(at);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#length = rest.length;
    this.#needed = 1;
  }
}

function number(bytes: Buffer, from: number, to: number, mark: number): number {
  const text = bytes.toString('latin1', from + 1, to);
  if (bytes[from] !== mark || !/^\d{1,10}$/.test(text))
    throw malformed(`'${bytes.toString('latin1', from, to).slice(0, 32)}'`);
  return Number(text);
}

function malformed(what: string): MqkvError {
  return new MqkvError('MALFORMED_FRAME', `malformed peer frame: ${what}`);
}

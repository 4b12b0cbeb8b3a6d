// Writes replies of both protocols into one growing buffer, which is copied out once per chunk of input.
//
// RESP2: "+" text  "-" error  ":" integer  "$" bulk  "*" array         RESP3 adds: "_" null  "," double  "#" boolean
// "(" big number  "=" verbatim  "%" map  "~" set  ">" push; on a RESP2 connection these become the nearest RESP2 form.
import { formatDouble } from './format-double.ts';

/** Units: bytes. Size of the buffer at first. */
const BUFFER_BYTES = 1024;
/** Units: bytes. A buffer that has grown beyond it is not kept. */
const BUFFER_BYTES_KEPT = 1024 * 1024;
/** Units: bytes. A larger value is copied to a buffer of its own, not through the shared one. */
const PIECE_BYTES_MIN = 64 * 1024;
/** Units: bytes. Below it a loop copies faster than a call. */
const LOOP_BYTES_MAX = 40;
/** Units: bytes. Below it words through a DataView copy faster than a call (64 bytes: 12 ns, a call 70, a byte loop 90). */
const WORDS_BYTES_MAX = 256;

const CR = 13;
const LF = 10;
const PLUS = 43;
const MINUS = 45;
const COLON = 58;
const DOLLAR = 36;
const STAR = 42;

/** A growing buffer of replies. Hot: nothing is allocated by the common replies. */
export class ReplyWriter {
  /** The protocol that the replies are written in. */
  protocol: 2 | 3 = 2;
  #buffer: Buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #view = viewOf(this.#buffer);
  /** Where bytes came from last (a store answers from few large buffers), and a view of it from the second time on. */
  #source: Uint8Array | undefined;
  #sourceView: DataView | undefined;
  #at = 0;
  #pieces: Buffer[] = [];
  #pieceBytes = 0;

  /** Units: bytes written and not yet taken. */
  get length(): number {
    return this.#pieceBytes + this.#at;
  }

  /** `+OK`. */
  ok(): void {
    this.#room(5);
    const out: Uint8Array = this.#buffer;
    const at = this.#at;
    out[at] = PLUS;
    out[at + 1] = 79;
    out[at + 2] = 75;
    out[at + 3] = CR;
    out[at + 4] = LF;
    this.#at = at + 5;
  }

  /** A status line. Line breaks become blanks. Shape: latin1. */
  simple(text: string): void {
    this.#line(PLUS, text);
  }

  /** An error, whole: `ERR …`. Line breaks become blanks. Shape: latin1. */
  error(text: string): void {
    this.#line(MINUS, text);
  }

  /** An integer. */
  integer(n: number | bigint): void {
    if (typeof n === 'number' && n >= 0) this.#header(COLON, n);
    else this.#text(`:${n}\r\n`);
  }

  /** A bulk string of bytes `start` up to `end`. Owns: the bytes are copied. */
  bulk(bytes: Uint8Array, start = 0, end = bytes.length): void {
    this.#header(DOLLAR, end - start);
    this.#bytes(bytes, start, end);
    this.#crlf();
  }

  /** A bulk string of a latin1 string. */
  latin1(text: string): void {
    this.#header(DOLLAR, text.length);
    this.#text(text);
    this.#crlf();
  }

  /** No such value: `$-1`, or `_` in RESP3. */
  null(): void {
    this.#text(this.protocol === 3 ? '_\r\n' : '$-1\r\n');
  }

  /** No such array: `*-1`, or `_` in RESP3. */
  nullArray(): void {
    this.#text(this.protocol === 3 ? '_\r\n' : '*-1\r\n');
  }

  /** Begins an array: n replies follow. */
  array(n: number): void {
    this.#header(STAR, n);
  }

  /** Begins a map: n pairs of replies follow. RESP2: a flat array. */
  map(n: number): void {
    if (this.protocol === 3) this.#header(37, n);
    else this.#header(STAR, n * 2);
  }

  /** Begins a set: n replies follow. RESP2: an array. */
  set(n: number): void {
    this.#header(this.protocol === 3 ? 126 : STAR, n);
  }

  /** Begins out-of-band data: n replies follow. RESP2: an array. */
  push(n: number): void {
    this.#header(this.protocol === 3 ? 62 : STAR, n);
  }

  /** A double. RESP2: a bulk string. */
  double(x: number): void {
    const text = formatDouble(x);
    if (this.protocol === 3) this.#text(`,${text}\r\n`);
    else this.latin1(text);
  }

  /** A boolean. RESP2: 1 or 0. */
  boolean(b: boolean): void {
    if (this.protocol === 3) this.#text(b ? '#t\r\n' : '#f\r\n');
    else this.integer(b ? 1 : 0);
  }

  /** Text with a format of three letters (`txt`, `mkd`). RESP2: a bulk string. */
  verbatim(format: string, text: string): void {
    if (this.protocol === 3) {
      this.#header(61, text.length + 4);
      this.#text(`${format.slice(0, 3).padEnd(3)}:`);
      this.#text(text);
      this.#crlf();
    } else this.latin1(text);
  }

  /** An integer of any size. RESP2: a bulk string. */
  bigNumber(n: bigint): void {
    if (this.protocol === 3) this.#text(`(${n}\r\n`);
    else this.latin1(String(n));
  }

  /** Bytes as they are: whole replies made elsewhere. Owns: the bytes are copied. */
  raw(bytes: Uint8Array): void {
    this.#bytes(bytes, 0, bytes.length);
  }

  /** Takes the first `length` bytes written (all by default). Owns: the caller. */
  take(length: number = this.length): Buffer[] {
    const taken: Buffer[] = [];
    let left = length;
    while (left > 0 && this.#pieces.length > 0) {
      const piece = this.#pieces[0];
      const part = piece.length <= left ? piece : piece.subarray(0, left);
      if (part === piece) this.#pieces.shift();
      else this.#pieces[0] = piece.subarray(left);
      this.#pieceBytes -= part.length;
      left -= part.length;
      taken.push(part);
    }
    if (left > 0) taken.push(this.#copyOut(left));
    return taken;
  }

  /** Gives this writer, which is empty, the grown buffer of `busy`, which goes on in the small one of this. */
  exchange(busy: ReplyWriter): void {
    const at = busy.#at;
    const small = this.#buffer.length >= at ? this.#buffer : Buffer.allocUnsafeSlow(at);
    busy.#buffer.copy(small, 0, 0, at);
    this.#use(busy.#buffer);
    busy.#use(small);
  }

  /** Units: bytes of the buffer. */
  get capacity(): number {
    return this.#buffer.length;
  }

  /** Drops all but the first `length` bytes. */
  truncate(length: number): void {
    while (this.#pieceBytes > length) {
      this.#at = 0;
      const piece = this.#pieces.pop();
      if (piece === undefined) return;
      this.#pieceBytes -= piece.length;
      if (this.#pieceBytes < length) this.#addPiece(piece.subarray(0, length - this.#pieceBytes));
    }
    this.#at = length - this.#pieceBytes;
  }

  #copyOut(length: number): Buffer {
    const copy = Buffer.allocUnsafe(length);
    const buffer = this.#buffer;
    if (length <= LOOP_BYTES_MAX) for (let i = 0; i < length; i++) copy[i] = buffer[i];
    else buffer.copy(copy, 0, 0, length);
    if (length < this.#at) buffer.copyWithin(0, length, this.#at);
    this.#at -= length;
    if (this.#at === 0 && buffer.length > BUFFER_BYTES_KEPT) this.#use(Buffer.allocUnsafeSlow(BUFFER_BYTES));
    return copy;
  }

  #addPiece(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#pieceBytes += piece.length;
  }

  #room(bytes: number): void {
    if (this.#at + bytes > this.#buffer.length) this.#grow(bytes);
  }

  #grow(bytes: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#at + bytes, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#use(larger);
  }

  #crlf(): void {
    this.#room(2);
    this.#buffer[this.#at] = CR;
    this.#buffer[this.#at + 1] = LF;
    this.#at += 2;
  }

  /** A mark, a number that is an integer from 0, CRLF. */
  #header(mark: number, n: number): void {
    this.#room(24);
    const out: Uint8Array = this.#buffer;
    let at = this.#at;
    out[at++] = mark;
    if (n < 10) out[at++] = 48 + n;
    else if (n < 100) {
      const tens = (n / 10) | 0;
      out[at++] = 48 + tens;
      out[at++] = 48 + n - tens * 10;
    } else at = digits(out, at, n);
    out[at] = CR;
    out[at + 1] = LF;
    this.#at = at + 2;
  }

  #line(mark: number, text: string): void {
    this.#room(1);
    this.#buffer[this.#at++] = mark;
    this.#text(/[\r\n]/.test(text) ? text.replace(/[\r\n]/g, ' ') : text);
    this.#crlf();
  }

  #text(text: string): void {
    const length = text.length;
    this.#room(length);
    const out: Uint8Array = this.#buffer;
    let at = this.#at;
    if (length > LOOP_BYTES_MAX) this.#buffer.write(text, at, 'latin1');
    else for (let i = 0; i < length; i++) out[at++] = text.charCodeAt(i);
    this.#at += length;
  }

  #bytes(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length >= PIECE_BYTES_MIN) return this.#large(bytes, start, end);
    this.#room(length);
    const at = this.#at;
    this.#at = at + length;
    if (length <= WORDS_BYTES_MAX) {
      if (bytes === this.#source) {
        this.#sourceView ??= viewOf(bytes);
        this.#words(this.#sourceView, start, end, at);
        return;
      }
      this.#source = bytes;
      this.#sourceView = undefined;
    }
    const out: Uint8Array = this.#buffer;
    if (length > LOOP_BYTES_MAX) out.set(bytes.subarray(start, end), at);
    else for (let i = start, j = at; i < end; i++) out[j++] = bytes[i];
  }

  /** Hot, hence its four numbers: copies bytes of a source to `at` of the buffer, four at a time. */
  #words(source: DataView, start: number, end: number, at: number): void {
    const target = this.#view;
    let from = start;
    let to = at;
    for (const last = end - 3; from < last; from += 4, to += 4) {
      target.setInt32(to, source.getInt32(from, true), true);
    }
    for (; from < end; from++) target.setUint8(to++, source.getUint8(from));
  }

  /** Goes on in another buffer. */
  #use(buffer: Buffer): void {
    this.#buffer = buffer;
    this.#view = viewOf(buffer);
  }

  #large(bytes: Uint8Array, start: number, end: number): void {
    if (this.#at > 0) {
      const at = this.#at;
      this.#addPiece(this.#copyOut(at));
    }
    this.#addPiece(Buffer.from(bytes.subarray(start, end)));
  }
}

function digits(out: Uint8Array, start: number, n: number): number {
  if (n >= 1e9) {
    const text = String(n);
    for (let i = 0; i < text.length; i++) out[start + i] = text.charCodeAt(i);
    return start + text.length;
  }
  let end = start + 3;
  for (let bound = 1000; bound <= n; bound *= 10) end++;
  let rest = n;
  for (let at = end - 1; at >= start; at--) {
    const tens = (rest / 10) | 0;
    out[at] = 48 + rest - tens * 10;
    rest = tens;
  }
  return end;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

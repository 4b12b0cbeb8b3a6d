// A growing buffer of RESP bulk strings: how requests are built without an object per argument.

/** Units: bytes. The buffer at first. */
const BYTES_AT_FIRST = 16 * 1024;
/** Units: bytes. Up to it a loop copies faster than a call. */
const LOOP_BYTES_MAX = 32;
/** Units: bytes. Up to it words through DataViews copy faster than a call. */
const WORDS_BYTES_MAX = 512;
/** A header: mark, digits, CRLF. */
const HEADER_BYTES_MAX = 16;
const CR = 13;
const LF = 10;
const DOLLAR = 36;

/** Bulk strings being put together. Owns: its buffer until `taken`. */
export class RequestBytes {
  /** The bytes written: 0 up to `at`. */
  buffer: Buffer = Buffer.allocUnsafeSlow(BYTES_AT_FIRST);
  at = 0;
  #view = viewOf(this.buffer);
  #source: Uint8Array | undefined;
  #sourceView: DataView | undefined;

  /** Makes room for so many more bytes. */
  room(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.at + bytes, this.buffer.length * 2));
    this.buffer.copy(larger, 0, 0, this.at);
    this.buffer = larger;
    this.#view = viewOf(larger);
  }

  /** A bulk string of bytes `start` up to `end`. Result: where they begin in the buffer. */
  bulk(source: Uint8Array, start: number, end: number): number {
    const length = end - start;
    this.room(length + HEADER_BYTES_MAX + 2);
    this.#header(length);
    const begin = this.at;
    this.#copy(source, start, end);
    this.#crlf();
    return begin;
  }

  /** A bulk string of latin1 text. */
  text(text: string): void {
    const length = text.length;
    this.room(length + HEADER_BYTES_MAX + 2);
    this.#header(length);
    if (length > LOOP_BYTES_MAX) this.buffer.write(text, this.at, 'latin1');
    else for (let i = 0; i < length; i++) this.buffer[this.at + i] = text.charCodeAt(i);
    this.at += length;
    this.#crlf();
  }

  /** Bytes as they are. Result: where they begin in the buffer. */
  raw(source: Uint8Array, start = 0, end = source.length): number {
    this.room(end - start);
    const begin = this.at;
    this.#copy(source, start, end);
    return begin;
  }

  #header(length: number): void {
    const out: Uint8Array = this.buffer;
    let at = this.at;
    out[at++] = DOLLAR;
    if (length < 10) out[at++] = 48 + length;
    else if (length < 100) {
      const tens = (length / 10) | 0;
      out[at++] = 48 + tens;
      out[at++] = 48 + length - tens * 10;
    } else {
      const text = String(length);
      for (let i = 0; i < text.length; i++) out[at++] = text.charCodeAt(i);
    }
    out[at] = CR;
    out[at + 1] = LF;
    this.at = at + 2;
  }

  #crlf(): void {
    this.buffer[this.at] = CR;
    this.buffer[this.at + 1] = LF;
    this.at += 2;
  }

  #copy(source: Uint8Array, start: number, end: number): void {
    const length = end - start;
    const to = this.at;
    this.at = to + length;
    if (length <= LOOP_BYTES_MAX) {
      const out: Uint8Array = this.buffer;
      for (let i = start, j = to; i < end; i++) out[j++] = source[i];
    } else if (length <= WORDS_BYTES_MAX) this.#words(this.#viewOfSource(source), start, end);
    else this.buffer.set(source.subarray(start, end), to);
  }

  #viewOfSource(source: Uint8Array): DataView {
    if (this.#source !== source || this.#sourceView === undefined) {
      this.#source = source;
      this.#sourceView = viewOf(source);
    }
    return this.#sourceView;
  }

  /** Hot: copies to where the copied bytes end at `at`, four at a time. */
  #words(source: DataView, start: number, end: number): void {
    const target = this.#view;
    let to = this.at - (end - start);
    let from = start;
    for (const last = end - 3; from < last; from += 4, to += 4)
      target.setInt32(to, source.getInt32(from, true), true);
    for (; from < end; from++) target.setUint8(to++, source.getUint8(from));
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

// One command too large for a chunk: its pieces are collected, joined when they suffice, and never parsed twice.
import type { CommandBatch } from './command-batch.ts';
import { MALFORMED, NEED_MORE, type RequestHeaders } from './request-headers.ts';

const PART_BYTES_MIN = 16 * 1024;

/**
 * A multibulk command under way. Cost: each byte is copied a bounded number of times (the joined buffer doubles),
 * each header is read once, whatever the sizes of the pieces.
 */
export class LargeRequest {
  #joined: Buffer = Buffer.alloc(0);
  #used = 0;
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  #wanted = 0;
  /** Next unread byte, and arguments not yet read; -1: the count is not read. */
  #at = 0;
  #left = -1;
  #ranges = new Int32Array(64);
  #r = 0;

  /** Units: bytes. What has been received of it (and after it). */
  get bytes(): number {
    return this.#used + this.#partBytes;
  }

  /** Where the command ends in `joined`, once done. */
  get end(): number {
    return this.#at;
  }

  /** Takes the next piece. Owns: the request, from now on. */
  push(chunk: Uint8Array): void {
    this.#parts.push(chunk);
    this.#partBytes += chunk.length;
    if (this.#parts.length > 1 && chunk.length < PART_BYTES_MIN) this.#fold();
  }

  /** Everything received, joined. Owns: the request, until it is dropped. */
  joined(): Buffer {
    if (this.#parts.length === 0) return this.#joined.subarray(0, this.#used);
    const bytes = this.bytes;
    if (this.#joined.length < bytes) {
      const larger = Buffer.allocUnsafeSlow(Math.max(bytes, this.#used === 0 ? 0 : this.#joined.length * 2));
      larger.set(this.#joined.subarray(0, this.#used));
      this.#joined = larger;
    }
    for (const part of this.#parts) {
      this.#joined.set(part, this.#used);
      this.#used += part.length;
    }
    this.#parts = [];
    this.#partBytes = 0;
    return this.#joined.subarray(0, this.#used);
  }

  /** Reads on. Result: 1 the command is complete, or NEED_MORE, or MALFORMED. */
  parse(headers: RequestHeaders): number {
    if (this.bytes < this.#wanted) return NEED_MORE;
    const bytes = this.joined();
    if (this.#left < 0) {
      const count = headers.count(bytes, 0, bytes.length);
      if (count < 0) return this.#need(count, bytes.length + 1, headers);
      this.#left = count;
      this.#at = headers.at;
    }
    while (this.#left > 0) {
      const status = this.#argument(bytes, headers);
      if (status !== 1) return status;
    }
    return 1;
  }

  /** Adds the complete command to an empty batch. */
  addTo(batch: CommandBatch): void {
    batch.buffer = this.joined();
    if (this.#r === 0) return;
    batch.growRanges(this.#r).set(this.#ranges.subarray(0, this.#r));
    batch.add(this.#r, this.#at);
  }

  #argument(bytes: Uint8Array, headers: RequestHeaders): number {
    const length = headers.bulk(bytes, this.#at, bytes.length);
    if (length < 0) return this.#need(length, bytes.length + 1, headers);
    const start = headers.at;
    const next = start + length + 2;
    if (next > bytes.length) return this.#need(NEED_MORE, next, headers);
    if (this.#r === this.#ranges.length) {
      const larger = new Int32Array(this.#r * 2);
      larger.set(this.#ranges);
      this.#ranges = larger;
    }
    this.#ranges[this.#r++] = start;
    this.#ranges[this.#r++] = start + length;
    this.#at = next;
    this.#left--;
    return 1;
  }

  #need(status: number, wanted: number, headers: RequestHeaders): number {
    if (status === MALFORMED) return MALFORMED;
    this.#wanted = wanted;
    return wanted > headers.limits.queryBytesMax ? headers.fail('query buffer limit exceeded') : NEED_MORE;
  }

  /** Keeps a slow sender's tiny pieces from holding more memory than their bytes. */
  #fold(): void {
    const last = this.#parts[this.#parts.length - 1];
    const before = this.#parts[this.#parts.length - 2];
    if (before.length >= PART_BYTES_MIN * 4 || before.length + last.length > PART_BYTES_MIN * 4) {
      this.#parts[this.#parts.length - 1] = Buffer.from(last);
      return;
    }
    this.#parts.splice(-2, 2, Buffer.concat([before, last]));
  }
}

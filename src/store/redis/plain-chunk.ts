// A piece of memory of the outbox: deltas of plain SETs one after another, and where each begins; and how much one taking holds.
import { ENVELOPE_BYTES } from '../../base/index.ts';
import { RequestBytes } from './request-bytes.ts';

/** Units: bytes of a chunk's deltas. */
export const CHUNK_BYTES = ENVELOPE_BYTES;
export const CHUNK_SETS = 1024;
export const CHUNK_SHIFT = 10;
/** Units: bytes. A larger delta does not go in. */
export const PLAIN_DELTA_BYTES_MAX = CHUNK_BYTES / 2;

/** Deltas of one origin. */
export class Chunk {
  origin = 0;
  /** Position among all writes when it began. */
  began = 0;
  readonly bytes = new RequestBytes();
  count = 0;
  /** Deltas before this one were taken. */
  first = 0;
  live = 0;
  /** Where each delta begins; `~` of it: dead. */
  readonly starts = new Int32Array(CHUNK_SETS);
  readonly hashes = new Int32Array(CHUNK_SETS);
  readonly nexts = new Int32Array(CHUNK_SETS);
  readonly befores = new Int32Array(CHUNK_SETS);

  reset(origin: number, began: number): this {
    this.origin = origin;
    this.began = began;
    this.bytes.at = 0;
    this.count = 0;
    this.first = 0;
    this.live = 0;
    return this;
  }

  startOf(i: number): number {
    const start = this.starts[i];
    return start < 0 ? ~start : start;
  }

  endOf(i: number): number {
    return i + 1 < this.count ? this.startOf(i + 1) : this.bytes.at;
  }
}

/** How much one taking may hold, and how much it holds. */
export interface Budget {
  bytes: number;
  count: number;
  readonly bytesMax: number;
  readonly keysMax: number;
}

/** Takes so much of it; false: it does not fit. The first always does. */
export function fits(budget: Budget, bytes: number, keys: number): boolean {
  const { count, keysMax } = budget;
  if (count > 0 && (budget.bytes + bytes > budget.bytesMax || count + keys > keysMax)) return false;
  budget.bytes += bytes;
  budget.count += keys;
  return true;
}

// Commands on their way to the socket: kept in order, joined when small, cut when large.
import type { ReplySink } from './link.ts';

/** The bytes of one `forward`. */
export interface Request {
  readonly pieces: Buffer | readonly Buffer[];
  readonly bytes: number;
  readonly sink: ReplySink;
  /** Replies still to come. */
  left: number;
  /** Units: Unix ms. Since when it waits for a connection; 0: it does not. */
  since: number;
}

/** A request for bytes of one or more pieces. */
export function requestOf(pieces: Buffer | readonly Buffer[], left: number, sink: ReplySink): Request {
  let bytes = 0;
  if (isOne(pieces)) bytes = pieces.length;
  else for (const piece of pieces) bytes += piece.length;
  return { pieces, bytes, sink, left, since: 0 };
}

/** The bytes of a request. Owns: the list is the caller's. */
export function piecesOf({ pieces }: Request): Buffer[] {
  return isOne(pieces) ? [pieces] : [...pieces];
}

function isOne(pieces: Buffer | readonly Buffer[]): pieces is Buffer {
  return pieces instanceof Uint8Array;
}

/** Units: bytes. Smaller pieces are copied together: a system call and its bookkeeping cost more. */
const JOIN_BYTES_MAX = 16 * 1024;
/** Units: bytes. Larger pieces are cut, so that progress shows and a connection's death finds little written. */
const PIECE_BYTES_MAX = 1024 * 1024;

/** The requests that wait to be written. */
export class Outgoing {
  /** Units: bytes that wait. */
  bytes = 0;
  #requests: Request[] = [];
  /** What is left of a request of which a part was taken. */
  #rest: Buffer[] = [];

  get isEmpty(): boolean {
    return this.#requests.length === 0 && this.#rest.length === 0;
  }

  /** Requests of which nothing was taken. */
  get count(): number {
    return this.#requests.length;
  }

  push(request: Request): void {
    this.#requests.push(request);
    this.bytes += request.bytes;
  }

  /** Takes whole requests and at last perhaps a part of one. `started` is told of each request that begins, in order. */
  take(maxBytes: number, started: (request: Request) => void): Buffer[] {
    const pieces: Buffer[] = [];
    let left = maxBytes - this.#takeRest(maxBytes, pieces);
    let taken = 0;
    while (left > 0 && this.#rest.length === 0 && taken < this.#requests.length) {
      const request = this.#requests[taken++];
      started(request);
      left -= this.#takeRequest(request, left, pieces);
    }
    if (taken > 0) this.#requests = taken === this.#requests.length ? [] : this.#requests.slice(taken);
    return pieces;
  }

  #takeRequest(request: Request, maxBytes: number, out: Buffer[]): number {
    const { pieces, bytes } = request;
    if (bytes > maxBytes) {
      this.#rest = piecesOf(request);
      return this.#takeRest(maxBytes, out);
    }
    this.bytes -= bytes;
    if (isOne(pieces)) out.push(pieces);
    else for (const piece of pieces) out.push(piece);
    return bytes;
  }

  #takeRest(maxBytes: number, out: Buffer[]): number {
    let taken = 0;
    while (this.#rest.length > 0 && taken < maxBytes) {
      const room = Math.min(maxBytes - taken, PIECE_BYTES_MAX);
      const first = this.#rest[0];
      if (first.length > room) {
        out.push(first.subarray(0, room));
        this.#rest[0] = first.subarray(room);
      } else {
        out.push(first);
        this.#rest.shift();
      }
      taken += Math.min(first.length, room);
    }
    this.bytes -= taken;
    return taken;
  }

  /** The connection has ended: what was begun is over. */
  dropRest(): void {
    for (const piece of this.#rest) this.bytes -= piece.length;
    this.#rest = [];
  }

  /** Marks what has no mark yet as waiting since `now`. */
  markWaiting(now: number): void {
    for (const request of this.#requests) if (request.since === 0) request.since = now;
  }

  /** Removes those that wait since before `before`, the oldest first. */
  removeOlder(before: number): Request[] {
    let n = 0;
    while (n < this.#requests.length && this.#requests[n].since <= before) n++;
    const removed = this.#requests.slice(0, n);
    this.#requests = this.#requests.slice(n);
    for (const { bytes } of removed) this.bytes -= bytes;
    return removed;
  }

  /** Removes all of which nothing was taken. */
  removeAll(): Request[] {
    return this.removeOlder(Number.POSITIVE_INFINITY);
  }

  /** Units: Unix ms. Since when the first waits; undefined: none does. */
  get waitingSince(): number | undefined {
    return this.#requests[0]?.since;
  }
}

/** Joins neighbouring small pieces. */
export function joinSmall(pieces: Buffer[]): Buffer[] {
  if (pieces.length < 2) return pieces;
  const joined: Buffer[] = [];
  let small: Buffer[] = [];
  for (const piece of pieces) {
    if (piece.length <= JOIN_BYTES_MAX) {
      small.push(piece);
      continue;
    }
    if (small.length > 0) joined.push(concat(small));
    small = [];
    joined.push(piece);
  }
  if (small.length > 0) joined.push(concat(small));
  return joined;
}

function concat(pieces: readonly Buffer[]): Buffer {
  return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
}

// Plain SETs that wait to be sent, as the deltas they will be: one after another in chunks of memory, found by key. A write costs no
// object and one copy.
//
// 1. Of a key at most one delta is live: the newest. What it replaces stays in its chunk, dead, until the chunk goes or is tidied.
// 2. A chunk holds writes of one origin; chunks go in the order of their beginning.
// 3. A ref names a delta: chunk * CHUNK_SETS + number within it. Live ones hang in lists by hash of the key, 0 ends a list.
import type { Latin1 } from '../../base/index.ts';
import type { NotedSet } from './noted-set.ts';
import { type Budget, Chunk, CHUNK_BYTES, CHUNK_SETS, CHUNK_SHIFT, fits } from './plain-chunk.ts';
import {
  compareVersion,
  keyAtOf,
  keyBytesOf,
  plainDeltaBytes,
  versionTextOf,
  writePlainHead,
} from './plain-delta.ts';

/** Units: bytes, about, that a delta takes beside its own. */
export const PLAIN_SET_BYTES = 16;
const BUCKETS_AT_FIRST = 4096;
/** Of a key with more in its list the older ones may be live too: that does no harm, and a list costs little. */
const LOOK_MAX = 32;
const SPARE_CHUNKS_MAX = 4;

/** The plain SETs of one gateway. */
export class PlainWrites {
  #chunks: (Chunk | undefined)[] = [undefined];
  /** Numbers of chunks, the oldest first. */
  #order: number[] = [];
  readonly #open = new Map<number, number>();
  readonly #spare: Chunk[] = [];
  #buckets = new Int32Array(BUCKETS_AT_FIRST);
  #size = 0;
  #used = 0;
  #liveBytes = 0;

  /** Live ones. */
  get size(): number {
    return this.#size;
  }

  /** Units: bytes, about, dead ones included. */
  get bytes(): number {
    return this.#used;
  }

  /** Units: bytes of the dead. */
  get deadBytes(): number {
    return this.#used - this.#liveBytes;
  }

  /** When the oldest began, and its origin; undefined: nothing is live. */
  get oldest(): { readonly began: number; readonly origin: number } | undefined {
    for (const id of this.#order) {
      const chunk = this.#at(id);
      if (chunk.live > 0) return chunk;
    }
    return undefined;
  }

  /** Adds the delta of a SET; all before it of the key is covered. `now`: its position among all writes. Owns: copies. */
  add(set: NotedSet, now: number): void {
    const hash = hashOf(set.body, set.keyAt, set.keyAt + set.keyBytes);
    const held = this.#find(hash, set.body, set.keyAt, set.keyBytes);
    if (held !== 0) {
      const chunk = this.#at(held >> CHUNK_SHIFT);
      if (compareVersion(chunk.bytes.buffer, chunk.startOf(held & (CHUNK_SETS - 1)), set) >= 0) return;
      this.#kill(held);
    }
    const id = this.#room(set.origin, plainDeltaBytes(set), now);
    const { bytes } = this.#at(id);
    const start = bytes.at;
    bytes.room(plainDeltaBytes(set));
    bytes.at = writePlainHead(bytes.buffer, start, set);
    bytes.raw(set.body, set.keyAt, set.keyAt + set.keyBytes);
    bytes.raw(set.body, set.valueAt, set.valueAt + set.valueBytes);
    this.#link(id, start, hash);
  }

  /** Forgets a key's. Result: its version as 24 hex; undefined: there was none. */
  remove(key: Uint8Array): Latin1 | undefined {
    const held = this.#find(hashOf(key, 0, key.length), key, 0, key.length);
    if (held === 0) return undefined;
    const chunk = this.#at(held >> CHUNK_SHIFT);
    const version = versionTextOf(chunk.bytes.buffer, chunk.startOf(held & (CHUNK_SETS - 1)));
    this.#kill(held);
    return version;
  }

  has(key: Uint8Array): boolean {
    return this.#find(hashOf(key, 0, key.length), key, 0, key.length) !== 0;
  }

  /** Takes the oldest of an origin, as far as they fit. Owns: the caller. */
  take(origin: number, budget: Budget): Buffer {
    const pieces: Buffer[] = [];
    for (const id of Array.from(this.#order)) {
      if (this.#at(id).origin !== origin) continue;
      if (!this.#takeOf(id, { pieces, budget })) break;
      this.#drop(id);
    }
    return joined(pieces);
  }

  /** Of one chunk; deltas that follow each other are one piece. Result: whether that was all of it. */
  #takeOf(id: number, { pieces, budget }: { readonly pieces: Buffer[]; readonly budget: Budget }): boolean {
    const chunk = this.#at(id);
    const { buffer } = chunk.bytes;
    let from = -1;
    for (; chunk.first < chunk.count; chunk.first++) {
      const start = chunk.starts[chunk.first];
      if (start >= 0) {
        const bytes = chunk.endOf(chunk.first) - start;
        if (!fits(budget, bytes, 1)) break;
        if (from < 0) from = start;
        this.#unlink(id * CHUNK_SETS + chunk.first);
      } else if (from >= 0) {
        pieces.push(buffer.subarray(from, ~start));
        from = -1;
      }
    }
    const end = chunk.first < chunk.count ? chunk.startOf(chunk.first) : chunk.bytes.at;
    if (from >= 0) pieces.push(buffer.subarray(from, end));
    return chunk.first === chunk.count;
  }

  /** Moves the live ones together. */
  tidy(): void {
    const old = this.#order.map((id) => this.#at(id));
    this.#chunks = [undefined];
    this.#order = [];
    this.#open.clear();
    this.#buckets.fill(0);
    this.#size = 0;
    this.#used = 0;
    this.#liveBytes = 0;
    for (const chunk of old) {
      for (let i = chunk.first; i < chunk.count; i++) {
        const start = chunk.starts[i];
        if (start < 0) continue;
        const end = chunk.endOf(i);
        const id = this.#room(chunk.origin, end - start, chunk.began);
        this.#link(id, this.#at(id).bytes.raw(chunk.bytes.buffer, start, end), chunk.hashes[i]);
      }
      this.#keep(chunk);
    }
  }

  #at(id: number): Chunk {
    return this.#chunks[id] as Chunk;
  }

  /** The chunk that the next delta of so many bytes goes to. */
  #room(origin: number, bytes: number, now: number): number {
    const open = this.#open.get(origin);
    if (open !== undefined) {
      const chunk = this.#at(open);
      if (chunk.count < CHUNK_SETS && chunk.bytes.at + bytes <= CHUNK_BYTES) return open;
    }
    const id = this.#freeId();
    this.#chunks[id] = (this.#spare.pop() ?? new Chunk()).reset(origin, now);
    this.#order.push(id);
    this.#open.set(origin, id);
    return id;
  }

  #freeId(): number {
    const free = this.#chunks.indexOf(undefined, 1);
    return free < 0 ? this.#chunks.length : free;
  }

  #find(hash: number, body: Uint8Array, keyAt: number, keyBytes: number): number {
    let ref = this.#buckets[hash & (this.#buckets.length - 1)];
    for (let looked = 0; ref !== 0 && looked < LOOK_MAX; looked++) {
      const chunk = this.#at(ref >> CHUNK_SHIFT);
      const i = ref & (CHUNK_SETS - 1);
      if (chunk.hashes[i] === hash && isKey(chunk.bytes.buffer, chunk.starts[i], { body, keyAt, keyBytes }))
        return ref;
      ref = chunk.nexts[i];
    }
    return 0;
  }

  /** Notes the delta that begins at `start` and ends its chunk. */
  #link(id: number, start: number, hash: number): void {
    if (this.#size >= this.#buckets.length) this.#moreBuckets();
    const chunk = this.#at(id);
    const i = chunk.count++;
    chunk.starts[i] = start;
    chunk.hashes[i] = hash;
    chunk.live++;
    this.#size++;
    const bytes = chunk.bytes.at - start + PLAIN_SET_BYTES;
    this.#used += bytes;
    this.#liveBytes += bytes;
    this.#hang(id * CHUNK_SETS + i, hash);
  }

  #hang(ref: number, hash: number): void {
    const bucket = hash & (this.#buckets.length - 1);
    const chunk = this.#at(ref >> CHUNK_SHIFT);
    const i = ref & (CHUNK_SETS - 1);
    const next = this.#buckets[bucket];
    chunk.nexts[i] = next;
    chunk.befores[i] = 0;
    if (next !== 0) this.#at(next >> CHUNK_SHIFT).befores[next & (CHUNK_SETS - 1)] = ref;
    this.#buckets[bucket] = ref;
  }

  /** It is live no more. */
  #unlink(ref: number): void {
    const chunk = this.#at(ref >> CHUNK_SHIFT);
    const i = ref & (CHUNK_SETS - 1);
    const next = chunk.nexts[i];
    const before = chunk.befores[i];
    if (next !== 0) this.#at(next >> CHUNK_SHIFT).befores[next & (CHUNK_SETS - 1)] = before;
    if (before !== 0) this.#at(before >> CHUNK_SHIFT).nexts[before & (CHUNK_SETS - 1)] = next;
    else this.#buckets[chunk.hashes[i] & (this.#buckets.length - 1)] = next;
    this.#liveBytes -= chunk.endOf(i) - chunk.starts[i] + PLAIN_SET_BYTES;
    chunk.starts[i] = ~chunk.starts[i];
    chunk.live--;
    this.#size--;
  }

  #kill(ref: number): void {
    this.#unlink(ref);
    const id = ref >> CHUNK_SHIFT;
    if (this.#at(id).live === 0) this.#drop(id);
  }

  #moreBuckets(): void {
    this.#buckets = new Int32Array(this.#buckets.length * 4);
    for (const id of this.#order) {
      const chunk = this.#at(id);
      for (let i = chunk.first; i < chunk.count; i++)
        if (chunk.starts[i] >= 0) this.#hang(id * CHUNK_SETS + i, chunk.hashes[i]);
    }
  }

  /** A chunk without live ones goes. */
  #drop(id: number): void {
    const chunk = this.#at(id);
    this.#chunks[id] = undefined;
    this.#order.splice(this.#order.indexOf(id), 1);
    if (this.#open.get(chunk.origin) === id) this.#open.delete(chunk.origin);
    this.#used -= chunk.bytes.at + chunk.count * PLAIN_SET_BYTES;
    this.#keep(chunk);
  }

  #keep(chunk: Chunk): void {
    if (this.#spare.length < SPARE_CHUNKS_MAX) this.#spare.push(chunk);
  }
}

function joined(pieces: readonly Buffer[]): Buffer {
  const out = Buffer.allocUnsafeSlow(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}

function isKey(
  deltas: Uint8Array,
  start: number,
  { body, keyAt, keyBytes }: { readonly body: Uint8Array; readonly keyAt: number; readonly keyBytes: number },
): boolean {
  if (keyBytesOf(deltas, start) !== keyBytes) return false;
  const at = keyAtOf(deltas, start);
  for (let i = 0; i < keyBytes; i++) if (deltas[at + i] !== body[keyAt + i]) return false;
  return true;
}

/** Not for adversaries: a list is only looked at for LOOK_MAX steps. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash ^ (hash >>> 15);
}

// Fragments of large envelopes in memory until all are there; bounded in bytes and in time.
import {
  assert,
  type Clock,
  FRAGMENT_AGE_MAX_MS,
  FRAGMENT_BYTES_MAX,
  FRAGMENTS_MAX,
} from '../../base/index.ts';
import type { Fragment, Staging } from '../store.ts';

interface Staged {
  readonly pieces: Map<number, Buffer>;
  readonly count: number;
  bytes: number;
  readonly sinceMs: number;
}

/** The oldest incomplete envelope makes room. */
export class MemoryStaging implements Staging {
  readonly #clock: Clock;
  readonly #bytesMax: number;
  readonly #staged = new Map<string, Staged>();
  #bytes = 0;
  #dropped = 0;

  /** Units: `bytesMax` bytes of fragments held. */
  constructor(clock: Clock, bytesMax = FRAGMENT_BYTES_MAX) {
    this.#clock = clock;
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get dropped(): number {
    return this.#dropped;
  }

  add({ name, index, count, bytes }: Fragment): Buffer | undefined {
    this.expire();
    const isFragment = Number.isInteger(index) && index >= 0 && index < count && count <= FRAGMENTS_MAX;
    if (!isFragment) return undefined;
    const key = `${count} ${name}`;
    const staged = this.#stagedOf(key, count);
    if (!staged.pieces.has(index)) {
      staged.pieces.set(index, Buffer.from(bytes));
      staged.bytes += bytes.length;
      this.#bytes += bytes.length;
    }
    if (staged.pieces.size < count) {
      this.#bound();
      return undefined;
    }
    this.#drop(key, staged);
    return wholeOf(staged);
  }

  /** Gives up what is older than FRAGMENT_AGE_MAX_MS. A clock that went back makes nothing older. */
  expire(): void {
    const oldest = this.#clock.now() - FRAGMENT_AGE_MAX_MS;
    for (const [key, staged] of this.#staged) if (staged.sinceMs < oldest) this.#giveUp(key, staged);
  }

  clear(): void {
    this.#staged.clear();
    this.#bytes = 0;
  }

  /** Another count under the same name is another message: the name is the sender's, not ours to trust. */
  #stagedOf(key: string, count: number): Staged {
    const held = this.#staged.get(key);
    if (held !== undefined) return held;
    const staged: Staged = { pieces: new Map(), count, bytes: 0, sinceMs: this.#clock.now() };
    this.#staged.set(key, staged);
    return staged;
  }

  #bound(): void {
    for (const [key, staged] of this.#staged) {
      if (this.#bytes <= this.#bytesMax || this.#staged.size === 1) return;
      this.#giveUp(key, staged);
    }
  }

  #giveUp(key: string, staged: Staged): void {
    this.#drop(key, staged);
    this.#dropped++;
  }

  #drop(key: string, staged: Staged): void {
    if (this.#staged.delete(key)) this.#bytes -= staged.bytes;
  }
}

function wholeOf({ pieces, count }: Staged): Buffer {
  const inOrder: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    const piece = pieces.get(i);
    assert(piece !== undefined, 'all pieces are there');
    inOrder.push(piece);
  }
  return Buffer.concat(inOrder);
}

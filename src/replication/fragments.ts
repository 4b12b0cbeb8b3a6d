// Puts the fragments of large envelopes together; bounded in bytes and in time.
import { type Clock, FRAGMENT_AGE_MAX_MS, FRAGMENT_BYTES_MAX } from '../base/index.ts';
import type { Envelope } from './envelope.ts';

interface Staged {
  readonly pieces: (Buffer | undefined)[];
  missing: number;
  bytes: number;
  readonly sinceMs: number;
}

/** Fragments that wait for the rest of their envelope. */
export class Fragments {
  readonly #clock: Clock;
  readonly #staged = new Map<string, Staged>();
  #bytes = 0;
  /** Envelopes given up: too old, or pushed out by the bound. */
  dropped = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Units: bytes held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Stages a fragment. Result: the whole body when this was the last piece. Owns: copies what it keeps. */
  add(envelope: Envelope): Buffer | undefined {
    const { header, body } = envelope;
    const name = `${header.stream}:${header.sequence - header.fragment}:${header.fragments}`;
    let staged = this.#staged.get(name);
    if (staged === undefined) {
      staged = {
        pieces: new Array(header.fragments),
        missing: header.fragments,
        bytes: 0,
        sinceMs: this.#clock.now(),
      };
      this.#staged.set(name, staged);
    }
    if (staged.pieces[header.fragment] === undefined) {
      staged.pieces[header.fragment] = Buffer.from(body);
      staged.missing--;
      staged.bytes += body.length;
      this.#bytes += body.length;
    }
    if (staged.missing > 0) {
      this.#bound();
      return undefined;
    }
    this.#drop(name, staged);
    return Buffer.concat(staged.pieces.filter((piece) => piece !== undefined));
  }

  /** Gives up what is older than FRAGMENT_AGE_MAX_MS. */
  expire(): void {
    const oldest = this.#clock.now() - FRAGMENT_AGE_MAX_MS;
    for (const [name, staged] of this.#staged) if (staged.sinceMs < oldest) this.#giveUp(name, staged);
  }

  #bound(): void {
    for (const [name, staged] of this.#staged) {
      if (this.#bytes <= FRAGMENT_BYTES_MAX || this.#staged.size === 1) return;
      this.#giveUp(name, staged);
    }
  }

  #giveUp(name: string, staged: Staged): void {
    this.#drop(name, staged);
    this.dropped++;
  }

  #drop(name: string, staged: Staged): void {
    this.#staged.delete(name);
    this.#bytes -= staged.bytes;
  }
}

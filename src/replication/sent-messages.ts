// The messages sent last, kept for a while: a site that notices a gap gets them again. They are copied into one ring of memory, so
// that the messages' own Buffers die young (see base/young-garbage.ts).
import { SENT_BYTES_MAX } from '../base/index.ts';

interface Place {
  readonly at: number;
  readonly bytes: number;
}

/** Messages by sequence in SENT_BYTES_MAX of memory; the oldest give way. Larger ones than that are not kept. */
export class SentMessages {
  readonly #places = new Map<number, Place>();
  #ring: Buffer | undefined;
  #next = 0;

  /** Owns: copies `message`. */
  keep(sequence: number, message: Buffer): void {
    const bytes = message.length;
    if (bytes > SENT_BYTES_MAX) return;
    this.#ring ??= Buffer.allocUnsafeSlow(SENT_BYTES_MAX);
    if (this.#next + bytes > SENT_BYTES_MAX) {
      this.#giveWay(this.#next, SENT_BYTES_MAX);
      this.#next = 0;
    }
    const at = this.#next;
    this.#giveWay(at, at + bytes);
    message.copy(this.#ring, at);
    this.#places.set(sequence, { at, bytes });
    this.#next = at + bytes;
  }

  /** A copy; undefined: not kept any more. */
  get(sequence: number): Buffer | undefined {
    const place = this.#places.get(sequence);
    if (place === undefined || this.#ring === undefined) return undefined;
    return Buffer.from(this.#ring.subarray(place.at, place.at + place.bytes));
  }

  /** Forgets what lies between two places: always the oldest messages, since the ring is written in order. */
  #giveWay(from: number, to: number): void {
    for (const [sequence, { at, bytes }] of this.#places) {
      if (at >= to || at + bytes <= from) return;
      this.#places.delete(sequence);
    }
  }
}

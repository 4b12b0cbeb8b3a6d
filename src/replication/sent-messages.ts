// The messages sent last, kept for a while: a site that notices a gap gets them again.
import { SENT_BYTES_MAX } from '../base/index.ts';

/** Messages by sequence, the oldest dropped beyond SENT_BYTES_MAX. */
export class SentMessages {
  readonly #messages = new Map<number, Buffer>();
  #bytes = 0;

  /** Owns: keeps `message`, which must not change. */
  keep(sequence: number, message: Buffer): void {
    this.#messages.set(sequence, message);
    this.#bytes += message.length;
    for (const [oldest, { length }] of this.#messages) {
      if (this.#bytes <= SENT_BYTES_MAX) return;
      this.#messages.delete(oldest);
      this.#bytes -= length;
    }
  }

  /** undefined: not kept any more. */
  get(sequence: number): Buffer | undefined {
    return this.#messages.get(sequence);
  }
}

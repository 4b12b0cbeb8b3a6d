// PUBLISH messages that wait for the next batch: at most once each, bounded.
import { type Latin1, PUBLISH_BYTES_MAX } from '../base/index.ts';
import { encodePublish, encodeSection, SECTION_PUBLISH } from './envelope.ts';
import { sizeOf } from './outgoing.ts';

export class WaitingMessages {
  readonly #sections: Uint8Array[][] = [];
  #bytes = 0;
  dropped = 0;

  get length(): number {
    return this.#sections.length;
  }

  /** The oldest are dropped beyond PUBLISH_BYTES_MAX. */
  push(channel: Latin1, message: Latin1): void {
    const section = encodeSection({ kind: SECTION_PUBLISH, bytes: encodePublish(channel, message) });
    this.#sections.push(section);
    this.#bytes += sizeOf(section);
    while (this.#bytes > PUBLISH_BYTES_MAX && this.#sections.length > 1) {
      this.#bytes -= sizeOf(this.#sections.shift() ?? []);
      this.dropped++;
    }
  }

  /** All of them, as sections; they wait no longer. */
  take(): Uint8Array[][] {
    this.#bytes = 0;
    return this.#sections.splice(0);
  }
}

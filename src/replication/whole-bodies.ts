// Bodies of messages, put together where they came as fragments: the store stages these, so that any gateway may bring the rest.
import { WHOLE_BODIES_MAX } from '../base/index.ts';
import type { Store } from '../store/index.ts';
import type { Envelope, EnvelopeHeader } from './envelope.ts';

export class WholeBodies {
  readonly #store: Store;
  /** Whole bodies that are being merged: their fragments are staged no more. */
  readonly #kept = new Map<string, Buffer>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** The body, when this was the last piece of it. */
  async add({ header, body }: Envelope): Promise<Buffer | undefined> {
    const { fragment: index, fragments: count } = header;
    if (count === 1) return body;
    const name = nameOf(header);
    return this.#kept.get(name) ?? (await this.#store.staging.add({ name, index, count, bytes: body }));
  }

  /** Keeps a body of several fragments while its merge may fail: its last piece then comes again. */
  async keeping(header: EnvelopeHeader, body: Buffer, task: () => Promise<void>): Promise<void> {
    if (header.fragments === 1) return task();
    const name = nameOf(header);
    this.#kept.set(name, body);
    const oldest = this.#kept.keys().next();
    if (this.#kept.size > WHOLE_BODIES_MAX && oldest.done !== true) this.#kept.delete(oldest.value);
    await task();
    this.#kept.delete(name);
  }
}

/** Names the envelope that a fragment is part of. */
function nameOf({ stream, sequence, fragment }: EnvelopeHeader): string {
  return `${stream}:${sequence - fragment}`;
}

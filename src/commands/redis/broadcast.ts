// Every change at the Redis, for clients that asked for CLIENT TRACKING with BCAST: listening connections of their own.
import type { Latin1 } from '../../base/index.ts';
import type { Reply } from '../../resp/index.ts';
import { bulkText, type Ear, Ears, type Hearer } from './ears.ts';
import type { Port } from './port.ts';

/** Hears all changes while it is open. */
export class Broadcast implements Hearer {
  readonly #port: Port;
  readonly #ears: Ears;
  readonly #changed: (keys: readonly Latin1[] | undefined) => void;
  /** Resolves when every node is listened to, or that takes too long. */
  readonly ready: Promise<void>;
  readonly #heardBefore = new Set<string>();

  /** `changed` gets keys, or undefined when some may have been missed. */
  constructor(port: Port, changed: (keys: readonly Latin1[] | undefined) => void) {
    this.#port = port;
    this.#changed = changed;
    this.#ears = new Ears(port);
    this.#ears.add(this);
    this.ready = this.#listen();
  }

  heard(word: string, items: readonly Reply[]): void {
    if (word !== 'invalidate') return;
    const keys = items[0]?.kind === 'array' ? items[0].items.map((item) => bulkText(item) ?? '') : undefined;
    const shown = keys?.filter((key) => !key.startsWith('mqkv:'));
    if (shown === undefined || shown.length > 0) this.#changed(shown);
  }

  async fresh(ear: Ear): Promise<void> {
    await ear.call(['CLIENT', 'TRACKING', 'ON', 'BCAST']);
    if (this.#heardBefore.has(ear.name)) this.#changed(undefined);
    this.#heardBefore.add(ear.name);
  }

  lost(): void {
    this.#changed(undefined);
  }

  /** New nodes are listened to as well. */
  retry(): void {
    void this.#listen();
  }

  async #listen(): Promise<void> {
    await Promise.all(this.#port.everyNode().map((slot) => this.#ears.at(slot)));
  }

  close(): void {
    this.#ears.remove(this);
    this.#ears.close();
  }
}

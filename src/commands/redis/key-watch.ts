// Which keys change at the Redis, whoever changes them: CLIENT TRACKING on the listening connections.
//
// A key is watched by reading it there; the Redis then tells once that it changed, and it must be read again.
import type { Latin1 } from '../../base/index.ts';
import type { Reply } from '../../resp/index.ts';
import { slotOf } from '../../store/redis/slots.ts';
import { bulkText, type Ear, type Ears, type Hearer } from './ears.ts';
import type { Port } from './port.ts';
import type { Watcher } from './waiting.ts';

/** What the gateway is told of keys. */
export class KeyWatch implements Hearer, Watcher {
  readonly #port: Port;
  readonly #ears: Ears;
  readonly #changed: (key: Latin1) => void;
  /** Keys that each connection tells of. */
  readonly #watched = new Map<Ear, Set<Latin1>>();

  /** `changed` may be called for keys that have not changed. */
  constructor(port: Port, ears: Ears, changed: (key: Latin1) => void) {
    this.#port = port;
    this.#ears = ears;
    this.#changed = changed;
    ears.add(this);
  }

  async watch(keys: readonly Latin1[]): Promise<void> {
    try {
      await Promise.all(keys.map((key) => this.#watch(key)));
    } catch {
      // Not now: whoever waits looks again by itself.
    }
  }

  async #watch(key: Latin1): Promise<void> {
    const ear = await this.#ears.at(this.#port.isCluster ? slotOf(key) : 0);
    const watched = ear === undefined ? undefined : this.#watched.get(ear);
    if (ear === undefined || watched === undefined || watched.has(key)) return;
    watched.add(key);
    try {
      await ear.call(['TYPE', key]);
    } catch (error) {
      watched.delete(key);
      throw error;
    }
  }

  heard(word: string, items: readonly Reply[], ear: Ear): void {
    if (word !== 'invalidate') return;
    const watched = this.#watched.get(ear);
    const keys =
      items[0]?.kind === 'array' ? items[0].items.map((item) => bulkText(item) ?? '') : [...(watched ?? [])];
    for (const key of keys) {
      watched?.delete(key);
      this.#changed(key);
    }
  }

  async fresh(ear: Ear): Promise<void> {
    const before = this.#watched.get(ear);
    await ear.call(['CLIENT', 'TRACKING', 'ON']);
    this.#watched.set(ear, new Set());
    for (const key of before ?? []) this.#changed(key);
  }

  lost(ear: Ear): void {
    const before = this.#watched.get(ear);
    this.#watched.delete(ear);
    for (const key of before ?? []) this.#changed(key);
  }
}

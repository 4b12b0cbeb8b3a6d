// WATCH: who wants to know when a key changes.
import { type Latin1, latin1Of } from '../../base/index.ts';

interface Watch {
  readonly changed: () => void;
  /** Units: Unix ms; the expiry that the key showed when the watch began; 0: none. */
  readonly at: number;
}

/** Each watch is told once. */
export class Watches {
  readonly #byKey = new Map<Latin1, Set<Watch>>();
  /** Units: Unix ms; nothing watched expires before. */
  nextAt = Number.POSITIVE_INFINITY;

  /** Watched keys. */
  get size(): number {
    return this.#byKey.size;
  }

  add(key: Latin1, changed: () => void, at: number): () => void {
    const watch: Watch = { changed, at };
    const watches = this.#byKey.get(key) ?? new Set();
    watches.add(watch);
    this.#byKey.set(key, watches);
    if (at !== 0) this.nextAt = Math.min(this.nextAt, at);
    return () => this.#drop(key, watch);
  }

  #drop(key: Latin1, watch: Watch): void {
    const watches = this.#byKey.get(key);
    if (watches?.delete(watch) !== true) return;
    if (watches.size === 0) this.#byKey.delete(key);
    if (this.#byKey.size === 0) this.nextAt = Number.POSITIVE_INFINITY;
  }

  /** A key has changed. */
  changed(key: Uint8Array): void {
    const name = latin1Of(key);
    const watches = this.#byKey.get(name);
    if (watches === undefined) return;
    this.#byKey.delete(name);
    for (const watch of watches) watch.changed();
  }

  /** Every key has changed. */
  changedAll(): void {
    const all = [...this.#byKey.values()];
    this.#byKey.clear();
    this.nextAt = Number.POSITIVE_INFINITY;
    for (const watches of all) for (const watch of watches) watch.changed();
  }

  /** Time has reached `nextAt`: the expiry of a watched key has fired, freed or not. */
  fired(now: number): void {
    let next = Number.POSITIVE_INFINITY;
    for (const [key, watches] of this.#byKey) {
      for (const watch of watches) {
        if (watch.at === 0) continue;
        if (watch.at > now) {
          next = Math.min(next, watch.at);
          continue;
        }
        this.#drop(key, watch);
        watch.changed();
      }
    }
    this.nextAt = next;
  }
}

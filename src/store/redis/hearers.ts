// Who hears of keys that a write or merge of this gateway has changed.
import type { Latin1 } from '../../base/index.ts';

export type Hear = (keys: readonly Latin1[]) => void;

export class Hearers {
  /** And whether each wants to at the moment. */
  readonly #hearers = new Map<Hear, () => boolean>();

  /** Result: stops it. */
  add(hear: Hear, wants: () => boolean): () => void {
    this.#hearers.set(hear, wants);
    return () => this.#hearers.delete(hear);
  }

  tell(keys: readonly Latin1[]): void {
    for (const hear of this.#hearers.keys()) hear(keys);
  }

  get isHeard(): boolean {
    for (const wants of this.#hearers.values()) if (wants()) return true;
    return false;
  }
}

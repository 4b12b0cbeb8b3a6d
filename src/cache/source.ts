// What the near cache asks of the store behind it.
import type { Latin1 } from '../base/index.ts';

/** A value as the store showed it. */
export interface CacheRead {
  /** null: the key shows nothing. Owns: whoever is told, not to be changed. */
  readonly value: Buffer | null;
  /** The value surely lives before it. Units: Unix ms of the cache's clock; Infinity: it does not expire. */
  readonly until: number;
  /** It is surely gone from then on. */
  readonly goneAt: number;
  /** The key was written while it was read: the value was right then, but must not be kept. */
  readonly isTorn: boolean;
}

/**
 * Reads values and tells when they have changed.
 * Order: changes that happened before a value was read are told before its `done`, later ones after it.
 */
export interface CacheSource {
  /** Reads a string. `done` is called once, within the turn in which the answer comes. undefined: it cannot be had this way (no string, or its changes would not be told). */
  read(key: Latin1, done: (read: CacheRead | undefined) => void): void;
  /** The cache's, set when it opens. undefined as key: anything may have changed, what is being read too. */
  onChange: ((key: Latin1 | undefined) => void) | undefined;
  close(): void;
}

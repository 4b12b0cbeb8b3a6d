// One logical database: keys, their values, when they expire. Time comes with each call.
import { fail, WRONG_TYPE } from './replies.ts';
import { Stream } from './stream.ts';
import { SortedSet } from './sorted-set.ts';

/** A list's elements. */
export class List {
  items: string[];

  constructor(items: string[] = []) {
    this.items = items;
  }
}

/** A value by its class; strings are latin1. */
export type Value = string | Map<string, string> | Set<string> | SortedSet | List | Stream;

interface Entry {
  value: Value;
  /** Units: Unix ms; 0: never. */
  atMs: number;
}

/** Redis' name of a value's type. */
export function typeName(value: Value | undefined): string {
  if (value === undefined) return 'none';
  if (typeof value === 'string') return 'string';
  if (value instanceof Map) return 'hash';
  if (value instanceof Set) return 'set';
  if (value instanceof SortedSet) return 'zset';
  return value instanceof List ? 'list' : 'stream';
}

function copyOf(value: Value): Value {
  if (typeof value === 'string') return value;
  if (value instanceof Map) return new Map(value);
  if (value instanceof Set) return new Set(value);
  if (value instanceof List) return new List([...value.items]);
  return value.copy();
}

export class Database {
  readonly #entries: Map<string, Entry>;
  /** Units: Unix ms, that of the command (or script) under way. */
  now = 0;
  /** Keys freed because their time was over. */
  expired = 0;

  constructor(entries = new Map<string, Entry>()) {
    this.#entries = entries;
  }

  /** A deep copy. */
  copy(): Database {
    const entries = new Map<string, Entry>();
    for (const [key, { value, atMs }] of this.#entries) entries.set(key, { value: copyOf(value), atMs });
    return new Database(entries);
  }

  /** How many keys are held, expired ones not yet freed too. */
  get size(): number {
    return this.#entries.size;
  }

  #entry(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.atMs === 0 || entry.atMs >= this.now) return entry;
    this.#entries.delete(key);
    this.expired++;
    return undefined;
  }

  get(key: string): Value | undefined {
    return this.#entry(key)?.value;
  }

  /** Sets a value; the expiry goes, unless it is to be kept. */
  put(key: string, value: Value, atMs = 0): void {
    this.#entries.set(key, { value, atMs });
  }

  /** Replaces the value under the same expiry. */
  replace(key: string, value: Value): void {
    const entry = this.#entry(key);
    if (entry === undefined) this.put(key, value);
    else entry.value = value;
  }

  delete(key: string): boolean {
    return this.#entry(key) !== undefined && this.#entries.delete(key);
  }

  /** Units: Unix ms; 0: never, undefined: no such key. */
  expiryOf(key: string): number | undefined {
    return this.#entry(key)?.atMs;
  }

  expire(key: string, atMs: number): void {
    const entry = this.#entry(key);
    if (entry !== undefined) entry.atMs = atMs;
  }

  keys(): string[] {
    return [...this.#entries.keys()].filter((key) => this.#entry(key) !== undefined);
  }

  /** A deep copy of a value. */
  valueCopy(value: Value): Value {
    return copyOf(value);
  }

  clear(): void {
    this.#entries.clear();
  }

  /** Frees up to `most` keys whose time is over, as Redis' active cycle does. */
  freeExpired(most: number): void {
    let freed = 0;
    for (const [key, { atMs }] of this.#entries) {
      if (atMs === 0 || atMs >= this.now) continue;
      this.#entries.delete(key);
      this.expired++;
      if (++freed >= most) return;
    }
  }

  text(key: string): string | undefined {
    const value = this.get(key);
    return value === undefined || typeof value === 'string' ? value : fail(WRONG_TYPE);
  }

  hash(key: string): Map<string, string> | undefined {
    const value = this.get(key);
    return value === undefined || value instanceof Map ? value : fail(WRONG_TYPE);
  }

  set(key: string): Set<string> | undefined {
    const value = this.get(key);
    return value === undefined || value instanceof Set ? value : fail(WRONG_TYPE);
  }

  sorted(key: string): SortedSet | undefined {
    const value = this.get(key);
    return value === undefined || value instanceof SortedSet ? value : fail(WRONG_TYPE);
  }

  list(key: string): List | undefined {
    const value = this.get(key);
    return value === undefined || value instanceof List ? value : fail(WRONG_TYPE);
  }

  stream(key: string): Stream | undefined {
    const value = this.get(key);
    return value === undefined || value instanceof Stream ? value : fail(WRONG_TYPE);
  }

  /** Puts a value that was absent there, once it holds something. */
  hold<V extends Value>(key: string, held: V | undefined, made: () => V): V {
    if (held !== undefined) return held;
    const value = made();
    this.put(key, value);
    return value;
  }

  /** Deletes an aggregate that holds nothing any more. */
  dropEmpty(key: string): void {
    const value = this.get(key);
    const isEmpty =
      value instanceof Map || value instanceof Set || value instanceof SortedSet
        ? value.size === 0
        : value instanceof List && value.items.length === 0;
    if (isEmpty) this.#entries.delete(key);
  }
}

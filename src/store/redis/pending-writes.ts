// What this gateway wrote and has not sent yet, in memory: one entry a key, oldest first, bounded in bytes. The marks in Redis are
// the truth; what does not fit here the walker finds there.
import { type Latin1, OUTBOX_PENDING_BYTES_MAX, OUTBOX_VALUE_BYTES_MAX } from '../../base/index.ts';
import type { RegisterName } from './state-text.ts';

/** Units: bytes, about, that an entry takes beside its key and value. */
const ENTRY_BYTES = 150;
const NAME_BYTES = 60;

/** Keys written by one transaction or command: they travel together. */
interface Group {
  readonly keys: readonly Latin1[];
}

/** One key to be sent. */
export interface PendingWrite {
  readonly key: Latin1;
  /** The newest of its versions. Shape: 24 hex. */
  readonly version: Latin1;
  /** Which registers; the header always. */
  readonly what: 'whole' | ReadonlySet<RegisterName>;
  /** What a plain SET left, when it is short; Units: `at` Unix ms, 0: none. */
  readonly plain: { readonly value: Buffer; readonly at: number } | undefined;
}

interface Entry extends PendingWrite {
  group: Group | undefined;
  bytes: number;
}

/** The writes of one gateway. */
export class PendingWrites {
  readonly #entries = new Map<Latin1, Entry>();
  readonly #bytesMax: number;
  #bytes = 0;
  #dropped = 0;

  constructor(bytesMax = OUTBOX_PENDING_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Units: bytes, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Writes that did not fit; their marks lie in Redis. */
  get dropped(): number {
    return this.#dropped;
  }

  has(key: Latin1): boolean {
    return this.#entries.has(key);
  }

  /** A plain SET: all before it is covered. Owns: copies the value where it keeps it. */
  set(key: Latin1, version: Latin1, plain: { readonly value: Buffer; readonly at: number }): void {
    const isKept = plain.value.length <= OUTBOX_VALUE_BYTES_MAX;
    const held = this.#entries.get(key);
    if (held !== undefined && held.version > version) return this.add([{ key, what: 'whole' }], version);
    const bytes = ENTRY_BYTES + key.length + (isKept ? plain.value.length : 0);
    const kept = isKept ? { value: Buffer.from(plain.value), at: plain.at } : undefined;
    this.#put({ key, version, what: 'whole', plain: kept, group: undefined, bytes });
  }

  /** What one unit touched. Order: units as they were executed, about. */
  add(
    touched: readonly { readonly key: Latin1; readonly what: 'whole' | readonly RegisterName[] }[],
    version: Latin1,
  ): void {
    const group = touched.length > 1 ? { keys: touched.map(({ key }) => key) } : undefined;
    for (const { key, what } of touched) {
      const held = this.#entries.get(key);
      const all =
        what === 'whole' || held?.what === 'whole' ? 'whole' : new Set([...(held?.what ?? []), ...what]);
      const newest = held !== undefined && held.version > version ? held.version : version;
      const bytes = ENTRY_BYTES + key.length + (all === 'whole' ? 0 : all.size * NAME_BYTES);
      this.#put({ key, version: newest, what: all, plain: undefined, group: group ?? held?.group, bytes });
    }
  }

  #put(entry: Entry): void {
    const held = this.#entries.get(entry.key);
    const bytes = this.#bytes + entry.bytes - (held?.bytes ?? 0);
    if (bytes > this.#bytesMax) {
      this.#dropped++;
      if (held !== undefined) this.#remove(held);
      return;
    }
    this.#bytes = bytes;
    this.#entries.set(entry.key, entry);
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.key);
    this.#bytes -= entry.bytes;
  }

  /**
   * Takes the oldest of one origin, whole groups, until about `maxBytes` or `keysMax` are reached; at least one group.
   * Owns: the caller.
   */
  take(maxBytes: number, keysMax: number): PendingWrite[] {
    const taken: PendingWrite[] = [];
    let origin: Latin1 | undefined;
    let bytes = 0;
    for (const first of this.#entries.values()) {
      if (origin !== undefined && originOf(first) !== origin) continue;
      const group = this.#groupOf(first);
      const size = group.reduce((sum, entry) => sum + entry.bytes, 0) - ENTRY_BYTES * group.length;
      if (taken.length > 0 && (bytes + size > maxBytes || taken.length + group.length > keysMax)) break;
      origin ??= originOf(first);
      bytes += size + 40 * group.length;
      for (const entry of group) {
        this.#remove(entry);
        taken.push(entry);
      }
      if (bytes >= maxBytes || taken.length >= keysMax) break;
    }
    return taken;
  }

  /** An entry and those that must go with it. */
  #groupOf(first: Entry): Entry[] {
    if (first.group === undefined) return [first];
    const found: Entry[] = [];
    for (const key of first.group.keys) {
      const entry = this.#entries.get(key);
      if (entry !== undefined && (entry.group === first.group || entry === first)) found.push(entry);
    }
    return found.includes(first) ? found : [...found, first];
  }
}

/** The origin in its version. */
function originOf(entry: PendingWrite): Latin1 {
  return entry.version.slice(16);
}

// What this gateway wrote and has not sent yet, in memory: one entry a key, oldest first, bounded in bytes. The marks in Redis are
// the truth; what does not fit here the walker finds there.
import { bytesOf, type Latin1, OUTBOX_PENDING_BYTES_MAX, OUTBOX_VALUE_BYTES_MAX } from '../../base/index.ts';
import type { NotedSet } from './noted-set.ts';
import { plainDeltaBytes } from './plain-delta.ts';
import { type Budget, fits, PLAIN_DELTA_BYTES_MAX } from './plain-chunk.ts';
import { PLAIN_SET_BYTES, PlainWrites } from './plain-writes.ts';
import type { RegisterName } from './state-text.ts';

/** Units: bytes, about, that an entry takes beside its own. */
const ENTRY_BYTES = 150;
const NAME_BYTES = 60;
/** Units: bytes of replaced SETs, below which it is not worth it to move the others together. */
const TIDY_BYTES_MIN = 256 * 1024;

/** Keys written by one transaction or command: they travel together. */
interface Group {
  readonly keys: readonly Latin1[];
}

/** One key to be sent as its state is when it is read. */
export interface PendingWrite {
  readonly key: Latin1;
  /** The newest of its versions. Shape: 24 hex. */
  readonly version: Latin1;
  /** Which registers; the header always. */
  readonly what: 'whole' | ReadonlySet<RegisterName>;
}

interface Entry extends PendingWrite {
  group: Group | undefined;
  bytes: number;
  /** Position among all writes. */
  began: number;
}

/** What was taken: all of one origin. */
export interface TakenWrites {
  readonly origin: number;
  /** Of plain SETs. Owns: the caller. */
  readonly deltas: Buffer;
  readonly plain: number;
  /** All others. */
  readonly writes: readonly PendingWrite[];
}

/** The writes of one gateway. */
export class PendingWrites {
  readonly #plain = new PlainWrites();
  readonly #entries = new Map<Latin1, Entry>();
  readonly #bytesMax: number;
  #bytes = 0;
  #dropped = 0;
  #now = 0;

  constructor(bytesMax = OUTBOX_PENDING_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  get size(): number {
    return this.#entries.size + this.#plain.size;
  }

  /** Units: bytes, about. */
  get bytes(): number {
    return this.#bytes + this.#plain.bytes;
  }

  /** Writes that did not fit; their marks lie in Redis. */
  get dropped(): number {
    return this.#dropped;
  }

  has(key: Latin1): boolean {
    return this.#entries.has(key) || this.#plain.has(bytesOf(key));
  }

  /** Hot: a plain SET; all before it is covered. Owns: copies what it keeps. */
  set(set: NotedSet): void {
    const bytes = plainDeltaBytes(set);
    if (set.valueBytes > OUTBOX_VALUE_BYTES_MAX || bytes > PLAIN_DELTA_BYTES_MAX) return this.#addWhole(set);
    if (this.#entries.size > 0) {
      const key = set.key.toString('latin1');
      const held = this.#entries.get(key);
      if (held !== undefined && held.version > set.version) return this.#addWhole(set);
      if (held !== undefined) this.#remove(held);
    }
    if (!this.#hasRoom(bytes + PLAIN_SET_BYTES)) {
      this.#dropped++;
      this.#plain.remove(set.key);
      return;
    }
    this.#plain.add(set, ++this.#now);
  }

  #addWhole(set: NotedSet): void {
    this.add([{ key: set.key.toString('latin1'), what: 'whole' }], set.version);
  }

  /** What one unit touched. Order: units as they were executed, about. */
  add(
    touched: readonly { readonly key: Latin1; readonly what: 'whole' | readonly RegisterName[] }[],
    version: Latin1,
  ): void {
    const group = touched.length > 1 ? { keys: touched.map(({ key }) => key) } : undefined;
    for (const { key, what } of touched) {
      const held = this.#entries.get(key);
      const covered = this.#plain.size > 0 ? this.#plain.remove(bytesOf(key)) : undefined;
      const all =
        covered !== undefined || what === 'whole' || held?.what === 'whole'
          ? 'whole'
          : new Set([...(held?.what ?? []), ...what]);
      const newest = newestOf(version, held?.version ?? covered);
      const bytes = ENTRY_BYTES + key.length + (all === 'whole' ? 0 : all.size * NAME_BYTES);
      const began = held?.began ?? ++this.#now;
      this.#put({ key, version: newest, what: all, group: group ?? held?.group, bytes, began });
    }
  }

  #put(entry: Entry): void {
    const held = this.#entries.get(entry.key);
    const more = entry.bytes - (held?.bytes ?? 0);
    if (!this.#hasRoom(more)) {
      this.#dropped++;
      if (held !== undefined) this.#remove(held);
      return;
    }
    this.#bytes += more;
    this.#entries.set(entry.key, entry);
  }

  /** For so many more bytes; makes some where what was replaced takes much. */
  #hasRoom(more: number): boolean {
    const plain = this.#plain;
    const isFull = this.bytes + more > this.#bytesMax;
    if (plain.deadBytes * (isFull ? 8 : 2) > plain.bytes && (isFull || plain.deadBytes > TIDY_BYTES_MIN))
      plain.tidy();
    return this.bytes + more <= this.#bytesMax;
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.key);
    this.#bytes -= entry.bytes;
  }

  /**
   * Takes the oldest of one origin, whole groups, until about `bytesMax` or `keysMax` are reached; at least one group. undefined:
   * there is nothing. Owns: the caller.
   */
  take(bytesMax: number, keysMax: number): TakenWrites | undefined {
    const plain = this.#plain.oldest;
    const [first] = this.#entries.values();
    const budget = { bytes: 0, count: 0, bytesMax, keysMax };
    if (plain !== undefined && (first === undefined || plain.began < first.began)) {
      const { origin } = plain;
      const deltas = this.#plain.take(origin, budget);
      return { origin, deltas, plain: budget.count, writes: this.#takeEntries(origin, budget) };
    }
    if (first === undefined) return undefined;
    const origin = originOf(first);
    const writes = this.#takeEntries(origin, budget);
    const deltas = this.#plain.take(origin, budget);
    return { origin, deltas, plain: budget.count - writes.length, writes };
  }

  #takeEntries(origin: number, budget: Budget): PendingWrite[] {
    const taken: PendingWrite[] = [];
    for (const first of this.#entries.values()) {
      if (budget.bytes >= budget.bytesMax || budget.count >= budget.keysMax) break;
      if (originOf(first) !== origin) continue;
      const group = this.#groupOf(first);
      const size = group.reduce((sum, entry) => sum + entry.bytes, 0) - ENTRY_BYTES * group.length;
      if (!fits(budget, size, group.length)) break;
      budget.bytes += 40 * group.length;
      for (const entry of group) {
        this.#remove(entry);
        taken.push(entry);
      }
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

function newestOf(version: Latin1, other: Latin1 | undefined): Latin1 {
  return other !== undefined && other > version ? other : version;
}

/** The origin in its version. */
function originOf(entry: PendingWrite): number {
  return Number.parseInt(entry.version.slice(16), 16);
}

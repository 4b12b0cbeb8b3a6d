// Which keys the messages sent last carried: a site that misses one whose bytes are gone gets them again as they are then.
import { type Latin1, latin1Of, SENT_KEYS_BYTES_MAX, SENT_KEYS_MAX } from '../base/index.ts';
import { visitDeltaKeys } from '../crdt/index.ts';

// The keys of a message lie one after the other, each as length:u32 bytes.

/** A message, or one cut into several: consecutive sequences. */
interface Entry {
  readonly first: number;
  readonly last: number;
  readonly keys: number;
  /** Shape: as above; undefined: it carried none. */
  readonly bytes: Buffer | undefined;
}

/** What the missing sequence was part of. */
export interface SentEntry {
  readonly first: number;
  readonly last: number;
  readonly keys: readonly Latin1[];
}

/** Keys by sequence, of about the last SENT_KEYS_MAX marks; the oldest give way. */
export class SentKeys {
  readonly #entries: Entry[] = [];
  /** Entries at the beginning that have given way. */
  #gone = 0;
  #keys = 0;
  #bytes = 0;

  /** Remembers the keys of a message. Order: by sequence. Owns: nothing of `deltas`. */
  keep(first: number, last: number, deltas: Buffer | undefined): void {
    const entry = entryOf(first, last, deltas);
    this.#entries.push(entry);
    this.#keys += entry.keys;
    this.#bytes += entry.bytes?.length ?? 0;
    while (this.#isFull && this.#gone < this.#entries.length) this.#drop(this.#entries[this.#gone++]);
    if (this.#gone <= 1024 || this.#gone * 2 <= this.#entries.length) return;
    this.#entries.splice(0, this.#gone);
    this.#gone = 0;
  }

  /** What a sequence carried; undefined: forgotten, or never sent. */
  find(sequence: number): SentEntry | undefined {
    const entries = this.#entries;
    let low = this.#gone;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (entries[middle].last < sequence) low = middle + 1;
      else high = middle;
    }
    const entry = entries[low];
    if (entry === undefined || entry.first > sequence) return undefined;
    return { first: entry.first, last: entry.last, keys: keysOf(entry.bytes) };
  }

  get #isFull(): boolean {
    return (
      this.#keys > SENT_KEYS_MAX ||
      this.#bytes > SENT_KEYS_BYTES_MAX ||
      this.#entries.length - this.#gone > SENT_KEYS_MAX
    );
  }

  #drop({ keys, bytes }: Entry): void {
    this.#keys -= keys;
    this.#bytes -= bytes?.length ?? 0;
  }
}

/** Reused: the keys of a message are collected here. */
let scratch = Buffer.allocUnsafeSlow(64 * 1024);

function entryOf(first: number, last: number, deltas: Buffer | undefined): Entry {
  let keys = 0;
  let length = 0;
  if (deltas !== undefined)
    visitDeltaKeys(deltas, (start, end) => {
      const needed = length + 4 + end - start;
      if (needed > scratch.length) scratch = Buffer.concat([scratch, Buffer.allocUnsafeSlow(needed)]);
      scratch.writeUInt32LE(end - start, length);
      deltas.copy(scratch, length + 4, start, end);
      length = needed;
      keys++;
    });
  if (keys === 0) return { first, last, keys: 0, bytes: undefined };
  const bytes = Buffer.allocUnsafeSlow(length);
  scratch.copy(bytes, 0, 0, length);
  return { first, last, keys, bytes };
}

function keysOf(bytes: Buffer | undefined): Latin1[] {
  const keys: Latin1[] = [];
  if (bytes === undefined) return keys;
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32LE(at);
    keys.push(latin1Of(bytes.subarray(at + 4, end)));
    at = end;
  }
  return keys;
}

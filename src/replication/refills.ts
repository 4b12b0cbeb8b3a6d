// Closes the gaps that other sites name: repeats the bytes, else marks the keys again and then says that this was done, else says that
// only a comparison helps (DESIGN 7).
//
// Invariant  F1  A message that closes a gap names the sequences that carry what was missed: the gap is closed only where these are applied.
import { type Clock, type Latin1, type Logger, messageOf, REFILLS_MAX } from '../base/index.ts';
import type { Store } from '../store/index.ts';
import { type After, encodeAfter, encodeSection, SECTION_AFTER, SECTION_LOST } from './envelope.ts';
import type { Outgoing, Stream } from './outgoing.ts';
import type { SentEntry } from './sent-keys.ts';

/** Units: ms between two answers for one sequence: several sites may miss the same, and all hear the answer. */
const ANSWER_MS = 900;

export interface RefillsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly outgoing: Outgoing;
  /** Resolves when everything marked now has its sequences; false: it never will. */
  readonly handedOver: () => Promise<boolean>;
  /** Something that was under way is not any more. */
  readonly onSettled: () => void;
}

/** What became of a sequence that cannot be repeated. */
type Refill = 'pending' | 'lost' | 'empty' | After;

/** Answers for one stream. */
export class Refills {
  readonly #options: RefillsOptions;
  readonly #stream: Stream;
  readonly #refills = new Map<number, Refill>();
  readonly #answeredAtMs = new Map<number, number>();
  /** Keys are being marked again, and their messages accepted. */
  pending = 0;
  /** Messages replaced by marking their keys again, and those that could not be. */
  remarked = 0;
  lost = 0;

  constructor(options: RefillsOptions) {
    this.#options = options;
    this.#stream = options.outgoing.stream;
  }

  /** Other sites miss these. */
  answer(sequences: readonly number[]): void {
    const entries = new Map<number, SentEntry>();
    for (const sequence of sequences) {
      // What the queue has not accepted yet is under way.
      if (!this.#stream.accepted.has(sequence) || this.#isAnswered(sequence)) continue;
      const refill = this.#refills.get(sequence);
      if (refill !== undefined) this.#fill(sequence, refill);
      else if (!this.#options.outgoing.resend(sequence)) this.#replace(sequence, entries);
    }
    if (entries.size > 0) void this.#remark([...entries.values()]);
  }

  /** These were never accepted, and will not be: they were too old, or (`isLost`) too large. */
  give(first: number, last: number, isLost: boolean): void {
    const entry = isLost ? undefined : this.#options.outgoing.sentKeys.find(first);
    if (entry !== undefined) void this.#remark([{ ...entry, first, last }]);
    else for (let sequence = first; sequence <= last; sequence++) this.#settle(sequence, 'lost');
  }

  /** These were never used: what they carried has other sequences. */
  skip(first: number, last: number): void {
    for (let sequence = first; sequence <= last; sequence++) this.#settle(sequence, 'empty');
  }

  #replace(sequence: number, entries: Map<number, SentEntry>): void {
    const entry = this.#options.outgoing.sentKeys.find(sequence);
    if (entry === undefined) this.#settle(sequence, 'lost');
    else if (entry.keys.length === 0) this.#settle(sequence, 'empty');
    else entries.set(entry.first, entry);
  }

  /** Marks the keys of messages again; when they are accepted, says so under the old sequences. */
  async #remark(entries: readonly SentEntry[]): Promise<void> {
    const { store, outgoing, handedOver, logger } = this.#options;
    const stream = this.#stream;
    for (const { first, last } of entries) this.#remember(first, last, 'pending');
    const from = stream.sequence + 1;
    const keys = new Set<Latin1>(entries.flatMap((entry) => entry.keys));
    let refill: Refill | undefined;
    this.pending++;
    try {
      await store.outbox.remark([...keys]);
      const isHandedOver = (await handedOver()) && outgoing.stream === stream;
      const to = stream.sequence;
      // Not all up to there: the sequences to be filled may themselves be missing.
      if (isHandedOver && (await outgoing.accepted(from, to))) refill = { from, to };
    } catch (error) {
      logger.warn({ error: messageOf(error) }, 'what a site missed could not be marked again');
    }
    this.pending--;
    for (const { first, last } of entries)
      for (let sequence = first; sequence <= last; sequence++) {
        if (refill === undefined) this.#refills.delete(sequence);
        else this.#settle(sequence, refill);
      }
    this.remarked += refill === undefined ? 0 : entries.length;
    this.#options.onSettled();
  }

  #remember(first: number, last: number, refill: Refill): void {
    for (let sequence = first; sequence <= last; sequence++) {
      this.#refills.delete(sequence);
      this.#refills.set(sequence, refill);
    }
    for (const sequence of this.#refills.keys()) {
      if (this.#refills.size <= REFILLS_MAX) break;
      this.#refills.delete(sequence);
    }
  }

  #settle(sequence: number, refill: Refill): void {
    this.#remember(sequence, sequence, refill);
    if (refill === 'lost') this.lost++;
    this.#fill(sequence, refill);
  }

  /** F1. */
  #fill(sequence: number, refill: Refill): void {
    if (refill === 'pending') return;
    const { outgoing, store } = this.#options;
    const body = { origin: store.origin, parts: partsOf(refill) };
    void outgoing.fill(this.#stream, sequence, body).then(this.#options.onSettled);
  }

  #isAnswered(sequence: number): boolean {
    const now = this.#options.clock.now();
    const at = this.#answeredAtMs.get(sequence);
    if (at !== undefined && Math.abs(now - at) < ANSWER_MS) return true;
    if (this.#answeredAtMs.size >= REFILLS_MAX) this.#answeredAtMs.clear();
    this.#answeredAtMs.set(sequence, now);
    return false;
  }
}

function partsOf(refill: Exclude<Refill, 'pending'>): Uint8Array[] {
  if (refill === 'lost') return encodeSection({ kind: SECTION_LOST, bytes: Buffer.alloc(0) });
  if (refill === 'empty') return [];
  return encodeSection({ kind: SECTION_AFTER, bytes: encodeAfter(refill) });
}

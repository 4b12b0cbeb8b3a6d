// Keeps in the store's notes what must not be forgotten while the data is not: what is applied, who was heard, which streams were its own.
//
// Invariant  K1  What is applied is noted only after it is in the store; the store keeps no note without what came before it.
import { type Logger, messageOf, OWN_STREAMS_MAX } from '../base/index.ts';
import type { Store } from '../store/index.ts';

const SENT = 'sent:';
const LACKING = 'lacking';

// notes, beside those of `streams.ts` and `membership.ts`
//   "sent:" stream := lastSequence ";" origin ";" startedAtMs    of this store's own processes
//   "lacking"      := "1"                                        something is missing here that only a comparison brings

/** A stream of this store. */
export interface OwnStream {
  readonly sequence: number;
  readonly origin: number;
  readonly startedAtMs: number;
}

/** What has notes to keep. */
export interface Noted {
  takeNotes(): Record<string, string>;
  giveBack(): void;
  restore(notes: ReadonlyMap<string, string>): void;
}

export interface KeeperOptions {
  readonly store: Store;
  readonly logger: Logger;
  readonly parts: readonly Noted[];
  /** This process' stream as it is now. */
  readonly own: () => { readonly stream: string } & OwnStream;
  readonly isLacking: () => boolean;
}

/** Reads and writes the notes. */
export class Keeper {
  readonly #options: KeeperOptions;
  /** Streams of this store by id, this process' included. */
  readonly #own = new Map<string, OwnStream>();
  #written: { stream: string; sequence: number; origin: number } = { stream: '', sequence: -1, origin: 0 };
  #isLackingNoted = false;
  #writing: Promise<void> = Promise.resolve();
  #isWriting = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Something was missing here when the notes were written last. */
  get wasLacking(): boolean {
    return this.#isLackingNoted;
  }

  /** A stream of this store as its notes, or this process, know it. */
  ownStream(stream: string): OwnStream | undefined {
    const own = this.#options.own();
    return stream === own.stream ? own : this.#own.get(stream);
  }

  /** Last sequences of this store's own streams: what they carried is in it. */
  ownSequences(): Record<string, number> {
    const { stream, sequence } = this.#options.own();
    const sequences: Record<string, number> = {};
    for (const [name, own] of this.#own) sequences[name] = own.sequence;
    return { ...sequences, [stream]: sequence };
  }

  /** Others know this stream as one of this store. */
  addOwn(stream: string, own: OwnStream): void {
    this.#own.set(stream, own);
  }

  /** Reads all notes. */
  async read(): Promise<void> {
    const notes = await this.#options.store.notes.read();
    this.#isLackingNoted = notes.get(LACKING) === '1';
    for (const [name, text] of notes) {
      const parts = name.startsWith(SENT) ? /^(\d+);(\d+);(\d+)$/.exec(text) : null;
      if (parts === null) continue;
      const [sequence, origin, startedAtMs] = parts.slice(1).map(Number);
      this.#own.set(name.slice(SENT.length), { sequence, origin, startedAtMs });
    }
    for (const part of this.#options.parts) part.restore(notes);
  }

  /** The store has other notes now: everything is to be written again. */
  reset(): void {
    this.#own.clear();
    this.#written = { stream: '', sequence: -1, origin: 0 };
  }

  /** Writes what has changed; one writing at a time. */
  write(): Promise<void> {
    if (!this.#isWriting) {
      this.#isWriting = true;
      this.#writing = this.#write().finally(() => {
        this.#isWriting = false;
      });
    }
    return this.#writing;
  }

  /** Writes what has changed by now. */
  async writeLast(): Promise<void> {
    await this.#writing;
    await this.write();
  }

  async #write(): Promise<void> {
    const { store, parts, logger } = this.#options;
    const notes: Record<string, string> = this.#ownNotes();
    for (const part of parts) Object.assign(notes, part.takeNotes());
    if (Object.keys(notes).length === 0) return;
    try {
      await store.notes.write(notes);
    } catch (error) {
      this.#written = { stream: '', sequence: -1, origin: 0 };
      this.#isLackingNoted = !this.#options.isLacking();
      for (const part of parts) part.giveBack();
      logger.warn({ error: messageOf(error) }, 'notes of replication could not be written');
    }
  }

  #ownNotes(): Record<string, string> {
    const notes: Record<string, string> = {};
    const { stream, sequence, origin, startedAtMs } = this.#options.own();
    const written = this.#written;
    if (written.stream !== stream || written.sequence !== sequence || written.origin !== origin) {
      this.#written = { stream, sequence, origin };
      this.#own.set(stream, { sequence, origin, startedAtMs });
      notes[SENT + stream] = `${sequence};${origin};${startedAtMs}`;
      for (const gone of this.#oldest()) notes[SENT + gone] = '';
    }
    const isLacking = this.#options.isLacking();
    if (isLacking !== this.#isLackingNoted) notes[LACKING] = isLacking ? '1' : '';
    this.#isLackingNoted = isLacking;
    return notes;
  }

  /** Those beyond OWN_STREAMS_MAX, which are forgotten. */
  #oldest(): string[] {
    const all = [...this.#own].toSorted(([, a], [, b]) => a.startedAtMs - b.startedAtMs);
    const gone = all.slice(0, Math.max(0, all.length - OWN_STREAMS_MAX)).map(([stream]) => stream);
    for (const stream of gone) this.#own.delete(stream);
    return gone;
  }
}

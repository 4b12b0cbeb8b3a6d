// The journal of a log store: what changed goes as entries into the buffer of the next block.
import type { DeltaFields, Edited, ValueType } from '../../crdt/index.ts';
import type { Core, Fate, Journal } from '../embedded/index.ts';
import type { Acceptance } from './acceptance.ts';
import { DISCARDED, LOCAL, MERGED } from './entry-buffer.ts';
import type { LogWriter } from './log-writer.ts';

type Fields = Map<ValueType, Set<string>> | 'whole';

export interface FileJournalOptions {
  readonly core: Core;
  readonly writer: LogWriter;
  readonly acceptance: Acceptance;
}

export class FileJournal implements Journal {
  readonly #core: Core;
  readonly #writer: LogWriter;
  readonly #acceptance: Acceptance;
  /** What the unit under way has touched: the first record, apart for the hot path, and the others. 0: none. */
  #first = 0;
  #firstEdit: Edited | undefined;
  #isFirstWhole = false;
  readonly #touched = new Map<number, Fields>();
  /** The merge under way: where its entry began. */
  #mergeStart = -1;
  /** The time last told to the present block. */
  #toldMs = -1;
  #toldTo = 0;

  constructor({ core, writer, acceptance }: FileJournalOptions) {
    this.#core = core;
    this.#writer = writer;
    this.#acceptance = acceptance;
  }

  touch(position: number, edited: Edited | undefined): void {
    if (this.#first === 0) {
      this.#first = position;
      this.#firstEdit = edited;
      this.#isFirstWhole = edited === undefined;
    } else this.#touchAgain(position, edited);
  }

  #touchAgain(position: number, edited: Edited | undefined): void {
    if (this.#touched.size === 0) this.#touched.set(this.#first, joined(undefined, this.#firstEdit));
    this.#touched.set(position, joined(this.#touched.get(position), edited));
  }

  ended(): void {
    if (this.#first === 0) return;
    const core = this.#core;
    const { buffer } = this.#writer;
    this.#tellTime();
    const start = buffer.begin(LOCAL);
    const { ring } = core.table;
    if (this.#touched.size === 0) {
      const fields = this.#isFirstWhole ? 'whole' : fieldsOf(joined(undefined, this.#firstEdit));
      buffer.record(core, ring.at(this.#first), fields);
    } else {
      for (const [position, fields] of this.#touched)
        buffer.record(core, ring.at(position), fieldsOf(fields));
      this.#touched.clear();
    }
    buffer.end(start);
    this.#first = 0;
    this.#firstEdit = undefined;
    this.#acceptance.local();
    this.#writer.appended();
  }

  merged(deltas: Buffer, start: number, end: number): void {
    if (this.#mergeStart < 0) {
      this.#tellTime();
      this.#mergeStart = this.#writer.buffer.begin(MERGED);
    }
    this.#writer.buffer.append(deltas.subarray(start, end));
  }

  mergeEnded(): void {
    if (this.#mergeStart < 0) return;
    this.#writer.buffer.end(this.#mergeStart);
    this.#mergeStart = -1;
    this.#writer.appended();
  }

  taken(deltas: Buffer): Fate {
    return this.#acceptance.taken(deltas);
  }

  /** Notes set, '' removed. */
  notes(notes: Readonly<Record<string, string>>): void {
    this.#writer.buffer.notes(Object.entries(notes));
    this.#writer.appended();
  }

  /** Everything before is gone. */
  discarded(): void {
    const { buffer } = this.#writer;
    buffer.end(buffer.begin(DISCARDED));
    this.#writer.appended();
  }

  #tellTime(): void {
    const { now } = this.#core;
    const { sequence, buffer } = this.#writer;
    if (this.#toldMs === now && this.#toldTo === sequence) return;
    this.#toldMs = now;
    this.#toldTo = sequence;
    buffer.time(now);
  }
}

function joined(before: Fields | undefined, edited: Edited | undefined): Fields {
  if (edited === undefined || edited.whole || before === 'whole') return 'whole';
  const fields = before ?? new Map<ValueType, Set<string>>();
  for (const [type, field] of edited.fields) {
    const names = fields.get(type);
    if (names === undefined) fields.set(type, new Set([field]));
    else names.add(field);
  }
  return fields;
}

function fieldsOf(fields: Fields): DeltaFields {
  if (fields === 'whole') return 'whole';
  return [...fields].flatMap(([type, names]) =>
    [...names].map((field): readonly [ValueType, string] => [type, field]),
  );
}

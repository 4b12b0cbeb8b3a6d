// The notes of a log store: in memory, and as entries of the log behind everything that happened before.
import type { Notes } from '../store.ts';
import type { FileJournal } from './file-journal.ts';

/** Notes in memory, as the embedded store has them. */
export interface NotesInMemory extends Notes {
  write(notes: Readonly<Record<string, string>>): void;
  entries(): Map<string, string>;
}

export class FileNotes implements Notes {
  readonly #notes: NotesInMemory;
  readonly #journal: FileJournal;

  constructor(notes: NotesInMemory, journal: FileJournal) {
    this.#notes = notes;
    this.#journal = journal;
  }

  read(): Promise<ReadonlyMap<string, string>> {
    return this.#notes.read();
  }

  write(notes: Readonly<Record<string, string>>): void {
    this.#notes.write(notes);
    this.#journal.notes(notes);
  }
}
